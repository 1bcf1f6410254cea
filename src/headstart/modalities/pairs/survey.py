"""Survey of pictures with captions: the pictures, how many captions, which, in which languages."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.audit import Audit
from headstart.data.content import Effort
from headstart.data.survey import counted, quantiles, sample
from headstart.modalities.image.survey import survey as survey_pictures
from headstart.modalities.pairs.captions import keys
from headstart.modalities.text import languages
from headstart.pages.markup import cut

if TYPE_CHECKING:
    from datasets import Dataset

#: Share of the pictures with one caption from which it is said.
_COMMON = 0.2
_LETTERS = 60


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Survey pictures as pictures, and captions: how many, how long, equal ones, languages."""
    survey_pictures(records, audit, effort)
    captions = records["captions"][:]
    texts = [text for each in captions for text in each or []]
    facts = audit.findings.setdefault("facts", {})
    facts["captions"] = f"{len(texts):,} of {len(records):,} pictures"
    if not texts:
        return
    lengths = quantiles(np.array([len(text) for text in texts]))
    audit.findings.setdefault("captions", {"unit": "characters", "quantiles": lengths})
    shared = Counter(keys(texts).tolist())
    facts["distinct captions"] = f"{len(shared):,}"
    (key, count), *_ = shared.most_common(1)
    if count >= max(3, _COMMON * len(records)):
        text = texts[keys(texts).tolist().index(key)]
        audit.notes.append(
            f"{count:,} of {len(records):,} pictures have the same caption, "
            f"{cut(text, _LETTERS)!r}: pictures of equal captions cannot be told apart by them, "
            "and count as right answers of each other."
        )
    _languages(texts, audit, effort)


def _languages(texts: list[str], audit: Audit, effort: Effort) -> None:
    if not languages.available():
        audit.notes.append(languages.MISSING)
        return
    chosen = sample(len(texts), effort)
    counts = dict(Counter(languages.languages([texts[i] for i in chosen])).most_common())
    audit.findings["languages"] = counts
    by_name = {languages.name_of(str(code)): count for code, count in counts.items()}
    audit.findings.setdefault("tables", []).append(counted("Languages", by_name).plain())
