"""Exporting: write a format, compare it with the original, and keep it only if both agree."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.data.survey import spread
from headstart.deployment.exporting import EXPORTS, Format, Outputs, Source, Written
from headstart.deployment.exporting import example as examples
from headstart.deployment.exporting.card import FILE as CARD
from headstart.deployment.exporting.card import card, papers
from headstart.deployment.exporting.parity import Parity, compared
from headstart.downstream.predict import open_head
from headstart.encoders.features import features
from headstart.errors import HeadstartError
from headstart.files import scratch, whole_folder, write_json
from headstart.pages.result import Result
from headstart.stored import seal
from headstart.version import __version__

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import ExportConfig
    from headstart.downstream.portable import PortableHead
    from headstart.encoders.opening import OpenedEncoder
    from headstart.run import RunFolder

#: What an export is, for programs; it marks a folder as one.
ABOUT, HEAD = "export.json", "head.json"
#: Records by which the example is run, and among how many these are the shortest.
_TRIED, _AMONG = 4, 16
#: Cosine between what the example prints and what was compared. Decoders may round, and in 8 bits
#: the range that is measured, and so the rounding, depends on what else is in a batch.
_ALIKE, _ALIKE_ROUNDED = 0.999, 0.99


@dataclass(frozen=True)
class Exported(Result):
    """A folder that was written, and how it compares with the original."""

    out: Path
    format: str
    quantize: str
    megabytes: float
    parity: Parity
    files: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: value for name, value in asdict(self).items() if name != "parity"}
        return {**plain, "out": str(self.out), "parity": self.parity.summary()}

    def __str__(self) -> str:
        first = f"{self.out}: {self.format}, {self.quantize}, {self.megabytes:.1f} MB"
        lines = [f"  {line}" for line in self.parity.lines()]
        return "\n".join([first, f"compared on {self.parity.records:,} records:", *lines])


def head_of(run: RunFolder | None, wanted: str) -> PortableHead | None:
    """Return the head of a fine-tuned run in a form that leaves this library.

    Args:
        wanted: ``auto`` where there is one, ``on`` or ``off``.

    Raises:
        HeadstartError: there is none and ``wanted`` is ``on``, or only this library can run it.
    """
    if wanted == "off" or run is None:
        if wanted == "on":
            raise HeadstartError(
                "--head on needs a fine-tuned run, and this is an encoder alone; name the run, or "
                "leave out --head."
            )
        return None
    if wanted == "auto" and run.config()["verb"] != "finetune":
        return None
    return open_head(run).portable()


def export(
    plan: ExportConfig,
    opened: OpenedEncoder,
    run: RunFolder | None,
    records: Dataset,
    say: Callable[[str], None],
) -> Exported:
    """Write an encoder, and its head, to ``plan.out``.

    Args:
        run: that the encoder is of; None for the folder of an encoder.
        records: that both are compared on.

    Raises:
        HeadstartError: the encoder has no such form, or the export differs from it; then nothing
            is left.
    """
    form: Format = EXPORTS[plan.format]
    write = form.write if plan.quantize == "none" else form.quantize
    if write is None:
        able = [name for name, each in EXPORTS.items() if each.quantize is not None]
        raise HeadstartError(
            f"--format {plan.format} has no 8 bits; take {' or '.join(able)}, or leave out "
            "--quantize."
        )
    if opened.encoder.joined and not form.joins:
        able = [name for name, each in EXPORTS.items() if each.joins]
        raise HeadstartError(
            f"encoders stand side by side here ({', '.join(opened.encoder.joined)}), and the "
            f"format {plan.format} holds one; take --format {' or '.join(able)}, or name the "
            "folder of a part, encoder/NAME in the run."
        )
    head = head_of(run, plan.head)
    records = records.select(spread(len(records), plan.compared))
    encoder, folder = opened.encoder.eval(), Path(opened.folder)
    source = Source(folder, encoder, opened.processor, opened.length, head, records)
    out = Path(plan.out)
    with whole_folder(out) as made:
        written = write(source, made)
        say(f"comparing with the original on {len(records):,} records")
        theirs = written.run(records)
        parity = compared(_original(source), theirs, head, labels_of(records))
        parity.check(rounded=plan.quantize != "none", least_overlap=plan.least_overlap)
        unit = opened.modality.unit
        about = _about(source, plan, parity, out.name, unit)
        write_json(made / ABOUT, about)
        if head is not None:
            write_json(made / HEAD, dict(head.about))
        (made / examples.FILE).write_text(examples.script(written, head), encoding="utf-8")
        for name, text in papers(folder).items():
            (made / name).write_text(text, encoding="utf-8")
        (made / CARD).write_text(card(source, written, run, parity, about), encoding="utf-8")
        _try(made, source, written, theirs, _ALIKE if plan.quantize == "none" else _ALIKE_ROUNDED)
        seal(made)
        sizes = {each.name: each.stat().st_size for each in made.rglob("*") if each.is_file()}
    return Exported(
        out,
        plan.format,
        str(about["weights"]),
        sum(sizes.values()) / 1e6,
        parity,
        tuple(sorted(sizes)),
    )


@torch.inference_mode()
def _original(source: Source) -> Outputs:
    """Return what the original gives, in float32."""
    vectors = features(
        source.encoder, source.processor, source.records, length=source.length, bf16=False
    )
    if source.head is None:
        return Outputs(vectors)
    network = source.head.network.eval()
    parts = [network(part) for part in torch.from_numpy(vectors).split(256)]
    return Outputs(vectors, torch.cat(parts).numpy())


def labels_of(records: Dataset) -> list[str] | None:
    """Return the labels of records as text, where all have one each; else None."""
    if "label" not in records.column_names:
        return None
    labels = records["label"]
    return (
        None
        if any(each is None or isinstance(each, list) for each in labels)
        else [str(each) for each in labels]
    )


def _about(
    source: Source, plan: ExportConfig, parity: Parity, name: str, unit: str
) -> dict[str, Any]:
    return {
        "name": name,
        "made_by": f"headstart {__version__}",
        "format": plan.format,
        "weights": "float32" if plan.quantize == "none" else plan.quantize,
        "kind": source.processor.content.name,
        "unit": unit,
        "length": source.length,
        "width": source.encoder.width,
        "head": source.head is not None,
        "parity": parity.summary(),
    }


def _try(folder: Path, source: Source, written: Written, theirs: Outputs, least: float) -> None:
    """Run the example on some records, and compare what it prints.

    Raises:
        HeadstartError: it fails, or gives other vectors.
    """
    with tempfile.TemporaryDirectory(dir=scratch()) as beside:
        some = source.records.select(range(min(_AMONG, len(source.records))))
        values = written.reading.values(some, Path(beside))
        # A command line has no room for the longest, which would be cut.
        tried = sorted(range(len(values)), key=lambda index: len(values[index]))[:_TRIED]
        rows = examples.run(folder, [values[index] for index in tried])
    found, wanted = np.array([row["vector"] for row in rows]), theirs.vectors[tried]
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = (found * wanted).sum(1) / np.maximum(lengths, 1e-12)
    if len(rows) != len(tried) or (cosines[lengths > 0] < least).any():
        raise HeadstartError(
            f"the export is refused: its example reads records otherwise than the original (cosine "
            f"{cosines.min():.4f}); take another --format."
        )
