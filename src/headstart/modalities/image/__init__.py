"""Images: how they are read, told apart, decoded, changed and shown."""
