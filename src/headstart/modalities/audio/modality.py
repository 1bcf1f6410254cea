"""The audio modality: waveforms at one rate, and random views of whole batches."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities import Defaults, Modality, Package, Preview, Request
from headstart.modalities.audio.content import AUDIO
from headstart.modalities.audio.corruptions import CORRUPTIONS, as_wav
from headstart.modalities.audio.options import AudioOptions

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig
    from headstart.modalities import Baseline
    from headstart.modalities.audio.mfcc import MfccProcessor
    from headstart.modalities.audio.processor import AudioProcessor
    from headstart.modalities.audio.reading import Reading

#: Highest rate that is chosen: speech has little above 8 kHz.
RATE = 16_000
#: Shortest piece that is chosen, and the share of recordings that are no longer than one.
SHORTEST, WHOLE = 32, 0.95
#: Steps of a spectrogram a second, which ``length`` counts.
STEPS = 100
#: Folder of the decoded noise, beside what training reads.
NOISES = "noises"


class AudioModality(Modality):
    """Recordings from files, archives and tables."""

    name = "audio"
    content = AUDIO
    gives = "waveform"
    protocols = (
        *("classification", "multilabel", "regression", "fewshot", "similarity", "retrieval"),
        *("clustering", "verification", "bits_a_sample"),
    )
    corruptions = CORRUPTIONS
    provides = frozenset({"waveform", "two_views", "units"})
    unit = "hundredths of a second"
    simple_alone = True
    published = Package(
        "resemblyzer",
        "resemblyzer",
        "resemblyzer",
        "headstart.encoders.speaker_lstm:write_speaker_lstm",
        alone=True,
    )
    Options = AudioOptions
    options: AudioOptions

    def __init__(self, options: AudioOptions | None = None) -> None:
        super().__init__(options)
        if find_spec("soundfile") is None:
            raise HeadstartError(
                "recordings need the extra `audio`: install it with `pip install "
                "'headstart[audio]'`."
            )

    def readable(self, records: Dataset, processor: AudioProcessor, audit: Audit) -> Dataset:
        """Return the recordings that can be decoded; the others are quarantined."""
        from headstart.modalities.audio.clips import CLIPS

        how = (processor.reading if processor else self._reading(records)).how
        good = np.zeros(len(records), dtype=bool)
        for start in range(0, len(records), 256):
            rows = records[start : start + 256]
            for index, (name, value) in enumerate(
                zip(rows["id"], rows["audio"], strict=True), start
            ):
                found = CLIPS.get(value, *how)
                good[index] = not isinstance(found, str)
                if isinstance(found, str):
                    audit.drop(name, found)
        return records if good.all() else records.select(np.flatnonzero(good))

    def check_views(self, kind: str) -> None:
        """Refuse views that are none of :data:`headstart.modalities.audio.views.KINDS`."""
        from headstart.modalities.audio.views import recipe_of

        recipe_of(kind)

    def check_files(self) -> None:
        """Refuse a folder of noise that holds no recordings."""
        if self.options.noise is not None:
            from headstart.modalities.audio.noises import noise_files

            noise_files(self.options.noise)

    def defaults(self, request: Request) -> Defaults:
        """Return the small network, and pieces that hold most recordings whole.

        Their length is that of 95% of a sample, from their headers.
        """
        from headstart.modalities.audio.sound_file import sample_headers

        objectives, encoder = request.choose(
            "simclr",
            "mel_conv",
            objective_for={"conv_tasnet": "mixit", "wavenet": "clm"},
            encoder_for={"pit": "conv_tasnet", "mixit": "conv_tasnet", "clm": "wavenet"},
        )
        # Many small steps teach a network of single samples more than few large ones.
        rows = 1 if encoder == "wavenet" else None
        if request.length:
            return Defaults(objectives, encoder, request.length, batch_size=rows)
        seconds, _ = sample_headers(request.records)
        usual = np.quantile(seconds, WHOLE) * STEPS if len(seconds) else SHORTEST
        length = int(np.clip(np.ceil(usual), SHORTEST, request.longest(encoder)))
        return Defaults(objectives, encoder, length, batch_size=rows)

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: None,
        length: int,
        *,
        patient: bool = False,
    ) -> AudioProcessor:
        """Return a processor at the rate that most recordings have; nothing else is fitted."""
        from headstart.modalities.audio.processor import AudioProcessor

        return AudioProcessor(self._reading(records), length)

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> AudioProcessor:
        """Return the processor of an encoder whose training continues, at the decided length.

        Where the folder does not say how recordings are read, the options and the records do.
        """
        from headstart.modalities.audio.processor import AudioProcessor

        return AudioProcessor(self._own_reading(start) or self._reading(records), length)

    def simple(self, records: Dataset, length: int, seed: int) -> MfccProcessor:
        """Return cepstra on time cells."""
        from headstart.modalities.audio.mfcc import MfccProcessor

        return MfccProcessor(self._reading(records))

    def load(self, folder: str | Path) -> AudioProcessor | MfccProcessor:
        """Reopen the processor of an encoder folder, or of a run in training with its noise.

        Raises:
            HeadstartError: its file is damaged, or nothing says the rate.
        """
        from headstart.modalities.audio.mfcc import FILE, MfccProcessor
        from headstart.modalities.audio.processor import AudioProcessor
        from headstart.modalities.audio.reading import FILE as NOTE
        from headstart.modalities.audio.reading import PREPROCESSOR

        if (Path(folder) / FILE).is_file():
            return MfccProcessor.load(Path(folder))
        if not (Path(folder) / NOTE).is_file():
            foreign = self._own_reading(folder)
            if foreign is None:
                raise HeadstartError(
                    f"nothing in {folder} says how many samples a second its network reads; copy "
                    f"the folder again, with its {PREPROCESSOR}."
                )
            return AudioProcessor(foreign, SHORTEST)
        processor = AudioProcessor.load(Path(folder))
        kept = Path(folder).parent / NOISES
        if self.options.noise is not None and kept.is_dir():
            from headstart.modalities.audio.noises import Noises

            processor.noises = Noises.load(kept, processor.rate, self.options.snr)
        return processor

    def prepare(
        self,
        records: Dataset,
        processor: AudioProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Decode the recordings into a sound file, once, in pieces of the length of a row.

        The noise of the options is decoded beside it, so that a run goes on without its folder.

        Raises:
            HeadstartError: none can be decoded. For held-out records (``learn`` is False) nothing
                is written instead, and training continues without them.
        """
        from headstart.modalities.audio.sound_file import write_sound_file

        reading = processor.reading
        if learn and self.options.noise is not None:
            from headstart.modalities.audio.noises import write_noises

            audit.notes += write_noises(self.options.noise, folder.parent / NOISES, reading)
        try:
            write_sound_file(
                folder,
                records,
                audit,
                rate=reading.rate,
                channel=reading.channel,
                trim=reading.trim,
                longest=processor.piece,
                overlap=self.options.overlap,
            )
        except HeadstartError:
            if learn:
                raise

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return a spectrogram and the sound of each recording that can be decoded."""
        from headstart.modalities.audio.preview import previews

        return previews(records, side)

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return the recordings as the samples that the encoder reads."""
        return as_wav(records, self._reading(records))

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        protocol: str = "classification",
        seed: int,
        progress: Progress | None,
    ) -> list[Baseline]:
        """Return the simple alternatives; see :mod:`headstart.modalities.audio.baselines`."""
        from headstart.modalities.audio.baselines import audio_baselines

        reading = self._reading(train)
        return audio_baselines(
            background, train, test, reading, protocol=protocol, seed=seed, progress=progress
        )

    def _reading(self, records: Dataset) -> Reading:
        """Return how an encoder of these records reads them: its own way, or as options say."""
        from headstart.modalities.audio.sound_file import sample_headers

        own = None if self.folder is None else self._own_reading(self.folder)
        if own is not None:
            return own
        rate = self.options.rate
        if rate is None:
            rates = Counter(sample_headers(records)[1])
            usual = rates.most_common(1)[0][0] if rates else RATE
            rate = min(max(usual, 4000), RATE)
        return self._at(rate)

    def _own_reading(self, folder: str | Path) -> Reading | None:
        """Return how the encoder of a folder reads recordings, if the folder says so.

        A network of others says its rate alone; the rest is as the options say.
        """
        from headstart.modalities.audio.reading import reading_of, stated_rate

        kept = reading_of(folder)
        if kept is not None:
            return kept
        rate = stated_rate(folder)
        return None if rate is None else self._at(rate)

    def _at(self, rate: int) -> Reading:
        from headstart.modalities.audio.reading import Reading

        return Reading(rate, self.options.channel, self.options.trim, self.options.seconds)
