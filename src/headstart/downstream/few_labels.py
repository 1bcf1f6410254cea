"""Labels too few for any to be held out: class names and what spreads make the classifier.

::

    names ------+
    labels -----+--frozen features--> head auto --> run
    unlabeled --+

Nothing is trained, and nothing can be measured beyond what the labels tell of themselves.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.labels import or_regression
from headstart.downstream.classes import labels_of
from headstart.downstream.classification import Classification
from headstart.downstream.finetune import tell_choice
from headstart.downstream.fitting import Fitting, arrays, set_head
from headstart.downstream.frozen import even_indices, pooled_features
from headstart.downstream.rows import LabeledRows
from headstart.downstream.semi_supervised.unlabeled import (
    features_of,
    unlabeled_rows,
    without_known,
)
from headstart.encoders.opening import save_encoder
from headstart.errors import HeadstartError
from headstart.evaluation.heads.propagation import POOL
from headstart.files import whole_folder
from headstart.stored import seal
from headstart.training.log import RunLog

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import FinetuneConfig
    from headstart.encoders import Encoder
    from headstart.modalities import Processor
    from headstart.run import RunFolder

#: Values of ``semi`` that make a classifier of class names and what spreads.
SPREADING = ("auto", "propagate")


def are_too_few(records: Dataset | None, names: Dataset | None, plan: FinetuneConfig) -> bool:
    """Return whether no label can be held out, or a class has a name alone.

    Numbers that are all different are quantities rather than classes, and not counted.
    """
    if plan.task != Classification.name or plan.semi not in SPREADING:
        return False
    counts = Counter([] if records is None else labels_of(records))
    named = set() if names is None else set(names["label"])
    if plan.val or (len(counts) < 2 and not named) or (counts and or_regression(counts)):
        return False
    return max(counts.values(), default=0) < 2 or not named <= set(counts)


def learn_from_few(
    encoder: Encoder,
    processor: Processor,
    records: Dataset | None,
    names: Dataset | None,
    unlabeled: Dataset | None,
    tested: Dataset | None,
    config: FinetuneConfig,
    run: RunFolder,
    *,
    note: dict[str, Any],
    console: Any = None,
) -> RunFolder:
    """Make a classifier of what there is, and write ``RUN/encoder`` and ``RUN/head``.

    Args:
        records: labeled; None where there are no labels.
        names: class names, with the ``label`` that each is the name of.
        unlabeled: records that labels and names may spread over.
        tested: test records, which are left out of the unlabeled ones.
        note: as in :func:`headstart.downstream.finetune.finetune`.

    Raises:
        HeadstartError: fewer than two classes.
    """
    log = RunLog(run.log_file, console)
    labels = [] if records is None else labels_of(records)
    named = [] if names is None else [str(label) for label in names["label"]]
    classes = sorted({*labels, *named})
    if len(classes) < 2:
        raise HeadstartError(
            f"two classes or more are needed, but {classes[0] if classes else 'none'!r} is the "
            "only one that has labels or a name; add records to --train, or names to --names."
        )
    length = int(note["length"])
    head = Classification(encoder.width, classes)
    others = None
    if unlabeled is not None:
        known = {"the labeled data": records, "the test data": tested}
        seen = {name: each for name, each in known.items() if each is not None}
        remaining, messages = without_known(unlabeled, seen, processor.content)
        for message in messages:
            log(message)
        some = remaining.select(even_indices(len(remaining), POOL))
        others = features_of(encoder, unlabeled_rows(processor, some, length), log).numpy()
        of = f" of {len(remaining):,}" if len(some) < len(remaining) else ""
        log(f"{len(some):,}{of} unlabeled records are looked at.")
    rows = None if names is None else _rows(head, processor, names, length)
    fitting = Fitting(encoder, rows, others, config.seed, config.semi_options.keep_pool)
    features, targets = np.zeros((0, encoder.width), np.float32), np.zeros(0, np.int64)
    if records is not None:
        labeled = _rows(head, processor, records, length)
        features, targets = arrays(*pooled_features(encoder, labeled, np.arange(len(records))))
    chosen = fitting(features, targets)
    set_head(head, chosen)
    if records is not None:
        head.remember(chosen, features, records, processor.content, fitting.kept)
    few = f"{len(labels):,} label{'' if len(labels) == 1 else 's'}"
    unmeasured = (
        "none is held out, so that nothing is measured; with two labels a class it would be"
        if chosen.held is None
        else "a class has a name alone, so that no record can tell how well it is known; what "
        "follows is measured inside the labels of the others"
    )
    log(f"{len(classes):,} classes, {few} and {len(named):,} names: {unmeasured}.")
    tell_choice(chosen, run, log)
    run.resolve(task=config.task, labels=classes, modality=note["modality"], length=length)
    with whole_folder(run.encoder) as folder:
        save_encoder(encoder, processor, folder, note)
        seal(folder)
    with whole_folder(run.head) as folder:
        head.save(folder)
        seal(folder)
    run.resolve(finished=True, compared=True)
    return run


def _rows(head: Classification, processor: Processor, records: Dataset, length: int) -> LabeledRows:
    return LabeledRows(processor, records, head.targets(records), length)
