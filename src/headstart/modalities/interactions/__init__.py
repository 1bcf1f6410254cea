"""Interactions: who bought, viewed or heard what, in the order of time."""
