"""Explanations as one offline page, in the style of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.deployment.explanation import LOG_ODDS, Explanation, percent
from headstart.pages.cards import listen
from headstart.pages.markup import Markup, cut, table, tag
from headstart.pages.page import page
from headstart.pages.style import tint

if TYPE_CHECKING:
    from headstart.deployment.alike import Alike
    from headstart.run import RunFolder

_TITLE = "headstart: why these predictions?"
#: Characters of a record's name, and of a similar record.
_NAME, _EXCERPT = 120, 300
#: Classes whose probabilities are listed.
_CLASSES = 10


def explained_page(found: list[Explanation], run: RunFolder) -> str:
    """Return the page, which works offline and has no script."""
    header = tag(
        "header",
        tag("p", "Why these predictions?", class_="question"),
        tag("h1", *_summary(found)),
        tag("p", f"Predicted by {run.folder.name}. {LOG_ODDS}", class_="small"),
    )
    return page(header, [_section(one) for one in found], _TITLE, script=False)


def _summary(found: list[Explanation]) -> list[str]:
    """Return the headline: whether the explanations passed the deletion check."""
    checks = [one.check for one in found if one.check]
    if not checks:
        return ["There was nothing to check."]
    held = sum(check.holds for check in checks)
    noun = found[0].noun
    than = "more than" if held else "no more than"
    if len(checks) > 1:
        verdict, they = f"{held or 'None'} of {len(checks)} explanations hold:", "they name"
    else:
        verdict, they = "It holds:" if held else "It does not hold:", "named below"
    return [
        tag("strong", verdict),
        f" deleting the {noun} {they} lowers the log-odds of the class {than} nearly all random "
        f"deletions of as many {noun} do.",
    ]


def _section(one: Explanation) -> Markup:
    parts = [
        tag("h2", f"Predicted: {one.headline()}"),
        tag("p", cut(one.id, _NAME), class_="small"),
        _legend(one),
        one.evidence.html(),
    ]
    if one.check:
        parts.append(tag("p", one.checked()))
    parts += [tag("p", note, class_="note") for note in one.notes]
    if one.alike:
        parts += [tag("h3", "The labeled records most like it"), _alike(one.alike)]
    parts.append(_scores(one))
    return tag("section", *parts, class_="explained")


def _legend(one: Explanation) -> Markup:
    keys = [
        tag("span", word, style=f"background: {tint(high, 0.8)}")
        for word, high in zip(one.evidence.legend, (True, False), strict=False)
    ]
    return tag("p", *keys, f"by {one.method}", class_="small meaning")


def _alike(alike: list[Alike]) -> Markup:
    rows = []
    for near in alike:
        text: str = cut(near.preview.text, _EXCERPT)
        if near.preview.image:
            image = tag("img", src=near.preview.address, alt=text, class_="thumb")
            text = tag("div", image, listen(near.preview), tag("span", text, class_="small"))
        rows.append([text, near.label, f"{near.similarity:.2f}"])
    return tag("div", table(["Record", "Label", "Cosine"], {"": rows}), class_="alike")


def _scores(one: Explanation) -> Markup:
    ranked = sorted(one.scores.items(), key=lambda item: -item[1])[:_CLASSES]
    rows = [[label, percent(score)] for label, score in ranked]
    words = tag("summary", "The probability of each class")
    return tag("details", words, table(["Class", "Probability"], {"": rows}))
