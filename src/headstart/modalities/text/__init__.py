"""Texts: reading, comparing, tokenising, augmenting and displaying them."""
