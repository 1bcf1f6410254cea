"""Opening a modality by name, by the sources, or by the tensor of an encoder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import Options, check_options
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES, Modality
from headstart.modalities.guess import guess_content

if TYPE_CHECKING:
    from headstart.config import AuditConfig, PretrainConfig


def open_modality(name: str, options: Mapping[str, Mapping[str, Any]] | None = None) -> Modality:
    """Return a modality by name.

    Args:
        options: of kinds of data, by their names, as ``--set NAME.key=value`` gives them.

    Raises:
        HeadstartError: there is no such modality or option, a value is out of bounds, or the
            options are those of another kind of data.
    """
    kind: type[Modality] = MODALITIES[name]
    given = dict(options or {})
    own = own_options(name, given.pop(name, {}))
    for other in given:
        raise HeadstartError(
            f"--set {other}.KEY is an option of {other}, and the records are "
            f"{kind.content.noun}; leave it out, or name the kind of data with --modality."
        )
    return kind(own)


def own_options(name: str, given: Mapping[str, Any]) -> Options:
    """Validate the options of one kind of data.

    Raises:
        HeadstartError: there is no such modality or option, or a value is out of bounds.
    """
    return check_options(MODALITIES[name].Options, given, f"modality {name!r}", name)


def ranking_hint(name: str | None, run: str | Path) -> str:
    """Return what to do with a run whose kind of data has recommendations, as part of a sentence.

    It is empty for other kinds.

    Args:
        name: of the kind of data.
        run: as the user names it.
    """
    if name is None or name not in MODALITIES or MODALITIES[name].recommender is None:
        return ""
    where = shlex.quote(str(run))
    return f"`headstart recommend {where} --history ITEMS --reasons` ranks what comes next, and why"


def modality_of(config: PretrainConfig | AuditConfig) -> str:
    """Return the modality that the user named, or the one with the columns, or of the sources."""
    if config.modality != "auto":
        return config.modality
    owners = [
        name
        for name, kind in MODALITIES.items()
        if not set(kind.content.nameable).isdisjoint(config.columns)
    ]
    if len(owners) > 1:  # the one of which nothing is left to be named
        needed = {
            name: {one.name for one in MODALITIES[name].content.fields if one.required}
            for name in owners
        }
        owners = [name for name in owners if needed[name] <= config.columns.keys()] or owners
    return owners[0] if len(owners) == 1 else guess_content(config.sources)


def modality_giving(tensor: str, encoder: str | Path) -> str:
    """Return the name of the first modality whose batches have a tensor.

    This is the default modality of an encoder that reads the tensor.

    Raises:
        HeadstartError: there is no such modality.
    """
    for name, kind in MODALITIES.items():
        if kind.gives == tensor:
            return name
    raise HeadstartError(
        f"the encoder {str(encoder)!r} reads {tensor!r}, which no installed kind of data gives; "
        "install the package that brings it."
    )
