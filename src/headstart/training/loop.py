"""One objective as a LightningModule: micro-batches and optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from headstart.batch import Batch
from headstart.errors import HeadstartError
from headstart.seeding import generator, reseed
from headstart.training.clipping import clip
from headstart.training.loader import NumberedBatches, ResumableLoader
from headstart.training.optimizers import build, set_progress
from headstart.training.plan import TrainingPlan
from headstart.training.processes import ProcessGroup


@dataclass
class Counts:
    """Progress counters, part of the checkpoint."""

    step: int = 0
    rows: int = 0
    positions: int = 0
    seconds: float = 0.0


class TrainingLoop(LightningModule):
    """A step is ``accumulate`` micro-batches and one optimizer step.

    Corruption and dropout are functions of the seed, the number of the micro-batch and the rank; no
    random state is carried from one micro-batch to the next.

    Args:
        steps: of the whole run.
        group: the processes that share each step.

    Attributes:
        counts: progress so far.
        scalars: the objective's named scalars, mean over the micro-batches of the last step.
        keep: further plain values for the checkpoint, by name.
    """

    def __init__(self, plan: TrainingPlan, steps: int, group: ProcessGroup) -> None:
        super().__init__()
        config = plan.config
        self.objective = plan.objective
        self.steps, self.accumulate, self.seed = steps, config.accumulate, config.seed
        self.counts = Counts()
        self.scalars: dict[str, float] = {}
        self.keep: dict[str, Any] = {}
        self._plan, self._options, self._group = plan, config.optimizer, group
        batches = NumberedBatches.of(plan, group)
        self._loader = ResumableLoader(batches, steps * config.accumulate, config.workers)
        # A function, since a compiled module would change the names in the checkpoint.
        self._forward: Callable[[Batch], dict[str, Tensor]] = (
            torch.compile(self.objective.forward) if config.compile else self.objective.__call__
        )
        self._sums: dict[str, Tensor] = {}

    def train_dataloader(self) -> ResumableLoader:
        return self._loader

    def configure_optimizers(self) -> torch.optim.Optimizer:
        plan = self._plan
        # Processes exchange whole gradients, and a compiled graph has no others.
        keep_rows = self._group.world == 1 and not plan.config.compile
        return build(
            self.objective, self._options, plan.learning_rate, plan.guards, keep_rows=keep_rows
        )

    def training_step(self, numbered: tuple[int, Batch], batch_idx: int) -> Tensor:
        number, batch = numbered
        device = next(iter(batch.values())).device
        reseed(device, self.seed, "step", number, self.global_rank)
        random = generator(self.seed, "corrupt", number, self.global_rank, device=device)
        scalars = self._forward(self.objective.corrupt(batch, random))
        loss = scalars["loss"]
        if not math.isfinite(loss.item()):
            raise _not_finite("loss", self.counts.step)
        for name, value in scalars.items():
            if value.ndim == 0:
                self._sums[name] = self._sums.get(name, 0) + value.detach().float()
        world = self.trainer.world_size
        self.counts.rows += len(next(iter(batch.values()))) * world
        self.counts.positions += int(batch["mask"].sum()) * world if "mask" in batch else 0
        return loss

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = clip(parameters, self._options.clip or math.inf)
        if not math.isfinite(norm.item()):
            raise _not_finite("gradient", self.counts.step)
        self.scalars = {name: (v / self.accumulate).item() for name, v in self._sums.items()}
        self.scalars["grad_norm"] = norm.item()
        self._sums = {}

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        # The middle of the step, so that neither the first nor the last has rate 0.
        set_progress(optimizer, (self.counts.step + 0.5) / self.steps, self._options)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.scalars["learning_rate"] = max(group["lr"] for group in optimizer.param_groups)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["headstart"] = {"counts": vars(self.counts).copy(), **self.keep}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = dict(checkpoint["headstart"])
        self.counts = Counts(**state.pop("counts"))
        self.keep.update(state)


class NotFinite(HeadstartError):
    """The loss or the gradient became infinite or NaN."""


def _not_finite(what: str, step: int) -> NotFinite:
    return NotFinite(
        f"the {what} became infinite or not a number at step {step + 1}; lower the learning rate, "
        "set a smaller clip, or use precision fp32 (the last checkpoint is whole)."
    )
