"""Survey of texts: lengths, languages, near duplicates, and quality rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.data.content import Effort
from headstart.data.survey import EXAMPLES, counted, in_words, quantiles, sample
from headstart.modalities.text import languages, quality
from headstart.modalities.text import near as near_texts
from headstart.pages.tables import Table

if TYPE_CHECKING:
    from datasets import Dataset

#: Most characters that are searched for near duplicates before training: some seconds.
QUICK = 175_000_000


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Survey all texts, and a sample in detail; findings and notes go to ``audit``."""
    lengths = near_texts.lengths(records)
    audit.findings["lengths"] = {"unit": "characters", "quantiles": quantiles(lengths)}
    facts = audit.findings.setdefault("facts", {})
    facts["characters in all"] = f"{int(lengths.sum()):,}"
    _near(records, lengths, audit, effort)
    chosen = sample(len(records), effort)
    texts = records.select(chosen)["text"][:]
    detected: Sequence[str | None] = [None] * len(texts)
    if languages.available():
        detected = languages.languages(texts)
        counts = dict(Counter(detected).most_common())
        audit.findings["languages"] = counts
        by_name = {languages.name_of(str(code)): count for code, count in counts.items()}
        audit.findings.setdefault("tables", []).append(counted("Languages", by_name).plain())
    else:
        audit.notes.append(languages.MISSING)
    _closely(texts, detected, audit, effort, facts)
    if len(chosen) < len(records):
        audit.notes.append(
            f"Languages, words and quality are those of a sample of {len(chosen):,} of the "
            f"{len(records):,} texts (seed {effort.seed})."
        )


def _near(records: Dataset, lengths: np.ndarray, audit: Audit, effort: Effort) -> None:
    if not near_texts.available():
        audit.notes.append(near_texts.MISSING)
        return
    searched = len(records)
    if effort.quick:
        searched = near_texts.within(lengths, QUICK)
    if searched < len(records):
        audit.notes.append(
            f"Near duplicates were looked for among the first {searched:,} of {len(records):,} "
            "texts; `headstart audit` looks at all."
        )
    _, pairs = near_texts.repeats(records.select(range(searched)))
    names = records.select_columns(["id"])
    audit.findings["near_duplicates"] = {
        "count": len(pairs),
        "examples": [[names[index]["id"] for index in pair] for pair in pairs[:EXAMPLES]],
    }


def _closely(
    texts: Sequence[str],
    detected: Sequence[str | None],
    audit: Audit,
    effort: Effort,
    facts: dict[str, Any],
) -> None:
    """Count words, and failures of the quality rules."""
    pages = [quality.Page(text, code) for text, code in zip(texts, detected, strict=True)]
    spaced = [len(page.words) for page in pages if page.spaced]
    if 2 * len(spaced) > len(pages):
        facts["words in a text (median)"] = f"{int(np.median(spaced)):,}"
    if len(spaced) < len(pages):
        share = 1 - len(spaced) / len(pages)
        facts["texts in scripts without spaces"] = f"{share:.1%}"
    if not effort.rules:
        return
    found = quality.count(pages, effort.rules, effort.options.quality_numbers)
    audit.findings["quality"] = found.failed
    audit.findings["quality_looked_at"] = found.total
    audit.findings["quality_does_not_apply"] = {k: n for k, n in found.inapplicable.items() if n}
    audit.findings.setdefault("tables", []).append(_broken(found).plain())


def _broken(found: quality.Verdicts) -> Table:
    """Return the failures of each quality rule; rules without any are listed below."""
    rows, passed = [], []
    for rule, count in found.failed.items():
        skipped = found.inapplicable.get(rule, 0)
        applies = found.total - skipped
        note = f"does not apply to {skipped:,}" if skipped else ""
        if count:
            rows.append([rule, f"{count:,}", in_words(count / max(1, applies)), note])
        else:
            passed.append(rule if applies else f"{rule} (applies to none)")
    note = f"None fails {', '.join(passed)}." if passed else ""
    return Table("Fail a quality rule", rows, ["rule", "records", "share", ""], note)
