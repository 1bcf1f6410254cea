"""Recordings: what they are, how they are read, and what they are compared by."""
