"""What to label next: unlabeled records in, a file of those most worth labeling out."""
