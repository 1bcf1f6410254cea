"""The smallest objective with everything that a resume could get wrong, and rows for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.config import TrainingOptions
from headstart.encoders import Features
from headstart.objectives import Objective
from headstart.run import RunFolder
from headstart.seeding import generator
from headstart.training.plan import TrainingPlan
from headstart.training.probe import Probe
from headstart.training.safeguards import Safeguards
from headstart.training.train import TrainingResult, train
from headstart.training.watch import Watch

WIDTH = 8


class TinyEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(30, WIDTH)
        self.dropout = nn.Dropout(0.2)
        self.dense = nn.Linear(WIDTH, WIDTH)

    def forward(self, batch: dict[str, Tensor]) -> Features:
        tokens = self.dense(self.dropout(self.table(batch["input_ids"])))
        return Features(tokens, batch["mask"], tokens.mean(1))

    def pool(self, batch: dict[str, Tensor]) -> Tensor:
        return self(batch).pooled


class TinyObjective(Objective):
    """Masked tokens, with dropout, corruption by generator, a buffer that moves in the forward
    pass, and an average that moves after each step.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = TinyEncoder()
            self.head = nn.Linear(WIDTH, 30)
        self.register_buffer("average", torch.zeros(WIDTH, WIDTH))
        self.register_buffer("seen", torch.zeros(()))
        self.fed: list[Tensor] = []

    def corrupt(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        hidden = torch.rand(batch["input_ids"].shape, generator=generator) < 0.3
        ids = batch["input_ids"].masked_fill(hidden, 0)
        return {**batch, "input_ids": ids, "targets": batch["input_ids"]}

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.seen += 1
        if self.training:
            self.fed.append(batch["targets"])
        logits = self.head(self.encoder(batch).tokens)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())
        accuracy = (logits.argmax(-1) == batch["targets"]).float().mean()
        return {"loss": loss, "accuracy": accuracy}

    def after_step(self, progress: float) -> None:
        with torch.no_grad():
            self.average.lerp_(self.encoder.dense.weight, 0.1 + 0.5 * progress)


class PlainObjective(TinyObjective):
    """Deterministic: the mean of its gradients over parts is that over the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder.dropout.p = 0.0

    def corrupt(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {**batch, "targets": batch["input_ids"]}


class TinyRows:
    """Rows that differ in their first token pair; another view in every epoch."""

    def __init__(self, count: int, length: int = 6, seed: int = 0) -> None:
        random = generator(seed, "rows")
        self.ids = torch.randint(1, 30, (count, length), generator=random)

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        ids = self.ids[torch.from_numpy(indices)].roll(epoch, dims=1)
        return {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}


def open_tiny(folder: Path, **options: Any) -> tuple[RunFolder, TrainingOptions]:
    """Open the run in ``folder``, or create it; several processes must find it there already."""
    defaults = {"budget": "12steps", "tracker": "none", "precision": "fp32", "validate_steps": 4}
    config = TrainingOptions(**(defaults | options))
    if (folder / "config.yaml").exists():
        return RunFolder.open(folder), config
    return RunFolder.create(folder, "pretrain", config), config


def _watch(labels: Tensor | None) -> Watch:
    batch = TinyRows(16, seed=2).batch(np.arange(16), 0)
    return Watch(batch, probe=None if labels is None else Probe(batch, labels))


def run_tiny(
    folder: Path,
    *,
    objective: nn.Module | None = None,
    rows: int = 22,
    validation: int = 6,
    watched: bool = True,
    restore_best: bool = False,
    learning_rate: float = 0.01,
    plain: bool = False,
    guards: dict[str, Any] | None = None,
    probe: Tensor | None = None,
    **options: Any,
) -> tuple[nn.Module, TrainingResult, RunFolder]:
    """Train the tiny objective in ``folder``, going on if something lies there."""
    run, config = open_tiny(folder, **options)
    objective = objective or (PlainObjective() if plain else TinyObjective())
    held_out = TinyRows(validation, seed=1) if validation else None
    plan = TrainingPlan(
        objective=objective,
        rows=TinyRows(rows),
        run=run,
        config=config,
        batch_size=config.batch_size or 4,
        learning_rate=learning_rate,
        validation=held_out,
        watch=_watch(probe) if watched else None,
        restore_best=restore_best,
        guards=Safeguards(**guards) if guards else None,
    )
    return objective, train(plan), run
