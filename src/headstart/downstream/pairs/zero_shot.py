"""Classes of pictures by their names alone: the class whose name a picture is nearest to.

See Radford et al. 2021, section 3.1, https://arxiv.org/abs/2103.00020: each name is put into
sentences, whose vectors are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.ledger import Ledger
from headstart.downstream.pairs.vectors import caption_vectors, picture_vectors
from headstart.downstream.predict import beside_rows
from headstart.downstream.predictions import check_ending, write_predictions
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.modalities.class_names import spoken
from headstart.modalities.pairs.content import has_pictures
from headstart.objectives.opening import described_head

if TYPE_CHECKING:
    from headstart.config import PredictConfig
    from headstart.run import RunFolder

#: What stands for the name in a template, and the templates where none is given: of short captions,
#: such as names, the name itself is best.
MARK, TEMPLATES = "{}", ("{}",)


def write_classes(
    run: RunFolder, plan: PredictConfig, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return the class of each picture, of those that the plan names; with ``out``, write them.

    Raises:
        HeadstartError: fewer than two classes are named, a template has no place for the name, or
            an input has no picture.
    """
    names = checked_names(plan.classes, run)
    templates = checked_templates(plan.templates)
    if plan.out:
        check_ending(Path(plan.out))
    opened, ledger = OpenedEncoder(run.require_encoder()), Ledger()
    records = opened.read(plan.inputs, plan, say, ledger=ledger)
    if not has_pictures(records).all():
        raise HeadstartError(
            "classes are told of pictures, and the inputs hold captions without one; name pictures."
        )
    network = (opened.encoder, opened.processor)
    classes = class_vectors(names, templates, lambda texts: caption_vectors(*network, texts))
    pictures = picture_vectors(*network, records, opened.length)
    scale = float(described_head(run)["scale"])

    def rows() -> Iterator[dict[str, Any]]:
        for name, scores in zip(
            records["id"], probabilities(pictures, classes, scale), strict=True
        ):
            best = int(scores.argmax())
            rounded = [round(score, 6) for score in scores.tolist()]
            yield {
                "id": name,
                "label": names[best],
                "score": rounded[best],
                "scores": dict(zip(names, rounded, strict=True)),
            }

    found = list(beside_rows(rows(), records, ledger, opened.modality.content))
    if missing := ledger.sentence("prediction"):
        say(missing)
    if plan.out:
        write_predictions(found, Path(plan.out))
    return found


def checked_names(given: Sequence[str], run: RunFolder) -> list[str]:
    """Return the names of classes.

    Raises:
        HeadstartError: there are fewer than two, or one is there twice.
    """
    names = [name.strip() for name in given if name.strip()]
    if len(names) < 2:
        raise HeadstartError(
            f"{run.folder} knows no classes of its own, and tells pictures apart by names; name "
            "two or more of them with --classes, parted by commas."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise HeadstartError(f"the class {twice!r} is named twice; name each once.")
    return names


def checked_templates(given: Sequence[str]) -> list[str]:
    """Return the templates.

    Raises:
        HeadstartError: one has no ``{}``, or several.
    """
    templates = list(given or TEMPLATES)
    for template in templates:
        if template.count(MARK) != 1:
            raise HeadstartError(
                f"the template {template!r} must have {MARK} once, where the name of the class "
                "is put, as in 'a photo of {}'."
            )
    return templates


def class_vectors(
    names: Sequence[str], templates: Sequence[str], encode: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    """Return a vector (K,D) of length 1 of each class: the mean over templates.

    Args:
        encode: from texts to vectors (n,D) of length 1.
    """
    said = [spoken(name) or name for name in names]
    texts = [template.replace(MARK, name) for name in said for template in templates]
    vectors = encode(texts).reshape(len(names), len(templates), -1).mean(1)
    found: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found


def probabilities(pictures: np.ndarray, classes: np.ndarray, scale: float) -> np.ndarray:
    """Return the softmax (N,K) of the cosines of pictures (N,D) and classes (K,D), scaled."""
    scores = scale * (pictures @ classes.T)
    scores = np.exp(scores - scores.max(1, keepdims=True))
    found: np.ndarray = scores / scores.sum(1, keepdims=True)
    return found
