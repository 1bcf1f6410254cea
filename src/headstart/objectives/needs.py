"""Whether encoder, objectives and data fit together, told by their names before anything is read.

An encoder fits data that comes as the tensor it reads; an objective fits where encoder and data
together provide what it needs. What a kind provides is a superset of what one of it will provide
in the end, so the objects themselves are checked once more when the objective is built.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.encoders import ENCODERS
from headstart.encoders.opening import kind_of, reads_of
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES, Modality
from headstart.objectives import OBJECTIVES


def check_fit(objectives: Iterable[str], encoder: str, modality: Modality) -> None:
    """Refuse names that cannot work together; without importing more than refusing needs.

    Args:
        objectives: names; none where that is left open.
        encoder: a name, a folder or a run, or ``"auto"``, for which any encoder may be taken.

    Raises:
        HeadstartError: the encoder reads other data, or an objective needs what is not there.
    """
    if encoder != "auto":
        _check_reads(encoder, modality)
    kind = None if encoder == "auto" else kind_of(encoder)
    for name in objectives:
        needs: frozenset[str] = OBJECTIVES[name].needs
        able = encoders_for(needs, modality)
        if not able and not (kind and needs <= kind.provides | modality.provides):
            _refuse_data(name, needs, modality)
        if kind and not needs <= kind.provides | modality.provides:
            within = objectives_within(kind.provides | modality.provides)
            raise HeadstartError(
                f"the objective {name!r} needs {named(needs - kind.provides - modality.provides)}, "
                f"which the encoder {encoder!r} cannot give; encoders that can: "
                f"{', '.join(able)}; objectives for {encoder}: {', '.join(within)}."
            )


def encoders_for(needs: frozenset[str], modality: Modality) -> list[str]:
    """Return the encoders that read a modality's data and, with it, provide what is needed."""
    return [
        name
        for name, kind in ENCODERS.items()
        if kind.reads == modality.gives and needs <= kind.provides | modality.provides
    ]


def objectives_within(offered: frozenset[str]) -> list[str]:
    """Return the objectives that need no more than what is offered."""
    return [name for name, objective in OBJECTIVES.items() if objective.needs <= offered]


def named(needs: Iterable[str]) -> str:
    """Return capabilities as part of a sentence."""
    return " and ".join(sorted(need.replace("_", " ") for need in needs))


def _check_reads(encoder: str, modality: Modality) -> None:
    reads = reads_of(encoder)
    if reads == modality.gives:
        return
    theirs = " or ".join(kind.content.noun for _, kind in MODALITIES.items() if kind.gives == reads)
    able = ", ".join(encoders_for(frozenset(), modality))
    noun = modality.content.noun
    raise HeadstartError(
        f"the encoder {encoder!r} reads {theirs}, and the sources hold {noun}; encoders that read "
        f"{noun}: {able}."
    )


def _refuse_data(name: str, needs: frozenset[str], modality: Modality) -> None:
    """Refuse what no encoder of this data could make up for."""
    kinds = [kind for _, kind in ENCODERS.items() if kind.reads == modality.gives]
    lacking = [needs - kind.provides - modality.provides for kind in kinds]
    missing = min(lacking, key=len, default=needs - modality.provides)
    able = [other for other, its in OBJECTIVES.items() if encoders_for(its.needs, modality)]
    noun = modality.content.noun
    raise HeadstartError(
        f"the objective {name!r} needs {named(missing)}, which {noun} and their encoders cannot "
        f"give; objectives for {noun}: {', '.join(able)}."
    )
