"""From ``mlm:1,simcse:0.1`` to a module, after checking that everything needed is there."""

from __future__ import annotations

from typing import Any

from headstart.config import check_options
from headstart.encoders import ENCODERS
from headstart.errors import HeadstartError
from headstart.objectives import MIXTURE, OBJECTIVES
from headstart.objectives.mixture import Mixture, MixtureOptions

_TRANSFORMERS = ("modernbert", "bert", "gpt", "xlnet", "t5")
#: What encoders of text can do that not all of them can, and which of them can.
TEXT_ENCODERS: dict[str, tuple[str, ...]] = {
    "order": _TRANSFORMERS,
    "dropout": _TRANSFORMERS,
    "bidirectional": ("light", "modernbert", "bert", "xlnet", "t5"),
    "narrower": ("modernbert", "bert", "gpt"),
    "two_streams": ("xlnet",),
    "decoder": ("t5",),
    "cross_attention": ("bert",),
}


def parse_mixture(text: str) -> dict[str, float]:
    """Read ``mlm`` or ``mlm:1,simcse:0.1`` into weights by name.

    Raises:
        HeadstartError: an unknown name, a name twice, or a weight that is not a positive number.
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


def build_objective(
    weights: dict[str, float],
    options: dict[str, dict[str, Any]],
    encoder: Any,
    processor: Any,
) -> Any:
    """Return the objective, or the mixture of several, on one encoder.

    Args:
        weights: by name, as :func:`parse_mixture` returns them.
        options: by name, the hyper-parameters that differ from the defaults; under ``mixture``
            those of :class:`headstart.objectives.mixture.MixtureOptions`.

    Raises:
        HeadstartError: an option of no objective, or an encoder or modality that cannot serve.
    """
    options = dict(options)
    together = options.pop(MIXTURE, None)
    if together is not None and len(weights) < 2:
        raise HeadstartError(
            f"{MIXTURE} options are for several objectives, and this run has one; write for "
            f"example {next(iter(weights))}:1,simcse:0.1."
        )
    combined = check_options(MixtureOptions, together or {}, "a mixture", MIXTURE)
    for stray in set(options) - set(weights):
        OBJECTIVES[stray]
        raise HeadstartError(
            f"options are set for {stray!r}, which is not among the objectives of this run: "
            f"{', '.join(weights)}."
        )
    loner = next((name for name in weights if getattr(OBJECTIVES[name], "alone", False)), None)
    if loner and len(weights) > 1:
        raise HeadstartError(
            f"the objective {loner!r} keeps a network that no gradient moves, so others cannot "
            "teach it too; run it alone."
        )
    built = {}
    for name in weights:
        kind = OBJECTIVES[name]
        _check_needs(name, kind, encoder, processor)
        checked = check_options(kind.Options, options.get(name, {}), f"objective {name!r}", name)
        built[name] = kind(encoder, processor, checked)
    if all(getattr(OBJECTIVES[name], "makes_causal", False) for name in weights):
        # What is saved must look the same way as what was trained.
        encoder.is_causal = True
    return next(iter(built.values())) if len(built) == 1 else Mixture(built, weights, combined)


def _check_needs(name: str, kind: Any, encoder: Any, processor: Any) -> None:
    offered = set(encoder.provides) | set(processor.provides)
    missing = sorted(kind.needs - offered)
    if not missing:
        return
    able = [other for other, its in OBJECTIVES.items() if its.needs <= offered]
    wanted = " and ".join(m.replace("_", " ") for m in missing)
    raise HeadstartError(
        f"the objective {name!r} needs {wanted}, which this encoder or data cannot give"
        f"{_who_can(kind.needs)}; what they can do: {', '.join(able) or 'nothing'}."
    )


def _who_can(needs: frozenset[str]) -> str:
    """Name the encoders of text that have what is asked for, if it is anything of theirs."""
    asked = needs & set(TEXT_ENCODERS)
    able = [
        name for name in ENCODERS if asked and all(name in TEXT_ENCODERS[need] for need in asked)
    ]
    return f" (encoders that can: {', '.join(able)})" if able else ""
