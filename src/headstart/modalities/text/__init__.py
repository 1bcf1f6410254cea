"""Texts: reading, comparing, tokenising, augmenting and displaying them."""

#: The files of an LSA in an encoder folder, which has no tokenizer then.
AXES, WORDS = "lsa.safetensors", "lsa.json"
