"""What pictures with captions are used for: finding one by the other, and classes by their names."""
