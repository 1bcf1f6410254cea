"""Draw the tasks that write a text, from their own ``corrupt``.

Usage: ``python docs/rewriting_pictures.py`` writes ``docs/objectives/*.svg``; they change only when
the objectives do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import torch
from pictures import (
    BLUE,
    GREEN,
    GREY,
    PLAIN,
    RED,
    TEXTS,
    Picture,
    objective,
    processor,
    sentences,
    spans,
    tokens,
)

from headstart.batch import Batch
from headstart.modalities.text.processor import TextProcessor
from headstart.objectives.bart import Noise

#: With it two sentences change places.
SEED = 10


def draw_spans(words: TextProcessor) -> None:
    """Show which spans are cut out, what is read in their place, and what is written."""
    batch = words.collate_texts(TEXTS[:1], 64)
    corrupted = objective("span_corruption", words, mask_ratio=0.3, span=2.0).corrupt(
        batch, torch.Generator().manual_seed(2)
    )
    text = tokens(words, batch["input_ids"][0])
    seen, said = rewriting(words, corrupted, 0)
    shades, left = [], [*seen, ""]
    for word in text:
        if left[0].startswith("<") and word == left[1]:
            left = left[1:]
        shades.append(PLAIN if left[0] == word else RED)
        left = left[1:] if left[0] == word else left
    image = Picture()
    image.row(16, "text", text, shades, spans(text))
    named = [GREY if word.startswith("<") else PLAIN for word in seen]
    image.row(54, "encoder reads", seen, named, spans(seen))
    written = [GREY if word.startswith("<") else BLUE for word in said]
    image.row(92, "decoder writes", said, written, spans(said))
    image.save("span_corruption.svg")


def rewriting(words: TextProcessor, corrupted: Batch, row: int) -> tuple[list[str], list[str]]:
    """Return the words that are read in a row, and those that must be written."""
    read = corrupted["input_ids"][row][corrupted["mask"][row]]
    written = corrupted["written/input_ids"][row][corrupted["written/mask"][row]]
    return tokens(words, read), tokens(words, written)


def draw_bart(words: TextProcessor) -> None:
    """Show what each noise makes of a text of two sentences."""
    batch = sentences(words, ["the river rose all night|in the morning the bridge was gone"])
    words.vocabulary = replace(words.vocabulary, prefix=1, suffix=1)
    image = Picture()
    for index, noise in enumerate(get_args(Noise)):
        made = objective("bart", words, noises=[noise]).corrupt(
            batch, torch.Generator().manual_seed(SEED)
        )
        seen, said = rewriting(words, made, 0)
        if index == 0:
            image.row(16, "text", said, [PLAIN] * len(said), spans(said))
        fills = [GREY if w == "[MASK]" else PLAIN if w in said else RED for w in seen]
        image.row(54 + 38 * index, noise, seen, fills, spans(seen))
    image.row(54 + 38 * (index + 1), "decoder writes", said, [BLUE] * len(said), spans(said))
    words.vocabulary = replace(words.vocabulary, prefix=0, suffix=0)
    image.save("bart.svg")


def draw_gap_sentences(words: TextProcessor) -> None:
    """Show the sentence that is most like the others, what is read, and what is written."""
    text = "the river rose|in the night the river rose again|she lifted the cup|the bank fell"
    batch = sentences(words, [text])
    words.vocabulary = replace(words.vocabulary, prefix=1, suffix=1)
    made = objective("gap_sentences", words).corrupt(batch, torch.Generator().manual_seed(0))
    words.vocabulary = replace(words.vocabulary, prefix=0, suffix=0)
    image, shade, fills = Picture(), False, []
    whole = tokens(words, batch["input_ids"][0][batch["mask"][0]])
    for begins in batch["sentence_starts"][0].tolist()[: len(whole)]:
        shade ^= begins
        fills.append(GREEN if shade else PLAIN)
    seen, said = rewriting(words, made, 0)
    image.row(16, "sentences", whole, fills, spans(whole))
    named = [GREY if word == "[MASK]" else PLAIN for word in seen]
    image.row(54, "encoder reads", seen, named, spans(seen))
    image.row(92, "decoder writes", said, [BLUE] * len(said), spans(said))
    image.save("gap_sentences.svg")


def draw_tsdae(words: TextProcessor) -> None:
    """Show what is left of a text, and what is written from the one vector of it."""
    batch = words.collate_texts(TEXTS[:1], 64)
    batch["word_starts"] = torch.ones_like(batch["mask"])
    made = objective("tsdae", words).corrupt(batch, torch.Generator().manual_seed(1))
    seen, said = rewriting(words, made, 0)
    image = Picture()
    kept, left = [], list(seen)
    for word in said:
        kept.append(bool(left) and left[0] == word)
        left = left[1:] if kept[-1] else left
    image.row(16, "text", said, [PLAIN if k else RED for k in kept], spans(said))
    image.row(54, "encoder reads", seen, [PLAIN] * len(seen), spans(seen))
    image.row(92, "decoder sees", ["one vector"], [GREEN], [110])
    image.row(130, "and writes", said, [BLUE] * len(said), spans(said))
    image.save("tsdae.svg")


def main() -> None:
    """Draw all pictures."""
    words = processor()
    draw_spans(words)
    draw_bart(words)
    draw_gap_sentences(words)
    draw_tsdae(words)


if __name__ == "__main__":
    main()
