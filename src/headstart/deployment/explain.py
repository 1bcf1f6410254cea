"""Why a fine-tuned run predicts what it predicts: the parts that mattered, and records like it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import unit_pixels
from headstart.data.audit import Audit
from headstart.deployment import attributions, gradcam, rollout
from headstart.deployment.alike import Alike, LabeledIndex
from headstart.deployment.deletion import deletion
from headstart.deployment.explanation import Explanation
from headstart.downstream.classification import Classification
from headstart.downstream.predict import open_head
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities.image.heat import ImageEvidence
from headstart.modalities.opening import open_modality, open_processor
from headstart.modalities.text import units as explained_words
from headstart.modalities.text.units import TextEvidence

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import ExplainConfig, SourceOptions
    from headstart.run import RunFolder

#: Cells along a side of a picture: what is deleted, and what `--json` has.
GRID = 8
#: Variants of a record that are predicted at one time.
_AT_ONCE = 64

_GRADIENTS = "integrated gradients"
_ROLLOUT = "attention rollout"
_GRAD_CAM = "Grad-CAM"


class Explainer:
    """Explains the predictions of one fine-tuned run.

    Args:
        run: a run fine-tuned for classification, of texts or pictures.
        method: ``auto``, ``gradients``, ``rollout`` or ``gradcam``.

    Raises:
        HeadstartError: the run is of another kind, or the method does not suit its encoder.
    """

    def __init__(self, run: RunFolder, method: str = "auto") -> None:
        head = open_head(run)
        if not isinstance(head, Classification):
            raise HeadstartError(
                f"{run.folder} was fine-tuned for {run.resolved['task']}, and only predictions of "
                "classes can be explained; name a run of --task classification."
            )
        self.run, self.head = run, head
        encoder: Any = open_encoder(run.encoder)
        self.encoder = encoder
        self.encoder.eval().requires_grad_(False)
        self.head.requires_grad_(False)
        self.processor: Any = open_processor(run.encoder)
        self.length = int(run.resolved["length"])
        self.modality = str(run.resolved["modality"])
        if self.modality not in ("text", "image"):
            raise HeadstartError(
                f"{run.folder} reads {self.modality}, and only texts and pictures can be "
                "explained; name another run."
            )
        self.method = self._chosen(method)

    def _chosen(self, method: str) -> str:
        if method == "rollout":
            return _ROLLOUT
        if self.modality == "text":
            if method == "gradcam":
                raise HeadstartError(
                    "Grad-CAM is for pictures, and this run reads texts; use --method gradients."
                )
            return _GRADIENTS
        if method == "gradients":
            return _GRADIENTS
        blank = {"pixels": torch.zeros(1, 3, self.length, self.length)}
        maps = gradcam.last_map(self.encoder, blank) is not None
        return _GRAD_CAM if maps or method == "gradcam" else _GRADIENTS

    def target(self, name: str | None) -> int | None:
        """Return the place of a class by its name; None without one.

        Raises:
            HeadstartError: the run knows no such class.
        """
        if name is None:
            return None
        labels = [str(label) for label in self.head.labels]
        if name not in labels:
            raise HeadstartError(f"the run knows no class {name!r}{did_you_mean(name, labels)}")
        return labels.index(name)

    def probabilities(self, batch: Batch) -> Tensor:
        """Return the probability of each class (B,C)."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(next(iter(batch.values()))), _AT_ONCE):
                part = {name: tensor[start : start + _AT_ONCE] for name, tensor in batch.items()}
                logits = self.head.logits(self.head.features(self.encoder, part), part)
                found.append(logits.softmax(1))
        return torch.cat(found)

    def explain(
        self,
        record: dict[str, Any],
        target: int | None = None,
        *,
        index: LabeledIndex | None = None,
        alike: int = 0,
        seed: int = 0,
    ) -> Explanation:
        """Explain one record, for the class ``target`` or the one that is predicted.

        Args:
            record: with ``id`` and ``text`` or ``image``.
            index: where the ``alike`` labeled records most like it are looked for.
            seed: of the random deletions that the explanation is checked against.
        """
        explain = self._text if self.modality == "text" else self._image
        batch, told = explain(record, target, seed)
        near: list[Alike] = []
        if index is not None and alike:
            with torch.inference_mode():
                vector = self.encoder(batch).pooled[0].float().numpy()
            near = index.nearest(vector, alike)
        return Explanation(id=str(record["id"]), alike=near, **told)

    def _text(
        self, record: dict[str, Any], target: int | None, seed: int
    ) -> tuple[Batch, dict[str, Any]]:
        text = record["text"]
        reading = explained_words.read(self.processor, text, self.length)
        batch = reading.batch
        shares = self.probabilities(batch)[0]
        chosen = int(shares.argmax()) if target is None else target
        notes, unexplained = [], None
        if self.method == _ROLLOUT:
            weights = rollout.of_tokens(self.encoder, batch)
        else:
            found = attributions.of_tokens(
                self.encoder, self.head, batch, reading.special, self._blank(), chosen
            )
            weights, unexplained = found.weights, found.unexplained
        words = explained_words.words(text, reading, weights)
        if reading.end < len(text):
            notes.append(
                f"Only the first {reading.end:,} of {len(text):,} characters were read: the "
                f"encoder takes {self.length} tokens."
            )

        def probability(dropped: list[set[int]]) -> np.ndarray:
            tokens = [{p for unit in units for p in words[unit].positions} for units in dropped]
            found = self.probabilities(explained_words.without(batch, tokens))
            return found[:, chosen].numpy()

        order = sorted(range(len(words)), key=lambda unit: -words[unit].weight)
        evidence = TextEvidence(text, words, reading.end)
        return batch, self._told(
            shares, chosen, evidence, unexplained, order, probability, notes, seed
        )

    def _image(
        self, record: dict[str, Any], target: int | None, seed: int
    ) -> tuple[Batch, dict[str, Any]]:
        from datasets import Dataset

        batch = self.processor.collate(Dataset.from_list([record]), self.length)
        shares = self.probabilities(batch)[0]
        chosen = int(shares.argmax()) if target is None else target
        side, unexplained = batch["pixels"].shape[-1], None
        if self.method == _GRAD_CAM:
            heat = gradcam.grad_cam(self.encoder, self.head, batch, chosen)
            heat = gradcam.enlarged(heat, side)
        elif self.method == _ROLLOUT:
            heat = gradcam.enlarged(rollout.of_patches(self.encoder, batch), side)
        else:
            found = attributions.of_pixels(self.encoder, self.head, batch, chosen)
            heat, unexplained = found.weights, found.unexplained
        grid = min(GRID, side)
        cells = F.adaptive_avg_pool2d(heat[None, None], grid)[0, 0]
        pixels = unit_pixels(batch["pixels"])
        plain = pixels.mean((2, 3), keepdim=True)

        def probability(dropped: list[set[int]]) -> np.ndarray:
            gone = torch.zeros(len(dropped), grid * grid)
            for row, units in enumerate(dropped):
                gone[row, list(units)] = 1.0
            square = gone.view(-1, 1, grid, grid)
            hidden = F.interpolate(square, size=(side, side)).bool()
            found = self.probabilities({"pixels": torch.where(hidden, plain, pixels)})
            return found[:, chosen].numpy()

        order = cells.flatten().argsort(descending=True).tolist()
        evidence = ImageEvidence(record["image"], heat, cells)
        return batch, self._told(
            shares, chosen, evidence, unexplained, order, probability, [], seed
        )

    def _told(
        self,
        shares: Tensor,
        chosen: int,
        evidence: TextEvidence | ImageEvidence,
        unexplained: float | None,
        order: list[int],
        probability: Callable[[list[set[int]]], np.ndarray],
        notes: list[str],
        seed: int,
    ) -> dict[str, Any]:
        """Return what texts and pictures are told alike, after the check."""
        labels = [str(label) for label in self.head.labels]
        check = deletion(probability, order, seed)
        if self.method == _ROLLOUT:
            notes.append(
                "Attention rollout says where the network looked, whatever the class; it has no "
                "signs."
            )
        if check and check.named_drop <= check.random_drop:
            notes.append(
                f"Mind: deleting what is named here lowers the probability of {labels[chosen]!r} "
                f"no more than deleting random {evidence.unit}; trust this explanation little."
            )
        return {
            "predicted": labels[int(shares.argmax())],
            "explained": labels[chosen],
            "scores": dict(zip(labels, shares.tolist(), strict=True)),
            "method": self.method,
            "signed": self.method != _ROLLOUT,
            "evidence": evidence,
            "unexplained": unexplained,
            "check": check,
            "notes": notes,
        }

    def _blank(self) -> int:
        """Return the token that stands for nothing: the mask where the network met one."""
        if "mask_token" in self.processor.provides:
            return int(self.processor.targets.mask_id)
        return int(self.processor.pad_id)


def explain(config: ExplainConfig, run: RunFolder, say: Callable[[str], None]) -> Explanations:
    """Explain the predictions of a run on records, and write the page or picture asked for.

    Raises:
        HeadstartError: anything the user can mend.
    """
    out = Path(config.out) if config.out else None
    if out and out.suffix.lower() not in (".html", ".png", ".json"):
        raise HeadstartError(
            f"explanations can be written to .html, .png or .json, not to {out.name!r}; change "
            "--out."
        )
    explainer = Explainer(run, config.method)
    if out and out.suffix.lower() == ".png" and explainer.modality != "image":
        raise HeadstartError(
            "a .png shows pictures, and this run reads texts; use --out PAGE.html."
        )
    target = explainer.target(config.class_)
    records = read_inputs(config.inputs, config, explainer, config.count, say)
    index = None
    if config.alike:
        try:
            index = LabeledIndex(run, explainer.encoder, explainer.processor)
        except HeadstartError as error:
            say(str(error))
    found = [
        explainer.explain(record, target, index=index, alike=config.alike, seed=config.seed)
        for record in records
    ]
    if out:
        _write(found, out, run)
    return Explanations(found, out)


def read_inputs(
    inputs: list[str],
    options: SourceOptions,
    explainer: Explainer,
    count: int,
    say: Callable[[str], None],
) -> Dataset:
    """Read the first ``count`` records; what is no file is the text to explain itself."""
    if explainer.modality == "text" and not any(map(_is_source, inputs)):
        from datasets import Dataset

        return Dataset.from_dict({"id": [text[:60] for text in inputs], "text": inputs})
    modality, audit = open_modality(explainer.modality), Audit()
    records = modality.read(inputs, options, audit)
    if len(records) > count:
        say(f"explaining the first {count} of {len(records):,} records; --count asks for more")
        records = records.select(range(count))
    records = modality.readable(records, explainer.processor, audit)
    for one in audit.summary()["records"][:3]:
        say(f"{one['where']} was set aside: {one['reason']}")
    return records


def _is_source(given: str) -> bool:
    """Whether an input names a file rather than being a text."""
    path = given.partition("#")[0]
    looks = re.fullmatch(r"\S*\.[A-Za-z0-9]{2,8}|\S*/\S*", path) is not None
    return looks or os.path.exists(path) or bool(glob.glob(path, recursive=True))


def _write(found: list[Explanation], out: Path, run: RunFolder) -> None:
    from headstart.files import write_json, write_text

    if out.suffix.lower() == ".json":
        write_json(out, Explanations(found).summary())
    elif out.suffix.lower() == ".html":
        from headstart.deployment.explained_page import page

        write_text(out, page(found, run))
    else:
        from headstart.deployment.explained_sheet import write_sheet

        write_sheet(found, out)


@dataclass(frozen=True)
class Explanations:
    """Explanations of several records, and the file that they were written to, if any."""

    found: list[Explanation]
    out: Path | None = None

    def summary(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {
            "explanations": [one.summary() for one in self.found],
            "out": str(self.out) if self.out else None,
        }

    def __str__(self) -> str:
        from headstart.deployment.explained_console import rendered

        told = rendered(self.found)
        return f"{told}\nwrote {self.out}" if self.out else told
