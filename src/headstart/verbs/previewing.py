"""What one batch looks like before anything is trained."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.config import PretrainConfig, PreviewConfig
from headstart.errors import HeadstartError
from headstart.files import check_ending, scratch, whole_file, write_text
from headstart.outputs import check_free
from headstart.pages.result import Result
from headstart.run import RunFolder
from headstart.verbs.learning import check_names, pretrain_sections
from headstart.verbs.reading import console, load, say, speaking

_TITLE = "headstart: what is learned from?"
#: Records that are printed; the page has more.
_PRINTED = 3
#: Bytes of a page that hold its title.
_HEAD = 2000


@dataclass(frozen=True)
class Preview(Result):
    """The pretext task on the first records.

    Attributes:
        headline: what was chosen, in a sentence.
        records: of each text its rows, as :class:`headstart.modalities.Words` has them; empty where
            the records are not texts.
        out: the page, or the grid of pictures, if one was written.
    """

    headline: str
    records: list[Any]
    out: Path | None

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        out = str(self.out) if self.out else None
        return {"headline": self.headline, "records": self.records, "out": out}

    def __str__(self) -> str:
        from headstart.evaluation.report.pretext import unknown_note

        if not self.records and not self.out:
            return f"{self.headline}, which only a page can show: --out preview.html writes it"
        lines = [f"{self.headline}{':' if self.records else '.'}"]
        for rows in self.records[:_PRINTED]:
            lines.append("")
            for row in rows:
                lines.append(f"  {row['name']}: {_joined(row['pieces'], spaced=row['spaced'])}")
        if note := unknown_note(self.records):
            lines += ["", note]
        more = "--out preview.html writes a page with more of them"
        page = f"wrote {self.out}" if self.out else more
        return "\n".join([*lines, "", page])


@speaking()
def preview(
    *sources: Any, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> Preview:
    """Show what the pretext task makes of the first records; nothing is trained.

    Args:
        sources: files, folders or globs; or records in memory.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.PreviewConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        hs.preview("photos/", objective="simclr", out="views.html")
    """
    if sources:
        options["sources"] = list(sources)
    given = settings or ()
    plan = load(
        PreviewConfig, file=config, settings=given, sections=pretrain_sections(given), **options
    )
    out = Path(plan.out) if plan.out else None
    if out:
        check_ending(out, "a preview", (".html", ".png"))
        plan.overwrite = plan.overwrite or _is_preview(out)
    check_free(plan)
    shared = {name: value for name, value in plan if name in PretrainConfig.model_fields}
    training = PretrainConfig(**{**shared, "out": plan.out or "preview"})
    check_names(training)
    from headstart.training.preview import preview as draw

    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        run = RunFolder(temporary)
        headline = draw(training, run, say=say, console=console())
        records = []
        if not (run.image_file.exists() or run.words_file.exists()):
            raise HeadstartError(f"{headline}, and it cannot be drawn; take another --objective.")
        if run.words_file.exists():
            records = json.loads(run.words_file.read_text(encoding="utf-8"))["records"]
        if out:
            _write(run, headline, out)
    return Preview(headline, records, out)


def _write(run: RunFolder, headline: str, out: Path) -> None:
    """Write the page, or the grid of pictures."""
    from headstart.evaluation.report.pretext import section
    from headstart.pages.markup import tag
    from headstart.pages.page import page

    if out.suffix.lower() == ".png":
        if not run.image_file.exists():
            raise HeadstartError(f"{headline}: there is no picture of it; write --out X.html.")
        with whole_file(out) as unfinished:
            shutil.copyfile(run.image_file, unfinished)
        return
    question = tag("p", "What is learned from?", class_="question")
    header = tag("header", question, tag("h1", tag("strong", f"{headline}.")))
    write_text(out, page(header, [section(run)], _TITLE, script=False))


def _is_preview(file: Path) -> bool:
    """Return whether a file is an earlier preview: who looks at several options sees the last."""
    try:
        with file.open("rb") as page:
            return f"<title>{_TITLE}</title>".encode() in page.read(_HEAD)
    except OSError:
        return False


def _joined(pieces: list[list[str]], *, spaced: bool) -> str:
    """Return pieces as a text; those that are spaced are parts of words."""
    return ("" if spaced else " ").join(map(_piece, pieces)).strip()


def _piece(piece: list[str]) -> str:
    """Return a piece with its marks: ``[hidden]``, ``*changed*``, and the answer after an arrow."""
    text, mark, answer = piece[0], piece[1], piece[2].strip()
    word = text.strip()
    lead = text[: len(text) - len(text.lstrip())]
    marked = {"hidden": f"[{word.strip('[]')}]", "changed": f"*{word}*"}.get(mark, word)
    return f"{lead}{marked}->{answer}" if answer else f"{lead}{marked}"
