"""Speech recognition: what is said in a recording, by connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.config import task_options
from headstart.config.tasks import CtcOptions
from headstart.downstream import Task, TaskDefaults
from headstart.downstream.alternatives import Alternative, some
from headstart.downstream.audio.alignment_page import alignment_page
from headstart.downstream.audio.alphabet import Alphabet, folded
from headstart.downstream.audio.character_model import EDGE, CharacterModel
from headstart.downstream.audio.ctc_decoding import END, Score, align, greedy, prefix_beam
from headstart.downstream.audio.error_rates import alignments, error_rates
from headstart.downstream.audio.frame_network import FrameNetwork
from headstart.downstream.audio.nearest_recording import nearest_recordings
from headstart.downstream.audio.other_texts import other_texts
from headstart.downstream.audio.subtitles import write_transcripts
from headstart.downstream.audio.transcripts import (
    TranscribedRows,
    read_recordings,
    read_transcribed,
)
from headstart.errors import HeadstartError
from headstart.evaluation.written import formatted
from headstart.files import write_text
from headstart.modalities.audio.content import AUDIO
from headstart.modalities.audio.processor import AudioProcessor

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.evaluation.metrics import Estimate
    from headstart.modalities import Modality, Processor

#: Samples of the silence that an encoder is asked for its frames with.
_ASKED = 16_000
#: Recordings that are left out, as far as they are named.
_NAMED = 3


class Frames(NamedTuple):
    """Vectors (B,T,D) of frames, and which of them are real (B,T)."""

    vectors: Tensor
    mask: Tensor


class Recognition(Task):
    """Convolutions over an encoder's frames, with the CTC loss (Graves et al. 2006).

    Texts are found by prefix beam search with a character model of the training transcripts, and of
    other texts that are named, or greedily; the times of words are those of the best path.

    Args:
        width: D, of the encoder's frames.
        symbols: of the transcripts; class 0 is the blank.
        samples: of a frame.
        network: width, layers, dropout and hidden share of the network on the frames.
        beams: width of the search; 1 is greedy.
        order, counts: of the character model; 0 and {} for none.
        weight, bonus: of the search, see :func:`.ctc_decoding.prefix_beam`.
        rate: samples a second.
        speeds: whether training also reads recordings at other speeds.
    """

    name: ClassVar[str] = "ctc"
    Options = CtcOptions
    content = AUDIO
    needs = frozenset({"frames"})
    eval_batch_size: ClassVar[int] = 16
    max_learning_rate: ClassVar[float] = 2e-3
    endings: ClassVar[tuple[str, ...]] = (".srt", "")

    def __init__(
        self,
        width: int,
        symbols: list[str],
        samples: float,
        network: dict[str, Any],
        *,
        beams: int = 16,
        order: int = 0,
        counts: dict[str, int] | None = None,
        weight: float = 0.5,
        bonus: float = 0.5,
        rate: int = 16_000,
        speeds: bool = True,
    ) -> None:
        super().__init__()
        self.alphabet, self.samples, self.rate = Alphabet(symbols), samples, rate
        self.width, self.shape, self.speeds = width, dict(network), speeds
        self.beams, self.weight, self.bonus = beams, weight, bonus
        self.network = FrameNetwork(width, len(symbols) + 1, **network)
        self.model = CharacterModel(order, counts) if order and counts else None
        #: Of the latest rows.
        self.processor: AudioProcessor | None = None
        self._notes: list[str] = []
        self._judged: list[tuple[str, str]] = []
        self._measured: tuple[list[str], list[str], list[str]] | None = None

    # -- reading -----------------------------------------------------------------------------

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read recordings and their transcripts, ``label``, as they are heard."""
        chosen = task_options(options, CtcOptions)
        if chosen.texts is not None:  # said before anything is read
            other_texts(chosen.texts)
        return read_transcribed(source, options, chosen.alphabet, modality, audit)

    def read_inputs(
        self, sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
    ) -> Dataset:
        """Read recordings, and their transcripts if any."""
        return read_recordings(sources, options, modality, audit)

    # -- building ----------------------------------------------------------------------------

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the symbols of the training transcripts."""
        options = task_options(config, CtcOptions)
        texts = [folded(text) for text in records["label"]]
        known = sorted({*map(folded, options.alphabet)} - {""} | {" "}) if options.alphabet else []
        alphabet = Alphabet.of([*texts, *known], options.pieces)
        learned = list(texts)
        if options.texts is not None:
            learned += other_texts(options.texts, {*"".join(alphabet.symbols), " "})
        model = CharacterModel.of(learned, options.order) if options.order else None
        width, samples = _frames_of(encoder)
        shape = {"width": options.width, "layers": options.layers, "hidden": options.hidden}
        return cls(
            width,
            alphabet.symbols,
            samples,
            {**shape, "dropout": config.dropout},
            beams=options.beams,
            order=options.order,
            counts=model.counts if model else None,
            weight=options.weight,
            bonus=options.bonus,
            speeds=options.speeds,
        )

    @classmethod
    def defaults(cls, encoder: Encoder, count: int) -> TaskDefaults:
        """Return a long schedule, as frames find their symbols late; all layers learn alike."""
        epoch = -(-count // 16)
        return {
            "batch_size": 16,
            "learning_rate": 1e-3,
            "steps": max(1000, 40 * epoch),
            "validate_steps": max(50, 2 * epoch),
            "patience": 0,
            "layer_decay": 1.0,
        }

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> TranscribedRows:
        """Return recordings with their classes, in training at changing speeds.

        Raises:
            HeadstartError: none of them can be learned.
        """
        assert isinstance(processor, AudioProcessor)
        self.processor, self.rate = processor, processor.rate
        found = TranscribedRows(processor, records, self.alphabet, self.samples, seed, self.speeds)
        if found.misfits:
            named = [f"{name} ({why})" for name, why in list(found.misfits.items())[:_NAMED]]
            sentence = (
                f"{len(found.misfits):,} of {len(records):,} recordings are set aside, as their "
                f"transcripts cannot be learned: {', '.join(named)}"
                f"{', ...' if len(found.misfits) > _NAMED else ''}."
            )
            if not len(found):
                raise HeadstartError(sentence)
            self._notes.append(sentence)
        return found

    # -- learning ----------------------------------------------------------------------------

    def features(self, encoder: Encoder, batch: Batch) -> Frames:
        """Return the encoder's frames."""
        found = encoder(batch)
        return Frames(found.tokens, found.mask)

    def forward(self, features: Frames, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, and ``nll``: minus the log-likelihood of a symbol, mean of the rows.

        In evaluation the loss is the character error rate of the likeliest paths: likelihoods
        become worse by a few frames that are wrong and sure, while texts still become better.
        """
        logs = self.network(*features)
        labels, sizes = batch["labels"], features.mask.sum(1)
        lengths = (labels != 0).sum(1)
        losses = F.ctc_loss(
            logs.transpose(0, 1), labels, sizes, lengths, reduction="none", zero_infinity=True
        )
        loss = (losses / lengths.clamp(min=1)).mean()
        if self.training:
            return {"loss": loss}
        found = [part[:size].detach().cpu().numpy() for part, size in zip(logs, sizes, strict=True)]
        truth = [row[:length].tolist() for row, length in zip(labels, lengths, strict=True)]
        rates = [
            _distance(greedy(part), row) / max(1, len(row))
            for part, row in zip(found, truth, strict=True)
        ]
        return {"loss": loss.new_tensor(sum(rates) / len(rates)), "nll": loss}

    # -- predicting --------------------------------------------------------------------------

    def configure(self, options: PredictConfig) -> None:
        """Apply another width of the beam search."""
        self.beams = options.beams or self.beams

    def predictions(self, features: Frames, batch: Batch) -> list[dict[str, Any]]:
        """Return ``text``, its ``score``, and ``words`` with times in seconds and scores.

        A score is the mean probability of the symbols in their frames.
        """
        logs = self.network(*features).detach().cpu().numpy()
        sizes = features.mask.sum(1).tolist()
        return [self._heard(part[:size]) for part, size in zip(logs, sizes, strict=True)]

    def describe(self, row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """Keep the transcript of a record that has one, for :meth:`notes`."""
        if record.get("label") is not None:
            self._judged.append((row["text"], folded(record["label"])))
        return row

    def notes(self) -> list[str]:
        """Return what was set aside, and the error rates where there were transcripts."""
        notes, self._notes = self._notes, []
        if self._judged:
            written, references = zip(*self._judged, strict=True)
            rates = _without_accuracy(error_rates(written, references))
            notes.append(f"On {len(written):,} recordings with transcripts: {rates}.")
            self._judged = []
        return notes

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: TranscribedRows) -> Mapping[str, float | Estimate]:
        """Return ``accuracy``, ``cer`` and ``wer`` of the found texts, with intervals."""
        written = [
            row["text"] for each in self.scan(encoder, rows) for row in self.predictions(*each)
        ]
        self._measured = rows.ids, written, rows.references
        return error_rates(written, rows.references)

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return the rates of the transcript of the nearest training recording (DTW)."""
        assert self.processor is not None
        train = some(train)
        nearest = nearest_recordings(train, val, self.processor.reading)
        written = [folded(train[index]["label"]) for index in nearest]
        rates = error_rates(written, [folded(text) for text in val["label"]])
        return [("nearest recording (DTW)", {name: rate.mean for name, rate in rates.items()})]

    def write_page(self, path: Path) -> bool:
        """Write the alignments of the recordings that were measured last."""
        if self._measured is None:
            return False
        rates = error_rates(*self._measured[1:])
        write_text(path, alignment_page(alignments(*self._measured), rates))
        return True

    @classmethod
    def write(cls, rows: Any, out: Path) -> None:
        """Write transcripts and subtitles; see :func:`.subtitles.write_transcripts`."""
        write_transcripts(rows, out)

    def arguments(self) -> dict[str, Any]:
        """Return the symbols, the shape, and how texts are found."""
        return {
            "width": self.width,
            "symbols": self.alphabet.symbols,
            "samples": self.samples,
            "network": self.shape,
            "beams": self.beams,
            "order": self.model.order if self.model else 0,
            "counts": self.model.counts if self.model else None,
            "weight": self.weight,
            "bonus": self.bonus,
            "rate": self.rate,
            "speeds": self.speeds,
        }

    def _heard(self, logs: np.ndarray) -> dict[str, Any]:
        classes = self.decode(logs)
        spans = align(logs, classes)
        sure = [
            float(np.exp(logs[start:end, each].max()))
            for each, (start, end) in zip(classes, spans, strict=True)
        ]
        seconds = self.samples / self.rate
        # Every character has the frames of its symbol.
        letters = [
            (letter, span, value)
            for each, span, value in zip(classes, spans, sure, strict=True)
            for letter in self.alphabet.decode([each])
        ]
        words: list[dict[str, Any]] = []
        part: list[tuple[str, tuple[int, int], float]] = []
        for each in [*letters, (" ", (0, 0), 0.0)]:
            if each[0] != " ":
                part.append(each)
            elif part:
                words.append(
                    {
                        "word": "".join(letter for letter, _, _ in part),
                        "start": round(part[0][1][0] * seconds, 3),
                        "end": round(part[-1][1][1] * seconds, 3),
                        "score": float(np.mean([value for _, _, value in part])),
                    }
                )
                part = []
        text = " ".join(word["word"] for word in words)
        return {"text": text, "score": float(np.mean(sure)) if sure else 0.0, "words": words}

    def decode(self, logs: np.ndarray) -> list[int]:
        """Return the classes that are found in frames (T,K) of log-probabilities."""
        if self.beams == 1:
            return greedy(logs)
        how = {"weight": self.weight, "bonus": self.bonus} if self.model else {}
        return list(prefix_beam(logs, self.beams, self._score(), **how)[0][0])

    def _score(self) -> Score | None:
        model, decode = self.model, self.alphabet.decode
        if model is None:
            return None

        def score(prefix: tuple[int, ...], following: int) -> float:
            before = decode(prefix[-model.order :])
            # A history that is cut does not begin with the edge of the text.
            whole = before if len(prefix) <= model.order else before[-model.order :]
            if following == END:
                return model.log_probability(whole, EDGE)
            return model.log_symbol(whole, decode([following]))

        return score


def _frames_of(encoder: Encoder) -> tuple[int, float]:
    """Return the width of an encoder's frames, and the samples between two of them."""
    training, counts, width = encoder.training, [], 0
    encoder.eval()
    with torch.no_grad():
        for size in (_ASKED, 3 * _ASKED):
            device = next(encoder.parameters()).device
            silence = {
                "waveform": torch.zeros(1, 1, size, device=device),
                "lengths": torch.tensor([size], device=device),
            }
            found = encoder(silence)
            counts.append(int(found.mask.sum()))
            width = found.tokens.shape[2]
    encoder.train(training)
    return width, 2 * _ASKED / (counts[1] - counts[0])


def _distance(one: list[int], other: list[int]) -> int:
    """Return the fewest insertions, deletions and substitutions from one list to the other."""
    row = np.arange(len(other) + 1)
    for number, each in enumerate(one, start=1):
        new = np.minimum(row[1:] + 1, row[:-1] + (np.array(other, dtype=int) != each))
        # Deletions run along the row: a running minimum of what is left after counting them.
        whole = np.concatenate([[number], new]) - np.arange(len(other) + 1)
        row = np.minimum.accumulate(whole) + np.arange(len(other) + 1)
    return int(row[-1])


def _without_accuracy(rates: Mapping[str, Estimate]) -> str:
    return formatted({name: rate for name, rate in rates.items() if name != "accuracy"})
