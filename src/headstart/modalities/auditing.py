"""The audit of sources without training: the implementation of ``headstart audit``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from headstart.config import AuditConfig
from headstart.data.audit import Audit
from headstart.data.audit_html import MOST
from headstart.data.audit_page import AuditPage
from headstart.data.columns import check_names
from headstart.data.content import Content, Effort
from headstart.data.contradictions import contradictions
from headstart.data.label_counts import label_counts
from headstart.data.overlap import overlap
from headstart.data.store import stream
from headstart.data.survey import spread
from headstart.modalities import Modality, Preview
from headstart.modalities.opening import modality_of, open_modality
from headstart.modalities.sifting import rules_named

if TYPE_CHECKING:
    from datasets import Dataset

#: Records that the page shows, and the side of their thumbnails in pixels.
SAMPLES, SIDE = 8, 96


def audit_sources(config: AuditConfig) -> AuditPage:
    """Read and survey the sources, and compare them with the test data if there are any.

    Returns:
        The result of :meth:`headstart.data.audit.Audit.summary`, with ``content`` and ``noun``;
        where there are labels also ``labels``, and where copies have different ones
        ``contradictions``; with test data also ``overlap``
        and, under ``against``, their own audit. Some records come with it for the page.

    Raises:
        HeadstartError: nothing can be read, or there is no such modality or rule.
    """
    modality = open_modality(modality_of(config), config.modality_options)
    content = modality.content
    modality.check_files()
    check_names(config.columns, content)
    rules = _rules(content, config.quality)
    effort = Effort(modality.options, config.sample, config.seed, rules)
    audit = Audit()
    records = modality.read(config.sources, config, audit)
    content.survey(records, audit, effort)
    doubtful = contradictions(records, content)
    if doubtful.records:
        audit.findings["contradictions"] = doubtful.summary()
        audit.notes += doubtful.sentences()
    labels = label_counts(records, doubtful.records, config.sources[0], audit.notes)
    if labels is not None:
        audit.findings["labels"] = labels.summary()
        audit.findings.setdefault("tables", []).insert(0, labels.table().plain())
    found: dict[str, Any] = {"content": content.name, "noun": content.noun}
    if config.against:
        theirs = Audit()
        tested = modality.read(config.against, config, theirs)
        shared = overlap(records, tested, content)
        audit.findings["overlap"] = shared.summary()
        audit.notes += shared.notes
        found["against"] = theirs.summary()
    audit.notes = list(dict.fromkeys(audit.notes))
    found |= audit.summary()
    some = records.select(spread(len(records), SAMPLES))
    named = [
        *found.get("near_duplicates", {}).get("examples", [])[:MOST],
        *found.get("overlap", {}).get("examples", [])[:MOST],
    ]
    sets = [records, tested] if config.against else [records]
    return AuditPage(found, _previews(modality, some), _shown(modality, sets, chain(*named)))


def _previews(modality: Modality, records: Dataset) -> list[Preview]:
    labels = records["label"][:] if "label" in records.column_names else [None] * len(records)
    previews = modality.preview(records, SIDE)
    return [replace(one, label=label or "") for one, label in zip(previews, labels, strict=True)]


def _shown(modality: Modality, sets: Sequence[Dataset], names: Iterable[str]) -> dict[str, Preview]:
    """Return previews of the named records, by their ids."""
    wanted = set(names)
    found: dict[str, Preview] = {}
    for records in sets:
        indices = [index for index, name in enumerate(stream(records, "id")) if name in wanted]
        if indices:
            chosen = records.select(indices)
            found |= dict(zip(chosen["id"], _previews(modality, chosen), strict=True))
    return found


def _rules(content: Content, names: list[str]) -> tuple[str, ...]:
    if names == ["all"]:
        return tuple(content.rules)
    return () if names == ["none"] else rules_named(content, names)
