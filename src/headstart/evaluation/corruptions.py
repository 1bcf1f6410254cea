"""Tested records as the world delivers them: with typos, in capitals, noisy, blurred, compressed.

Every corruption has three severities and is a pure function of the record, the severity and a
seed, so that all candidates meet the same corrupted records. Those of pictures follow Hendrycks
and Dietterich 2019 ("Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations"), with sizes as shares of the picture, so that they mean the same at any side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.store import with_content
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities.image.corruptions import _decoded, _encoded, blur, brightness, jpeg, noise
from headstart.modalities.text.corruptions import case, typos, whitespace
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

SEVERITIES = (1, 2, 3)


#: The corruptions of each kind of content, by name.
CORRUPTIONS: dict[str, dict[str, Callable[[Any, int, np.random.Generator], Any]]] = {
    "text": {"typos": typos, "case": case, "whitespace": whitespace},
    "image": {"noise": noise, "blur": blur, "jpeg": jpeg, "brightness": brightness},
}


def asked(names: Sequence[str], content: str) -> list[str]:
    """Return the corruptions that were asked for by name; ``auto`` is all, ``off`` none.

    Raises:
        HeadstartError: a name that this kind of content has no corruption of.
    """
    known = CORRUPTIONS[content]
    if list(names) in (["off"], []):
        return []
    if list(names) == ["auto"]:
        return list(known)
    for name in names:
        if name not in known:
            raise HeadstartError(
                f"option 'corruptions': there is no {name!r} for {content}"
                f"{did_you_mean(name, known)}"
            )
    return list(dict.fromkeys(names))


def corrupt(records: Dataset, content: str, name: str, severity: int, seed: int) -> Dataset:
    """Return the records with their content corrupted, all else as it is.

    A record's corruption depends on its place, the name, the severity and the seed.
    """
    change = CORRUPTIONS[content][name]

    def changed(value: Any, index: int) -> Any:
        rng = np.random.Generator(np.random.PCG64(derive(seed, "corrupt", name, severity, index)))
        if content == "text":
            return change(value, severity, rng) or value
        return _encoded(change(_decoded(value), severity, rng))

    return with_content(
        records, content, [changed(value, index) for index, value in enumerate(records[content])]
    )
