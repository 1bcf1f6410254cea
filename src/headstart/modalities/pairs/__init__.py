"""Pictures with captions: two kinds of data whose records describe each other."""
