"""A page of the server: one file that loads nothing, in the look of the reports."""

from __future__ import annotations

import base64
import hashlib

from headstart.deployment.serving.page.script import SCRIPT
from headstart.deployment.serving.page.style import OWN_STYLE
from headstart.pages.markup import Markup, tag
from headstart.pages.style import STYLE

_TITLE = "headstart: try the runs"


def try_page() -> str:
    """Return the page ``/``, whose script asks the server what its runs can do."""
    empty = Markup("")
    header = tag(
        "header",
        tag("p", "headstart serve", class_="question"),
        tag("h1", "Try the runs of this server"),
        tag(
            "p",
            tag("label", "Run", for_="model"),
            tag("select", id="model"),
            tag("span", id="facts", class_="small"),
            class_="pick",
        ),
    )
    record = tag(
        "section",
        tag("label", "Record", for_="typed", id="record"),
        tag("textarea", id="typed", rows=4, spellcheck="false"),
        tag(
            "label",
            tag("span", "Drop a file here, or choose one", id="named"),
            Markup('<input type="file" id="file" class="unseen">'),
            Markup('<img id="shown" alt="" hidden>'),
            id="drop",
            class_="drop",
        ),
        tag("p", id="actions", class_="actions"),
    )
    results = tag(
        "section",
        tag("h2", "Answer", id="about"),
        tag("p", "Choose what the run shall do.", id="status", class_="small", role="status"),
        tag("div", id="answer", aria_live="polite"),
    )
    links = tag("p", tag("a", "All routes", href="/docs"), class_="small")
    return document(_TITLE, header, record, results, links, empty, script=SCRIPT)


def document(title: str, *parts: Markup, script: str = "") -> str:
    """Return a whole page, whose policy allows this script, and requests to this server alone."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("title", title),
        Markup('<link rel="icon" href="data:,">'),
        tag("style", Markup(STYLE + OWN_STYLE)),
    )
    scripts = [tag("script", Markup(script))] if script else []
    body = tag("body", tag("main", *parts), *scripts)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
