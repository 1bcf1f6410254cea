"""The vectors of pictures and of captions by a network with two towers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.encoders.features import features
from headstart.modalities.pairs.modality import as_captions

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders import Encoder
    from headstart.modalities import Processor

#: Captions that are encoded at once.
_BATCH = 64


def picture_vectors(
    encoder: Encoder, processor: Processor, records: Dataset, length: int
) -> np.ndarray:
    """Return the vectors (N,D) float32 of the pictures of records, of length 1."""
    return features(encoder, processor, records, length=length, batch_size=_BATCH)


def caption_vectors(encoder: Encoder, processor: Processor, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors (M,D) float32 of texts, of length 1."""
    names = list(map(str, range(len(texts))))
    records = as_captions(names, texts)
    return features(encoder, processor, records, length=1, batch_size=_BATCH)
