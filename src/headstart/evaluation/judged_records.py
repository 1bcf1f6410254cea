"""The records that an evaluation reads, and what makes scores on them doubtful."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import EvaluateConfig
from headstart.data.contradictions import Contradictions, ceiling, contradictory
from headstart.data.overlap import Overlap, leaked, overlap
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.cache import cached_overlap, digests_of
from headstart.evaluation.evaluate import protocol_of
from headstart.evaluation.naming import followed_by, names_of
from headstart.evaluation.protocols import OpenedRun
from headstart.evaluation.protocols.reading import labeled_records
from headstart.evaluation.protocols.tested_groups import group_caution
from headstart.evaluation.shifts import Part, extended, other_domain, parts

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content


@dataclass(frozen=True)
class JudgedRecords:
    """What is read once, for all candidates.

    Attributes:
        train: labeled records.
        test: tested records; None where ``train`` is divided.
        shifted: additional records to test on, such as corrupted ones.
        names: names of the classes, which are examples of them; None without.
        seen: what is embedded besides ``train``: tested records, shifted ones, names.
        background: the records of the pre-training; None where they are gone.
        digest_of: names records in the cache.
        audits: ``{what was read: Audit.summary()}``.
        notes: sentences about what was read.
        cautions: clauses for the verdict's first line, about tested records that were seen before.
        doubts: sentences below the first line, about labels that contradict each other.
    """

    train: Dataset
    test: Dataset | None
    shifted: list[Part]
    names: Dataset | None
    seen: Dataset | None
    background: Dataset | None
    digest_of: Callable[[Dataset | None], str]
    audits: dict[str, Any]
    notes: list[str]
    cautions: list[str]
    doubts: list[str]

    @property
    def labeled(self) -> list[Dataset]:
        """All records with labels."""
        return [self.train] if self.test is None else [self.train, self.test]


def judged_records(opened: OpenedRun, config: EvaluateConfig, store: Path) -> JudgedRecords:
    """Read the labeled records, and find out which tested ones were seen before.

    Args:
        store: folder of what is cached.

    Raises:
        HeadstartError: no labels, or too few.
    """
    modality, processor = opened.modality, opened.processor
    content, digest_of = modality.content, digests_of(modality)
    audits: dict[str, Any] = {}
    notes: list[str] = []
    train, test = labeled_records(config, modality, processor, audits, notes)
    other = other_domain(config, train, modality, processor, audits, notes)
    for note in notes:
        opened.say(note)
    tested = train if test is None else test
    shifted = parts(tested, test is None, config, modality, opened.length, other)
    names = names_of(config, train, modality, opened.say)
    background = pretraining_records(opened.run, modality, notes)

    def seen_before(earlier: Dataset) -> Overlap:
        search = partial(overlap, earlier, tested, content)
        return cached_overlap(store, earlier, tested, digest_of, search)

    leaks: dict[str, Overlap] = {}
    if background is not None:
        shared = seen_before(background)
        notes += shared.sentences()
        if test is not None:
            leaks["in the pre-training data"] = shared
        audits.get("test", audits["train"])["overlap"] = shared.summary()
    if test is not None and not protocol_of(config).alone:
        leaks["among the labeled ones"] = seen_before(train)
    cautions = leaked(leaks)
    cautions += group_caution(audits, len(tested))
    doubts: list[str] = []
    if protocol_of(config).classes:
        found = contradictory(train, test, content)
        cautions += found.caution()
        doubts += [*found.sentences(), *_ceiling(found, tested, config, content)]
    seen = followed_by(extended(test, shifted), names)
    return JudgedRecords(
        train,
        test,
        shifted,
        names,
        seen,
        background,
        digest_of,
        audits,
        notes,
        cautions,
        doubts,
    )


def _ceiling(
    found: Contradictions, tested: Dataset, config: EvaluateConfig, content: Content
) -> list[str]:
    """Return what contradicting labels leave at best, where that is certain; else []."""
    if not found.records or config.task != "classification":
        return []
    best = ceiling(tested, content)
    if best is None:
        return []
    return [
        f"At most {best:.1%} of the tested {content.noun} can be right: some are the same in every "
        "byte and have different labels."
    ]
