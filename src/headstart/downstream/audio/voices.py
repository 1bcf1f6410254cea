"""The voices of mixtures as files, with a network that was pre-trained to separate them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from headstart.downstream.audio.file_names import file_names
from headstart.encoders.conv_tasnet import ConvTasNet
from headstart.encoders.opening import OpenedEncoder, first_part
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.modalities.audio.decode import about
from headstart.modalities.audio.processor import AudioProcessor
from headstart.objectives.opening import described_head
from headstart.objectives.separation_losses import consistent

if TYPE_CHECKING:
    from collections.abc import Callable

    from headstart.config import PredictConfig
    from headstart.run import RunFolder

#: Samples of a frame in which voices are compared.
_FRAME = 256
#: Power that is silence.
_SILENT = 1e-10


def write_voices(
    run: RunFolder, plan: PredictConfig, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Write one file for each voice of each recording, and return a row a recording.

    They are ``NAME_voice1.wav``, ..., the loudest first, of 32-bit floats at the rate of the
    network, as loud as they are in the mixture. No reference is needed: where the network gives
    more signals than there are voices, those alike are added up (:func:`merged`).

    Raises:
        HeadstartError: there is no folder to write to, or more voices are asked for than the
            network can give.
    """
    out = Path(plan.out) if plan.out else None
    if out is None or out.suffix:
        raise HeadstartError(
            f"{run.folder} separates voices, of which each becomes a file; name a new folder for "
            "them with --out."
        )
    head = described_head(run)
    opened = OpenedEncoder(first_part(run.require_encoder()))
    encoder = cast(ConvTasNet, opened.encoder).eval()
    processor = cast(AudioProcessor, opened.processor)
    count = plan.voices or int(head["voices"])
    if count > encoder.outputs:
        raise HeadstartError(
            f"the network of {run.folder} gives {encoder.outputs} signals, fewer than the {count} "
            "voices asked for; choose fewer --voices, or pre-train it with more outputs."
        )
    records = opened.read(plan.inputs, plan, say)
    rows: list[dict[str, Any]] = []
    names = file_names([str(name) for name in records["id"]])
    most, cut = processor.reading.seconds, 0
    with whole_folder(out) as folder:
        for index, name in enumerate(names):
            record = records[index]
            cut += about(record[opened.modality.content.name]).seconds > most
            mixture = processor.collate(records.select([index]), opened.length)
            found = voices(encoder, mixture, count, head["objective"] == "mixit")
            rows.append({"id": record["id"], "voices": _written(found, name, folder, encoder.rate)})
    for row in rows:
        for voice in row["voices"]:
            voice["file"] = str(out / voice["file"])
    if cut:
        say(
            f"Of {cut:,} recordings the first {most:g} seconds are separated; cut longer ones "
            "first, or pre-train with --set audio.seconds=N for a larger N."
        )
    return rows


def voices(encoder: ConvTasNet, mixture: dict[str, Tensor], count: int, sums: bool) -> np.ndarray:
    """Return the voices (count,S) float32 of one mixture, the loudest first.

    Args:
        mixture: ``waveform`` (1,1,S) and ``lengths`` (1,).
        sums: whether the signals of the network were trained to add up to the mixture. Otherwise
            their scales are free, and become those that add up to it best.
    """
    whole = mixture["waveform"][:, 0]
    with torch.inference_mode():
        signals = encoder.separate(mixture).float()
        if sums:
            signals = consistent(signals, whole)
    found = signals[0].numpy()
    if not sums:
        found = rescaled(found, whole[0].numpy())
    found = merged(found, count)
    return found[np.argsort(-np.square(found).sum(1), kind="stable")]


def rescaled(signals: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Return signals (M,S) times the factors, none negative, with which they add up best."""
    from scipy.optimize import nnls

    gram = signals.astype(np.float64) @ signals.T.astype(np.float64)
    power = np.diag(gram)
    live = power > _SILENT
    if not live.any():
        return signals
    # The same least squares, in as many dimensions as there are signals.
    unit = signals[live].astype(np.float64) / np.sqrt(power[live])[:, None]
    q, r = np.linalg.qr(unit.T)
    factors, _ = nnls(r, q.T @ mixture.astype(np.float64))
    scaled = np.zeros_like(signals)
    scaled[live] = (unit * factors[:, None]).astype(np.float32)
    return scaled


def merged(signals: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` sums (count,S) of signals (M,S), each signal being part of one sum.

    The quietest is added to the one whose spectrogram is most like its own, until so many are
    left: two signals of one voice sound at the same times and pitches.
    """
    parts = list(signals)
    while len(parts) > count:
        quietest = int(np.argmin([np.square(part).sum() for part in parts]))
        part = parts.pop(quietest)
        spectra = [_spectrum(each) for each in (part, *parts)]
        alike = [float(spectra[0] @ each) for each in spectra[1:]]
        best = int(np.argmax(alike))
        parts[best] = parts[best] + part
    return np.stack(parts)


def _spectrum(signal: np.ndarray) -> np.ndarray:
    """Return the magnitudes of a spectrogram as one vector of unit length."""
    window = torch.hann_window(_FRAME)
    found = torch.stft(
        torch.from_numpy(signal), _FRAME, _FRAME // 2, window=window, return_complex=True
    )
    flat = found.abs().flatten().numpy()
    return flat / max(float(np.linalg.norm(flat)), _SILENT)


def _written(found: np.ndarray, name: str, folder: Path, rate: int) -> list[dict[str, Any]]:
    """Write voices, and return what each is called and how loud it is."""
    import soundfile

    total = max(float(np.square(found).sum()), _SILENT)
    rows = []
    for number, voice in enumerate(found, start=1):
        file = f"{name}_voice{number}.wav"
        # Of a file that cannot be written, the library says "System error", and Python why.
        stream = BytesIO()
        soundfile.write(stream, voice, rate, subtype="FLOAT", format="WAV")
        (folder / file).write_bytes(stream.getbuffer())
        share = float(np.square(voice).sum()) / total
        rows.append({"file": file, "seconds": len(voice) / rate, "power": round(share, 4)})
    return rows
