"""Resolve `auto`: objective, encoder and sizes for a budget and a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import Budget
from headstart.encoders import ENCODERS
from headstart.encoders.formats import is_static
from headstart.encoders.opening import encoder_folder, kind_of, read_note
from headstart.errors import HeadstartError
from headstart.modalities import Defaults, Request
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import parse_mixture
from headstart.training.distilled import open_teacher
from headstart.training.embeddings import COUNTS
from headstart.training.safeguards import choose_safeguards

if TYPE_CHECKING:
    from headstart.config import PretrainConfig
    from headstart.encoders import EncoderKind
    from headstart.modalities import Modality


#: Training from scratch, for networks without an :class:`EncoderKind`.
FOREIGN_LEARNING_RATE, FOREIGN_BATCH_SIZE = 1e-3, 32
#: Learning rate of continued pre-training, relative to training from scratch: 1e-4 for a
#: transformer (Gururangan et al. 2020, appendix B).
CONTINUED = 0.1


@dataclass
class Plan:
    """Everything that is resolved once for a run; in ``config.yaml`` under ``resolved``."""

    objectives: dict[str, float]
    encoder: str
    length: int
    batch_size: int
    learning_rate: float
    encoder_options: dict[str, Any] = field(default_factory=dict)
    objective_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    most_epochs: float | None = None
    optimizer: dict[str, Any] = field(default_factory=dict)
    patient: bool = False
    safeguards: dict[str, Any] | None = None
    embeddings: str | None = None


def decide(config: PretrainConfig, records: Any, modality: Modality) -> Plan:
    """Resolve the user's options, and the defaults for ``auto``, into a plan.

    The modality gives defaults for the records; the rest follows from objective and encoder.
    """
    requested = {} if config.objective == "auto" else parse_mixture(config.objective)
    defaults = modality.defaults(
        Request(
            objectives=tuple(requested),
            encoder=None if config.encoder == "auto" else config.encoder,
            length=_length(config),
            budget=Budget.parse(config.budget),
            records=records,
            longest=lambda name: (kind_of(name) or ENCODERS[name]).length,
        )
    )
    objectives = requested or dict.fromkeys(defaults.objectives, 1.0)
    if config.teacher and not requested:
        # What was distilled is kept: training on gained nothing (docs/log.md).
        objectives = {}
        defaults = Defaults((), defaults.encoder, defaults.length)
    encoder = defaults.encoder
    kind = kind_of(encoder)
    # An encoder that goes on has its size already, and not every kind has every option.
    own = kind.Options.model_fields if kind else {}
    usual = {name: value for name, value in defaults.encoder_options.items() if name in own}
    options = {**usual, **config.encoder_options}
    needs = frozenset().union(*(OBJECTIVES[name].needs for name in objectives))
    packed = all(OBJECTIVES[name].layout == "packed" for name in objectives)
    if kind:
        if "dropout" in needs and "dropout" in kind.Options.model_fields:
            options.setdefault("dropout", 0.1)
        own_batch = [OBJECTIVES[name].batch_size or kind.batch_size for name in objectives]
        rate, batch_size = kind.learning_rate, max(own_batch, default=kind.batch_size)
        if config.teacher:
            width = kind.Options.model_fields["width"].default
            options.setdefault("width", min(width, open_teacher(config.teacher).encoder.width))
    else:
        start = encoder_folder(encoder)
        rate, batch_size = FOREIGN_LEARNING_RATE, FOREIGN_BATCH_SIZE
        if isinstance(start, Path) and is_static(start):
            rate, batch_size = ENCODERS["light"].learning_rate, ENCODERS["light"].batch_size
    if packed:
        batch_size = defaults.batch_size or batch_size
    else:
        # On a small corpus an epoch should have several steps, and a batch enough negatives.
        batch_size = min(batch_size, max(64, len(records) // 10), max(2, len(records) // 2))
    batch_size = config.batch_size or batch_size
    own_rate = [r for name in objectives if (r := OBJECTIVES[name].learning_rate)]
    chosen = {name: dict(given) for name, given in config.objective_options.items()}
    for name in objectives:
        default_options = OBJECTIVES[name].default_options(len(records), batch_size)
        if default_options:
            chosen[name] = {**default_options, **chosen.get(name, {})}
    for name, default_options in defaults.objective_options.items():
        chosen[name] = {**default_options, **chosen.get(name, {})}
    if config.optimizer.name == "auto" and kind:
        rate = defaults.optimizer.get("learning_rate", rate)
    rate = min(own_rate, default=rate)
    # Published weights have an EncoderKind too, and a tag after a dot.
    guarded = config.safeguards != "off" and (kind is None or "." in encoder)
    if config.safeguards == "on" and not guarded:
        raise HeadstartError(
            f"--safeguards guard what an encoder knows, and {encoder} begins with nothing; name a "
            "run or a model folder with --encoder, or leave them out."
        )
    if guarded and config.safeguard_options.low_rate:
        rate *= CONTINUED
    rate = config.optimizer.learning_rate or rate
    guards = choose_safeguards(config, rate) if guarded else None
    return Plan(
        objectives=objectives,
        encoder=encoder,
        length=defaults.length,
        batch_size=batch_size,
        learning_rate=rate,
        encoder_options=options,
        objective_options=chosen,
        optimizer={} if own_rate else _optimizer(config, kind, defaults.optimizer),
        most_epochs=defaults.most_epochs,
        patient=defaults.patient,
        safeguards=asdict(guards) if guards else None,
        embeddings=_embeddings(config, kind),
    )


def _length(config: PretrainConfig) -> int | None:
    """Return the requested length, or else that of an existing encoder."""
    if config.length or config.encoder == "auto" or kind_of(config.encoder):
        return config.length
    return int(read_note(encoder_folder(config.encoder))["length"])


def _embeddings(config: PretrainConfig, kind: EncoderKind | None) -> str | None:
    """Return how token vectors begin: of a run, a teacher, or counts; None is at random."""
    if config.embeddings == "auto":
        return COUNTS if kind and kind.counts else None
    return None if config.embeddings == "none" else config.embeddings


def _optimizer(
    config: PretrainConfig, kind: EncoderKind | None, of_data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the optimizer defaults of the data or else of the encoder, unless the user chose one.

    If the user sets one rate, Muon's rate keeps its ratio to AdamW's.
    """
    given = config.optimizer
    if given.name != "auto" or kind is None:
        return {}
    if of_data:
        return {name: value for name, value in of_data.items() if name != "learning_rate"}
    default_options = dict(kind.optimizer)
    if given.learning_rate and "muon_learning_rate" in default_options:
        default_options["muon_learning_rate"] *= given.learning_rate / kind.learning_rate
    return {k: v for k, v in default_options.items() if k not in given.model_fields_set - {"name"}}
