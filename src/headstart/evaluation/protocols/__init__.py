"""Protocols: ways to measure what pre-training is worth. Each is one file, and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from typing import Protocol as Contract

from headstart.registry import HOME, Registry

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from headstart.config import EvaluateConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.evaluation.protocols.measuring import LabeledData, Measurement
    from headstart.evaluation.protocols.resampling import Sampled
    from headstart.modalities import Modality, Processor
    from headstart.run import RunFolder


class Answer(Contract):
    """What an evaluation found; as a string it is what the shell prints."""

    @property
    def verdict(self) -> str:
        """The answer, in a sentence or a few lines."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        ...


@dataclass(frozen=True)
class OpenedRun:
    """An opened run, for a protocol that asks the network itself.

    Attributes:
        length: positions that the network sees at most.
        write: continues a beginning; of a run that writes.
        say: tells whoever watches.
    """

    run: RunFolder
    modality: Modality
    encoder: Encoder
    processor: Processor
    length: int
    write: Callable[[str], str]
    say: Callable[[str], None]


#: From labeled records and options to how all candidates are measured on them.
Measure = Callable[["LabeledData", "EvaluateConfig"], "Measurement"]
#: From an opened run and options to the answer; it writes its own page.
Ask = Callable[[OpenedRun, "EvaluateConfig"], Answer]
#: From a source, options, the modality, its processor and an audit to labeled, readable records.
Read = Callable[
    [str, "EvaluateConfig", "Modality", "Processor | None", "Audit"],
    "Dataset",
]
#: From predictions (S,N,...), the truth (N,...) and a seed to the headline score.
Headline = Callable[["np.ndarray", "np.ndarray", int], "Sampled"]


@dataclass(frozen=True)
class Protocol:
    """A way to measure, from features (``measure``) or from the network itself (``run``).

    Attributes:
        about: what it answers, in one line.
        measure: says how candidates are measured by their features.
        run: measures the network of a run, which it alone is about.
        needs: what it asks of encoder and processor, among what they ``provide``.
        read: reads a source whose columns are not the usual content and label; None otherwise.
        split: whether one labeled file is parted into training and test records where no test
            file is named.
        alone: whether the tested records are measured alone, so that training records play no
            part.
        headline: the headline score of predictions, where a probe is fitted: it is then fitted
            once for all records that it is tested on.
        how: what it does, in a sentence or two below its figures.
    """

    about: str
    measure: Measure | None = None
    run: Ask | None = None
    needs: frozenset[str] = field(default_factory=frozenset)
    read: Read | None = None
    split: bool = True
    alone: bool = False
    headline: Headline | None = None
    how: str = ""


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
        "perplexity": "headstart.evaluation.protocols.perplexity:PROTOCOL",
    },
    group="headstart.protocols",
    members=("about", "needs"),
)


def protocols_for(modality: Modality | type[Modality]) -> tuple[str, ...]:
    """Return the protocols that suit a kind of data, by name.

    Those are the ones it names and, since it cannot name them, those of other packages; of these
    what they need decides alone.
    """
    others = (name for name in PROTOCOLS if PROTOCOLS.package_of(name) != HOME)
    return tuple(dict.fromkeys((*modality.protocols, *others)))
