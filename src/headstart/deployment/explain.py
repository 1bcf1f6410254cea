"""Explaining the predictions of a fine-tuned run: parts that mattered, and similar records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from headstart.data.columns import check_names
from headstart.deployment import attributions, gradcam, rollout
from headstart.deployment.alike import Alike, LabeledIndex
from headstart.deployment.attributions import LogOdds
from headstart.deployment.deletion import deletion
from headstart.deployment.explanation import Explanation
from headstart.downstream.classification import Classification
from headstart.downstream.predict import open_head
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import check_ending, write_json, write_text
from headstart.modalities.inline import inline_records
from headstart.pages.result import Result

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import ExplainConfig, SourceOptions
    from headstart.data.audit import Audit
    from headstart.encoders import TokenEncoder
    from headstart.modalities import Modality, Units
    from headstart.run import RunFolder

#: Variants of a record that are predicted at once.
_AT_ONCE = 64

_GRADIENTS = "integrated gradients"
_ROLLOUT = "attention rollout"
_GRAD_CAM = "Grad-CAM"
#: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2.
_OCCLUSION = "occlusion"


class Explainer:
    """Explains the predictions of one fine-tuned run.

    Args:
        run: a run fine-tuned for classification, on a kind of data that has units.
        method: ``auto``, ``gradients``, ``rollout`` or ``gradcam``.
        opened: the encoder of the run, where it is open already.

    Raises:
        HeadstartError: the run has another task or kind of data, or the encoder does not support
            the method.

    Example::

        explainer = Explainer(RunFolder.open("runs/reviews"))
        print(explainer.explain({"id": "1", "text": "an awful film"}).headline())
    """

    def __init__(
        self, run: RunFolder, method: str = "auto", opened: OpenedEncoder | None = None
    ) -> None:
        head = open_head(run)
        if not isinstance(head, Classification):
            task = run.recorded("task", str)
            raise HeadstartError(
                f"{run.folder} was fine-tuned for {task}, and only predictions of classes can be "
                "explained; name a run of --task classification."
            )
        self.opened = opened or OpenedEncoder(run.encoder)
        self.processor = self.opened.processor
        if "units" not in self.processor.provides:
            raise HeadstartError(
                f"{run.folder} reads {self.processor.content.noun}, and no parts of those are "
                "known that an explanation could name; `headstart predict` gives the "
                "probabilities of all classes."
            )
        self.run, self.head = run, head.requires_grad_(False)
        self.encoder = self.opened.encoder
        cast(nn.Module, self.encoder).eval().requires_grad_(False)
        self.length = run.recorded("length", int)
        self._requested = method
        if method != "auto" and self.encoder.joined:
            raise HeadstartError(
                f"--method {method} looks into one network, and encoders stand side by side in "
                f"{run.folder}; leave it out, and the units are removed one by one."
            )
        if method == "rollout" and not rollout.can_roll_out(self.encoder):
            raise rollout.no_attention()
        if method == "gradcam" and not gradcam.may_have_maps(self.encoder):
            raise gradcam.no_maps()

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the head's outputs."""
        return [str(label) for label in self.head.labels]

    def target(self, name: str | None) -> int | None:
        """Return the index of a class by its name; None if ``name`` is None.

        Raises:
            HeadstartError: the run has no such class.
        """
        if name is None:
            return None
        if name not in self.labels:
            raise HeadstartError(
                f"the run knows no class {name!r}{did_you_mean(name, self.labels)}"
            )
        return self.labels.index(name)

    def logits(self, batch: Batch) -> Tensor:
        """Return the score of each class before the softmax (B,C)."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(next(iter(batch.values()))), _AT_ONCE):
                part = {name: tensor[start : start + _AT_ONCE] for name, tensor in batch.items()}
                found.append(self.head.logits(self.head.features(self.encoder, part), part))
        return torch.cat(found)

    def explain(
        self,
        record: Mapping[str, Any],
        target: int | None = None,
        *,
        index: LabeledIndex | None = None,
        alike: int = 0,
        seed: int = 0,
    ) -> Explanation:
        """Explain one record, for the class ``target`` or the predicted one.

        What is explained, and checked by deletion, is how much likelier that class is than the
        likeliest of the others: their log-odds.

        Args:
            record: its ``id`` and content.
            target: index of the class.
            index: the labeled records, of which the ``alike`` most similar are returned.
            seed: of the random deletions that the explanation is compared with.
        """
        units = self.processor.units(record, self.length)
        logits = self.logits(units.batch)[0]
        shares = logits.softmax(0)
        chosen = int(logits.argmax()) if target is None else target
        odds = LogOdds.of(logits, chosen)
        method = self._method(units)
        weights, unexplained = self._weights(method, units, odds)
        labels, signed = self.labels, method != _ROLLOUT
        evidence = units.evidence(weights, labels[chosen], signed=signed)

        def log_odds(dropped: Sequence[set[int]]) -> np.ndarray:
            return odds(self.logits(units.without(dropped))).numpy()

        order = sorted(range(units.count), key=lambda unit: -evidence.weights[unit])
        check = deletion(log_odds, order, seed)
        notes = list(units.notes)
        if not signed:
            notes.append(
                "Attention rollout says where the network looked, whatever the class; it has no "
                "signs."
            )
        if check and not check.holds:
            notes.append(
                f"Caution: deleting what is named here lowers the log-odds of "
                f"{labels[chosen]!r} no more than random deletions may; trust this explanation "
                "little."
            )
        return Explanation(
            id=str(record["id"]),
            predicted=labels[int(logits.argmax())],
            explained=labels[chosen],
            against=labels[odds.against],
            log_odds=float(odds(logits)),
            scores=dict(zip(labels, shares.tolist(), strict=True)),
            method=method,
            noun=units.noun,
            evidence=evidence,
            unexplained=unexplained,
            check=check,
            alike=self._alike(units.batch, index, alike),
            notes=notes,
        )

    def _method(self, units: Units) -> str:
        """Return the method: Grad-CAM where the encoder ends in a feature map, else gradients.

        Of encoders side by side some may have no gradient, and none leads from ids that a network
        makes of its input back to it, so that units are left out instead.
        """
        if self.encoder.joined or self.encoder.vocabulary is not None:
            return _OCCLUSION
        if self._requested == "auto":
            maps = gradcam.last_map(self.encoder, units.batch) is not None
            return _GRAD_CAM if maps else _GRADIENTS
        return {"rollout": _ROLLOUT, "gradcam": _GRAD_CAM, "gradients": _GRADIENTS}[self._requested]

    def _weights(self, method: str, units: Units, odds: LogOdds) -> tuple[Tensor, float | None]:
        """Return the weights of positions, and the error of their sum for additive methods."""
        encoder, head, batch, blank = self.encoder, self.head, units.batch, units.blank
        if method == _OCCLUSION:
            each = odds(self.logits(units.without([{unit} for unit in range(units.count)])))
            return units.positions(odds(self.logits(batch)) - each), None
        if method == _ROLLOUT:
            return rollout.of_positions(encoder, batch), None
        if method == _GRAD_CAM:
            return gradcam.grad_cam(encoder, head, batch, units.tensor, odds), None
        if "token_embedding" in encoder.provides:
            tokens = cast("TokenEncoder", encoder)
            found = attributions.of_tokens(tokens, head, batch, blank, odds)
        else:
            found = attributions.of_inputs(encoder, head, batch, blank, units.tensor, odds)
        return found.weights, found.unexplained

    def _alike(self, batch: Batch, index: LabeledIndex | None, count: int) -> list[Alike]:
        if index is None or not count:
            return []
        with torch.inference_mode():
            vector = self.encoder(batch).pooled[0].float().numpy()
        return index.nearest(vector, count)


def explain(config: ExplainConfig, run: RunFolder, say: Callable[[str], None]) -> Explanations:
    """Explain the predictions of a run on records, and write the page or image ``config.out``.

    Raises:
        HeadstartError: the inputs, the run or the options are at fault.
    """
    out = Path(config.out) if config.out else None
    if out:
        check_ending(out, "explanations", (".html", ".png", ".json"))
    explainer = Explainer(run, config.method)
    provides, noun = explainer.processor.provides, explainer.processor.content.noun
    if out and out.suffix.lower() == ".png" and "heat_maps" not in provides:
        raise HeadstartError(
            f"this run reads {noun}, and explanations of those are no image; use --out PAGE.html."
        )
    target = explainer.target(config.class_)
    records = read_inputs(config.inputs, config, explainer.opened, config.count, say)
    index = None
    if config.alike:
        try:
            index = LabeledIndex(run, explainer.opened)
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
    opened: OpenedEncoder,
    count: int,
    say: Callable[[str], None],
) -> Dataset:
    """Read the first ``count`` records; an input that is no file may be a record itself."""
    typed = inline_records(opened.modality, inputs)
    if typed is not None:
        return typed

    def first(modality: Modality, audit: Audit) -> Dataset:
        check_names(options.columns, modality.content)
        records = modality.read(inputs, options, audit)
        if len(records) <= count:
            return records
        say(f"explaining the first {count} of {len(records):,} records; --count asks for more")
        return records.select(range(count))

    return opened.read(inputs, options, say, first)


def _write(found: list[Explanation], out: Path, run: RunFolder) -> None:
    if out.suffix.lower() == ".json":
        write_json(out, Explanations(found).summary())
    elif out.suffix.lower() == ".html":
        from headstart.deployment.explained_page import explained_page

        write_text(out, explained_page(found, run))
    else:
        from headstart.deployment.explained_sheet import write_sheet

        write_sheet(found, out)


@dataclass(frozen=True)
class Explanations(Result):
    """Explanations of several records, and the file they were written to, if any."""

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

        text = rendered(self.found)
        return f"{text}\nwrote {self.out}" if self.out else text
