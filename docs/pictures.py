"""Draw what each objective does to a text, from its own ``corrupt``.

Usage: ``python docs/pictures.py`` writes ``docs/objectives/*.svg``; they change only when the
objectives do.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from headstart.batch import IGNORE, Batch
from headstart.encoders.visibility import causal, prefixed, visibility
from headstart.modalities.text.edits import EDITS
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives import OBJECTIVES
from headstart.objectives.permuted import in_order
from headstart.objectives.unilm import visibility_by_kind

FOLDER = Path(__file__).parent / "objectives"
TEXTS = [
    "the river rose all night and in the morning the bridge was gone",
    "the market fell again after the bank raised its rate",
    "she scored twice in the final and lifted the cup",
]
PLAIN, GREY, RED, BLUE, GREEN = "#eef1f5", "#d9dde3", "#f6c9c2", "#c5dbf7", "#cdebcf"


class Picture:
    """Boxes with words in them, on a white ground; sizes are in pixels."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.width = self.height = 0

    def box(self, x: int, y: int, width: int, height: int, fill: str) -> None:
        """Draw a rectangle and make room for it."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{fill}"/>'
        )
        self.width, self.height = max(self.width, x + width), max(self.height, y + height)

    def text(self, x: int, y: int, words: str, anchor: str = "start") -> None:
        """Write words; ``y`` is their baseline."""
        self.parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>')

    def row(self, y: int, label: str, words: list[str], fills: list[str], spans: list[int]) -> None:
        """Write a label and then one box a word, as wide as ``spans`` says."""
        self.text(16, y + 19, label)
        x = 130
        for word, fill, span in zip(words, fills, spans, strict=True):
            self.box(x, y, span, 28, fill)
            self.text(x + span // 2, y + 19, word, "middle")
            x += span + 4

    def grid(self, x: int, y: int, cells: torch.Tensor) -> None:
        """Draw a boolean matrix (rows, columns): True is green."""
        for i, line in enumerate(cells.tolist()):
            for j, on in enumerate(line):
                self.box(x + 16 * j, y + 16 * i, 14, 14, GREEN if on else PLAIN)

    def save(self, name: str) -> None:
        """Write the picture into the folder of the objectives' pages."""
        width, height = self.width + 16, self.height + 16
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>'
        )
        svg = "\n".join([head, *self.parts, "</svg>\n"])
        (FOLDER / name).write_text(svg, encoding="utf-8")


def processor() -> TextProcessor:
    """Return a processor whose tokens are the words of :data:`TEXTS`."""
    tokenizer = fit_tokenizer(TEXTS * 2, kind="word", vocab_size=100, wrap=False, sentinels=9)
    return TextProcessor(tokenizer)


def objective(name: str, words: TextProcessor, **options: Any) -> Any:
    """Return an objective on a stand-in for an encoder: ``corrupt`` never looks at it."""
    kind = OBJECTIVES[name]
    encoder = SimpleNamespace(token_embedding=torch.nn.Embedding(words.vocabulary.size, 4), width=4)
    encoder.narrower = lambda share: encoder
    encoder.decoder = torch.nn.Identity
    return kind(encoder, words, kind.Options(**options))


def tokens(words: TextProcessor, ids: torch.Tensor) -> list[str]:
    """Return the words of ids (T,); a place without a target is blank."""
    convert = words.tokenizer.convert_ids_to_tokens
    return ["" if i == IGNORE else str(convert(i)) for i in ids.tolist()]


def spans(*rows: list[str]) -> list[int]:
    """Return for each column the width that its longest word asks for."""
    return [14 + 8 * max(map(len, column)) for column in zip(*rows, strict=True)]


def draw_mlm(words: TextProcessor) -> None:
    """Show the three fates of the chosen tokens: hidden, replaced, kept."""
    batch = words.collate_texts(TEXTS[:1], 64)
    corrupted = objective("mlm", words, mask_ratio=0.4).corrupt(
        batch, torch.Generator().manual_seed(123)
    )
    text, seen, targets = (
        tokens(words, ids[0])
        for ids in (batch["input_ids"], corrupted["input_ids"], corrupted["targets"])
    )
    fills = [
        PLAIN if not target else GREY if new == "[MASK]" else RED if new != old else GREEN
        for old, new, target in zip(text, seen, targets, strict=True)
    ]
    wide, image = spans(text, seen, targets), Picture()
    image.row(16, "text", text, [PLAIN] * len(text), wide)
    image.row(54, "encoder sees", seen, fills, wide)
    image.row(92, "must say", targets, [BLUE if t else "white" for t in targets], wide)
    image.save("mlm.svg")


def draw_clm(words: TextProcessor) -> None:
    """Show two documents in one row: targets one to the left, and who may look at whom."""
    ids = [words.collate_texts([text], 8)["input_ids"][0] for text in TEXTS[:2]]
    batch: Batch = {
        "input_ids": torch.cat(ids)[None],
        "segments": torch.tensor([[1] * len(ids[0]) + [2] * len(ids[1])]),
    }
    batch["mask"] = torch.ones_like(batch["segments"], dtype=torch.bool)
    corrupted = objective("clm", words).corrupt(batch, torch.Generator())
    seen, targets = tokens(words, batch["input_ids"][0]), tokens(words, corrupted["targets"][0])
    wide, image = spans(seen, targets), Picture()
    shades = [PLAIN if segment == 1 else GREY for segment in batch["segments"][0].tolist()]
    image.row(16, "encoder sees", seen, shades, wide)
    image.row(54, "must say", targets, [BLUE if t else "white" for t in targets], wide)
    image.text(16, 115, "row sees column")
    image.grid(130, 100, causal(visibility(batch), batch)[0])
    image.save("clm.svg")


def draw_views(words: TextProcessor, name: str) -> None:
    """Show the two views of three texts, and the pairs that belong together."""
    batch = words.collate_texts(TEXTS, 64)
    corrupted = objective(name, words).corrupt(batch, torch.Generator().manual_seed(0))
    image = Picture()
    for index, (view, fill) in enumerate((("first", BLUE), ("second", GREEN))):
        image.text(16, 34 + 120 * index, f"{view} view")
        for row, (ids, mask) in enumerate(
            zip(corrupted[f"{view}/input_ids"], corrupted[f"{view}/mask"], strict=True)
        ):
            line = " ".join(tokens(words, ids[mask]))
            y = 16 + 120 * index + 36 * row
            image.box(130, y, 20 + 7 * len(line), 28, fill)
            image.text(140, y + 19, line)
    image.text(16, 271, "pairs to join")
    image.grid(130, 258, torch.eye(len(TEXTS), dtype=torch.bool))
    image.save(f"{name}.svg")


def sentences(words: TextProcessor, texts: list[str]) -> Batch:
    """Return texts as rows between [CLS] and [SEP]; a text's sentences are parted by ``|``."""
    rows, starts = [], []
    opening, closing = words.tokenizer.cls_token_id, words.tokenizer.sep_token_id
    for text in texts:
        parts = [words.encode_ids([part])[0] for part in text.split("|")]
        rows.append([opening, *(token for part in parts for token in part), closing])
        starts.append([0, *(int(i == 0) for part in parts for i in range(len(part))), 1])
    wide = max(map(len, rows)) + 1
    ids = torch.tensor([row + [words.vocabulary.pad_id] * (wide - len(row)) for row in rows])
    flags = torch.tensor([row + [0] * (wide - len(row)) for row in starts]).bool()
    return {"input_ids": ids, "mask": ids != words.vocabulary.pad_id, "sentence_starts": flags}


def draw_pairs(
    words: TextProcessor, name: str, answers: tuple[str, str], seed: int, **options: float
) -> None:
    """Show the pairs that are made of texts of two sentences, and what must be said of each."""
    words.vocabulary = replace(words.vocabulary, prefix=1, suffix=1)
    texts = [
        "the river rose all night|in the morning the bridge was gone",
        "the market fell again|the bank raised its rate",
        "she scored twice|in the final and lifted the cup",
    ]
    corrupted = objective(name, words, **options).corrupt(
        sentences(words, texts), torch.Generator().manual_seed(seed)
    )
    words.vocabulary = replace(words.vocabulary, prefix=0, suffix=0)
    image = Picture()
    for row, label in enumerate(corrupted["labels"].tolist()):
        real = corrupted["mask"][row]
        text = tokens(words, corrupted["input_ids"][row][real])
        types = corrupted["token_types"][row][real].tolist()
        wide = [14 + 8 * len(word) for word in text]
        shades = [
            GREY if word == "[MASK]" else GREEN if t else BLUE
            for word, t in zip(text, types, strict=True)
        ]
        image.row(16 + 38 * row, answers[label], text, shades, wide)
    image.save(f"{name}.svg")


def draw_word_order(words: TextProcessor) -> None:
    """Show a trigram out of order, and what must be said at its places."""
    batch = words.collate_texts(TEXTS[:1], 64)
    corrupted = objective("word_order", words, shuffle_ratio=0.15).corrupt(
        batch, torch.Generator().manual_seed(3)
    )
    text, seen, targets = (
        tokens(words, ids[0])
        for ids in (batch["input_ids"], corrupted["input_ids"], corrupted["targets"])
    )
    wide, image = spans(text, seen, targets), Picture()
    image.row(16, "text", text, [PLAIN] * len(text), wide)
    image.row(54, "encoder sees", seen, [RED if t else PLAIN for t in targets], wide)
    image.row(92, "must say", targets, [BLUE if t else "white" for t in targets], wide)
    image.save("word_order.svg")


def draw_electra(words: TextProcessor) -> None:
    """Show what the generator sees, an example of what it forges, and what must be found."""
    batch = words.collate_texts(TEXTS[:1], 64)
    corrupted = objective("electra", words, mask_ratio=0.3).corrupt(
        batch, torch.Generator().manual_seed(5)
    )
    text, holes = (tokens(words, ids[0]) for ids in (batch["input_ids"], corrupted["input_ids"]))
    chosen = corrupted["targets"][0] >= 0
    # A generator that has learned nothing draws any word; one of its draws is right by luck.
    plain = [i for i in range(words.vocabulary.size) if i not in words.vocabulary.special_ids]
    drawn = [plain[int(c * len(plain))] for c in corrupted["chance"][0].tolist()]
    first = int(chosen.nonzero()[0])
    forged = [
        words.tokenizer.convert_ids_to_tokens(drawn[i]) if hit and i != first else text[i]
        for i, hit in enumerate(chosen.tolist())
    ]
    said = ["real" if a == b else "forged" for a, b in zip(text, forged, strict=True)]
    wide, image = spans(text, holes, forged, said), Picture()
    image.row(16, "text", text, [PLAIN] * len(text), wide)
    fills = [GREY if c else PLAIN for c in chosen.tolist()]
    image.row(54, "generator sees", holes, fills, wide)
    fills = [
        RED if s == "forged" else GREEN if c else PLAIN for s, c in zip(said, chosen, strict=True)
    ]
    image.row(92, "encoder sees", forged, fills, wide)
    image.row(130, "must say", said, [BLUE] * len(said), wide)
    image.save("electra.svg")


def draw_prefix(words: TextProcessor) -> None:
    """Show a prefix and its completion: targets, and who may look at whom."""
    batch = words.collate_texts(TEXTS[1:2], 64)
    corrupted = objective("prefix", words).corrupt(batch, torch.Generator().manual_seed(1))
    seen, targets = tokens(words, batch["input_ids"][0]), tokens(words, corrupted["targets"][0])
    wide, image = spans(seen, targets), Picture()
    shades = [BLUE if inside else PLAIN for inside in corrupted["prefix"][0].tolist()]
    image.row(16, "encoder sees", seen, shades, wide)
    image.row(54, "must say", targets, [GREEN if t else "white" for t in targets], wide)
    image.text(16, 115, "row sees column")
    image.grid(130, 100, prefixed(visibility(batch), corrupted["prefix"]).expand(1, -1, -1)[0])
    image.save("prefix.svg")


def draw_unilm(words: TextProcessor) -> None:
    """Show a pair with holes and the four ways to see it."""
    words.vocabulary = replace(words.vocabulary, prefix=1, suffix=1)
    batch = sentences(words, ["the market fell again|the bank raised its rate"])
    corrupted = objective("unilm", words, mask_ratio=0.3).corrupt(
        batch, torch.Generator().manual_seed(4)
    )
    words.vocabulary = replace(words.vocabulary, prefix=0, suffix=0)
    seen, targets = (tokens(words, corrupted[key][0]) for key in ("input_ids", "targets"))
    types = corrupted["token_types"][0].tolist()
    wide, image = spans(seen, targets), Picture()
    fills = [GREY if t else GREEN if side else BLUE for t, side in zip(targets, types, strict=True)]
    image.row(16, "encoder sees", seen, fills, wide)
    image.row(54, "must say", targets, [RED if t else "white" for t in targets], wide)
    step = 16 * len(seen) + 24
    for kind, name in enumerate(
        ("both ways 1/3", "prefix 1/3", "to the right 1/6", "to the left 1/6")
    ):
        image.text(130 + step * kind, 112, name)
        image.grid(130 + step * kind, 122, visibility_by_kind(corrupted, torch.tensor([kind]))[0])
    image.text(16, 136, "row sees column")
    image.save("unilm.svg")


def draw_plm(words: TextProcessor) -> None:
    """Show an order of reading, what must be said, and what each of the two streams sees."""
    batch = words.collate_texts(TEXTS[1:2], 64)
    corrupted = objective("plm", words, predict_ratio=0.3).corrupt(
        batch, torch.Generator().manual_seed(2)
    )
    text = tokens(words, batch["input_ids"][0])
    turns = [str(turn + 1) for turn in corrupted["order"][0].tolist()]
    said = [word if index in corrupted["where"][0] else "" for index, word in enumerate(text)]
    wide, image = spans(text, turns, said), Picture()
    image.row(16, "content", text, [PLAIN] * len(text), wide)
    image.row(54, "read as number", turns, [GREY if w else PLAIN for w in said], wide)
    image.row(92, "must say", said, [BLUE if w else "white" for w in said], wide)
    seen = in_order(corrupted)[0]
    step = 16 * len(text) + 24
    image.text(16, 164, "row sees column")
    for index, (name, cells) in enumerate(
        (("query stream", seen), ("content stream", seen | torch.eye(len(text)).bool()))
    ):
        image.text(130 + step * index, 140, name)
        image.grid(130 + step * index, 150, cells)
    image.save("plm.svg")


def draw_edits(words: TextProcessor) -> None:
    """Show what each edit makes of a text."""
    batch = words.collate_texts(TEXTS, 64)
    image = Picture()
    text = tokens(words, batch["input_ids"][0][batch["mask"][0]])
    image.row(16, "text", text, [PLAIN] * len(text), [14 + 8 * len(word) for word in text])
    for index, (name, (edit, _)) in enumerate(EDITS.items(), 1):
        share = 0.5 if name == "crop" else 0.25
        random, pad = torch.Generator().manual_seed(4), words.vocabulary.pad_id
        view = edit(batch, batch["mask"], random, share, pad)
        made = tokens(words, view["input_ids"][0][view["mask"][0]])
        same = len(made) == len(text)
        fills = [
            RED if word not in text else GREEN if same and word != text[i] else PLAIN
            for i, word in enumerate(made)
        ]
        wide = [14 + 8 * len(word) for word in made]
        image.row(16 + 38 * index, f"{name}:{share}", made, fills, wide)
    image.save("edits.svg")


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    words = processor()
    draw_mlm(words)
    draw_clm(words)
    draw_views(words, "simcse")
    draw_views(words, "contrast")
    draw_pairs(words, "nsp", ("follows", "from another"), 1)
    draw_pairs(words, "sop", ("in order", "swapped"), 1)
    draw_pairs(words, "bert", ("follows", "from another"), 1, mask_ratio=0.25)
    draw_word_order(words)
    draw_electra(words)
    draw_prefix(words)
    draw_unilm(words)
    draw_plm(words)
    draw_edits(words)


if __name__ == "__main__":
    main()
