"""The protocol of a network that predicts recordings sample by sample, and its page."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import cast

from headstart.config import EvaluateConfig
from headstart.data.audit import Audit
from headstart.data.overlap import overlap
from headstart.downstream.audio.bits import BitsASample, bits_a_sample
from headstart.encoders.wavenet import WaveNet
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.perplexity import span
from headstart.evaluation.protocols import OpenedRun, Protocol
from headstart.evaluation.report import advice, answer, cost, pretext
from headstart.evaluation.report.course import course
from headstart.evaluation.report.reproduce import command, versions
from headstart.evaluation.report.reproduce import section as again
from headstart.files import write_json, write_text
from headstart.modalities.audio.processor import AudioProcessor
from headstart.objectives.opening import open_token_head
from headstart.outputs import store_of
from headstart.pages.dots import Dot
from headstart.pages.markup import Markup, tag
from headstart.pages.page import page
from headstart.pages.sections import TONES, figures, method, ranking, small
from headstart.pages.top import tile
from headstart.run import RunFolder

#: What a sample is, wherever bits of it are stated.
SCALE = (
    "Samples are mu-law codes of 256 classes. 1 is the full scale of a file, and no recording is "
    "made louder or quieter, but for one of floats beyond 1; a constant offset is removed. Bits of "
    "other scales do not compare with these: quiet recordings need fewer."
)


def run(opened: OpenedRun, config: EvaluateConfig) -> BitsASample:
    """Measure how well the run predicts the recordings of ``--test``, or of ``--train``.

    Nothing is fitted, so labels are not read.

    Raises:
        HeadstartError: the run has no output layer, or no recording can be decoded.
    """
    folder, modality = opened.run, opened.modality
    encoder = cast(WaveNet, opened.encoder)
    head = open_token_head(folder, encoder)
    processor = cast(AudioProcessor, opened.processor)
    audit, notes = Audit(), list[str]()
    source = config.test or config.train
    records = modality.read([source], config.without_label(), audit)
    records = modality.usable(records, processor, audit)
    background = pretraining_records(folder, modality, notes)
    if background is not None:
        notes += overlap(background, records, modality.content).sentences()
    found = bits_a_sample(encoder, head, processor.reading, records, background, seed=config.seed)
    packages = versions()
    found = replace(
        found,
        about={
            "run": str(folder.folder),
            "recordings": str(source),
            "rate": f"{encoder.rate:,} samples a second",
            "date": date.today().isoformat(),
            "versions": ", ".join(f"{name} {version}" for name, version in packages.items()),
        },
        notes=[*found.notes, *notes],
    )
    out = Path(config.out) if config.out else RunFolder(store_of(folder.folder)).bits_page
    metrics = folder.metrics()
    took = cost.cost_of(folder, metrics)
    audits = {**folder.audits(), "tested": audit.summary()}
    sections = [
        advice.section(_advice(found, folder)),
        _chart(found),
        pretext.section(folder),
        *course(metrics, audits, took),
        _figures(found),
        method(
            {**found.about, "saved": f"{span(found.gain, 3)} bits over {found.best.name}, paired"},
            small(SCALE),
        ),
        again(command("evaluate", config, ["run"]), packages, folder),
    ]
    tiles = [
        tile(
            "Bits a sample",
            f"{found.scores[0].bits.mean:.2f}",
            f"against {found.best.bits.mean:.2f} of {found.best.name}",
            TONES[found.sign],
        ),
        *answer.cost_tile(took),
    ]
    top = answer.header(found.verdict, TONES[found.sign], tiles, notes=found.notes)
    write_text(out, page(top, sections))
    write_json(out.with_suffix(".json"), found.summary())
    opened.say(f"the report is in {out}, and its figures beside it")
    return found


def _advice(found: BitsASample, folder: RunFolder) -> list[str]:
    if found.sign > 0:
        name = shlex.quote(str(folder.folder))
        return [
            f"Let it write: `headstart generate {name} --count 8`. What its features are worth "
            f"with labels is another question: `headstart evaluate {name} --train LABELED`."
        ]
    return [
        f"Do not use it to write yet: {found.best.name} did as well or better. Pre-train for "
        "longer, or on more recordings."
    ]


def _chart(found: BitsASample) -> Markup:
    rows = [
        Dot(
            each.name,
            each.bits.mean,
            each.bits.low,
            each.bits.high,
            span(each.bits, 2),
            strong=not index,
        )
        for index, each in enumerate(found.scores)
    ]
    rows.sort(key=lambda row: row.value)
    saved = found.scores[0].bits.mean - found.best.bits.mean
    words = "fewer" if saved < 0 else "more"
    title = f"This run needs {abs(saved):.2f} bits {words} a sample than {found.best.name}"
    if not found.sign:
        title = f"Neither this run nor {found.best.name} clearly predicts these recordings better"
    label = "bits a sample (less is better), with 95% intervals"
    return ranking("How well it predicts", "bits", title, rows, label)


def _figures(found: BitsASample) -> Markup:
    words = (
        f"{found.samples:,} samples of {found.recordings:,} recordings, each predicted once from "
        "those before it. Intervals are of 95%; the verdict compares the run, paired, with the "
        "best of the others."
    )
    rows = [
        [tag("strong", each.name) if not index else each.name, span(each.bits, 3)]
        for index, each in enumerate(found.scores)
    ]
    return figures(words, ["", "Bits a sample"], rows)


PROTOCOL = Protocol(
    "How many bits does a run need for each sample of recordings, given those before it?",
    run=run,
    needs=frozenset({"vocabulary"}),
)
