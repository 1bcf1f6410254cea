"""Serving runs over HTTP: a queue with one compute thread, limits, keys, routes and a page."""
