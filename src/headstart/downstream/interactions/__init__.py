"""What comes next: ranking the catalogue for a user, judged and served."""
