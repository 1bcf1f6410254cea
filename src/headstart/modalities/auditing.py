"""From sources to the whole audit, without training anything: what ``headstart audit`` does."""

from __future__ import annotations

from typing import Any

from headstart.config import AuditConfig
from headstart.data.audit import Audit
from headstart.data.content import Effort
from headstart.modalities.guess import guess_content
from headstart.modalities.opening import open_modality
from headstart.modalities.text.quality import named


def audit_sources(config: AuditConfig) -> dict[str, Any]:
    """Read the sources, look at them, and compare them with the test data if there are any.

    Returns:
        What :meth:`headstart.data.audit.Audit.summary` gives, with ``content`` and ``sources`` as
        named; with test data also ``overlap`` and, under ``against``, their own audit.

    Raises:
        HeadstartError: nothing can be read, or there is no such modality or rule.
    """
    rules = () if config.quality == ["none"] else named(config.quality)
    name = config.modality
    modality = open_modality(guess_content(config.sources) if name == "auto" else name)
    content = modality.content
    effort = Effort(config.sample, config.seed, rules, config.quality_numbers)
    audit = Audit()
    records = modality.read(config.sources, config, audit)
    content.survey(records, audit, effort)
    found: dict[str, Any] = {"content": content.name, "noun": content.noun}
    if config.against:
        theirs = Audit()
        tested = modality.read(config.against, config, theirs)
        shared = modality.overlap(records, tested)
        audit.findings["overlap"] = shared.summary()
        audit.notes += shared.notes
        found["against"] = theirs.summary()
    audit.notes = list(dict.fromkeys(audit.notes))
    return found | audit.summary()
