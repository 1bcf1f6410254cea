"""One batch as the pretext task makes it of the user's records, without any training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.training.created import new_encoder
from headstart.training.preparing import prepared, ready
from headstart.training.pretrain import new_objective, save_preview

if TYPE_CHECKING:
    from headstart.config import PretrainConfig
    from headstart.run import RunFolder

#: Records that the processor is fitted to.
FITTED = 2000


def preview(
    config: PretrainConfig, run: RunFolder, *, say: Callable[[str], None], console: Any = None
) -> str:
    """Draw the pretext task on the first records into ``run.image_file`` or ``run.words_file``.

    Records are read, filtered and prepared as a pre-training does, and
    the task is the objective's own :meth:`headstart.objectives.Objective.corrupt`. The
    tokenizer is fitted to the first :data:`FITTED` records only, so pieces of rare words may differ
    from those of a training.

    Args:
        run: an empty folder, for this preview only.

    Returns:
        What was chosen, in a sentence.

    Raises:
        HeadstartError: any error that the user can fix, the same as those of a pre-training.
    """
    if config.teacher and config.objective == "auto":
        raise HeadstartError(
            "what is distilled has no pretext task to show; name one with --objective to train on, "
            "or leave out --embeddings."
        )
    run.begin("pretrain", config)
    ready(config, run, say, console, first=FITTED)
    modality, plan, processor = prepared(run)
    encoder = new_encoder(config, plan, processor)
    objective = new_objective(config, plan, encoder, processor)
    rows = processor.rows(
        run.prepared / "train", layout=objective.layout, length=plan.length, seed=config.seed
    )
    save_preview(objective, rows, processor, run, config.seed)
    return (
        f"{' + '.join(plan.objectives)} on the {plan.encoder} encoder makes this of "
        f"{run.recorded('records', int):,} {modality.content.noun}"
    )
