"""Recordings and their transcripts: read from tables, and as rows of the training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.data.columns import LABEL
from headstart.data.lines import fault
from headstart.downstream.audio.alphabet import Alphabet, folded, repeats
from headstart.modalities.audio.clips import CLIPS
from headstart.modalities.audio.content import AUDIO
from headstart.modalities.audio.decode import about
from headstart.modalities.audio.processor import AudioProcessor
from headstart.seeding import uniform

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.audit import Audit
    from headstart.data.unit import Unit
    from headstart.modalities import Modality

NO_TRANSCRIPT = "it has no transcript"
NOT_PLAIN = "its transcript is not a plain text"
NOTHING_SAID = "its transcript has no letter or digit"

_NAMES = (
    *("transcript", "transcription", "text", "sentence", "normalized_text", "utterance"),
    *("label", "words"),
)
#: Changes of speed in training (Ko et al. 2015, "Audio augmentation for speech recognition").
SPEEDS = (0.9, 1.0, 1.1)
#: By how much lengths are changed before recordings are ordered by them.
NOISE = 0.4


def _take(value: Any, unit: Unit) -> tuple[Any, str | None]:
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        value = str(int(value)) if float(value).is_integer() else str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None, NO_TRANSCRIPT
    if not isinstance(value, str) or fault(value):
        return None, NOT_PLAIN
    return (value, None) if folded(value) else (None, NOTHING_SAID)


#: The transcript, under the name of a label, so that ``--column label=COLUMN`` names it;
#: of a.wav in a folder it is that in a.txt.
TRANSCRIPT = replace(
    LABEL,
    names=_NAMES,
    take=_take,
    required=True,
    missing=NO_TRANSCRIPT,
    take_all=None,
    beside=".txt",
)


def read_transcribed(
    source: str, options: FinetuneConfig, alphabet: str, modality: Modality, audit: Audit
) -> Dataset:
    """Read recordings with a transcript, ``label``, as it is heard; others are quarantined.

    Args:
        alphabet: the characters that a transcript may have; empty for any.
    """
    records = modality.read([source], options, audit, fields=[TRANSCRIPT])
    texts = [folded(text) for text in records["label"]]
    known = Alphabet(sorted({*map(folded, alphabet)} - {""} | {" "})) if alphabet else None
    good = np.ones(len(texts), dtype=bool)
    for index, (name, text) in enumerate(zip(records["id"], texts, strict=True)):
        if known is not None and (character := known.foreign(text)):
            audit.drop(name, f"{character!r} of its transcript is not in the alphabet")
            good[index] = False
    records = records.remove_columns("label").add_column("label", texts)
    return records if good.all() else records.select(np.flatnonzero(good))


def read_recordings(
    sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
) -> Dataset:
    """Read recordings, with ``label`` where all sources have a column of transcripts."""
    field = replace(TRANSCRIPT, required=False, take=_take_if_any)
    return modality.read(sources, options, audit, fields=[field])


def _take_if_any(value: Any, unit: Unit) -> tuple[Any, str | None]:
    return _take(value, unit)[0], None


class TranscribedRows:
    """Recordings with their classes; in training at a speed of its own in each epoch.

    The longest come first. A recording that has fewer frames than its transcript has symbols cannot
    be learned and is left out: CTC needs a frame for each symbol, and one between two that are
    equal. A batch of the training has recordings of like length, so that little of it is padding:
    the one that was drawn first, and its neighbours by length, which a little noise changes from
    epoch to epoch.

    Args:
        processor: of recordings.
        records: N recordings with ``label``.
        alphabet: of the transcripts.
        samples: of a frame of the network.
        seed: of the training; None where rows are the same in every epoch.
        speeds: whether recordings are read at changing speeds in training.

    Attributes:
        references: the transcripts of the rows, and ``ids`` their names.
        misfits: names and reasons of the recordings that are left out.
    """

    def __init__(
        self,
        processor: AudioProcessor,
        records: Dataset,
        alphabet: Alphabet,
        samples: float,
        seed: int | None = None,
        speeds: bool = False,
    ) -> None:
        self._processor, self._seed, self._speeds = processor, seed, speeds
        most, rate = processor.reading.seconds, processor.rate
        self.misfits: dict[str, str] = {}
        kept: list[tuple[int, int, list[int], str]] = []
        for index, record in enumerate(records):
            name, text = str(record["id"]), folded(record["label"])
            classes, value = alphabet.encode(text), record[AUDIO.name]
            if classes is None:
                self.misfits[name] = f"{alphabet.foreign(text)!r} is in no training transcript"
                continue
            needed = len(classes) + repeats(classes)
            count = len(CLIPS.require(value, *processor.reading.how, name=name))
            frames = int(count / samples)
            if about(value).seconds > most + samples / rate:
                self.misfits[name] = f"it is longer than the {most:g} seconds that are read"
            elif frames < needed:
                self.misfits[name] = f"{frames:,} frames for a transcript that needs {needed:,}"
            else:
                kept.append((count, index, classes, text))
        kept.sort(key=lambda each: (-each[0], each[1]))
        self.records = records.select([index for _, index, _, _ in kept])
        self.ids = [str(name) for name in self.records["id"]]
        self._counts = np.array([count for count, _, _, _ in kept], dtype=np.float64)
        self._classes = [classes for _, _, classes, _ in kept]
        self.references = [text for _, _, _, text in kept]

    def __len__(self) -> int:
        return len(self._classes)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return ``waveform``, ``lengths``, and ``labels`` (n,L), padded with 0 (the blank)."""
        if self._seed is not None:
            indices = self._alike(indices, epoch)
        batch = self._processor.collate(self.records.select(indices), 0)
        if self._seed is not None and self._speeds:
            drawn = uniform(np.asarray(indices), self._seed, "speed", epoch)
            batch = at_speeds(batch, [SPEEDS[int(each * len(SPEEDS))] for each in drawn])
        classes = [self._classes[index] for index in indices]
        labels = torch.zeros(len(classes), max(map(len, classes), default=1), dtype=torch.long)
        for row, each in zip(labels, classes, strict=True):
            row[: len(each)] = torch.tensor(each)
        return {**batch, "labels": labels}

    def _alike(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Return as many recordings of like length, the first one among them."""
        every = np.arange(len(self))
        noise = 1 + NOISE * (uniform(every, self._seed or 0, "length", epoch) - 0.5)
        order = np.argsort(-self._counts * noise, kind="stable")
        position = int(np.flatnonzero(order == indices[0])[0])
        start = min(max(0, position - len(indices) // 2), len(self) - len(indices))
        return order[start : start + len(indices)]


def at_speeds(batch: Batch, speeds: list[float]) -> Batch:
    """Return recordings played at other speeds, so that their pitch changes, too."""
    rows = []
    for samples, count, speed in zip(batch["waveform"], batch["lengths"], speeds, strict=True):
        values = samples[0, : int(count)].numpy()
        if speed != 1.0:
            at = np.arange(int(len(values) / speed)) * speed
            values = np.interp(at, np.arange(len(values)), values).astype(np.float32)
        rows.append(torch.from_numpy(values))
    waveform = torch.nn.utils.rnn.pad_sequence(rows, True)[:, None]
    return {"waveform": waveform, "lengths": torch.tensor([len(row) for row in rows])}
