"""What was read: counts, and the quarantined records with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.data.ledger import Ledger

from headstart.batch import Progress

#: From this share on, what was set aside stands in headlines.
MANY = 0.01


class Audit:
    """Collects the results of reading; ``summary()`` is the content of ``audit.json``.

    Args:
        examples: most quarantined records that are listed; all are counted.

    Attributes:
        watch: called with the number of records while they are read, if anybody watches.
        kept: records that were read.
        blank: empty lines and texts, which are skipped.
        duplicates: kept records whose content repeats an earlier one.
        notes: sentences, such as on what was not searched.
        findings: further results, by key: ``facts``, ``lengths``, ``near_duplicates``,
            ``labels``, ``contradictions``, ``overlap``, ``tables`` (from
            :meth:`headstart.pages.tables.Table.plain`); and ``removed`` (reason: count) and
            ``overlap_removed`` where records were removed on purpose.
        ledger: also keeps every row, where results are laid beside their rows.
    """

    def __init__(self, examples: int = 1000, ledger: Ledger | None = None) -> None:
        self.watch: Progress | None = None
        self.kept = 0
        self.blank = 0
        self.duplicates = 0
        self.notes: list[str] = []
        self.findings: dict[str, Any] = {}
        self.sources: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._named: list[dict[str, str]] = []
        self._limit = examples
        self.ledger = ledger

    @classmethod
    def of(cls, summary: dict[str, Any]) -> Audit:
        """Return the audit of a :meth:`summary`, to be continued."""
        audit = cls()
        audit.kept, audit.blank = summary["kept"], summary["blank"]
        audit.duplicates, audit.notes = summary["duplicates"], list(summary.get("notes", []))
        audit.sources, audit.reasons = Counter(summary["sources"]), Counter(summary["reasons"])
        audit._named = list(summary["records"])
        known = audit.summary().keys() | {"notes"}
        audit.findings = {key: value for key, value in summary.items() if key not in known}
        return audit

    def keep(self, source: str, count: int = 1) -> None:
        """Count records that were read from ``source``."""
        self.kept += count
        self.sources[source] += count

    def quarantine(self, where: str, reason: str) -> None:
        """Count one record or file that was never kept, and list it while there is room.

        One that was counted as kept is dropped: see :meth:`drop`.
        """
        self.reasons[reason] += 1
        if len(self._named) < self._limit:
            self._named.append({"where": where, "reason": reason})

    def drop(self, where: str, reason: str, because: str | None = None) -> None:
        """Move a record that was counted as kept to those that are set aside.

        For whatever is found after reading: a picture that cannot be decoded, a missing label.

        Args:
            because: its key in ``removed``, if it is removed on purpose.
        """
        self.kept -= 1
        if because is not None:
            removed = self.findings.setdefault("removed", {})
            removed[because] = removed.get(because, 0) + 1
        self.quarantine(where, reason)

    def merge(self, other: Audit) -> None:
        """Add the results of another audit."""
        self.kept += other.kept
        self.blank += other.blank
        self.duplicates += other.duplicates
        self.notes += other.notes
        self.findings.update(other.findings)
        self.sources.update(other.sources)
        self.reasons.update(other.reasons)
        self._named += other._named[: self._limit - len(self._named)]

    def reason_of(self) -> dict[str, str]:
        """Return why each listed record or file was left out, by its name."""
        return {row["where"]: row["reason"] for row in self._named}

    @property
    def quarantined(self) -> int:
        """Number of records and files that were left out."""
        return sum(self.reasons.values())

    def sentences(self) -> list[str]:
        """Return how many records were left out, why and which, and the notes."""
        return [*([set_aside(self.summary())] if self.reasons else []), *self.notes]

    def summary(self) -> dict[str, Any]:
        """Return plain values: the counts, reasons with counts, and the listed records."""
        return {
            "kept": self.kept,
            "quarantine": self.quarantined,
            "blank": self.blank,
            "duplicates": self.duplicates,
            "sources": dict(self.sources),
            "reasons": dict(self.reasons.most_common()),
            "records": self._named,
            **({"notes": self.notes} if self.notes else {}),
            **self.findings,
        }


def share_set_aside(found: Mapping[str, Any]) -> float:
    """Return the share of the records that were set aside, given a :meth:`Audit.summary`."""
    return float(found["quarantine"] / max(1, found["kept"] + found["quarantine"]))


def set_aside(found: Mapping[str, Any]) -> str:
    """Return how many records were set aside, for which reasons, and three of them.

    Example::

        "707 records were set aside (88.4% of all): 707 it is not UTF-8 text (a.csv:2, ...)"
    """
    reasons = ", ".join(f"{count} {reason}" for reason, count in [*found["reasons"].items()][:3])
    names = ", ".join(row["where"] for row in found["records"][:3])
    more = ", ..." if found["quarantine"] > 3 else ""
    share = share_set_aside(found)
    of_all = f" ({share:.1%} of all)" if share > MANY else ""
    if found["quarantine"] == 1:
        return f"1 record was set aside{of_all}: {next(iter(found['reasons']))} ({names})"
    return f"{found['quarantine']} records were set aside{of_all}: {reasons} ({names}{more})"
