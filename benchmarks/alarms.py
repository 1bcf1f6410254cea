"""Do the alarms ring when their trouble is caused, and stay silent on sound runs?

Trains every objective for a short while on small data (the digits of scikit-learn, made-up
sentences) as a user would, through ``headstart.pretrain``; then causes each trouble and trains
again. Prints one line a run, and exits with 1 if an alarm was wrong::

    python benchmarks/alarms.py [NAME ...] [--steps 100] [--cost]

``--cost`` measures instead the cost of watching the features, as a share of the run.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn.datasets import load_digits

import headstart as hs
from headstart.objectives import OBJECTIVES

#: Kinds that are advice, not trouble.
ADVICE = {"still improving"}
PLAIN = {"encoder": "plain", "encoder_options": {"widths": [16, 32, 32], "pooled": [1, 1, 0]}}
VIT = {"encoder": "vit", "encoder_options": {"layers": 2, "width": 32, "heads": 2}}
TEXT = {
    "encoder": "bert",
    "encoder_options": {"layers": 2, "width": 64, "heads": 2},
    "modality_options": {"text": {"tokenizer": {"vocab_size": 400}}},
}
LIGHT = {"encoder": "light", "encoder_options": {"width": 64}}
WORDS = (
    "ship sea sailor harbour storm wave anchor captain bread flour oven baker salt butter crust "
    "kitchen court judge law trial lawyer witness verdict crime goal match team player coach "
    "stadium league score star planet orbit moon comet galaxy telescope sky bank loan money credit "
    "market share profit price doctor nurse patient clinic fever medicine surgery pain guitar song "
    "singer band concert drum melody stage"
)


def write_data(folder: Path, count: int = 1500) -> dict[str, str]:
    """Write pictures and texts, and return the sources by modality."""
    digits = load_digits()
    pixels = (digits.images * 15).astype(np.uint8)
    np.savez(folder / "digits.npz", x_train=pixels[:count], y_train=digits.target[:count])
    draw = random.Random(0)
    lines = []
    for _ in range(count):
        # A text keeps to words of its own, so that its parts have something in common.
        words = draw.sample(WORDS.split(), 4)
        verbs = draw.sample(["met", "saw", "left", "found", "kept"], 2)
        said = [
            "the {} and a {} {} the {}.".format(*draw.sample(words, 2), v, words[0]) for v in verbs
        ]
        lines.append(f"{said[0]} then {said[1]}")
    (folder / "texts.txt").write_text("\n".join(lines))
    return {"image": f"{folder}/digits.npz#train", "text": str(folder / "texts.txt")}


def setting(name: str) -> dict[str, Any]:
    """Return the modality and the network that suit an objective."""
    needs = OBJECTIVES[name].needs
    if "patches" in needs:
        return {"source": "image", "length": 16, **VIT}
    if "pixels" in needs or (needs == {"two_views"} and name != "contrast"):
        return {"source": "image", "length": 16, **PLAIN}
    if name == "contrast":  # what `auto` pairs it with
        return {"source": "text", "length": 24, **LIGHT}
    kind = {"clm": "gpt", "plm": "xlnet"}.get(name, "t5" if "decoder" in needs else "bert")
    return {"source": "text", "length": 24, **TEXT, "encoder": kind}


def rung(sources: dict[str, str], name: str, steps: int, **options: Any) -> tuple[set[str], str]:
    """Train and return the kinds of alarms that rang, and what was said."""
    given = {**setting(name), **options}
    if name == "distill":
        given["settings"] = [f"distill.teacher={sources['teacher']}"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            hs.pretrain(
                sources[given.pop("source")],
                out=f"{folder}/run",
                objective=name,
                budget=f"{steps}steps",
                batch_size=64,
                validate_steps=max(1, steps // 20),
                validation_share=0.1,
                tracker="none",
                precision="fp32",
                **given,
            )
        except hs.HeadstartError as error:
            if not Path(f"{folder}/run/metrics.jsonl").exists():
                return {"refused"}, str(error)
        rows = hs.Run(f"{folder}/run").metrics()
    alarms = [row["alarm"] for row in rows if "alarm" in row]
    return {alarm["kind"] for alarm in alarms}, " | ".join(a["message"] for a in alarms)


# -- the troubles ----------------------------------------------------------------------------


@contextmanager
def no_stop_gradient() -> Iterator[None]:
    """Let the gradient flow into the targets of BYOL and SimSiam, which are the network itself."""
    from torch.nn import functional as F

    from headstart.objectives import siamese

    def predict(predictor: Any, projections: Any, targets: Any) -> dict[str, Any]:
        told = whole(predictor, projections, targets)
        one, two = (
            (2 - 2 * F.cosine_similarity(predictor(projections[a]), projections[b])).mean()
            for a, b in ((0, 1), (1, 0))
        )
        return {**told, "loss": one + two}

    whole = siamese._predict
    with mock.patch.object(siamese, "_predict", predict):
        yield


@contextmanager
def one_batch() -> Iterator[None]:
    """Give the first batch in every step."""
    from headstart.training.loader import NumberedBatches

    def first(self: Any, number: int) -> tuple[int, Any]:
        return number, whole(self, 0)[1]

    whole = NumberedBatches.__getitem__
    with mock.patch.object(NumberedBatches, "__getitem__", first):
        yield


@contextmanager
def hundredfold_rate() -> Iterator[None]:
    """Multiply all learning rates by 100."""
    from headstart.training import fit

    def faster(plan: Any, console: Any) -> None:
        optimizer = plan.config.optimizer
        optimizer = optimizer.model_copy(
            update={"muon_learning_rate": 100 * optimizer.muon_learning_rate}
        )
        config = plan.config.model_copy(update={"optimizer": optimizer})
        whole(replace(plan, config=config, learning_rate=100 * plan.learning_rate), console)

    whole = fit.fit
    with mock.patch.object(fit, "fit", faster):
        yield


@contextmanager
def nothing() -> Iterator[None]:
    yield


TEMPERED = ("simclr", "moco", "simcse", "contrast")
RATED = ("mlm", "clm", "simcse", "simclr", "byol", "barlow", "rotation", "mae", "autoencoder")
FROZEN = ("mlm", "clm", "simcse", "simclr", "rotation", "mae", "vae")
TROUBLES: list[tuple[str, str, Callable[[], Any], dict[str, Any]]] = [
    *(("no stop-gradient", name, no_stop_gradient, {}) for name in ("byol", "simsiam")),
    *(
        (f"temperature {value:g}", name, nothing, {"settings": [f"{name}.temperature={value}"]})
        for value in (1e-4, 100.0)
        for name in TEMPERED
    ),
    *(("data frozen on one batch", name, one_batch, {}) for name in FROZEN),
    *(("learning rate x100", name, hundredfold_rate, {}) for name in RATED),
]


def cost(sources: dict[str, str], steps: int) -> None:
    """Print the share of a run that measuring the watched features takes."""
    from headstart.training.watch import Watch

    for name in ("simclr", "mlm"):
        seconds = []
        measuring = [0.0]
        whole = Watch.measure

        def timed(self: Any, *given: Any, whole: Any = whole, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return whole(self, *given, **named)
            finally:
                measuring[0] += time.perf_counter() - began  # noqa: B023 (one list a name)

        given = setting(name)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(Watch, "measure", timed):
            run = hs.pretrain(
                sources[given.pop("source")],
                out=f"{folder}/run",
                objective=name,
                budget=f"{steps}steps",
                tracker="none",
                **given,
            )
            seconds = [row["clock"]["seconds"] for row in run.metrics() if "clock" in row]
        print(f"{name}: {seconds[-1]:.1f} s, of them {measuring[0] / seconds[-1]:.1%} in measuring")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="objectives; all by default")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--cost", action="store_true")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        sources = write_data(Path(folder))
        sources["teacher"] = f"{folder}/teacher"
        if "distill" in (given.names or OBJECTIVES):
            asked = setting("simclr")
            source = sources[asked.pop("source")]
            asked |= {"out": sources["teacher"], "budget": "60steps", "tracker": "none"}
            hs.pretrain(source, objective="simclr", batch_size=64, **asked)
        if given.cost:
            cost(sources, given.steps)
            return
        for name in given.names or OBJECTIVES:
            kinds, said = rung(sources, name, given.steps)
            bad = bool(kinds - ADVICE - {"refused"})
            wrong += bad
            print(f"{'WRONG' if bad else 'ok':6}sound: {name}: {said or 'silent'}", flush=True)
        for trouble, name, cause, options in TROUBLES:
            if given.names and name not in given.names:
                continue
            with cause():
                kinds, said = rung(sources, name, given.steps, **options)
            bad = not kinds - ADVICE - {"refused"}
            wrong += bad
            print(f"{'WRONG' if bad else 'ok':6}{trouble}: {name}: {said or 'silent'}", flush=True)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
