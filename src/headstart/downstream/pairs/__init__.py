"""What pictures with captions are for: finding one by the other, and classes by their names."""
