"""Protocols: methods of measuring pre-training. Each is one file, and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from typing import Protocol as Contract

from headstart.config import Options as AnyOptions
from headstart.registries import PROTOCOLS as PROTOCOLS
from headstart.registry import HOME

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
    """The result of an evaluation; its string is what the shell prints."""

    @property
    def verdict(self) -> str:
        """The answer, in a sentence or a few lines."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the same, as every result of a verb does."""
        return self.summary()


@dataclass(frozen=True)
class OpenedRun:
    """An opened run, for a protocol that measures the network itself.

    Attributes:
        length: maximum number of positions that the network sees.
        write: continues a prompt with a language model.
        say: called with messages.
    """

    run: RunFolder
    modality: Modality
    encoder: Encoder
    processor: Processor
    length: int
    write: Callable[[str], str]
    say: Callable[[str], None]


#: From labeled records and options to the measurement of all candidates on them.
Measure = Callable[["LabeledData", "EvaluateConfig"], "Measurement"]
#: From an opened run and options to the answer; it writes its own page.
MeasureRun = Callable[[OpenedRun, "EvaluateConfig"], Answer]
#: From a source, options, the modality, its processor and an audit to labeled, readable records.
Read = Callable[
    [str, "EvaluateConfig", "Modality", "Processor | None", "Audit"],
    "Dataset",
]
#: From predictions (S,N,...), the truth (N,...), a seed and the groups (N,) of records, None where
#: each is alone, to the headline score.
Headline = Callable[["np.ndarray", "np.ndarray", int, "np.ndarray | None"], "Sampled"]


@dataclass(frozen=True)
class Protocol:
    """A method of measuring, by features (``measure``) or by the network itself (``run``).

    Attributes:
        about: the question that it answers, in one line.
        measure: defines how candidates are measured by their features.
        run: measures the network of a single run.
        Options: the model of its options, set with ``--set NAME.key=value``; ``measure`` has them
            from :func:`headstart.config.task_options`.
        needs: capabilities that encoder and processor must provide.
        read: reads labeled records; None for content and label alone.
        split: how a single labeled file is split into training and test records: at random, class
            by class, or not at all.
        folds: whether it can cross-validate instead (``--folds``).
        draws: whether labels are drawn from the training records even where none are split off, so
            that it matters which records belong together.
        networks: whether networks that are trained on the labels can be measured.
        unlabeled: whether it needs no labeled records: where none are named, those of the
            pre-training serve.
        names: whether class names serve it as examples.
        classes: whether it tells the class of each record, the only one that it has.
        alone: whether nothing is learned from training records: where test records are named
            besides, they choose among candidates, and nothing else.
        headline: the headline score of predictions, for protocols that fit a probe: it is then
            fitted once for all records that it is tested on.
        how: a description below the figures, in a sentence or two.
        uses: names of options of ``evaluate`` that ``run`` heeds, besides what every protocol does;
            that others were given and are not used is said.

    Example::

        PROTOCOL = Protocol("How often is the label right?", measure, split=None)
    """

    about: str
    measure: Measure | None = None
    run: MeasureRun | None = None
    Options: type[AnyOptions] = AnyOptions
    needs: frozenset[str] = field(default_factory=frozenset)
    read: Read | None = None
    split: Literal["random", "by class"] | None = "random"
    folds: bool = False
    draws: bool = False
    networks: bool = False
    unlabeled: bool = False
    names: bool = False
    classes: bool = False
    alone: bool = False
    headline: Headline | None = None
    how: str = ""
    uses: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.measure is None and self.run is None:
            raise TypeError(f"the protocol {self.about!r} has neither `measure` nor `run`.")

    @property
    def divides(self) -> bool:
        """Whether it learns from some of the labeled records and is tested on others."""
        return self.measure is not None and (self.split is not None or self.draws)


def protocols_for(modality: Modality | type[Modality]) -> tuple[str, ...]:
    """Return the protocols that suit a kind of data, by name.

    Those are the ones it names and, since it cannot name them, those of other packages; of these
    what they need decides alone.
    """
    others = (name for name in PROTOCOLS if PROTOCOLS.package_of(name) != HOME)
    return tuple(dict.fromkeys((*modality.protocols, *others)))
