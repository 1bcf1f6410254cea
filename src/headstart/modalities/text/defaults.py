"""Defaults for texts: encoder, objective, epochs, tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.modalities import Defaults, Request

#: On small budgets the light encoder beats deeper ones (see ``docs/log.md``).
ENCODER = "light"
ENCODER_FOR = {
    "mlm": "modernbert",
    "clm": "gpt",
    "nsp": "modernbert",
    "sop": "modernbert",
    "bert": "bert",
    "albert": "bert",
    "word_order": "modernbert",
    "electra": "modernbert",
    "prefix": "modernbert",
    "unilm": "modernbert",
    "plm": "xlnet",
    "span_corruption": "t5",
    "bart": "t5",
    "gap_sentences": "t5",
    "tsdae": "bert",
    "simcse": "modernbert",
}
OBJECTIVE = "mlm"
OBJECTIVE_FOR = {"light": "contrast", "gpt": "clm"}

#: Most epochs of a budget in minutes, by objective and encoder: after these they overfit (measured
#: on 1,263 news articles and 75,000 reviews; see ``docs/log.md``). Others have no limit.
MOST_EPOCHS: dict[tuple[str, ...], float] = {("contrast", "light"): 6.0}


@dataclass(frozen=True)
class Patience:
    """Defaults for long budgets.

    Attributes:
        minutes: fewest minutes of the budget.
        records: fewest records.
        most_epochs: in place of :data:`MOST_EPOCHS`.
        options: of the objectives, by name.
    """

    minutes: float
    records: int
    most_epochs: float
    options: Mapping[str, Mapping[str, Any]]

    def pays(self, request: Request) -> bool:
        """Return whether the budget is in minutes and long enough, for enough records."""
        long = request.budget.unit == "minutes" and request.budget.amount >= self.minutes
        return long and len(request.records) >= self.records


#: With the encoder's tokenizer for long budgets (phrases as tokens): measured on 70,000 reviews; on
#: a thousand articles 12 epochs overfit (see ``docs/log.md``).
PATIENCE: dict[tuple[str, ...], Patience] = {
    ("contrast", "light"): Patience(10.0, 20_000, 12.0, {"contrast": {"drop": 0.3}})
}


def text_defaults(request: Request) -> Defaults:
    """Return the defaults for texts."""
    objectives, encoder = request.choose(
        OBJECTIVE, ENCODER, objective_for=OBJECTIVE_FOR, encoder_for=ENCODER_FOR
    )
    length = request.length or request.longest(encoder)
    pair = (*objectives, encoder)
    patience = PATIENCE.get(pair)
    if patience is None or not patience.pays(request):
        return Defaults(objectives, encoder, length, MOST_EPOCHS.get(pair))
    return Defaults(
        objectives, encoder, length, patience.most_epochs, patience.options, patient=True
    )
