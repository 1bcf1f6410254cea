"""Updating a run: versions beside it, a gate for what is taken, and one pointer that swaps."""
