"""Perplexity of a language model on texts, with alternatives and samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional as F

from headstart.encoders.visibility import prefixed, visibility
from headstart.errors import HeadstartError
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.ngram_baseline import NgramFacts, fit_ngrams
from headstart.evaluation.ngram_counts import Corpus
from headstart.evaluation.ngram_model import NgramModel
from headstart.evaluation.windows import Sequences, Window, drawn, windows_of
from headstart.objectives.heads import TokenHead
from headstart.pages.result import Result
from headstart.seeding import seeded

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders import TokenEncoder

#: Objectives whose runs give each token a probability given those before it.
SUPPORTED = ("clm", "prefix")
RESAMPLES = 500
#: Number of texts below which windows are resampled instead of texts.
FEW = 20
_ROWS = 16
#: Pieces of a text whose surprise is displayed, and characters before them.
_PIECES, _BEFORE = 150, 80


@dataclass(frozen=True)
class ModelScore:
    """The scores of one model on the tested tokens.

    Attributes:
        name: of the model.
        perplexity: the exponential of the mean nats per token.
        bits_a_byte: bits per UTF-8 byte, which does not depend on the tokenizer.
    """

    name: str
    perplexity: Estimate
    bits_a_byte: Estimate


@dataclass(frozen=True)
class Surprises:
    """The surprisal of the pieces of a tested text.

    Attributes:
        before: the text before the pieces, cut at the left.
        pieces: ``(piece of the text, bits)``, in order.
    """

    before: str
    pieces: list[tuple[str, float]]


@dataclass(frozen=True)
class Perplexity(Result):
    """The answer of :func:`perplexity`.

    Attributes:
        foreseen: scores of the run first, then of the alternatives.
        texts, tokens: number of tested texts and tokens.
        gain: nats per token that the run saves over the best alternative, with its interval.
        ngrams: how the n-gram model was fitted; None where there is none.
        about: ``{run, texts, date, versions}`` of the measurement, as text.
        notes: remarks in plain sentences.
        samples: continuations of the first words of tested texts.
        surprises: of parts of the tested texts.
    """

    foreseen: list[ModelScore]
    texts: int
    tokens: int
    gain: Estimate
    ngrams: NgramFacts | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: list[dict[str, str]] = field(default_factory=list)
    surprises: list[Surprises] = field(default_factory=list)

    @property
    def best(self) -> ModelScore:
        """The alternative with the lowest perplexity."""
        return min(self.foreseen[1:], key=lambda candidate: candidate.perplexity.mean)

    @property
    def sign(self) -> int:
        """1 where the run is clearly better than the best alternative, -1 where worse, else 0.

        Never 1 without an n-gram model: to beat an untrained network says nothing.
        """
        return (self.gain.low > 0 and self.ngrams is not None) - (self.gain.high < 0)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        ours, best = self.foreseen[0].perplexity.mean, self.best
        against = f"(perplexity {ours:,.1f} against {best.perplexity.mean:,.1f} of {best.name})"
        if self.sign > 0:
            share = 1 - math.exp(-self.gain.mean)
            return f"Yes: pre-training predicts these texts {share:.0%} better {against}."
        if self.sign < 0:
            return f"No: a simpler model predicts these texts better {against}."
        if self.ngrams is None and self.gain.low > 0:
            return f"Unknown: there are no n-grams of the pre-training to compare with {against}."
        return f"Not clear: no certain difference {against}."

    def __str__(self) -> str:
        lines = [self.verdict, *(f"{name}: {value}" for name, value in self.about.items())]
        lines.append(f"{self.texts:,} texts, {self.tokens:,} tokens predicted, 95% intervals:")
        width = max(len(one.name) for one in self.foreseen)
        lines += [
            f"  {one.name:<{width}}  perplexity {span(one.perplexity, 1)}, "
            f"{span(one.bits_a_byte, 3)} bits a byte"
            for one in self.foreseen
        ]
        lines += [*(self.ngrams.sentences() if self.ngrams else []), *self.notes]
        for sample in self.samples:
            lines += ["", f"after {sample['prompt']!r} it writes", f"  {sample['written']!r}"]
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """Return plain values: the verdict, all figures, notes and samples."""
        found = {name: value for name, value in asdict(self).items() if name != "surprises"}
        return {"verdict": self.verdict, "task": "perplexity", **found}


def check_objective(objective: str | None) -> str:
    """Return the objective, if its runs predict next tokens.

    Raises:
        HeadstartError: it gives no probabilities of next tokens.
    """
    if objective not in SUPPORTED:
        raise HeadstartError(
            f"a run of {objective or 'this objective'} gives no probability of a text token by "
            f"token; perplexity is of runs of {' and '.join(SUPPORTED)} (what a network writes "
            "from another text is scored by `headstart finetune --task seq2seq`)."
        )
    return objective


def perplexity(
    encoder: TokenEncoder,
    head: TokenHead,
    processor: Sequences,
    objective: str,
    records: Dataset,
    background: Dataset | None,
    *,
    context: int,
    seed: int = 0,
    write: Callable[[str], str] | None = None,
) -> Perplexity:
    """Measure how well a network predicts each token of texts from those before it.

    Long texts are split into windows of ``context`` tokens that overlap by half, so that a token
    has at least that much context. A network of objective ``prefix`` attends in both directions
    within the first half of each text, and only the second half is predicted, by all models. The
    alternatives are the same network untrained and an n-gram model of all pre-training texts.
    Intervals are bootstraps over texts, or over windows of fewer than 20 texts. Of more than
    ``MOST_TESTED`` tokens some windows are drawn, which bounds the time.

    Args:
        encoder, head: the network and its output layer.
        processor: the tokenizer.
        objective: of the run, one of :data:`SUPPORTED`.
        records: texts to test.
        background: the pre-training texts; without them there is no n-gram model, and the verdict
            can only be that the run is not better.
        context: maximum number of tokens that the network sees.
        seed: of the bootstrap and of the untrained network.
        write: continues a prompt, for samples.

    Raises:
        HeadstartError: there is no token to predict.
    """
    texts = list(records[processor.content.columns[0]])
    windows = list(windows_of(processor, texts, context, halves=objective == "prefix"))
    if not windows:
        raise HeadstartError("the texts are too short to predict a token of them; name others.")
    random = np.random.default_rng(seed)
    windows, notes = drawn(windows, random)
    sizes = np.array([len(window.ids) - window.seen for window in windows])
    unit = np.array([window.text for window in windows])
    few = len(set(unit)) < FEW
    unit = np.arange(len(windows)) if few else np.unique(unit, return_inverse=True)[1]
    count = np.bincount(unit, weights=sizes)
    written = np.bincount(unit, weights=[window.written for window in windows])

    ours = _network_nats(encoder, head, processor, windows, objective)
    nats = {"this run": _summed(ours)}
    with seeded(seed, "untrained"):
        fresh = cast("TokenEncoder", encoder.untrained())
        plain = TokenHead(fresh.token_embedding, fresh.width, transform=False)
    name = "the same network untrained"
    nats[name] = _summed(_network_nats(fresh, plain, processor, windows, objective))
    ngrams = None
    if background is not None:
        model, ngrams = fit_ngrams(background, processor)
        nats[ngrams.name] = _summed(_ngram_nats(model, windows))
    sums = {name: np.bincount(unit, weights=values) for name, values in nats.items()}

    draws = random.integers(len(count), size=(RESAMPLES, len(count)))
    foreseen = []
    for name, values in sums.items():
        mean = ratio(values, count, draws)
        bits = ratio(values / math.log(2), written, draws)
        spread = (math.exp(min(x, 700)) for x in (mean.mean, mean.low, mean.high))
        foreseen.append(ModelScore(name, Estimate(*spread), bits))
    first, *candidates = sums
    best = min(candidates, key=lambda name: sums[name].sum())
    gain = ratio(sums[best] - sums[first], count, draws)
    if few:
        notes.append(
            f"With fewer than {FEW} texts the intervals are over windows of them: they say "
            "nothing about other texts."
        )
    if objective == "prefix":
        notes.append("Only the second half of each text is predicted, from its first.")
    samples = [] if write is None else _samples(texts, write)
    surprises = _surprises(texts, windows, ours)
    return Perplexity(
        foreseen,
        len({window.text for window in windows}),
        int(sizes.sum()),
        gain,
        ngrams,
        notes=notes,
        samples=samples,
        surprises=surprises,
    )


def _network_nats(
    encoder: TokenEncoder,
    head: TokenHead,
    processor: Sequences,
    windows: list[Window],
    objective: str,
) -> list[np.ndarray]:
    """Return the nats of the predicted tokens of each window."""
    encoder.eval()
    head.eval()
    found: list[np.ndarray] = [np.empty(0)] * len(windows)
    order = np.argsort([len(window.ids) for window in windows], kind="stable")
    for start in range(0, len(order), _ROWS):
        indices = order[start : start + _ROWS]
        rows = [windows[index] for index in indices]
        batch = processor.pad([row.ids.tolist() for row in rows])
        mask = batch["mask"]
        seen = torch.tensor([row.seen for row in rows])
        position = torch.arange(mask.shape[1])
        predicted = mask & (position >= seen[:, None])
        targets = torch.from_numpy(np.concatenate([row.ids[row.seen :] for row in rows]))
        with torch.inference_mode():
            visible: torch.Tensor | None
            if objective == "prefix":
                visible = prefixed(visibility(batch), mask & ~predicted)
            else:
                visible = encoder.causal_visibility(batch)
            vectors = encoder.contextualize(encoder.embed(batch), visible)
            where = predicted[:, 1:]
            logits = head(vectors[:, :-1][where]).float()
            nats = F.cross_entropy(logits, targets, reduction="none")
        for index, of_window in zip(indices, nats.split(where.sum(1).tolist()), strict=True):
            found[index] = of_window.numpy()
    return found


def _ngram_nats(model: NgramModel, windows: list[Window]) -> list[np.ndarray]:
    """Return the nats of the predicted tokens of each window."""
    nats = model.nats(Corpus.of([window.ids for window in windows]))
    ends = np.cumsum([len(window.ids) for window in windows])
    return [
        nats[end - len(window.ids) + window.seen : end]
        for end, window in zip(ends, windows, strict=True)
    ]


def _summed(nats: list[np.ndarray]) -> np.ndarray:
    """Return the total nats (W,) of each window."""
    return np.array([values.sum(dtype=np.float64) for values in nats])


def ratio(values: np.ndarray, sizes: np.ndarray, draws: np.ndarray) -> Estimate:
    """Return the ratio of two sums over units (U,), with the bootstrap interval of ``draws``."""
    drawn = values[draws].sum(1) / np.maximum(sizes[draws].sum(1), 1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(values.sum() / max(1, sizes.sum())), float(low), float(high))


def _evenly_spaced(total: int, count: int) -> list[int]:
    """Return at most ``count`` evenly spaced indices."""
    return sorted({round(index) for index in np.linspace(0, total - 1, count)})


def _surprises(
    texts: list[str], windows: list[Window], nats: list[np.ndarray], count: int = 3
) -> list[Surprises]:
    """Return the surprisal of the pieces of some evenly spaced windows."""
    found = []
    for index in _evenly_spaced(len(windows), count):
        window, text = windows[index], texts[windows[index].text]
        pieces, bits = [], 0.0
        for (start, end), value in zip(pairwise(window.edges), nats[index], strict=True):
            bits += float(value) / math.log(2)
            if end > start:  # a character may take several tokens, and the end token has none
                pieces.append((text[start:end], bits))
                bits = 0.0
        first = window.edges[0]
        found.append(Surprises(text[max(0, first - _BEFORE) : first], pieces[:_PIECES]))
    return found


def _samples(texts: list[str], write: Callable[[str], str], count: int = 3) -> list[dict[str, str]]:
    """Return continuations of the first words of some evenly spaced texts."""
    samples = []
    for index in _evenly_spaced(len(texts), count):
        words = texts[index].split(" ")
        prompt = " ".join(words[: max(1, min(8, len(words) // 2))])[:80]
        samples.append({"prompt": prompt, "written": write(prompt).removeprefix(prompt)})
    return samples


def span(value: Estimate, digits: int) -> str:
    """Format an estimate with its interval: ``87.3 [86.1, 88.5]``."""
    return f"{value.mean:,.{digits}f} [{value.low:,.{digits}f}, {value.high:,.{digits}f}]"
