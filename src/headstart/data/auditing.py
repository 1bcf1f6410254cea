"""From sources to the whole audit, without training anything: what ``headstart audit`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.config import AuditConfig
from headstart.data.audit import Audit
from headstart.data.content import Effort, content_of
from headstart.data.guess import guess_content
from headstart.data.overlap import overlap
from headstart.data.quality import named
from headstart.data.sources import read
from headstart.errors import HeadstartError, did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset


def audit_sources(config: AuditConfig) -> dict[str, Any]:
    """Read the sources, look at them, and compare them with the test data if there are any.

    Returns:
        What :meth:`headstart.data.audit.Audit.summary` gives, with ``content`` and ``sources`` as
        named; with test data also ``overlap`` and, under ``against``, their own audit.

    Raises:
        HeadstartError: nothing can be read, or there is no such modality or rule.
    """
    rules = () if config.quality == ["none"] else named(config.quality)
    modality = config.modality
    if modality not in ("auto", "text", "image"):
        raise HeadstartError(
            f"there is no modality {modality!r} to audit{did_you_mean(modality, ('text', 'image'))}"
        )
    content = guess_content(config.sources) if modality == "auto" else modality
    kind = content_of(content)
    effort = Effort(config.sample, config.seed, rules, config.quality_numbers)
    audit = Audit()
    records = _read(config.sources, config, content, audit)
    kind.survey(records, audit, effort)
    found: dict[str, Any] = {"content": content, "noun": kind.noun}
    if config.against:
        theirs = Audit()
        tested = _read(config.against, config, content, theirs)
        shared = overlap(records, tested, content)
        audit.findings["overlap"] = shared.summary()
        audit.notes += shared.notes
        found["against"] = theirs.summary()
    audit.notes = list(dict.fromkeys(audit.notes))
    return found | audit.summary()


def _read(sources: list[str], config: AuditConfig, content: str, audit: Audit) -> Dataset:
    return read(
        sources,
        content=content,
        content_column=config.text_column if content == "text" else config.image_column,
        label_column=config.label_column,
        document=config.document if content == "text" else "file",
        audit=audit,
    )
