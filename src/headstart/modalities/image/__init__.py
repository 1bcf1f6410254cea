"""Images: reading, comparing, decoding, augmenting and displaying them."""
