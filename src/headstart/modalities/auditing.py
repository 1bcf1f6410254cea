"""The audit of sources without training: the implementation of ``headstart audit``."""

from __future__ import annotations

from typing import Any

from headstart.config import AuditConfig
from headstart.data.audit import Audit
from headstart.data.columns import check_names
from headstart.data.content import Content, Effort
from headstart.data.contradictions import contradictions
from headstart.data.overlap import overlap
from headstart.modalities.opening import modality_of, open_modality
from headstart.modalities.sifting import rules_named


def audit_sources(config: AuditConfig) -> dict[str, Any]:
    """Read and survey the sources, and compare them with the test data if there are any.

    Returns:
        The result of :meth:`headstart.data.audit.Audit.summary`, with ``content`` and ``noun``;
        where copies have different labels also ``contradictions``; with test data also ``overlap``
        and, under ``against``, their own audit.

    Raises:
        HeadstartError: nothing can be read, or there is no such modality or rule.
    """
    modality = open_modality(modality_of(config), config.modality_options)
    content = modality.content
    check_names(config.columns, content)
    rules = _rules(content, config.quality)
    effort = Effort(modality.options, config.sample, config.seed, rules)
    audit = Audit()
    records = modality.read(config.sources, config, audit)
    content.survey(records, audit, effort)
    labels = contradictions(records, content)
    if labels.records:
        audit.findings["contradictions"] = labels.summary()
        audit.notes += labels.sentences()
    found: dict[str, Any] = {"content": content.name, "noun": content.noun}
    if config.against:
        theirs = Audit()
        tested = modality.read(config.against, config, theirs)
        shared = overlap(records, tested, content)
        audit.findings["overlap"] = shared.summary()
        audit.notes += shared.notes
        found["against"] = theirs.summary()
    audit.notes = list(dict.fromkeys(audit.notes))
    return found | audit.summary()


def _rules(content: Content, names: list[str]) -> tuple[str, ...]:
    if names == ["all"]:
        return tuple(content.rules)
    return () if names == ["none"] else rules_named(content, names)
