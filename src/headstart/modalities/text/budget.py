"""What longer budgets pay for on texts, as measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Where a budget in minutes ends early: after so many epochs the pair learns the records by heart
#: (measured on 1,263 news articles and 75,000 reviews; see ``docs/log.md``). Others have no limit.
MOST_EPOCHS: dict[tuple[str, ...], float] = {("contrast", "light"): 6.0}


@dataclass(frozen=True)
class Patience:
    """What pays from a budget of so many minutes on, with so many records, and not below.

    Attributes:
        most_epochs: in place of :data:`MOST_EPOCHS`.
        options: of the objectives, by name.
    """

    minutes: float
    records: int
    most_epochs: float
    options: dict[str, dict[str, Any]]


#: With the encoder's more patient tokenizer (phrases as tokens): measured on 70,000 reviews; a
#: thousand articles are learned by heart in 12 epochs (see ``docs/log.md``).
PATIENCE: dict[tuple[str, ...], Patience] = {
    ("contrast", "light"): Patience(10.0, 20_000, 12.0, {"contrast": {"drop": 0.3}})
}
