"""Indexes of vectors: exact and approximate search, and a store that may change."""
