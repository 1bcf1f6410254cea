"""Prompt-based classification: the masked language model of the run predicts a label's word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.config import task_options
from headstart.config.tasks import PromptOptions
from headstart.downstream import Task
from headstart.downstream.alternatives import Alternative, classified
from headstart.downstream.classes import (
    checked_classes,
    class_indices,
    class_loss,
    class_predictions,
    count_classes,
    hold_out_of_each,
)
from headstart.downstream.rows import LabeledRows
from headstart.downstream.text.word_rows import WordTokenizer
from headstart.encoders import TokenEncoder
from headstart.encoders.opening import open_processor
from headstart.encoders.visibility import visibility
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.processor import TextProcessor, as_text
from headstart.objectives.heads import TokenHead
from headstart.objectives.masked import mask_of
from headstart.objectives.opening import objective_of, open_token_head
from headstart.run import RunFolder

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.encoders import Encoder
    from headstart.modalities import Processor


class Prompt(Task):
    """The scores of a few words at the masked position of a template.

    PET (Schick and Schuetze 2021, https://arxiv.org/abs/2001.07676). Without training the
    predictions are those of the masked language model. The score of a label with several words is
    their mean.

    Args:
        width: D, the size of the vectors.
        labels: the classes, in the order of the outputs.
        template: with ``{text}`` and ``{mask}``.
        verbalizers: the words of each label, each one token.
    """

    name: ClassVar[str] = "prompt"
    classifies: ClassVar[bool] = True
    Options = PromptOptions
    content = TEXT
    needs = frozenset({"mask_token", "token_embedding"})

    def __init__(
        self, width: int, labels: list[str], template: str, verbalizers: dict[str, list[str]]
    ) -> None:
        super().__init__()
        self.labels, self.template, self.verbalizers = labels, template, verbalizers
        counts = [len(verbalizers[label]) for label in labels]
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.words = nn.Linear(width, sum(counts))
        owner = torch.repeat_interleave(torch.arange(len(labels)), torch.tensor(counts))
        self.share: Tensor
        mean = F.one_hot(owner, len(labels)).float()
        self.register_buffer("share", mean / mean.sum(0), persistent=False)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head from the output layer of the pre-trained run, at the words of the labels.

        Raises:
            HeadstartError: the run was not pre-trained with mlm, a verbalizer has an unknown label,
                or a word is not one token.
        """
        labels = list(count_classes(records))
        options = task_options(config, PromptOptions)
        given = options.verbalizers
        unknown = sorted(set(given) - set(labels))
        if unknown:
            raise HeadstartError(
                f"prompt.verbalizers has {unknown[0]!r}, which is no label of the training "
                f"records; their labels are {', '.join(labels)}."
            )
        words = {label: given.get(label, label) for label in labels}
        lists = {label: [v] if isinstance(v, str) else list(v) for label, v in words.items()}
        head = cls(encoder.width, labels, options.template, lists)
        full = _masked_head(config.run, token_encoder(encoder))
        processor = as_text(open_processor(Path(config.run) / "encoder"))
        ids = torch.tensor(
            [_one_token(processor, word) for label in labels for word in lists[label]]
        )
        head.transform.load_state_dict(full.transform.state_dict())
        with torch.no_grad():
            head.words.weight.copy_(full.decoder.weight[ids])
            head.words.bias.copy_(full.decoder.bias[ids])
        return head

    @classmethod
    def checked(
        cls, records: Dataset, validation: Dataset | None, config: FinetuneConfig, notes: list[str]
    ) -> Dataset | None:
        """Leave out validation records of a class that no training record has."""
        return checked_classes(records, validation, config, notes)

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> LabeledRows:
        """Return the filled templates with classes ``labels`` (B,); the same in every epoch."""
        cloze = _Cloze(as_text(processor), self.template)
        return LabeledRows(cloze, records, class_indices(records, self.labels), length)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return the filled templates."""
        return _Cloze(as_text(processor), self.template).collate(records, length)

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split each class by the same share."""
        return hold_out_of_each(records, share, seed)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the whole head, at the encoder's rate: both are pre-trained."""
        return [{"params": list(self.parameters()), "lr": learning_rate / 10}]

    def features(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the vector (B,D) at the masked position."""
        network = token_encoder(encoder)
        tokens = network.contextualize(network.embed(batch), visibility(batch))
        return tokens[torch.arange(len(tokens), device=tokens.device), batch["hidden"]]

    def logits(self, features: Tensor) -> Tensor:
        """Return scores (B,classes) before the softmax."""
        return self.words(self.transform(features)).float() @ self.share

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and ``accuracy`` against ``labels`` (B,)."""
        return class_loss(self.logits(features), batch["labels"])

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``label``, its probability ``score``, and ``scores`` of all labels by name."""
        return class_predictions(self.labels, self.logits(features))

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return logistic regression on the strongest simple features of the kind of data."""
        return classified(self, train, val)

    def arguments(self) -> dict[str, Any]:
        """Return labels, size, template and verbalizers."""
        return {
            "labels": self.labels,
            "width": self.words.in_features,
            "template": self.template,
            "verbalizers": self.verbalizers,
        }


class _Cloze:
    """Texts in a template with one mask token; a long text is cut, never the template."""

    def __init__(self, processor: TextProcessor, template: str) -> None:
        if "mask_token" not in processor.provides:
            raise HeadstartError(
                "task prompt needs a tokenizer with a mask token; pre-train with --objective mlm."
            )
        self.processor, self.template = processor, template
        self._mask_id = mask_of(processor.vocabulary)
        self._words = WordTokenizer(processor)

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return ``input_ids`` and ``mask`` (B,T), and ``hidden`` (B,): the mask's position."""
        rows, hidden = [], []
        for text in records["text"]:
            ids, position = self._filled(text, length)
            rows.append(ids)
            hidden.append(position)
        longest = max(map(len, rows))
        batch = torch.full((len(rows), longest), self.processor.vocabulary.pad_id, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for at, ids in enumerate(rows):
            batch[at, : len(ids)] = torch.tensor(ids)
            mask[at, : len(ids)] = True
        return {"input_ids": batch, "mask": mask, "hidden": torch.tensor(hidden)}

    def _filled(self, text: str, length: int) -> tuple[list[int], int]:
        words = self._words
        marks = sorted(("{text}", "{mask}"), key=self.template.index)
        start, rest = self.template.split(marks[0])
        middle, end = rest.split(marks[1])
        parts: list[list[int]] = []
        spaced = words.leads
        for literal, mark in ((start, marks[0]), (middle, marks[1]), (end, None)):
            spaced = spaced or literal[:1].isspace()
            parts.append(words.ids(literal.strip(), spaced=spaced) if literal.strip() else [])
            spaced = literal[-1:].isspace() if literal.strip() else spaced
            if mark == "{mask}":
                parts.append([self._mask_id])
            elif mark == "{text}":
                parts.append(words.ids(text, spaced=spaced))
            spaced = False
        inside, cloze = (1, 3) if marks[0] == "{text}" else (3, 1)
        around = len(words.before) + len(words.after)
        room = length - around - sum(len(p) for at, p in enumerate(parts) if at != inside)
        if room < 1:
            raise HeadstartError(
                f"the template leaves no room for a text in {length} tokens; shorten "
                "prompt.template."
            )
        parts[inside] = parts[inside][:room]
        position = len(words.before) + sum(map(len, parts[:cloze]))
        return [*words.before, *(i for part in parts for i in part), *words.after], position


def token_encoder(encoder: Encoder) -> TokenEncoder:
    """Return an encoder as one of tokens.

    Raises:
        HeadstartError: it reads something else.
    """
    if not isinstance(encoder, TokenEncoder):
        raise HeadstartError(
            "task prompt fills a word in, and this encoder reads none; use task classification."
        )
    return encoder


def _masked_head(run: str, encoder: TokenEncoder) -> TokenHead:
    if objective_of(RunFolder(run)) != "mlm":
        raise HeadstartError(
            f"{run} has no masked language model that could fill in a cloze; pre-train with "
            "--objective mlm, or use task prototypes."
        )
    return open_token_head(RunFolder(run), encoder)


def _one_token(processor: TextProcessor, word: str) -> int:
    words = WordTokenizer(processor)
    unknown = processor.vocabulary.unknown_id
    for spaced in (True, False):
        ids = words.ids(word, spaced=spaced)
        if len(ids) == 1 and ids[0] != unknown:
            return ids[0]
    raise HeadstartError(
        f"the verbalizer {word!r} is not one token of this run's vocabulary; name a common word "
        "for its label with --set prompt.verbalizers."
    )
