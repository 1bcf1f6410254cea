"""How many words and characters of a transcript are wrong, and where, by jiwer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadstartError
from headstart.evaluation.metrics import Estimate

RESAMPLES = 500
_SEED = 12345
#: What stands in an alignment where the other text has nothing.
NOTHING = "*"


def error_rates(written: Sequence[str], references: Sequence[str]) -> dict[str, Estimate]:
    """Return ``accuracy``, ``cer`` and ``wer``, with 95% bootstrap intervals over the texts.

    A rate is the number of substitutions, deletions and insertions over that of the characters
    (spaces among them) or words of the references; it can exceed 1. ``accuracy`` is 1 - ``cer``,
    for whom higher is better, and 0 at least.

    Args:
        written: N texts.
        references: N texts, none empty.

    Raises:
        HeadstartError: jiwer is not installed.

    Example::

        error_rates(["one too"], ["one two"])["wer"].mean  # 0.5
    """
    draws = np.random.default_rng(_SEED).integers(
        len(references), size=(RESAMPLES, len(references))
    )
    found = {}
    for name, process in (("cer", _jiwer().process_characters), ("wer", _jiwer().process_words)):
        pairs = zip(references, written, strict=True)
        counts = np.array([_counts(process(*pair)) for pair in pairs])
        errors, sizes = counts[draws].sum(1).T
        low, high = np.percentile(errors / sizes, [2.5, 97.5])
        mean = counts[:, 0].sum() / counts[:, 1].sum()
        found[name] = Estimate(float(mean), float(low), float(high))
    cer = found["cer"]
    kept = (max(0.0, 1 - value) for value in (cer.mean, cer.high, cer.low))
    return {"accuracy": Estimate(*kept), **found}


@dataclass(frozen=True)
class Aligned:
    """Two texts word by word, one below the other.

    Attributes:
        name: of the record.
        reference, written: what stands at each position; :data:`NOTHING` for no word.
        errors: words that are wrong.
    """

    name: str
    reference: list[str]
    written: list[str]
    errors: int


def alignments(
    names: Sequence[str], written: Sequence[str], references: Sequence[str]
) -> list[Aligned]:
    """Return the best alignment of the words of each text with those of its reference."""
    return [
        Aligned(name, *_aligned(text.split(), reference.split()))
        for name, text, reference in zip(names, written, references, strict=True)
    ]


def confused(found: Sequence[Aligned], most: int = 12) -> list[tuple[str, str, int]]:
    """Return the most frequent pairs of a word and what was written in its place."""
    pairs = Counter(
        (one, other)
        for each in found
        for one, other in zip(each.reference, each.written, strict=True)
        if one != other
    )
    return [(one, other, count) for (one, other), count in pairs.most_common(most)]


def _aligned(written: list[str], reference: list[str]) -> tuple[list[str], list[str], int]:
    output = _jiwer().process_words(" ".join(reference), " ".join(written))
    above: list[str] = []
    below: list[str] = []
    for chunk in output.alignments[0]:
        truth = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        said = written[chunk.hyp_start_idx : chunk.hyp_end_idx]
        size = max(len(truth), len(said))
        above += truth + [NOTHING] * (size - len(truth))
        below += said + [NOTHING] * (size - len(said))
    return above, below, sum(one != other for one, other in zip(above, below, strict=True))


def _counts(output: Any) -> tuple[int, int]:
    """Return the errors of a text, and the size of its reference."""
    missed = output.substitutions + output.deletions
    return missed + output.insertions, missed + output.hits


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError:
        raise HeadstartError(
            "error rates of transcripts need jiwer: install the extra with "
            "`pip install 'headstart[audio]'`."
        ) from None
    return jiwer
