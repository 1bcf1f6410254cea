"""The same network trained on the labels alone, from scratch or from the pre-trained weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from headstart.config import FinetuneConfig, OptimizerOptions
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict
from headstart.downstream.training_defaults import batch_size_for
from headstart.encoders.opening import (
    encoder_folder,
    first_part,
    open_encoder,
    open_processor,
    read_note,
)
from headstart.files import scratch
from headstart.run import RunFolder
from headstart.seeding import seeded

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders import Encoder

#: Peak rate of a fresh network up to 256 wide, in proportion to 1 / width beyond.
RATE = 1e-3


def train_from_scratch(run: str, labeled: Dataset, tested: Dataset, seed: int) -> list[str]:
    """Return the labels predicted for ``tested`` by the run's network trained on ``labeled``.

    The network has the run's architecture and tokenizer, and fresh weights. It is trained as by
    ``headstart finetune``, but longer and at higher rates, since it has no pre-trained weights to
    protect; so it is a fair baseline.

    Args:
        run: the pre-training run, or any encoder folder.
        seed: of the weights and the order of training.
    """
    # Of encoders that stand side by side only the pre-trained one would be trained.
    folder = encoder_folder(first_part(encoder_folder(run)))
    with seeded(seed, "scratch"):
        encoder = open_encoder(folder).untrained()
    return _predicted(
        encoder,
        folder,
        labeled,
        tested,
        seed,
        budget=f"{_steps(encoder, len(labeled))}steps",
        optimizer=OptimizerOptions(learning_rate=RATE * 256 / max(256, encoder.width)),
    )


def seconds_from_scratch(run: str, labeled: int) -> float:
    """Return the seconds that training from scratch will take, by the speed of the pre-training.

    Args:
        run: the pre-training run.
        labeled: number of labeled records.
    """
    encoder = open_encoder(first_part(encoder_folder(run)))
    samples = _steps(encoder, labeled) * batch_size_for(encoder, labeled)
    clocks = [row["clock"] for row in RunFolder.open(run).metrics() if row.get("clock")]
    speeds = [clock["samples_per_second"] for clock in clocks if clock.get("samples_per_second")]
    return samples / median(speeds) if speeds else 0.0


def _steps(encoder: Encoder, labeled: int) -> int:
    return max(600, 10 * labeled // batch_size_for(encoder, labeled))


def fine_tuned(run: str, labeled: Dataset, tested: Dataset, seed: int) -> list[str]:
    """Return the labels predicted for ``tested`` by the run's own weights, fine-tuned.

    All of the network learns from ``labeled``, with the defaults of ``headstart finetune``. It is
    not replaced by logistic regression on the frozen features, which is a candidate of its own.

    Args:
        run: the pre-training run, or any encoder folder.
        seed: of the order of training.
    """
    folder = encoder_folder(run)
    return _predicted(open_encoder(folder), folder, labeled, tested, seed)


def _predicted(
    encoder: Encoder,
    folder: str | Path,
    labeled: Dataset,
    tested: Dataset,
    seed: int,
    **options: Any,
) -> list[str]:
    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        config = FinetuneConfig(
            run=str(folder),
            train="",
            out=str(Path(temporary) / "run"),
            seed=seed % 2**31,
            tracker="none",
            alternatives=False,
            **options,
        )
        target = RunFolder.create(config.out, "finetune", config)
        # One record a class cannot be held out; then the training records say when to stop.
        alone = len(set(labeled["label"])) == len(labeled)
        finetune(
            encoder,
            open_processor(folder),
            labeled,
            labeled if alone else None,
            config,
            target,
            note=read_note(folder),
        )
        return [str(row["label"]) for row in predict(target, tested)]
