"""Interactions: who viewed, bought or listened to what, in the order of time."""
