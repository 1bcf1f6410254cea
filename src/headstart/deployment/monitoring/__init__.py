"""Watching data: whether what comes in is still what a run was made for, and what moved."""
