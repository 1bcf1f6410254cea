"""Sequence to sequence: translation, summaries, titles, answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from headstart.config import task_options
from headstart.config.tasks import Seq2SeqTaskOptions
from headstart.data.split import hold_out as by_id
from headstart.downstream import Task, TaskDefaults
from headstart.downstream.alternatives import Alternative, some
from headstart.downstream.text.pair_checks import checked
from headstart.downstream.text.written_pairs import (
    Columns,
    WrittenRows,
    cut,
    find_columns,
    padded,
    read_to_write,
    read_written_pairs,
)
from headstart.encoders.seq2seq import Seq2SeqEncoder
from headstart.errors import HeadstartError
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.written import formatted, written_scores
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.processor import TextProcessor, as_text
from headstart.modalities.text.scripts import folded
from headstart.objectives.losses import token_loss

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

#: Most pairs held out: generating a text for each is slow.
_HELD = 2000


class Reading(NamedTuple):
    """Encoded source texts, and the encoder, whose decoder writes the targets.

    Attributes:
        tokens: (B,T,D) outputs of the encoder.
    """

    encoder: Seq2SeqEncoder
    tokens: Tensor


class Seq2Seq(Task):
    """A target text generated from a source text, token by token.

    There is no head: the network has the output layer of its pre-training. The loss is the
    cross-entropy, while training with label smoothing (Vaswani et al. 2017, section 5.4,
    https://arxiv.org/abs/1706.03762).

    Args:
        reads: most tokens of a source; 0 for the context length of pre-training.
        writes: most tokens of a target, special tokens included; 0 for the longest target of the
            training, but no more than ``reads``.
        beams: width of the beam search; 1 is greedy decoding.
        no_repeat: size of n-grams that are never repeated in a text; 0 allows all.
        label_smoothing: share of the target that is spread over the vocabulary.
        columns: names of the columns of the training records.
    """

    name: ClassVar[str] = "seq2seq"
    Options = Seq2SeqTaskOptions
    content = TEXT
    needs = frozenset({"decoder"})

    def __init__(
        self,
        *,
        reads: int = 0,
        writes: int = 0,
        beams: int = 1,
        no_repeat: int = 0,
        label_smoothing: float = 0.0,
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.reads, self.writes = reads, writes
        self.beams, self.no_repeat, self.label_smoothing = beams, no_repeat, label_smoothing
        self.columns = Columns(*columns) if columns else None
        #: Of the latest rows or inputs; generated ids are decoded with it.
        self.processor: TextProcessor
        self._notes: list[str] = []
        self._sizes: list[tuple[int, str]] = []
        self._judged: list[tuple[str, str]] = []

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read pairs: ``text`` is the source, ``label`` the target."""
        columns = find_columns(source, options)
        audit.notes.append(f"reads {columns.source!r} and writes {columns.target!r} of {source}")
        records = read_written_pairs(source, options, columns, modality, audit)
        return checked(records, *columns, source, audit)

    def read_inputs(
        self, sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
    ) -> Dataset:
        """Read source texts, and target texts where the sources have their column."""
        return read_to_write(sources, options, self.columns, modality, audit)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Check the network's positions, and set its dropout to that of the options.

        Raises:
            HeadstartError: the network has fewer positions than requested, or all of it is frozen.
        """
        if config.freeze == "all":
            raise HeadstartError(
                "seq2seq has no head of its own, so --freeze all leaves nothing to learn; give the "
                "number of layers that stay, or leave it out."
            )
        options = task_options(config, Seq2SeqTaskOptions)
        network = as_seq2seq(encoder)
        positions = _positions(network)
        requested = max(config.length or 0, options.tokens)
        if positions and requested > positions:
            raise HeadstartError(
                f"the network has {positions} positions, fewer than the {requested} tokens asked "
                "for; choose a smaller --length and seq2seq.tokens."
            )
        set_dropout(network.model, config.dropout)
        return cls(
            reads=config.length or 0,
            writes=options.tokens,
            beams=options.beams,
            no_repeat=options.no_repeat,
            label_smoothing=options.label_smoothing,
            columns=find_columns(config.train, config) if Path(config.train).exists() else None,
        )

    @classmethod
    def defaults(cls, encoder: Encoder, count: int) -> TaskDefaults:
        """Return steps for ten epochs of batches of 64; all layers learn at one rate."""
        batch_size = 16 if count < 1000 else 64
        return {
            "batch_size": batch_size,
            "steps": max(300, math.ceil(10 * count / batch_size)),
            "layer_decay": 1.0,
            "learning_rate": min(1e-3, 1e-3 * 256 / encoder.width),
        }

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> WrittenRows:
        """Return the pairs as ids of source and target; the same in every epoch."""
        texts = self.processor = as_text(processor)
        if texts.vocabulary.suffix == 0:
            raise HeadstartError(
                "seq2seq needs a tokenizer that closes a text, and this run's has no token for it; "
                "pre-train with another tokenizer."
            )
        self.reads = self.reads or length
        found = WrittenRows(texts, records, self.reads, self.writes or self.reads)
        if not self.writes:
            self.writes = int(min(self.reads, found.written_sizes.max()))
        names = list(records["id"])
        for what, sizes, limit, option in (
            ("texts to read", found.read_sizes, self.reads, "--length N"),
            ("texts to write", found.written_sizes, self.writes, "--set seq2seq.tokens=N"),
        ):
            self._note_cut(what, sizes, names, limit, option)
        return found

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return texts without targets as a batch; :meth:`notes` reports those that are cut."""
        texts = self.processor = as_text(processor)
        ids = texts.encode_ids(list(records["text"]))
        self._sizes += zip(map(len, ids), records["id"], strict=True)
        read, mask = padded(
            cut(ids, self.reads or length, texts.vocabulary.suffix), texts.vocabulary.pad_id
        )
        return {"input_ids": read, "mask": mask}

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split the pairs by their ids; at most 2,000 are held out."""
        return by_id(records, min(share, _HELD / len(records)), seed)

    def warm_start(self, encoder: Encoder, train: Any, validation: Any) -> None:
        """Set how the network generates, so that its saved folder generates the same."""
        self.set_generation(as_seq2seq(encoder))

    def set_generation(self, encoder: Seq2SeqEncoder) -> None:
        """Set the network's generation config, which is saved with it."""
        processor, config = self.processor, encoder.model.config
        opening = processor.encode_ids([""])[0][: processor.vocabulary.prefix]
        end = processor.encode_ids([""])[0][-1]
        never = [t for t in processor.vocabulary.special_ids if t not in {end, *opening}]
        never += range(processor.vocabulary.size, int(config.vocab_size))
        positions = _positions(encoder)
        encoder.model.generation_config = GenerationConfig(
            max_new_tokens=min(self.writes, positions) if positions else self.writes,
            num_beams=self.beams,
            do_sample=False,
            no_repeat_ngram_size=self.no_repeat,
            suppress_tokens=never,
            # The token that opens every text need not be predicted.
            forced_bos_token_id=opening[0] if len(opening) == 1 else None,
            eos_token_id=end,
            pad_token_id=processor.vocabulary.pad_id,
            decoder_start_token_id=config.decoder_start_token_id,
        )

    def configure(self, options: PredictConfig) -> None:
        """Apply limits other than those of the training."""
        self.beams = options.beams or self.beams
        self.writes = options.tokens or self.writes

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return no groups: all parameters belong to the encoder and its decoder."""
        return []

    def features(self, encoder: Encoder, batch: Batch) -> Reading:
        """Return the encoded sources, for the decoder to attend to."""
        return Reading(as_seq2seq(encoder), encoder(batch).tokens)

    def forward(self, features: Reading, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, and ``accuracy`` of the next token."""
        written, real = batch["written/input_ids"], batch["written/mask"]
        vectors = features.encoder.write(features.tokens, batch["mask"], written)
        where = real.flatten().nonzero().squeeze(1)
        scores = features.encoder.score(vectors.flatten(0, 1)[where])
        targets = written.flatten()[where]
        found = token_loss(scores, targets)
        if self.training and self.label_smoothing:
            found["loss"] = F.cross_entropy(
                scores.float(), targets, label_smoothing=self.label_smoothing
            )
        return found

    def predictions(self, features: Reading, batch: Batch) -> list[dict[str, Any]]:
        """Return the text ``generated`` for each row."""
        self.set_generation(features.encoder)
        model = features.encoder.model
        out = model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=features.tokens),
            attention_mask=batch["mask"].long(),
        )
        decode = self.processor.tokenizer.batch_decode
        texts = decode(out, skip_special_tokens=True)
        return [{"generated": text.strip()} for text in texts]

    def describe(self, row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """Store the target of a labeled record for :meth:`notes`."""
        if record.get("label") is not None:
            self._judged.append((row["generated"], record["label"]))
        return row

    def notes(self) -> list[str]:
        """Return sentences on what was cut and, where there were targets, the scores."""
        if self._sizes:
            sizes, names = zip(*self._sizes, strict=True)
            self._note_cut("texts to read", np.array(sizes), names, self.reads, None)
        if self._judged:
            written, references = zip(*self._judged, strict=True)
            scores = formatted(written_scores(written, references))
            self._notes.append(f"On {len(written):,} labeled records: {scores}.")
        notes, self._notes, self._sizes, self._judged = self._notes, [], [], []
        return notes

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: WrittenRows) -> dict[str, float | Estimate]:
        """Return ``perplexity`` of the targets, and BLEU, chrF and ROUGE of generated texts."""
        total, tokens, written = 0.0, 0, []
        for reading, batch in self.scan(encoder, rows):
            count = int(batch["written/mask"].sum())
            total += self(reading, batch)["loss"].item() * count
            tokens += count
            written += [row["generated"] for row in self.predictions(reading, batch)]
        scores = written_scores(written, rows.references)
        return {**scores, "perplexity": math.exp(min(total / max(1, tokens), 50))}

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return the scores of copying the target of the most similar training source."""
        train = some(train)
        targets = [train["label"][index] for index in nearest_texts(train["text"], val["text"])]
        found = written_scores(targets, val["label"])
        return [("nearest training pair", {name: value.mean for name, value in found.items()})]

    def arguments(self) -> dict[str, Any]:
        """Return limits and columns."""
        return {
            "reads": self.reads,
            "writes": self.writes,
            "beams": self.beams,
            "no_repeat": self.no_repeat,
            "label_smoothing": self.label_smoothing,
            "columns": self.columns,
        }

    def _note_cut(
        self, what: str, sizes: np.ndarray, names: Any, limit: int, option: str | None
    ) -> None:
        long = np.flatnonzero(sizes > limit)
        if len(long):
            longest = int(sizes.argmax())
            more = f"; {option} takes more" if option else ""
            self._notes.append(
                f"{len(long):,} of {len(sizes):,} {what} are longer than {limit:,} tokens and were "
                f"cut (the longest, {names[longest]}, has {sizes[longest]:,}){more}."
            )


def nearest_texts(known: Sequence[str], texts: Sequence[str]) -> list[int]:
    """Return the index of the ``known`` text that is nearest to each, by TF-IDF of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        preprocessor=folded, analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True
    )
    rows = vectorizer.fit_transform(known).T.tocsr()
    tested = vectorizer.transform(texts)
    parts = (tested[start : start + 64] for start in range(0, len(texts), 64))
    return [int(index) for part in parts for index in (part @ rows).toarray().argmax(1)]


def as_seq2seq(encoder: Encoder) -> Seq2SeqEncoder:
    """Return an encoder as one with a decoder."""
    assert isinstance(encoder, Seq2SeqEncoder)
    return encoder


def set_dropout(model: nn.Module, share: float) -> None:
    """Raise the dropout of every block of a network to at least ``share``."""
    for module in model.modules():
        # Networks have it as a layer, or as a number that attention uses.
        now: Any = getattr(module, "dropout", None)
        if isinstance(module, nn.Dropout):
            module.p = max(module.p, share)
        elif isinstance(now, float):
            setattr(module, "dropout", max(now, share))  # noqa: B010


def _positions(encoder: Seq2SeqEncoder) -> int:
    """Return the number of absolute positions; 0 for relative ones."""
    if not hasattr(encoder.model.get_decoder(), "embed_positions"):
        return 0
    return int(encoder.model.config.max_position_embeddings)
