"""Tasks of text by definition: names in it, answers, translations, prompts."""
