"""Tasks of images by definition: objects and segments in them."""
