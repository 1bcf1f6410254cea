"""Token classification: a tag for every word, such as named entities or parts of speech."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.downstream import Task, TaskDefaults
from headstart.downstream.alternatives import Alternative
from headstart.downstream.classes import balanced_weights, class_loss
from headstart.downstream.head import zero_linear
from headstart.downstream.text.simple_taggers import Dictionary, LinearTagger, within
from headstart.downstream.text.tag_schemes import OUTSIDE
from headstart.downstream.text.tagged import read_tagged, read_words
from headstart.downstream.text.word_rows import IGNORED, WordRows
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.processor import as_text

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

#: Neighbours on each side whose vectors are added where an encoder ignores order (the window
#: approach of Collobert et al. 2011, section 3.3.1, https://arxiv.org/abs/1103.0398).
WINDOW = 2


class TokenClassification(Task):
    """Dropout and one linear layer on the vector of each word's first token, with cross-entropy.

    As in BERT (Devlin et al. 2018, section 5.3, https://arxiv.org/abs/1810.04805). Tags of
    entities, which are read as IOB2 (``B-X``, ``I-X``, ``O``), are decoded as chunks: the best
    sequence in which ``I-X`` follows ``B-X`` or ``I-X``.

    Args:
        width: D, the size of the vectors.
        labels: the tags, in the order of the outputs.
        window: neighbours on each side whose vectors are concatenated.
        weights: (tags,) what an error on each tag costs; all the same by default.
        dropout: share of the features that is hidden while training.
    """

    name: ClassVar[str] = "tokens"
    keeps_groups: ClassVar[bool] = False
    content = TEXT
    needs = frozenset({"tokens"})

    def __init__(
        self,
        width: int,
        labels: list[str],
        *,
        window: int = 0,
        dropout: float = 0.0,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.labels, self.window = labels, window
        self._judged: list[tuple[list[str], list[str]]] = []
        self.dropout = nn.Dropout(dropout)
        self.linear = zero_linear((2 * window + 1) * width, len(labels))
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read words and their tags, or texts and their spans."""
        return read_tagged(source, options, modality, audit)

    def read_inputs(
        self, sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
    ) -> Dataset:
        """Read words or texts, and their tags if any."""
        return read_words(sources, options, modality, audit, chunked=_is_chunked(self.labels))

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the tags that occur; its bias starts from their frequencies.

        Raises:
            HeadstartError: only one tag occurs, or seqeval is not installed.
        """
        _seqeval()
        counts = Counter(tag for tags in records["tags"] for tag in tags)
        labels = sorted(counts, key=lambda tag: (tag != OUTSIDE, tag))
        if len(labels) < 2:
            raise HeadstartError(
                f"task tokens needs training records with at least two tags, but only {labels} "
                "occurs; check --train and --column label=COLUMN."
            )
        numbers = [counts[label] for label in labels]
        head = cls(
            encoder.width,
            labels,
            window=0 if "order" in encoder.provides else WINDOW,
            dropout=config.dropout,
            weights=balanced_weights(numbers) if config.class_weights else None,
        )
        if not config.class_weights:
            share = torch.tensor(numbers, dtype=torch.float32) / sum(numbers)
            head.linear.bias.data.copy_(share.log())
        return head

    @classmethod
    def defaults(cls, encoder: Encoder, count: int) -> TaskDefaults:
        """Return a longer schedule: the head starts from zeros, and entities are rare."""
        return {"steps": max(400, 5 * -(-count // 32)), "batch_size": 16 if count < 1000 else 32}

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> WordRows:
        """Return windows over the words with a class for each; the same in every epoch."""
        return WordRows(as_text(processor), records, length, self.labels)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return windows over the words of records without tags."""
        rows = WordRows(as_text(processor), records, length)
        return rows.batch(np.arange(len(rows)), 0)

    def features(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return vectors of tokens (B,T,D), with those of neighbours (B,T,(2 window + 1) D)."""
        tokens = encoder(batch).tokens * batch["mask"][:, :, None]
        if not self.window:
            return tokens
        size = tokens.shape[1]
        padded = F.pad(tokens, (0, 0, self.window, self.window))
        return torch.cat([padded[:, at : at + size] for at in range(2 * self.window + 1)], 2)

    def logits(self, features: Tensor) -> Tensor:
        """Return scores (...,tags) before the softmax."""
        return self.linear(self.dropout(features)).float()

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and ``accuracy`` over the words that have a class."""
        known = batch["labels"] != IGNORED
        logits, targets = self.logits(features[known]), batch["labels"][known]
        if not len(targets):
            return {"loss": self.linear.bias.sum() * 0.0, "accuracy": logits.sum() * 0.0}
        return class_loss(logits, targets, self.weights)

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``tags``, and their probabilities (``sure``), for each record of the windows."""
        starts, owners = batch["word_starts"], batch["record"]
        logs = self.logits(features[starts]).log_softmax(1).cpu().numpy()
        owner = owners[:, None].expand_as(starts)[starts].cpu().numpy()
        rows = []
        for number in range(int(owners.max()) + 1 if len(owners) else 0):
            mine = logs[owner == number]
            path = self.decode(mine)
            sure = np.exp(mine[np.arange(len(path)), path]).tolist()
            rows.append({"tags": [self.labels[index] for index in path], "sure": sure})
        return rows

    def decode(self, logs: np.ndarray) -> np.ndarray:
        """Return the best sequence of tags (n,) for log-probabilities (n,tags).

        With IOB2 tags it is the best valid sequence, by the Viterbi algorithm.
        """
        if not len(logs) or not _is_iob2(self.labels):
            return logs.argmax(1)
        allowed = np.array([[_follows(b, a) for b in self.labels] for a in self.labels])
        step = np.where(allowed, 0.0, -np.inf)
        total = logs[0] + np.where([_follows(b, OUTSIDE) for b in self.labels], 0.0, -np.inf)
        back = np.zeros(logs.shape, dtype=np.int64)
        for at in range(1, len(logs)):
            paths = total[:, None] + step
            back[at] = paths.argmax(0)
            total = paths.max(0) + logs[at]
        path = [int(total.argmax())]
        for at in range(len(logs) - 1, 0, -1):
            path.append(int(back[at, path[-1]]))
        return np.array(path[::-1])

    def describe(self, row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """Return ``tags``, and the chunks as ``entities``, of a row and the record it is of.

        An entity has ``start`` and ``end`` (exclusive) in characters of the record's text, or of
        its joined tokens; ``label``, ``text`` and ``score``, the mean probability. Tags of the
        record are stored for :meth:`notes`.
        """
        if record.get("tags"):
            self._judged.append((record["tags"], row["tags"]))
        if not _is_chunked(self.labels):
            return {"tags": row["tags"]}
        entities = []
        for label, first, last in _seqeval().get_entities(row["tags"]):
            start, end = record["starts"][first], record["ends"][last]
            entities.append(
                {
                    "start": start,
                    "end": end,
                    "label": label,
                    "text": record["text"][start:end],
                    "score": float(np.mean(row["sure"][first : last + 1])),
                }
            )
        return {"entities": entities, "tags": row["tags"]}

    def notes(self) -> list[str]:
        """Return the scores on records that have tags, overall and of each label."""
        if not self._judged:
            return []
        truth, found = ([pair[side] for pair in self._judged] for side in (0, 1))
        self._judged = []
        notes = [f"On {len(truth):,} labeled records: {named(scores(truth, found))}."]
        if _is_chunked(sorted({tag for tags in truth for tag in tags})):
            report = _seqeval().classification_report(
                truth, found, output_dict=True, zero_division=0
            )
            each = {
                f"{label} ({row['support']:,})": row["f1-score"]
                for label, row in report.items()
                if not label.endswith(" avg")
            }
            notes.append(f"F1 of each label (and how many there are): {named(each)}.")
        return notes

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: WordRows) -> dict[str, float]:
        """Return ``f1``, ``precision`` and ``recall`` of whole entities (seqeval), micro-averaged.

        An entity is right if start, end and label are (Tjong Kim Sang and De Meulder 2003,
        https://arxiv.org/abs/cs/0306050). Without chunks it is the ``word_accuracy``.
        """
        assert rows.tags is not None
        found: list[list[str]] = [[] for _ in rows.tags]
        logs: dict[int, list[np.ndarray]] = {}
        for features, batch in self.scan(encoder, rows):
            for at, owner in enumerate(batch["record"].tolist()):
                words = self.logits(features[at][batch["word_starts"][at]]).log_softmax(1)
                logs.setdefault(owner, []).append(words.cpu().numpy())
        for owner, parts in logs.items():
            found[owner] = [self.labels[index] for index in self.decode(np.concatenate(parts))]
        return scores(rows.tags, found)

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return the scores of a dictionary, and of a linear model of features as of a CRF."""
        words, tested = ([*map(_words_of, part)] for part in (train, val))
        tags, truth = list(train["tags"]), list(val["tags"])
        first = within(words)
        taggers: dict[str, Dictionary | LinearTagger] = {
            "dictionary": Dictionary(words, tags, chunked=_is_chunked(self.labels)),
            "CRF-like features": LinearTagger(words[:first], tags[:first]),
        }
        return [
            (name, scores(truth, [tagger.tag(text) for text in tested]))
            for name, tagger in taggers.items()
        ]

    def arguments(self) -> dict[str, Any]:
        """Return labels, size, window and dropout."""
        return {
            "labels": self.labels,
            "width": self.linear.in_features // (2 * self.window + 1),
            "window": self.window,
            "dropout": self.dropout.p,
        }


def _words_of(record: dict[str, Any]) -> list[str]:
    spans = zip(record["starts"], record["ends"], strict=True)
    return [record["text"][start:end] for start, end in spans]


def scores(truth: list[list[str]], found: list[list[str]]) -> dict[str, float]:
    """Return the scores of predicted tags, 0..1: of entities by seqeval, else of words."""
    if not _is_chunked(sorted({tag for tags in truth for tag in tags})):
        pairs = [
            a == b
            for one, two in zip(truth, found, strict=True)
            for a, b in zip(one, two, strict=True)
        ]
        return {"word_accuracy": float(np.mean(pairs))}
    seqeval = _seqeval()
    return {
        "f1": float(seqeval.f1_score(truth, found, zero_division=0)),
        "precision": float(seqeval.precision_score(truth, found, zero_division=0)),
        "recall": float(seqeval.recall_score(truth, found, zero_division=0)),
    }


def named(values: dict[str, float]) -> str:
    """Return names and values as a phrase."""
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _is_chunked(labels: list[str]) -> bool:
    return all(tag == OUTSIDE or (tag[1:2] == "-" and tag[0] in "BIES") for tag in labels)


def _is_iob2(labels: list[str]) -> bool:
    return all(tag == OUTSIDE or tag[:2] in ("B-", "I-") for tag in labels)


def _follows(tag: str, before: str) -> bool:
    return tag[:2] != "I-" or before[2:] == tag[2:]


def _seqeval() -> Any:
    try:
        from seqeval.metrics import sequence_labeling
    except ImportError:
        raise HeadstartError(
            "task tokens needs seqeval to read and score entities: install the extra with "
            "`pip install 'headstart[tasks]'`."
        ) from None
    return sequence_labeling
