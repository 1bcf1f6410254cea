"""Explanations as one offline page, in the look of the report."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from headstart.deployment.explained_console import FAINT, NAMED, excerpt
from headstart.deployment.explanation import Explanation, percent
from headstart.modalities.image.heat import ImageEvidence
from headstart.modalities.text.units import TextEvidence
from headstart.pages.markup import Markup, table, tag
from headstart.pages.style import STYLE

if TYPE_CHECKING:
    from headstart.deployment.alike import Alike
    from headstart.run import RunFolder

_FOR, _AGAINST = "0, 114, 178", "213, 94, 0"
#: How much of the strongest word's background is colour; dark and light ink are read on it.
_COVER = 0.5

_STYLE = """
.explained { margin: 0 0 3rem; }
.words { line-height: 1.9; overflow-wrap: anywhere; white-space: pre-wrap; }
.words span { border-radius: 3px; padding: .1em .05em; border-bottom: 2px solid transparent; }
.words .for { border-bottom-color: var(--c0); }
.words .against { border-bottom: 2px dashed var(--c3); }
.unread { color: var(--faint); font-style: italic; }
.meaning span { padding: .1em .35em; border-radius: 3px; margin-right: .5em; color: var(--ink); }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.pair figure { margin: 0; }
.pair img { width: 18rem; max-width: 100%; border-radius: 4px; display: block; }
.thumb { width: 4.5rem; border-radius: 4px; display: block; }
.alike td, .alike th { vertical-align: top; }
.pair figcaption { font-weight: 400; color: var(--faint); font-size: .875rem; margin: .25rem 0 0; }
.sides { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.sides > div { flex: 1 1 14rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .25rem; }
"""


def page(found: list[Explanation], run: RunFolder) -> str:
    """Return a page that needs no network; all that is from the records is escaped."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        ),
        tag("title", "headstart: why these predictions?"),
        tag("style", Markup(STYLE + _STYLE)),
    )
    top = tag(
        "header",
        tag("p", "Why these predictions?", class_="question"),
        tag("h1", *_summed(found)),
        tag("p", f"Predicted by {run.folder.name}.", class_="small"),
    )
    body = tag("body", tag("main", top, *(_section(one) for one in found)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _summed(found: list[Explanation]) -> list[str]:
    """Say in the first line whether the explanations held when they were checked."""
    checks = [one.check for one in found if one.check]
    if not checks:
        return ["There was nothing to check."]
    held = sum(check.named_drop > check.random_drop for check in checks)
    unit = found[0].evidence.unit
    than = "more than" if held else "no more than"
    if len(checks) > 1:
        told, they = f"{held or 'None'} of {len(checks)} explanations hold:", "they name"
    else:
        told, they = "It holds:" if held else "It does not hold:", "named below"
    return [
        tag("strong", told),
        f" deleting the {unit} {they} lowers the probability of the class {than} deleting random "
        f"{unit}.",
    ]


def _section(one: Explanation) -> Markup:
    evidence = one.evidence
    parts: list[str] = [tag("h2", f"Predicted: {one.headline()}")]
    if not getattr(evidence, "text", "").startswith(one.id):
        parts.append(tag("p", excerpt(one.id, 120), class_="small"))
    if isinstance(evidence, TextEvidence):
        parts += [_legend(one), _words(evidence, one.signed), _strongest(one, evidence)]
    else:
        parts += [_legend(one), _images(evidence)]
    if one.check:
        parts.append(tag("p", one.checked()))
    parts += [tag("p", note, class_="note") for note in one.notes]
    if one.alike:
        parts += [tag("h3", "The labeled records most like it"), _alike(one.alike)]
    parts.append(_scores(one))
    return tag("section", *parts, class_="explained")


def _legend(one: Explanation) -> Markup:
    if isinstance(one.evidence, ImageEvidence):
        from headstart.modalities.image.heat import LEGEND

        words = list(LEGEND[one.signed])
    elif one.signed:
        words = [f"speaks for {one.explained}", "speaks against it"]
    else:
        words = ["looked at"]
    keys = [
        tag("span", word, style=f"background: rgba({colour}, .4)")
        for colour, word in zip((_FOR, _AGAINST), words, strict=False)
    ]
    return tag("p", *keys, f"by {one.method}", class_="small meaning")


def _words(evidence: TextEvidence, signed: bool) -> Markup:
    largest = max((abs(word.weight) for word in evidence.words), default=0.0) or 1.0
    parts: list[str] = []
    last = 0
    for word in evidence.words:
        parts.append(evidence.text[last : word.start])
        share, last = abs(word.weight) / largest, word.end
        if share < FAINT:
            parts.append(evidence.shown(word))
            continue
        colour = _FOR if word.weight > 0 else _AGAINST
        sign = ("for" if word.weight > 0 else "against") if signed else "looked"
        parts.append(
            tag(
                "span",
                evidence.shown(word),
                class_=sign,
                title=f"{word.weight:+.3g}",
                style=f"background: rgba({colour}, {_COVER * share:.2f})",
            )
        )
    parts.append(evidence.text[last : evidence.end])
    if evidence.end < len(evidence.text):
        parts.append(tag("span", evidence.text[evidence.end :], class_="unread"))
    return tag("p", *parts, class_="words")


def _strongest(one: Explanation, evidence: TextEvidence) -> Markup:
    sides = [("For", 1), ("Against", -1)] if one.signed else [("Looked at most", 1)]
    parts = []
    for title, sign in sides:
        words = evidence.strongest(NAMED, sign)
        if words:
            rows = [[evidence.shown(word), f"{word.weight:+.3g}"] for word in words]
            unit = "adds to the score" if one.signed else "share of the attention"
            parts.append(tag("div", table([title, unit], {"": rows})))
    return tag("details", tag("summary", "The strongest words"), tag("div", *parts, class_="sides"))


def _images(evidence: ImageEvidence) -> Markup:
    from headstart.modalities.image.heat import overlaid, png, shown

    figures = [
        tag(
            "figure",
            tag("img", src=_data(png(picture)), alt=words),
            tag("figcaption", words),
        )
        for picture, words in [
            (shown(evidence), "the picture, as the encoder crops it"),
            (overlaid(evidence), "what mattered, over the picture in grey"),
        ]
    ]
    return tag("div", *figures, class_="pair")


def _alike(alike: list[Alike]) -> Markup:
    rows = []
    for near in alike:
        if isinstance(near.content, str):
            content: str = excerpt(near.content, 300)
        else:
            from headstart.modalities.image.heat import png, shown_struct

            picture = png(shown_struct(near.content, 96))
            content = tag("img", src=_data(picture), alt=near.id, class_="thumb")
            content = tag("div", content, tag("span", near.id, class_="small"))
        rows.append([content, near.label, f"{near.similarity:.2f}"])
    return tag("div", table(["Record", "Label", "Cosine"], {"": rows}), class_="alike")


def _scores(one: Explanation) -> Markup:
    ranked = sorted(one.scores.items(), key=lambda item: -item[1])[:10]
    rows = [[label, percent(score)] for label, score in ranked]
    words = tag("summary", "The probability of each class")
    return tag("details", words, table(["Class", "Probability"], {"": rows}))


def _data(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
