"""The model card of an export: what it is, what it was made of, and what it cannot do."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.encoders import blocks_of
from headstart.encoders.formats import joined_parts
from headstart.errors import HeadstartError
from headstart.version import __version__

if TYPE_CHECKING:
    from headstart.deployment.exporting import Source, Written
    from headstart.deployment.exporting.parity import Parity
    from headstart.run import RunFolder

FILE = "README.md"
#: Papers of a published encoder that go with whatever is made from it.
_LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")
_MOST = 5


def card(
    source: Source,
    written: Written,
    run: RunFolder | None,
    parity: Parity,
    about: Mapping[str, Any],
) -> str:
    """Return the card in Markdown."""
    labels = [] if source.head is None else list(source.head.about.get("labels", []))
    facts = {
        "Format": f"{about['format']}, {about['weights']}",
        "Reads": f"{source.processor.content.noun}, {source.length} at most ({about['unit']})",
        "Gives": f"vectors of {source.encoder.width} numbers" + _scores(source),
        "Parts": _parts(source),
        "Labels": _few(labels),
        "Data": _data(run),
        "Verdict": _verdict(run),
        "Licence": _licence(source.folder),
        "Made with": _versions(),
    }
    limits = [*written.limits, *written.reading.limits]
    limits += [] if source.head is None else source.head.limits
    return "\n".join(
        [
            f"# {about['name']}",
            "",
            f"An encoder of {source.processor.content.noun}, exported by headstart {__version__}; "
            "headstart is not needed to use it.",
            "",
            *(f"- **{name}**: {value}" for name, value in facts.items() if value),
            "",
            "## Use",
            "",
            "```sh",
            f"pip install {' '.join(written.packages)}",
            f"python example.py {written.reading.usage}",
            "```",
            "",
            "## Compared with the original",
            "",
            f"On {parity.records:,} records:",
            "",
            *(f"- {line}" for line in parity.lines()),
            "",
            "## Limits",
            "",
            *(f"- {line[:1].upper()}{line[1:]}" for line in limits),
            "- What it was not trained on it may get wrong, and it says so by no score.",
            "",
        ]
    )


def papers(folder: Path) -> dict[str, str]:
    """Return the licence files of an encoder folder and of its parts, by name."""
    found = {}
    for part in (folder, *(folder / each["name"] for each in _joined(folder))):
        for file in (part / name for name in _LICENCES):
            if file.is_file():
                text = file.read_text(encoding="utf-8", errors="replace")
                found[file.relative_to(folder).as_posix()] = text
    return found


def _joined(folder: Path) -> list[dict[str, str]]:
    """Return what is told of the parts of an encoder folder; [] of a single encoder."""
    try:
        return list(joined_parts(folder))
    except HeadstartError:  # a folder of another library
        return []


def _parts(source: Source) -> str:
    """Return the encoders that stand side by side, where they come from, and their widths."""
    widths = dict(blocks_of(source.encoder))
    return ", ".join(
        f"{each['name']} ({_from(each)}{widths[each['name']]} numbers)"
        for each in _joined(source.folder)
    )


def _from(part: Mapping[str, str]) -> str:
    return f"{part['origin']}, " if part["origin"] != part["name"] else ""


def _scores(source: Source) -> str:
    return "" if source.head is None else f", and {source.head.about['scores']} of a head"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _data(run: RunFolder | None) -> str:
    """Return what a run was trained on, by the names of its files alone."""
    if run is None:
        return ""
    options = run.config()["options"]
    sources = options.get("sources") or [options.get("train")]
    names = [Path(str(each)).name for each in sources if each]
    count = run.resolved.get("records")
    return _few(names) + (f" ({count:,} records)" if isinstance(count, int) else "")


def _verdict(run: RunFolder | None) -> str:
    """Return the first line of the run's report, if there is one."""
    if run is None or not run.report_file.is_file():
        return "not evaluated"
    page = run.report_file.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else "not evaluated"


def _licence(folder: Path) -> str:
    parts = [f"{each['name']}: {each['licence']}" for each in _joined(folder)]
    named = [part for part in parts if not part.endswith(": ")]
    papers_here = [name for name in _LICENCES if (folder / name).is_file()]
    return "; ".join(named or papers_here) or "that of the data and of the encoder begun with"


def _versions() -> str:
    names = ("torch", "transformers", "onnx", "onnxruntime", "timm", "sentence-transformers")
    found = [f"headstart {__version__}"]
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
