"""Smaller networks that take the place of a run's, by what they cost and give."""
