"""Token vectors of a new encoder, distilled from another one on the user's own records.

The other encoder, the teacher, sees each token of the new vocabulary by itself, and passages of the
records; then the new one's vectors of these passages are fitted to the teacher's
(:mod:`headstart.encoders.closed_form`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from scipy import sparse

from headstart.config import Budget
from headstart.config.models import DISTILL
from headstart.encoders import ENCODERS
from headstart.encoders.closed_form import fit_token_vectors
from headstart.encoders.features import features
from headstart.encoders.opening import OpenedEncoder, kind_of
from headstart.encoders.published import Found, described
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import whole_file
from headstart.seeding import numbers
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig
    from headstart.encoders.light import LightEncoder
    from headstart.modalities import Modality, TokenProcessor

#: The capability of an encoder whose vectors are linear in its tokens'.
STATIC = "static"
#: Most passages that the teacher sees, and their length in tokens of the new vocabulary.
PASSAGES, LENGTH = 10_000, 64
#: Passages that are not fitted, to tell how well the rest was; fewer than four times as many are
#: all fitted.
HELD_OUT = 250
#: Records that the teacher sees at a time, and the least that it sees whatever the time.
_AT_ONCE, _LEAST = 512, 1024
#: Records of full length in a batch.
_ROWS = 32
#: Shares of the budget after which it is shown no more tokens, and no more passages.
_TOKENS_BY, _PASSAGES_BY = 0.4, 0.8
#: How far from 1 the length of a vector may be in bfloat16.
_ROUNDED = 0.02
_FILE = "distilled.safetensors"


def open_teacher(name: str) -> OpenedEncoder:
    """Open a published encoder by its name, or one by its folder.

    Raises:
        HeadstartError: there is none.
    """
    found = Found.here()
    known = found.named(name)
    if known is not None:
        return OpenedEncoder(known.folder)
    if name in found.unusable:
        raise HeadstartError(f"the published encoder {name} cannot be used: {found.unusable[name]}")
    if not name or not Path(name).exists():  # an empty path is the current folder
        names = [each.short for each in found.encoders]
        raise HeadstartError(
            f"--embeddings {DISTILL}{name}: there is no such folder, and no published encoder of "
            f"that name is on this machine{did_you_mean(name, names)}"
        )
    return OpenedEncoder(name)


def check_teacher(config: PretrainConfig, modality: Modality) -> None:
    """Refuse a teacher that cannot teach this encoder, before any record is read.

    Raises:
        HeadstartError: there is no such teacher, it reads other records, or the new encoder is not
            static.
    """
    name = config.teacher
    if name is None:
        return
    teacher = open_teacher(name)
    if teacher.modality.content.name != modality.content.name:
        raise HeadstartError(
            f"--embeddings {DISTILL}{name}: it reads {teacher.modality.content.noun}, and "
            f"the sources hold {modality.content.noun}; name another."
        )
    _ = teacher.processor  # refuses one without a tokenizer
    kind = None if config.encoder == "auto" else kind_of(config.encoder)
    if config.encoder != "auto" and (kind is None or STATIC not in kind.provides):
        able = [each for each, its in ENCODERS.items() if STATIC in its.provides]
        raise HeadstartError(
            f"--embeddings {DISTILL}{name} makes the vectors of an encoder that only averages its "
            f"tokens, and {config.encoder} does more; choose --encoder {' or '.join(able)}, or "
            "--objective distill."
        )
    width, most = config.encoder_options.get("width"), teacher.encoder.width
    if isinstance(width, int) and width > most:
        raise HeadstartError(
            f"the vectors of {name} are {most} wide, and encoder.width={width} asks for more; set "
            f"encoder.width={most} or less."
        )


def keep_distilled(
    encoder: Any,
    processor: Any,
    records: Dataset,
    config: PretrainConfig,
    modality: Modality,
    prepared: Path,
    *,
    started: float,
    say: Callable[[str], None],
    console: Any = None,
) -> dict[str, Any]:
    """Fit token vectors to the teacher's of the training records, and store them.

    What the teacher sees is bounded by the budget, counted from ``started`` (of the monotonic
    clock), and by :data:`PASSAGES`; of long records it sees one passage each.

    Returns:
        What it saw, and the share of the variance of its vectors of held-out passages that the new
        vectors reproduce, for the run folder.

    Raises:
        HeadstartError: the teacher returns values that are not finite.
    """
    name = config.teacher
    assert name is not None
    teacher = open_teacher(name)
    with suppress(HeadstartError):  # a run of ours has no card
        card = described(name, Path(teacher.folder), "folder")
        for sentence in card.remarks(modality.languages(records), modality.content.noun):
            say(sentence)
    begun = time.monotonic()
    vocabulary = processor.as_records()
    passages = processor.passages(records, PASSAGES, LENGTH, config.seed)
    counts = processor.vocabulary.counts
    assert counts is not None
    frequent = np.argsort(-counts, kind="stable")
    mixed = numbers(config.seed, "passages").permutation(len(passages))
    passages = passages.select(mixed)
    budget = Budget.parse(config.budget)
    seconds = 60 * budget.amount if budget.unit == "minutes" else np.inf
    with working(f"asking {name} for vectors", console, say) as progress:
        asked = partial(_vectors, teacher, name=name, progress=progress)
        known = asked(vocabulary.select(frequent), until=started + _TOKENS_BY * seconds)
        targets = asked(passages, until=started + _PASSAGES_BY * seconds)
    # A rare token that the teacher was not shown begins as the mean of the others.
    tokens = np.tile(known.mean(0), (len(frequent), 1))  # (V,D)
    tokens[frequent[: len(known)]] = known
    weights = _weights(encoder, processor, passages.select(range(len(targets))))  # (N,V)
    held = HELD_OUT if len(targets) >= 4 * HELD_OUT else 0
    with working("fitting the token vectors", console, say):
        vectors, mean = fit_token_vectors(weights[held:], tokens, targets[held:], encoder.width)
    with whole_file(prepared / _FILE) as partial_file:
        # Where the teacher's vectors have length 1, those of the new encoder have, too.
        length_one = np.allclose(np.linalg.norm(targets, axis=1), 1, atol=_ROUNDED)
        stored = {"vectors": vectors, "mean": mean, "normalize": np.array(length_one)}
        save_file(stored, partial_file)
    found: dict[str, Any] = {"teacher": name, "tokens": len(known), "passages": len(targets)}
    found["seconds"] = round(time.monotonic() - begun, 1)
    if held:
        found["agreement"] = round(_agreement(weights[:held] @ vectors - mean, targets[:held]), 3)
        say(
            f"the similarities of {held} held-out passages correlate with those of {name} at "
            f"{found['agreement']:.2f}"
        )
    return found


def take_distilled(encoder: Any, prepared: Path) -> None:
    """Copy the vectors that :func:`keep_distilled` stored."""
    stored = load_file(prepared / _FILE)
    vectors, mean = torch.from_numpy(stored["vectors"]), torch.from_numpy(stored["mean"])
    encoder.take(vectors, mean, normalize=bool(stored["normalize"]))


def _vectors(
    teacher: OpenedEncoder, records: Dataset, *, name: str, until: float, progress: Progress
) -> np.ndarray:
    """Return the teacher's vectors (N,D) of the first records: of all, or of those in time."""
    parts: list[np.ndarray] = []
    done = 0
    while done < len(records) and (done < _LEAST or time.monotonic() < until):
        some = records.select(range(done, min(done + _AT_ONCE, len(records))))
        try:
            vectors = features(teacher.encoder, teacher.processor, some, length=teacher.length)
        except HeadstartError as error:
            raise HeadstartError(f"{name} cannot teach: {error}") from None
        parts.append(vectors)
        done += len(some)
        progress(done, len(records))
    return np.concatenate(parts)


def _weights(encoder: LightEncoder, processor: TokenProcessor, records: Dataset) -> Any:
    """Return the weight (N,V) of each token in the encoder's vector of each record, sparse."""
    rows, columns, values = [], [], []
    for indices, batch in processor.batches(records, 2 * LENGTH, _ROWS):
        mask = batch["mask"]
        row, _ = mask.nonzero(as_tuple=True)
        ids = batch[encoder.reads][mask]
        rows.append(np.asarray(indices)[row.numpy()])
        columns.append(ids.numpy())
        values.append((encoder.weights[ids] / mask.sum(1)[row]).numpy())
    shape = (len(records), len(encoder.weights))
    cells = (np.concatenate(rows), np.concatenate(columns))
    # A token that occurs twice counts twice: the sum of both cells.
    return sparse.csr_matrix((np.concatenate(values), cells), shape=shape)


def _agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the correlation of the cosines of all pairs of vectors (N,D) and (N,E)."""
    cosines = []
    for vectors in (ours, theirs - theirs.mean(0)):
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        cosines.append((unit @ unit.T)[np.triu_indices(len(unit), 1)])
    return float(np.corrcoef(*cosines)[0, 1])
