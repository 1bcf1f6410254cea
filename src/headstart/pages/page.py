"""An HTML page: its head, its sections, and the one script that its security policy allows."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from headstart.pages.markup import Markup, tag
from headstart.pages.script import SCRIPT
from headstart.pages.style import STYLE

#: Titles of sections in the navigation, by their ids.
_LINKS = {
    "next": "What next",
    "course": "Course",
    "efficiency": "Labels",
    "robustness": "Robustness",
    "perplexity": "Perplexity",
    "ranking": "Ranking",
    "popularity": "Popularity",
    "users": "Users",
    "surprises": "Surprises",
    "samples": "Samples",
    "map": "Map",
    "neighbours": "Neighbours",
    "confusions": "Confusions",
    "differences": "Differences",
    "training": "Training",
    "health": "Health",
    "data": "Data",
    "examples": "Examples",
    "sizes": "Sizes",
    "languages": "Languages",
    "quality": "Quality",
    "repeats": "Duplicates",
    "overlap": "Overlap",
    "aside": "Set aside",
    "cost": "Cost",
    "figures": "All figures",
    "method": "Method",
    "again": "Do it again",
}


def page(
    header: Markup,
    sections: Sequence[Markup],
    title: str = "headstart: was pre-training worth it?",
    *,
    script: bool = True,
) -> str:
    """Return the whole document, which works offline.

    Its content security policy allows inline styles, embedded images and sounds, and :data:`SCRIPT`
    by its digest; pages without a map of records need no script.
    """
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if script else ""
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        f"{allowed}base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    there = [name for name in _LINKS if any(f' id="{name}"' in part for part in sections)]
    links = [tag("a", _LINKS[name], href=f"#{name}") for name in there]
    nav = [tag("nav", *links, aria_label="Sections")] if links else []
    scripts = [tag("script", Markup(SCRIPT))] if script else []
    body = tag("body", tag("main", header, *nav, *sections), *scripts)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
