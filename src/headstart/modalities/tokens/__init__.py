"""What all sequences of ids share: token files, batching, and co-occurrence counts."""
