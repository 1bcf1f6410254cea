"""The page of a language model: its perplexity, its surprisal on texts, and samples."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.evaluation.perplexity import ModelScore, Surprises, span
from headstart.evaluation.report import advice, answer, cost, pretext
from headstart.evaluation.report.course import course
from headstart.evaluation.report.reproduce import section as again
from headstart.files import write_text
from headstart.pages.dots import Dot
from headstart.pages.markup import Markup, tag
from headstart.pages.page import page
from headstart.pages.sections import TONES, figures, method, ranking, section, small
from headstart.pages.top import tile

if TYPE_CHECKING:
    from headstart.evaluation.perplexity import Perplexity
    from headstart.run import RunFolder

#: Bits of a piece with the deepest colour.
_DEEPEST = 12.0


def write_perplexity(
    found: Perplexity,
    path: Path,
    *,
    run: RunFolder,
    command: str,
    versions: Mapping[str, str],
    audits: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write the page atomically: one file that works offline.

    Args:
        audits: ``{what was read: Audit.summary()}``.
    """
    metrics = run.metrics()
    took = cost.cost_of(run, metrics)
    sections = [
        advice.section(
            [*_advice(found, run), *advice.longer(metrics, capped=bool(run.resolved.get("capped")))]
        ),
        _chart(found),
        _surprises(found.surprises),
        _samples(found.samples),
        pretext.section(run),
        *course(metrics, audits, took),
        _figures(found),
        _method(found),
        again(command, versions, run),
    ]
    write_text(path, page(_header(found, took), sections))


def _header(found: Perplexity, took: Mapping[str, str]) -> Markup:
    ours, best, tone = found.foreseen[0], found.best, TONES[found.sign]
    tiles = [
        tile(
            "Perplexity a token",
            f"{ours.perplexity.mean:,.1f}",
            f"against {best.perplexity.mean:,.1f} of {best.name}",
            tone,
        ),
        tile(
            "Bits a byte",
            f"{ours.bits_a_byte.mean:.3f}",
            f"against {best.bits_a_byte.mean:.3f} of {best.name}",
            tone,
        ),
        *answer.cost_tile(took),
    ]
    return answer.header(found.verdict, tone, tiles, notes=found.notes)


def _advice(found: Perplexity, run: RunFolder) -> list[str]:
    if found.sign > 0:
        folder = shlex.quote(str(run.folder))
        return [
            f"Let it write: `headstart generate {folder} --prompt TEXT`. What its features are "
            f"worth with labels is another question: `headstart evaluate {folder} --train "
            "LABELED`."
        ]
    return [
        f"Do not use it to write yet: {found.best.name} did as well or better. Pre-train for "
        "longer, on more text, or go on from a published model with `--encoder`."
    ]


def _chart(found: Perplexity) -> Markup:
    rows = [
        Dot(one.name, bits.mean, bits.low, bits.high, span(bits, 3), strong=not index)
        for index, one in enumerate(found.foreseen)
        for bits in [one.bits_a_byte]
    ]
    rows.sort(key=lambda row: row.value)
    ours, best = found.foreseen[0].bits_a_byte.mean, found.best
    saved = 1 - ours / best.bits_a_byte.mean
    words = "fewer" if saved > 0 else "more"
    title = f"This run needs {abs(saved):.0%} {words} bits for these texts than {best.name}"
    if not found.sign:
        title = f"Neither this run nor {best.name} clearly predicts these texts better"
    label = "bits a byte (less is better), with 95% intervals"
    return ranking("How well it predicts", "perplexity", title, rows, label)


def _surprises(texts: Sequence[Surprises]) -> Markup:
    if not any(text.pieces for text in texts):
        return Markup("")
    words = (
        "Tested texts, read from left to right: the deeper a piece is drawn, the more bits it took "
        f"to predict it ({_DEEPEST:g} and more are deepest). What only stands before is pale."
    )
    return section(
        "Where it is surprised",
        "surprises",
        small(words),
        *(
            tag(
                "p",
                tag("em", text.before),
                *(
                    tag(
                        "span",
                        piece,
                        style=f"--share: {min(1.0, bits / _DEEPEST):.2f}",
                        title=f"{bits:.1f} bits",
                    )
                    for piece, bits in text.pieces
                ),
                class_="surprises",
            )
            for text in texts
            if text.pieces
        ),
    )


def _samples(samples: Sequence[Mapping[str, str]]) -> Markup:
    if not samples:
        return Markup("")
    blocks = [
        tag(
            "dl",
            tag("div", tag("dt", "it was given"), tag("dd", sample["prompt"], class_="whole")),
            tag("div", tag("dt", "it wrote"), tag("dd", sample["written"], class_="whole")),
            class_="pretext",
        )
        for sample in samples
    ]
    return section("What it writes", "samples", *blocks)


def _figures(found: Perplexity) -> Markup:
    words = (
        f"{found.tokens:,} tokens of {found.texts:,} texts, each predicted once from those before "
        "it. Intervals are of 95%; the verdict compares the run, paired, with the best of the "
        "others. Bits a byte are comparable between tokenizers, perplexities are not."
    )
    rows = [_row(one, strong=not index) for index, one in enumerate(found.foreseen)]
    return figures(words, ["", "Perplexity a token", "Bits a byte"], rows)


def _method(found: Perplexity) -> Markup:
    """Return what was measured, when, on how much, and how the n-grams were fitted."""
    gain = found.gain
    rows = {
        **found.about,
        "measure": "perplexity: the exponential of the mean nats a token",
        "tested": f"{found.texts:,} texts, {found.tokens:,} predicted tokens",
        "saved": f"{span(gain, 3)} nats a token over {found.best.name}, paired",
    }
    about = found.ngrams.sentences() if found.ngrams else ["There is no n-gram model."]
    return method(rows, *map(small, about))


def _row(one: ModelScore, *, strong: bool) -> list[str]:
    name = tag("strong", one.name) if strong else one.name
    return [name, span(one.perplexity, 1), span(one.bits_a_byte, 3)]
