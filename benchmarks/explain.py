"""Are explanations true? What they name is deleted from test records, and so is as much at random.

A run is pre-trained and fine-tuned on IMDb or CIFAR-10, and its predictions of test records are
explained by every method that suits its encoder. Of each record 1, 5, 10, 20 and 50% of the words
(or of 64 cells of a picture) are deleted, those that the explanation names first or random ones,
20 times over. The figure is the mean fall of the log-odds of the predicted class against the
likeliest other one (the area over the deletion curve), paired over records.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp
from setting import announce, data


def main() -> None:
    """Train once, then explain the same records by each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["imdb", "cifar10"])
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--methods", nargs="+", default=["auto"])
    parser.add_argument("--budget", default="2min", help="of either training")
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--run", help="a fine-tuned run to explain, instead of training one")
    options = parser.parse_args()
    announce(f"Explanations, {options.data}, {options.encoder}, {options.budget}")
    import headstart as hs

    train, test = sources(options.data)
    with tempfile.TemporaryDirectory() as scratch:
        if options.run:
            tuned = hs.Run.open(options.run)
        else:
            run = hs.pretrain(
                train,
                out=str(Path(scratch, "run")),
                encoder=options.encoder,
                budget=options.budget,
                tracker="none",
            )
            tuned = run.finetune(
                train, out=str(Path(scratch, "tuned")), budget=options.budget, tracker="none"
            )
        records = some(tuned, test, options.records)
        for method in options.methods:
            measure(tuned, records, method)


def sources(name: str) -> tuple[str, str]:
    """Return training and test source."""
    if name == "imdb":
        return str(data("imdb", "train.jsonl.gz")), str(data("imdb", "test.jsonl.gz"))
    stored = data("cifar10", "cifar10_jpeg.npz")
    return f"{stored}#train", f"{stored}#test"


def some(run: Any, source: str, count: int) -> Any:
    """Return so many random test records, the same for all methods."""
    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.modalities.opening import open_modality

    records = open_modality(run.resolved["modality"]).read([source], SourceOptions(), Audit())
    drawn = np.random.default_rng(0).choice(len(records), min(count, len(records)), replace=False)
    return records.select(np.sort(drawn))


def measure(run: Any, records: Any, method: str) -> None:
    """Print the mean fall for what is named and for what is drawn, and their difference."""
    from headstart.deployment.explain import Explainer

    explainer = Explainer(run, method)
    began = time.perf_counter()
    found = [explainer.explain(record, seed=seed) for seed, record in enumerate(records)]
    seconds = (time.perf_counter() - began) / len(found)
    checks = [one.check for one in found if one.check]
    named = np.array([check.named_drop for check in checks])
    random = np.array([check.random_drop for check in checks])
    interval = ttest_1samp(named - random, 0.0).confidence_interval(0.95)
    right = np.mean(
        [one.predicted == str(r["label"]) for one, r in zip(found, records, strict=True)]
    )
    print(
        f"{found[0].method}: named {named.mean():.2f}, random {random.mean():.2f}, difference "
        f"{(named - random).mean():.2f} [{interval.low:.2f}, {interval.high:.2f}], better for "
        f"{np.mean(named > random):.0%} of {len(checks)} records "
        f"(accuracy {right:.0%}, {seconds:.2f} s each)",
        flush=True,
    )


if __name__ == "__main__":
    main()
