"""Check by name that encoder, objectives and data fit together, before anything is read.

An encoder fits data that is collated to the tensor it reads. An objective fits if encoder and data
together provide what it needs. A kind's ``provides`` is a superset of what an instance provides, so
the instances are checked again when the objective is built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from headstart.encoders import ENCODERS
from headstart.encoders.opening import kind_of, open_encoder, reads_of
from headstart.errors import HeadstartError, several
from headstart.modalities import MODALITIES, Modality
from headstart.objectives import OBJECTIVES


def check_fit(
    objectives: Collection[str], encoder: str, modality: Modality, length: int | None = None
) -> None:
    """Refuse names that do not work together.

    Args:
        objectives: names; empty if they are still to be decided.
        encoder: a name, a folder or a run, or ``"auto"``, which stands for any encoder.
        length: tokens per row, or pixels per side; an existing encoder must be able to read them.

    Raises:
        HeadstartError: the encoder reads other data, or an objective needs a missing capability.

    Example::

        check_fit(["mlm"], "modernbert", MODALITIES["text"])
    """
    if encoder != "auto":
        _check_reads(encoder, modality)
    offered: frozenset[str] = frozenset()
    if encoder != "auto" and objectives:
        offered = (
            kind_of(encoder) or open_encoder(encoder, length=length)
        ).provides | modality.provides
    for name in objectives:
        needs: frozenset[str] = OBJECTIVES[name].needs
        if offered and needs <= offered:
            continue
        if next(_able(needs, modality), None) is None:
            _refuse_data(name, needs, modality)
        if offered:
            able = encoders_for(needs, modality)
            within = objectives_within(offered)
            missing = phrase(needs - offered)
            raise HeadstartError(
                f"the objective {name!r} needs {missing}, "
                f"which the encoder {encoder!r} cannot give; encoders that can: "
                f"{several(able)}; objectives for {encoder}: {several(within)}."
            )
    together = frozenset().union(*(OBJECTIVES[name].needs for name in objectives))
    if encoder == "auto" and next(_able(together, modality), None) is None:
        each = (
            f"{name} has {', '.join(encoders_for(OBJECTIVES[name].needs, modality))}"
            for name in objectives
        )
        raise HeadstartError(
            f"no encoder gives what {' and '.join(objectives)} need together: {'; '.join(each)}."
        )


def encoders_for(needs: frozenset[str], modality: Modality) -> list[str]:
    """Return the encoders that read a modality's data and provide, with it, ``needs``."""
    return list(_able(needs, modality))


def _able(needs: frozenset[str], modality: Modality) -> Iterator[str]:
    """Yield what :func:`encoders_for` returns, importing each encoder when it is its turn."""
    for name, kind in ENCODERS.items():
        if kind.reads == modality.gives and needs <= kind.provides | modality.provides:
            yield name


def objectives_within(offered: frozenset[str]) -> list[str]:
    """Return the objectives whose needs are a subset of ``offered``."""
    return [name for name, objective in OBJECTIVES.items() if objective.needs <= offered]


def phrase(needs: Iterable[str]) -> str:
    """Return capabilities as a phrase: ``mask token and vocabulary``."""
    return " and ".join(sorted(need.replace("_", " ") for need in needs))


def _check_reads(encoder: str, modality: Modality) -> None:
    reads = reads_of(encoder)
    if reads == modality.gives:
        return
    nouns = [kind.content.noun for _, kind in MODALITIES.items() if kind.gives == reads]
    theirs = " or ".join(nouns) or f"{reads!r}, which no installed kind of data gives"
    able = ", ".join(encoders_for(frozenset(), modality)) or "none"
    noun = modality.content.noun
    raise HeadstartError(
        f"the encoder {encoder!r} reads {theirs}, and the sources hold {noun}; encoders that read "
        f"{noun}: {able}."
    )


def _refuse_data(name: str, needs: frozenset[str], modality: Modality) -> None:
    """Refuse an objective that no encoder for this data could serve."""
    kinds = [kind for _, kind in ENCODERS.items() if kind.reads == modality.gives]
    lacking = [needs - kind.provides - modality.provides for kind in kinds]
    missing = min(lacking, key=len, default=needs - modality.provides)
    able = [other for other, its in OBJECTIVES.items() if encoders_for(its.needs, modality)]
    noun = modality.content.noun
    raise HeadstartError(
        f"the objective {name!r} needs {phrase(missing)}, which {noun} and their encoders cannot "
        f"give; objectives for {noun}: {several(able, all_in='headstart list cells')}."
    )
