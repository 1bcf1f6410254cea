"""Draw what each objective does to a text, from its own ``corrupt``.

Usage: ``python docs/pictures.py`` writes ``docs/objectives/*.svg``; they change only when the
objectives do.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from headstart.batch import Batch
from headstart.encoders.visibility import causal, visibility
from headstart.modalities.text import TextProcessor
from headstart.modalities.tokenizers import fit_tokenizer
from headstart.objectives import OBJECTIVES
from headstart.objectives.losses import IGNORE

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
    tokenizer = fit_tokenizer(TEXTS * 2, kind="word", vocab_size=100, wrap=False)
    return TextProcessor(tokenizer)


def objective(name: str, words: TextProcessor, **options: Any) -> Any:
    """Return an objective on a stand-in for an encoder: ``corrupt`` never looks at it."""
    kind = OBJECTIVES[name]
    encoder = SimpleNamespace(token_embedding=torch.nn.Embedding(words.targets.size, 4), width=4)
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
    wide, picture = spans(text, seen, targets), Picture()
    picture.row(16, "text", text, [PLAIN] * len(text), wide)
    picture.row(54, "encoder sees", seen, fills, wide)
    picture.row(92, "must say", targets, [BLUE if t else "white" for t in targets], wide)
    picture.save("mlm.svg")


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
    wide, picture = spans(seen, targets), Picture()
    shades = [PLAIN if segment == 1 else GREY for segment in batch["segments"][0].tolist()]
    picture.row(16, "encoder sees", seen, shades, wide)
    picture.row(54, "must say", targets, [BLUE if t else "white" for t in targets], wide)
    picture.text(16, 115, "row sees column")
    picture.grid(130, 100, causal(visibility(batch), batch)[0])
    picture.save("clm.svg")


def draw_views(words: TextProcessor, name: str) -> None:
    """Show the two views of three texts, and the pairs that belong together."""
    batch = words.collate_texts(TEXTS, 64)
    corrupted = objective(name, words).corrupt(batch, torch.Generator().manual_seed(0))
    picture = Picture()
    for place, (view, fill) in enumerate((("first", BLUE), ("second", GREEN))):
        picture.text(16, 34 + 120 * place, f"{view} view")
        for row, (ids, mask) in enumerate(
            zip(corrupted[f"{view}/input_ids"], corrupted[f"{view}/mask"], strict=True)
        ):
            line = " ".join(tokens(words, ids[mask]))
            y = 16 + 120 * place + 36 * row
            picture.box(130, y, 20 + 7 * len(line), 28, fill)
            picture.text(140, y + 19, line)
    picture.text(16, 271, "pairs to join")
    picture.grid(130, 258, torch.eye(len(TEXTS), dtype=torch.bool))
    picture.save(f"{name}.svg")


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    words = processor()
    draw_mlm(words)
    draw_clm(words)
    draw_views(words, "simcse")
    draw_views(words, "contrast")


if __name__ == "__main__":
    main()
