"""Series of sensor readings, as a kind of data for headstart."""
