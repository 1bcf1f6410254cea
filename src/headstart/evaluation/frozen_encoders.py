"""Who competes: encoders as they are, whose features are only read.

The pre-trained one, the same network untrained, the checkpoint that a continued pre-training began
with, and whatever other encoders the user names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Progress
from headstart.data.store import stream
from headstart.encoders.opening import encoder_folder, kind_of, open_encoder, read_note
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest, digest_of_encoder, digest_of_records, kept
from headstart.evaluation.features import features
from headstart.evaluation.outcomes import Candidate, Kind
from headstart.modalities import Modality
from headstart.run import RunFolder
from headstart.seeding import seeded

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder and what its features depend on.

    Attributes:
        key: changes whenever the features of the same records would.
        vectors: from records and what is to be told of progress to features (N,D).
    """

    name: str
    kind: Kind
    key: str
    vectors: Callable[[Dataset, Progress | None], np.ndarray]


def frozen(name: str, kind: Kind, encoder: Any, processor: Any, length: int) -> FrozenEncoder:
    """Return an opened encoder as a rival; records are cut at ``length`` tokens."""

    def vectors(records: Dataset, progress: Progress | None) -> np.ndarray:
        return features(encoder, processor, records, length=length, progress=progress)

    return FrozenEncoder(name, kind, digest_of_encoder(encoder, processor, length), vectors)


def untrained(encoder: Any, seed: int) -> Any:
    """Return a fresh encoder of the same shape; the seed decides its weights."""
    with seeded(seed, "untrained"):
        return encoder.untrained()


def started(run: RunFolder, processor: Any, length: int, notes: list[str]) -> list[FrozenEncoder]:
    """Return the checkpoint that a continued pre-training began with; [] if it began afresh.

    One that cannot be opened any more is told in ``notes``.
    """
    # The plan of a fine-tuned run names no encoder: it began with a run of its own.
    name = str((run.resolved.get("plan") or {}).get("encoder", ""))
    try:
        if not name or (kind_of(name) is not None and "." not in name):
            return []
        encoder = open_encoder(name, length=length)
    except (HeadstartError, OSError) as error:
        notes.append(
            f"The checkpoint that the pre-training began with ({name}) cannot be opened any more "
            f"({str(error).splitlines()[0]}), so whether continuing it helped is not told."
        )
        return []
    return [frozen("starting checkpoint", "start", encoder, processor, length)]


def named(folders: list[str], modality: Modality) -> list[FrozenEncoder]:
    """Return the encoders that the user named.

    Raises:
        HeadstartError: nothing there can be opened, or it is for another kind of data.
    """
    short = [Path(folder).name for folder in folders]
    names = [
        each if short.count(each) == 1 else folder
        for each, folder in zip(short, folders, strict=True)
    ]
    return [_opened(folder, name, modality) for folder, name in zip(folders, names, strict=True)]


def _opened(given: str, name: str, modality: Modality) -> FrozenEncoder:
    folder = encoder_folder(given)
    if _is_sentence_transformer(folder) and find_spec("sentence_transformers"):
        kind = "text"
    else:
        kind = read_note(folder)["modality"]
    if kind != modality.name:
        raise HeadstartError(
            f"--against {given}: that is an encoder of {kind}, but the records are of "
            f"{modality.name}; name another."
        )
    if _is_sentence_transformer(folder) and find_spec("sentence_transformers"):
        return _sentence_transformer(str(folder), name)
    encoder, processor = open_encoder(folder), modality.load(folder)
    return frozen(name, "other", encoder, processor, int(read_note(folder)["length"]))


def measured(
    encoder: FrozenEncoder,
    train: Dataset,
    test: Dataset | None,
    store: Path,
    progress: Progress | None,
) -> Candidate:
    """Return a rival with its features, which are computed once and kept in ``store``."""
    parts = [
        kept(
            store,
            digest("features", encoder.key, digest_of_records(part)),
            lambda part=part: encoder.vectors(part, progress),  # type: ignore[misc]
        )
        for part in (train, test)
        if part is not None
    ]
    return Candidate(encoder.name, encoder.kind, parts[0], parts[1] if test is not None else None)


def _is_sentence_transformer(folder: str | Path) -> bool:
    """Say whether a folder is of sentence-transformers; its own static encoders open as ours."""
    modules = Path(folder) / "modules.json"
    if not modules.is_file():
        return False
    return "StaticEmbedding" not in modules.read_text(encoding="utf-8")


def _sentence_transformer(folder: str, name: str) -> FrozenEncoder:
    """Open a folder with its own library: pooling and normalisation are as it says."""
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(
            folder, device="cpu", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        raise HeadstartError(
            f"--against {folder}: sentence-transformers cannot open it "
            f"({str(error).splitlines()[0]}); save it again, or name another."
        ) from None

    def vectors(records: Dataset, progress: Progress | None) -> np.ndarray:
        texts = list(stream(records, "text"))
        found = model.encode(texts, batch_size=64, convert_to_numpy=True, show_progress_bar=False)
        if progress:
            progress(len(texts), len(texts))
        return np.asarray(found, dtype=np.float32)

    stamps = sorted(
        f"{file.relative_to(folder)}:{file.stat().st_size}:{file.stat().st_mtime_ns}"
        for file in Path(folder).rglob("*")
        if file.is_file()
    )
    return FrozenEncoder(name, "other", digest("sentence-transformers", folder, *stamps), vectors)
