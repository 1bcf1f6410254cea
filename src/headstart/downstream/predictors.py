"""What pre-trained runs predict without any labels: the saved head names the predictor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headstart.objectives.opening import described_head
from headstart.registry import Registry

if TYPE_CHECKING:
    from headstart.config import PredictConfig
    from headstart.run import RunFolder

#: Each takes a run, a :class:`headstart.config.PredictConfig` and what is called with messages,
#: writes its result and returns rows. The names are those of ``predicts`` in a saved head.
PREDICTORS = Registry(
    "predictor",
    {
        "voices": "headstart.downstream.audio.voices:write_voices",
        "class_names": "headstart.downstream.pairs.zero_shot:write_classes",
    },
    group="headstart.predictors",
)

Predict = Callable[["RunFolder", "PredictConfig", Callable[[str], None]], list[dict[str, Any]]]


def predictor_of(run: RunFolder) -> Predict | None:
    """Return what a pre-trained run predicts with; None for one that needs labels first."""
    if run.config()["verb"] == "finetune" or not run.head.is_dir():
        return None
    kind = described_head(run).get("predicts")
    if kind is None:
        return None
    found: Predict = PREDICTORS[kind]
    return found
