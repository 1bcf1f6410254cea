"""What `auto` stands for: objective, encoder and sizes that suit the budget and the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.encoders import ENCODERS, EncoderKind
from headstart.encoders.opening import encoder_folder, read_note
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import parse_mixture

if TYPE_CHECKING:
    from headstart.config import PretrainConfig

#: The encoder that suits an objective when none is named.
ENCODER_FOR = {"contrast": "light", "mlm": "modernbert", "clm": "gpt", "simcse": "modernbert"}

#: The objective that suits an encoder when none is named; for any other, ``mlm``.
OBJECTIVE_FOR = {"light": "contrast", "gpt": "clm"}

#: Where a budget in minutes ends early: after so many epochs the pair learns the records by heart
#: (measured on 1,263 news articles and 75,000 reviews; see ``docs/log.md``). Others have no limit.
MOST_EPOCHS: dict[tuple[str, ...], float] = {("contrast", "light"): 6.0}

#: Fine for a network that has learned something already (Gururangan et al. 2020, appendix B).
CONTINUED_LEARNING_RATE = 1e-4


@dataclass
class Plan:
    """What was decided once for a run; it lies in ``config.yaml`` under ``resolved``."""

    objectives: dict[str, float]
    encoder: str
    length: int
    batch_size: int
    learning_rate: float
    encoder_options: dict[str, Any] = field(default_factory=dict)
    most_epochs: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for ``config.yaml``."""
        return asdict(self)


def decide(config: PretrainConfig, records: Any) -> Plan:
    """Turn the user's options, and ``auto`` where he left them open, into a plan.

    With nothing said the plan is the light encoder under the contrast of halves: on small
    budgets it beats the textbook recipes (see ``docs/log.md``).
    """
    if config.objective == "auto":
        objectives = {OBJECTIVE_FOR.get(config.encoder, _first_objective(config)): 1.0}
    else:
        objectives = parse_mixture(config.objective)
    encoder = config.encoder
    if encoder == "auto":
        encoder = ENCODER_FOR[next(iter(objectives))]
        if len(objectives) > 1 and encoder == "light":
            encoder = "modernbert"
    options = dict(config.encoder_options)
    needs = frozenset().union(*(OBJECTIVES[name].needs for name in objectives))
    layouts = {OBJECTIVES[name].layout for name in objectives}
    layout = "documents" if "documents" in layouts else "packed"
    if encoder in ENCODERS:
        kind: EncoderKind = ENCODERS[encoder]
        if "dropout" in needs and "dropout" in kind.Options.model_fields:
            options.setdefault("dropout", 0.1)
        length, rate = kind.length, kind.learning_rate
        batch_size = kind.batch_size
    else:
        length = int(read_note(encoder_folder(encoder))["length"])
        rate, batch_size = CONTINUED_LEARNING_RATE, 32
    if layout == "documents":
        # A small corpus needs its epochs to have several steps, and each its negatives.
        batch_size = min(batch_size, max(64, len(records) // 10), max(2, len(records) // 2))
    batch_size = config.batch_size or batch_size
    return Plan(
        objectives=objectives,
        encoder=encoder,
        length=config.length or length,
        batch_size=batch_size,
        learning_rate=config.optimizer.learning_rate or rate,
        encoder_options=options,
        most_epochs=MOST_EPOCHS.get((*objectives, encoder)),
    )


def _first_objective(config: PretrainConfig) -> str:
    return "contrast" if config.encoder == "auto" else "mlm"
