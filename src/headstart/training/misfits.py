"""Refusing what cannot work by its names alone, before any record is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.config import check_options
from headstart.data.discovery import check_sources
from headstart.encoders import ENCODERS
from headstart.encoders.opening import encoder_folder, kind_of
from headstart.errors import HeadstartError
from headstart.objectives import MIXTURE
from headstart.objectives.building import check_objectives, parse_mixture
from headstart.objectives.needs import check_fit
from headstart.training.beside import check_start
from headstart.training.distilled import check_teacher
from headstart.training.embeddings import COUNTS, refuse_without_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headstart.config import Options, PretrainConfig
    from headstart.modalities import Modality


def refuse_misfits(config: PretrainConfig, modality: Modality) -> None:
    """Refuse sources, objectives, encoders and names inside their options that cannot work.

    Raises:
        HeadstartError: the message names what is wrong, and what there is.
    """
    others = [source for source in (config.probe,) if source]
    check_sources([*config.sources, *others, *config.remove_overlap], modality.content)
    modality.check_files()
    named = [] if config.objective == "auto" else list(parse_mixture(config.objective))
    check_fit(named, config.encoder, modality, config.length)
    if named:
        _check_views(check_objectives(named, config.objective_options).values(), modality)
    else:
        for name in config.objective_options.keys() - {MIXTURE}:  # auto may choose it
            check_fit([name], config.encoder, modality, config.length)
            given = {name: config.objective_options[name]}
            _check_views(check_objectives([name], given).values(), modality)
    refuse_without_tokens(config, modality)
    check_teacher(config, modality)
    check_start(config, modality)
    if config.teacher is None and config.embeddings not in ("auto", "none", COUNTS):
        encoder_folder(config.embeddings)
    _check_encoder_options(config, modality)


def _check_views(options: Iterable[Options], modality: Modality) -> None:
    for each in options:
        kind = getattr(each, "views", None)
        if isinstance(kind, str):
            modality.check_views(kind)


def _check_encoder_options(config: PretrainConfig, modality: Modality) -> None:
    """Refuse options that the encoder does not have; with ``auto``, that none has."""
    if config.encoder != "auto":
        kinds = {config.encoder: kind_of(config.encoder)}
    else:
        kinds = {name: kind for name, kind in ENCODERS.items() if kind.reads == modality.gives}
    refusal = None
    for name, kind in kinds.items():
        if kind is None:  # one that is opened has its size already, which is said later
            return
        try:
            check_options(kind.Options, config.encoder_options, f"encoder {name!r}", "encoder")
        except HeadstartError as error:
            refusal = refusal or error
        else:
            return
    if refusal is not None:
        raise refusal
