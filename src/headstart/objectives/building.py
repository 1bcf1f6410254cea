"""From ``mlm:1,simcse:0.1`` to a module, after checking that the capabilities it needs exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headstart.config import Options, check_options
from headstart.encoders import ENCODERS, Encoder
from headstart.errors import HeadstartError, several
from headstart.modalities import Processor
from headstart.objectives import MIXTURE, OBJECTIVES, Objective
from headstart.objectives.mixture import Mixture, MixtureOptions
from headstart.objectives.needs import objectives_within, phrase


def parse_mixture(text: str) -> dict[str, float]:
    """Parse ``mlm`` or ``mlm:1,simcse:0.1`` into weights by name.

    Raises:
        HeadstartError: an unknown name, a name twice, or a weight that is not a positive number.

    Example::

        parse_mixture("mlm:1,simcse:0.1")  # {"mlm": 1.0, "simcse": 0.1}
    """
    weights: dict[str, float] = {}
    for item in text.split(","):
        name, _, weight = item.strip().partition(":")
        OBJECTIVES[name]
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf"):
            raise HeadstartError(
                f"the objective {item.strip()!r} has no positive weight; write mlm:1,simcse:0.1."
            )
        if name in weights:
            raise HeadstartError(f"the objective {name!r} is named twice in {text!r}.")
        weights[name] = value
    return weights


def check_objectives(
    names: Iterable[str], options: Mapping[str, dict[str, Any]]
) -> dict[str, Options]:
    """Validate the options of each objective and of the mixture, and return them by name.

    Raises:
        HeadstartError: an unknown option, a value out of bounds, mixture options for a single
            objective, or an objective that cannot share its encoder.
    """
    names = list(names)
    if MIXTURE in options and len(names) < 2:
        raise HeadstartError(
            f"{MIXTURE} options are for several objectives, and this run has one; write for "
            f"example {names[0]}:1,simcse:0.1."
        )
    for stray in set(options) - {*names, MIXTURE}:
        OBJECTIVES[stray]
        raise HeadstartError(
            f"options are set for {stray!r}, which is not among the objectives of this run: "
            f"{', '.join(names)}."
        )
    loner = next((name for name in names if OBJECTIVES[name].alone), None)
    if loner and len(names) > 1:
        raise HeadstartError(
            f"the objective {loner!r} keeps a network that no gradient moves, so others cannot "
            "teach it too; run it alone."
        )
    mixed = check_options(MixtureOptions, options.get(MIXTURE, {}), "a mixture", MIXTURE)
    checked: dict[str, Options] = {MIXTURE: mixed}
    for name in names:
        kind: type[Objective] = OBJECTIVES[name]
        given = options.get(name, {})
        checked[name] = check_options(kind.Options, given, f"objective {name!r}", name)
    return checked


def build_objective(
    weights: dict[str, float],
    options: dict[str, dict[str, Any]],
    encoder: Encoder,
    processor: Processor,
) -> Objective:
    """Return the objective, or a mixture of several, on one encoder.

    Args:
        weights: by name, as :func:`parse_mixture` returns them.
        options: hyper-parameters by objective that differ from the defaults; those under
            ``mixture`` are of :class:`headstart.objectives.mixture.MixtureOptions`.

    Raises:
        HeadstartError: an unknown option, or a capability that encoder and processor lack.

    Example::

        build_objective({"mlm": 1.0}, {"mlm": {"mask_ratio": 0.3}}, encoder, processor)
    """
    checked = check_objectives(weights, options)
    built: dict[str, Objective] = {}
    for name in weights:
        _check_provided(name, encoder, processor)
        built[name] = OBJECTIVES[name](encoder, processor, checked[name])
    if all(objective.makes_causal for objective in built.values()):
        # The saved encoder must attend in the same direction as it was trained.
        encoder.is_causal = True
    if len(built) == 1:
        return next(iter(built.values()))
    mixed = checked[MIXTURE]
    assert isinstance(mixed, MixtureOptions)
    return Mixture(built, weights, mixed)


def _check_provided(name: str, encoder: Encoder, processor: Processor) -> None:
    """Check the instances themselves: encoders and processors may provide less than their kind."""
    needs: frozenset[str] = OBJECTIVES[name].needs
    missing = needs - encoder.provides - processor.provides
    if not missing:
        return
    kinds = {each: kind for each, kind in ENCODERS.items() if kind.reads == encoder.reads}
    # What the data lacks no encoder makes up for.
    asked = needs & frozenset().union(*(kind.provides for kind in kinds.values()))
    can = [each for each, kind in kinds.items() if asked <= kind.provides]
    whose = f" (encoders that can: {', '.join(can)})" if asked & missing else ""
    able = objectives_within(encoder.provides | processor.provides)
    raise HeadstartError(
        f"the objective {name!r} needs {phrase(missing)}, which this encoder or data cannot give"
        f"{whose}; what they can do: {several(able) or 'nothing'}."
    )
