"""The Lightning Trainer as this library uses it: one epoch, no files, no banners."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy

from headstart.training.checkpoint import WholeCheckpoints
from headstart.training.plan import TrainingPlan
from headstart.training.processes import ProcessGroup

_LOGGERS = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")


def trainer(
    plan: TrainingPlan, callbacks: list[Callback], precision: str, group: ProcessGroup
) -> Trainer:
    """Return a Trainer for this process, distributed if ``group`` has several."""
    cuda = torch.cuda.is_available()
    plugins: list[Any] = [WholeCheckpoints()]
    options: dict[str, Any] = {"devices": [group.local_rank] if cuda else 1}
    if group.world > 1:
        # Heads may be unused in a step (mixtures, poolers).
        options["strategy"] = DDPStrategy(find_unused_parameters=True)
        options["devices"] = group.local_world
        options["num_nodes"] = group.world // group.local_world
    else:
        plugins.append(LightningEnvironment())
    return Trainer(
        accelerator="cuda" if cuda else "cpu",
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        max_epochs=1,
        accumulate_grad_batches=plan.config.accumulate,
        callbacks=callbacks,
        plugins=plugins,
        default_root_dir=plan.run.folder,
        deterministic="warn" if cuda else None,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **options,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's banners and hints, but not its errors."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\b")
            warnings.filterwarnings("ignore", message=".*does not have a deterministic impl.*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
