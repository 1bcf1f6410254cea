"""Bits a sample: how well does a network predict recordings, one mu-law sample after another?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from headstart.errors import HeadstartError
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.ngram_counts import Corpus
from headstart.evaluation.ngram_model import NgramModel
from headstart.evaluation.perplexity import FEW, RESAMPLES, ratio, span
from headstart.modalities.audio.clips import CLIPS
from headstart.modalities.mu_law import CODES, encode
from headstart.pages.result import Result

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders.wavenet import WaveNet
    from headstart.modalities.audio.reading import Reading
    from headstart.objectives.heads import TokenHead

#: Most samples that are tested, and that the histograms are fitted on.
TESTED, FITTED = 2_000_000, 10_000_000
#: What no model at all needs: eight bits.
PLAIN = "the codes as they are"
#: The histograms, by how many samples before the one that is predicted they look at.
HISTOGRAMS = (
    "a histogram of the samples",
    "a histogram after each sample (order 1)",
    "a histogram after each two samples (order 2)",
)
#: Samples that a network computes at once, and of a stretch where there are few recordings.
_SPAN, _STRETCH = 2**15, 800


@dataclass(frozen=True)
class Score:
    """The bits a sample of one model, with their 95% interval."""

    name: str
    bits: Estimate


@dataclass(frozen=True)
class BitsASample(Result):
    """The answer of :func:`bits_a_sample`.

    Attributes:
        scores: of the run first, then of the alternatives.
        recordings, samples: numbers of those tested.
        gain: bits a sample that the run saves over the best alternative, paired.
        about: ``{run, recordings, date, versions}`` of the measurement, as text.
        notes: remarks in plain sentences.
    """

    scores: list[Score]
    recordings: int
    samples: int
    gain: Estimate
    about: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> Score:
        """The alternative that needs the fewest bits."""
        return min(self.scores[1:], key=lambda each: each.bits.mean)

    @property
    def sign(self) -> int:
        """1 where the run is clearly better than the best alternative, -1 where worse, else 0.

        Never 1 without histograms: to beat the codes as they are says nothing.
        """
        return (self.gain.low > 0 and len(self.scores) > 2) - (self.gain.high < 0)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        ours, best = self.scores[0].bits.mean, self.best
        against = f"({ours:.2f} bits a sample against {best.bits.mean:.2f} of {best.name})"
        if self.sign > 0:
            return f"Yes: pre-training predicts these recordings better {against}."
        if self.sign < 0:
            return f"No: a simpler model predicts these recordings better {against}."
        if len(self.scores) == 2 and self.gain.low > 0:
            return f"Unknown: there are no recordings of the pre-training to count in {against}."
        return f"Not clear: no certain difference {against}."

    def __str__(self) -> str:
        lines = [self.verdict, *(f"{name}: {value}" for name, value in self.about.items())]
        lines.append(
            f"{self.recordings:,} recordings, {self.samples:,} samples predicted, 95% intervals:"
        )
        width = max(len(each.name) for each in self.scores)
        lines += [f"  {each.name:<{width}}  {span(each.bits, 3)} bits" for each in self.scores]
        return "\n".join([*lines, *self.notes])

    def summary(self) -> dict[str, Any]:
        """Return plain values: the verdict, all figures and notes."""
        return {"verdict": self.verdict, "task": "bits_a_sample", **asdict(self)}


def bits_a_sample(
    encoder: WaveNet,
    head: TokenHead,
    reading: Reading,
    records: Dataset,
    background: Dataset | None,
    *,
    seed: int = 0,
) -> BitsASample:
    """Measure how many bits a network needs for each sample of recordings, given those before it.

    The first sample of a recording is given, not predicted, and silence lies before it. The
    alternatives are the codes as they are, and histograms of those of the recordings of the
    pre-training: of single ones, and after the one or two before (interpolated, modified
    Kneser-Ney). Intervals are bootstraps over recordings, or over stretches of fewer than 20.

    Args:
        encoder, head: the network and its output layer.
        reading: how recordings are read.
        records: to test.
        background: those of the pre-training; without them there are no histograms.
        seed: of the bootstrap, and of what is drawn of more samples than are tested or counted.

    Raises:
        HeadstartError: no recording has a second sample.
    """
    random = np.random.default_rng(seed)
    tested, left_out = _some(records, reading, TESTED, random)
    if not tested:
        raise HeadstartError(
            "no recording has a second sample that could be predicted; name others."
        )
    notes = []
    if left_out:
        notes.append(
            f"Of {len(records):,} recordings {len(tested):,} are tested, drawn at random, which "
            "bounds the time."
        )
    nats = {"this run": network_nats(encoder, head, tested)}
    nats[PLAIN] = [np.full(len(each) - 1, math.log(CODES)) for each in tested]
    if background is not None:
        fitted, unread = _some(background, reading, FITTED, random)
        if unread:
            notes.append(f"The histograms are of {len(fitted):,} recordings, drawn at random.")
        for order, name in enumerate(HISTOGRAMS, start=1):
            nats[name] = histogram_nats(fitted, tested, order)
    few = len(tested) < FEW
    if few:
        notes.append(
            f"With fewer than {FEW} recordings the intervals are over stretches of them: they say "
            "nothing about other recordings."
        )
    sums = {name: _bits(values, few) for name, values in nats.items()}
    counts = np.array([len(each) for values in nats["this run"] for each in _parts(values, few)])
    draws = random.integers(len(counts), size=(RESAMPLES, len(counts)))
    first, *others = sums
    best = min(others, key=lambda name: sums[name].sum())
    return BitsASample(
        [Score(name, ratio(values, counts, draws)) for name, values in sums.items()],
        len(tested),
        int(counts.sum()),
        ratio(sums[best] - sums[first], counts, draws),
        notes=notes,
    )


def network_nats(encoder: WaveNet, head: TokenHead, codes: list[np.ndarray]) -> list[np.ndarray]:
    """Return the nats (S-1,) of each sample but the first of recordings of codes (S,).

    Long recordings are computed in spans, each with all before it that a vector knows of.
    """
    encoder.eval()
    found = []
    with torch.inference_mode():
        for each in codes:
            ids, parts = torch.from_numpy(each), []
            for start in range(1, len(each), _SPAN):
                end, begin = min(start + _SPAN, len(each)), max(0, start - encoder.reach)
                batch = {"input_ids": ids[None, begin : end - 1]}
                vectors = encoder.contextualize(encoder.embed(batch), None)[0, start - 1 - begin :]
                parts.append(F.cross_entropy(head(vectors), ids[start:end], reduction="none"))
            found.append(torch.cat(parts).numpy())
    return found


def histogram_nats(
    fitted: list[np.ndarray], tested: list[np.ndarray], order: int
) -> list[np.ndarray]:
    """Return the nats (S-1,) of each sample but the first, by n-grams of ``order`` codes."""
    nats = NgramModel(Corpus.of(fitted), CODES, order).nats(Corpus.of(tested))
    ends = np.cumsum([len(each) for each in tested])
    return [nats[end - len(each) + 1 : end] for end, each in zip(ends, tested, strict=True)]


def _some(
    records: Dataset, reading: Reading, most: int, random: np.random.Generator
) -> tuple[list[np.ndarray], bool]:
    """Return the codes (S,) of recordings, all or ``most`` samples at random, and if any is left.

    What cannot be decoded is left out: it was set aside when the records were read.
    """
    found: list[np.ndarray] = []
    total = 0
    for codes in _codes(records, random.permutation(len(records)), reading):
        if total >= most:
            return found, True
        found.append(codes)
        total += len(codes)
    return found, False


def _codes(records: Dataset, order: np.ndarray, reading: Reading) -> Iterator[np.ndarray]:
    for index in order.tolist():
        samples = CLIPS.get(records[index]["audio"], *reading.how)
        if not isinstance(samples, str) and len(samples) > 1:
            yield encode(torch.from_numpy(samples)).numpy()


def _parts(values: np.ndarray, few: bool) -> list[np.ndarray]:
    """Return what is resampled: a recording, or its stretches where there are few."""
    return np.array_split(values, max(1, len(values) // _STRETCH)) if few else [values]


def _bits(nats: list[np.ndarray], few: bool) -> np.ndarray:
    """Return the total bits (U,) of each recording or stretch."""
    sums = [part.sum(dtype=np.float64) for values in nats for part in _parts(values, few)]
    return np.array(sums) / math.log(2)
