"""One batch as the pretext task makes it of the user's records, without any training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.modalities.opening import modality_of, open_modality
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import build_objective, check_objectives
from headstart.objectives.needs import check_fit
from headstart.seeding import seeded
from headstart.training.defaults import decide
from headstart.training.pairing import check_companions, companion_fields, paired
from headstart.training.pretrain import (
    all_modality_options,
    fitted_processor,
    new_encoder,
    refuse_misfits,
    save_preview,
)
from headstart.working import working

if TYPE_CHECKING:
    from headstart.config import PretrainConfig
    from headstart.run import RunFolder

#: Records that the processor is fitted to.
FITTED = 2000


def preview(
    config: PretrainConfig, run: RunFolder, *, say: Callable[[str], None], console: Any = None
) -> str:
    """Draw the pretext task on the first records into ``run.image_file`` or ``run.words_file``.

    It is the objective's own :meth:`headstart.objectives.Objective.corrupt`. The tokenizer is
    fitted to the first :data:`FITTED` records only, so pieces of rare words may differ from those
    of a training.

    Returns:
        What was chosen, in a sentence.

    Raises:
        HeadstartError: any error that the user can fix, the same as those of a pre-training.
    """
    name = modality_of(config)
    modality = open_modality(name, all_modality_options(config, name))
    check_companions(config, modality)
    refuse_misfits(config, modality)
    audit = Audit()
    fields = companion_fields(config, modality.content)
    with working("reading the sources", console, say) as audit.watch:
        records = modality.read(config.sources, config, audit, fields=fields)
    for sentence in audit.sentences():
        say(sentence)
    plan = decide(config, records, modality)
    check_fit(plan.objectives, plan.encoder, modality, plan.length)
    check_objectives(plan.objectives, plan.objective_options)
    some = records.select(range(min(FITTED, len(records))))
    with working("preparing the records", console, say):
        some = paired(some, modality, run, say)
        processor = fitted_processor(config, plan, modality, some)
        processor.configure(
            frozenset().union(*(OBJECTIVES[each].needs for each in plan.objectives))
        )
        modality.prepare(some, processor, run.prepared / "train", audit, learn=True)
    encoder = new_encoder(config, plan, processor)
    with seeded(config.seed, "heads"):
        objective = build_objective(plan.objectives, plan.objective_options, encoder, processor)
    rows = processor.rows(
        run.prepared / "train", layout=objective.layout, length=plan.length, seed=config.seed
    )
    save_preview(objective, rows, processor, run, config.seed)
    return (
        f"{' + '.join(plan.objectives)} on the {plan.encoder} encoder makes this of "
        f"{len(records):,} {modality.content.noun}"
    )
