"""Tasks of recordings alone."""
