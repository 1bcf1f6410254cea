"""An evaluation by the protocol that suits the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.batch import Progress
from headstart.config import EvaluateConfig
from headstart.evaluation.outcomes import Candidate, Results
from headstart.evaluation.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from datasets import Dataset


def protocol_of(config: EvaluateConfig) -> Protocol:
    """Return the protocol that the user named; ``auto`` is classification.

    Raises:
        HeadstartError: no protocol has that name.
    """
    protocol: Protocol = PROTOCOLS["classification" if config.task == "auto" else config.task]
    return protocol


def evaluate(
    candidates: list[Candidate],
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    *,
    progress: Progress | None = None,
) -> Results:
    """Measure all candidates by the protocol of ``config.task``.

    Args:
        train: labeled records, in the order of the candidates' features.
        test: the same for the tested; None where folds are cut from the training records.
        progress: called with the number of fits done and of all fits.

    Raises:
        HeadstartError: records that the protocol cannot measure.
    """
    return protocol_of(config).measure(candidates, train, test, config, progress)
