"""How long, how fast and in which batches a network is fine-tuned, where nobody said."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.config import FinetuneConfig
    from headstart.downstream import TaskDefaults
    from headstart.encoders import Encoder
    from headstart.run import RunFolder

#: No encoder learns faster than this by default.
MOST_RATE = 1e-3


def learning_rate_for(encoder: Encoder) -> float:
    """Return the default peak learning rate of an encoder.

    A network with layers: 5e-5 at width 768 (BERT, Devlin et al. 2018, appendix A.3), in proportion
    to 1 / width, as Adam's best rate scales (Yang et al. 2022, table 3,
    https://arxiv.org/abs/2203.03466), up to 1e-3. A table of embeddings alone, with no layers above
    it that could be damaged: 1e-3.
    """
    if len(encoder.layers()) == 1:
        return MOST_RATE
    return min(MOST_RATE, 5e-5 * 768 / encoder.width)


def batch_size_for(encoder: Encoder, count: int) -> int:
    """Return the default batch size; larger for a table of embeddings, whose steps are cheap."""
    if count < 1000:
        return 16
    return 32 if len(encoder.layers()) > 1 else min(256, max(32, count // 100))


def validation_share_for(count: int) -> float:
    """Return the default share held out of ``count`` records; rare classes need some, too."""
    return 0.2 if count < 1000 else 0.1


def decide(
    defaults: TaskDefaults, encoder: Encoder, count: int, config: FinetuneConfig, run: RunFolder
) -> dict[str, Any]:
    """Return options or else defaults; decided once and stored, so that a resumed run agrees."""
    if "plan" not in run.resolved:
        batch_size = (
            config.batch_size or defaults.get("batch_size") or batch_size_for(encoder, count)
        )
        epoch = math.ceil(count / batch_size)
        steps = f"{defaults.get('steps', max(300, 3 * epoch))}steps"
        budget = steps if config.budget == "auto" else config.budget
        run.resolve(
            plan={
                "batch_size": batch_size,
                "learning_rate": config.optimizer.learning_rate
                or defaults.get("learning_rate")
                or learning_rate_for(encoder),
                "budget": budget,
                "validate_steps": config.validate_steps
                or defaults.get("validate_steps", max(10, epoch // 4)),
                "patience": defaults.get("patience", config.patience),
                "layer_decay": defaults.get("layer_decay", config.layer_decay),
                "validation_share": config.validation_share or validation_share_for(count),
                **config.model_dump(include={"patience", "layer_decay"} & config.model_fields_set),
            }
        )
    return dict(run.recorded("plan", dict))
