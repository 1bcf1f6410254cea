"""What suits texts where the user leaves it open: encoder, objective, epochs, tokenizer."""

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
    options: Mapping[str, Mapping[str, Any]]

    def pays(self, request: Request) -> bool:
        """True where the budget is in minutes and long enough, and there are records enough."""
        long = request.budget.unit == "minutes" and request.budget.amount >= self.minutes
        return long and len(request.records) >= self.records


#: With the encoder's more patient tokenizer (phrases as tokens): measured on 70,000 reviews; a
#: thousand articles are learned by heart in 12 epochs (see ``docs/log.md``).
PATIENCE: dict[tuple[str, ...], Patience] = {
    ("contrast", "light"): Patience(10.0, 20_000, 12.0, {"contrast": {"drop": 0.3}})
}


@dataclass(frozen=True)
class TokenizerDefaults:
    """The tokenizer an encoder works best with.

    Attributes:
        unspaced: what it would rather have for a script without spaces, if anything.
        patient: what it would rather have where the budget is long enough to pay for it.
        sentinels: how many tokens stand for spans that were cut out, as T5's ``<extra_id_0>``;
            they come on top of ``vocab_size``.
    """

    kind: str = "bpe"
    vocab_size: int = 16384
    lowercase: bool = False
    wrap: bool = True
    unspaced: TokenizerDefaults | None = None
    patient: TokenizerDefaults | None = None
    sentinels: int = 0


def text_defaults(request: Request) -> Defaults:
    """Return what suits texts; rows are packed, or padded to the longest of a batch only."""
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
