"""Texts: how they are read, told apart, tokenised, changed and shown."""
