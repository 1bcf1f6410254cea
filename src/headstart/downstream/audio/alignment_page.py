"""The page of a recogniser: each held-out transcript below what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.downstream.audio.error_rates import Aligned, confused
from headstart.evaluation.metrics import Estimate
from headstart.pages.markup import Markup, table, tag
from headstart.pages.page import page
from headstart.pages.sections import section, small
from headstart.pages.top import tile, top

#: Recordings that are shown, those with the most errors first.
SHOWN = 100


def alignment_page(found: Sequence[Aligned], rates: Mapping[str, Estimate]) -> str:
    """Return the page of the alignments of words, and of the words that are confused."""
    wrong = sum(bool(each.errors) for each in found)
    tiles = [
        tile(what, f"{rates[name].mean:.1%}", f"{rates[name].low:.1%} to {rates[name].high:.1%}")
        for what, name in (("characters wrong", "cer"), ("words wrong", "wer"))
    ]
    said = f"{wrong:,} of {len(found):,} held-out transcripts have an error."
    header = top("What was heard?", [tag("strong", said)], "level", tiles)
    pairs = [[one, other, f"{count:,}"] for one, other, count in confused(found)]
    worst = sorted(found, key=lambda each: -each.errors)[:SHOWN]
    return page(
        header,
        [
            section(
                "Words that are confused",
                "confusions",
                small("An asterisk stands for no word."),
                table(["Said", "Heard", "Times"], {"": pairs}),
            ),
            section(
                "Alignments",
                "examples",
                small(f"The {len(worst):,} recordings with the most errors; what differs is bold."),
                *map(_alignment, worst),
            ),
        ],
        title="headstart: what was heard",
        script=False,
    )


def _alignment(each: Aligned) -> Markup:
    rows = [
        tag("tr", tag("th", name, scope="row"), *(_cell(*pair) for pair in pairs))
        for name, pairs in (
            ("said", list(zip(each.reference, each.written, strict=True))),
            ("heard", list(zip(each.written, each.reference, strict=True))),
        )
    ]
    return tag(
        "div",
        small(f"{each.name}: {each.errors:,} wrong"),
        tag("table", tag("tbody", *rows)),
        class_="scroll",
    )


def _cell(word: str, other: str) -> Markup:
    return tag("td", word if word == other else tag("b", word))
