"""Who wins with few labels: a run, its encoder untrained, or a simple alternative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np


class Judge:
    """Scores of anything on the same labels and test texts.

    Args:
        sources: texts without labels, on which the simple alternatives are fitted too.
        train, test: labeled texts.
        labels: numbers of labels to draw, as ``headstart evaluate`` takes them.
        remove_overlap: whether source texts that are tested, too, are left out, as by pretrain.
        more: further candidates, from the records of the sources, of ``train`` and of ``test``.

    Attributes:
        alternatives: results of TF-IDF, LSA, word vectors, and of ``more``.
    """

    def __init__(
        self,
        sources: list[str],
        train: str,
        test: str,
        *,
        labels: list[str],
        seed: int = 0,
        remove_overlap: bool = False,
        more: Callable[[Any, Any, Any], list[Any]] = lambda *_: [],
    ) -> None:
        from headstart.config import EvaluateConfig, PretrainConfig, SourceOptions
        from headstart.data.audit import Audit
        from headstart.modalities.opening import open_modality
        from headstart.modalities.sifting import sift
        from headstart.modalities.text.baselines import text_baselines

        modality = open_modality("text")

        def read(names: list[str]) -> Any:
            return modality.read(names, SourceOptions(), Audit())

        background, self.train, self.test = read(sources), read([train]), read([test])
        if remove_overlap:
            asked = PretrainConfig(sources=sources, out="", remove_overlap=[test])
            background = sift(background, asked, modality.content, Audit(), read)
        self.config = EvaluateConfig(run="", train="", labels=labels, seed=seed)
        self._untrained: dict[tuple[str, bool], Any] = {}
        everything = (background, self.train, self.test)
        self.alternatives = self._scored(text_baselines(*everything, seed=seed) + more(*everything))

    def __call__(self, run: Any) -> Any:
        """Return the results of a run, of its encoder untrained, and of the alternatives."""
        from headstart.encoders.opening import open_encoder, open_processor, read_note
        from headstart.evaluation.frozen_encoders import untrained
        from headstart.evaluation.outcomes import Candidate

        folder = run.require_encoder()
        encoder, processor = open_encoder(folder), open_processor(folder)
        length = int(read_note(folder)["length"])
        vectors = self._vectors(encoder, processor, length)
        # One that was taught to look to the left only also does so untrained.
        key = (run.resolved["plan"]["encoder"], bool(getattr(encoder, "is_causal", False)))
        if key not in self._untrained:
            fresh = untrained(encoder, self.config.seed)
            self._untrained[key] = self._vectors(fresh, processor, length)
        found = self._scored(
            [
                Candidate("pre-trained", "pretrained", *vectors),
                Candidate("untrained", "untrained", *self._untrained[key]),
            ]
        )
        return replace(found, outcomes=[*found.outcomes, *self.alternatives.outcomes])

    def _vectors(self, encoder: Any, processor: Any, length: int) -> list[np.ndarray]:
        from headstart.evaluation.features import features

        parts = (self.train, self.test)
        return [features(encoder, processor, part, length=length) for part in parts]

    def _scored(self, candidates: list[Any]) -> Any:
        from headstart.evaluation.evaluate import evaluate
        from headstart.modalities.text.content import TEXT

        return evaluate(candidates, self.train, self.test, self.config, TEXT)


def score(results: Any, candidate: str, labels: int) -> Any:
    """Return the outcome of a candidate at a number of labels, by logistic regression."""
    return next(o for o in results.judged(labels) if o.candidate == candidate)


def change(results: Any, labels: int, other: str) -> str:
    """Return what the pre-trained encoder gains over another candidate, in points."""
    from headstart.evaluation.intervals import compare

    ours, theirs = (score(results, name, labels) for name in ("pre-trained", other))
    gain = compare(results, ours, theirs).estimate
    return f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def show(*cells: str) -> None:
    """Print a row of a table, at once."""
    print(f"| {' | '.join(cells)} |", flush=True)
