"""What an encoder is worth: protocols, statistics, the verdict and its report."""
