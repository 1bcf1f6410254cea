"""Protocols: ways to measure what features are worth. Each is one file, and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.registry import Registry

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import EvaluateConfig
    from headstart.data.audit import Audit
    from headstart.evaluation.outcomes import Candidate, Results
    from headstart.modalities import Modality

#: From candidates, training and test records (None: folds, or one file is all there is), options
#: and what is to be told of progress, to results.
Measure = Callable[
    [list["Candidate"], "Dataset", "Dataset | None", "EvaluateConfig", "Progress | None"], "Results"
]
#: From a source, options, the modality, its processor and an audit to labeled, readable records.
Read = Callable[[str, "EvaluateConfig", "Modality", Any, "Audit"], "Dataset"]


@dataclass(frozen=True)
class Protocol:
    """A way to measure features.

    Attributes:
        about: what it answers, in one line.
        measure: scores all candidates.
        read: reads a source whose columns are not the usual content and label; None otherwise.
        split: whether one labeled file is parted into training and test records where no test
            file is named.
    """

    about: str
    measure: Measure
    read: Read | None = None
    split: bool = True


PROTOCOLS = Registry(
    "evaluation task",
    {
        "classification": "headstart.evaluation.protocols.classification:PROTOCOL",
        "multilabel": "headstart.evaluation.protocols.multilabel:PROTOCOL",
        "regression": "headstart.evaluation.protocols.regression:PROTOCOL",
        "fewshot": "headstart.evaluation.protocols.fewshot:PROTOCOL",
        "similarity": "headstart.evaluation.protocols.similarity:PROTOCOL",
        "retrieval": "headstart.evaluation.protocols.retrieval:PROTOCOL",
        "clustering": "headstart.evaluation.protocols.clustering:PROTOCOL",
    },
    group="headstart.protocols",
    members=("about", "needs"),
)
