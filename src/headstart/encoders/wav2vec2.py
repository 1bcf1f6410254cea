"""A small wav2vec 2.0 from scratch: convolutions on samples, and a transformer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from headstart.config import Options
from headstart.encoders import EncoderKind, check_heads
from headstart.encoders.audio_folders import CELLS, RATE

if TYPE_CHECKING:
    from headstart.encoders.waveform_models import Wav2Vec2Encoder
    from headstart.modalities import Processor

#: Seconds between two frames, in the paper and here.
STEP = 0.02
_KERNELS = (10, 3, 3, 3, 3, 2, 2, 2, 2)


class Wav2Vec2Options(Options):
    """A small wav2vec 2.0 (Baevski et al. 2020); the paper's base is 768 wide with 12 blocks."""

    width: int = Field(128, ge=8, le=2048, description="Size of the vectors.")
    layers: int = Field(4, ge=1, le=48, description="Transformer blocks.")
    heads: int = Field(4, ge=1, description="Attention heads; they divide the width.")
    channels: int = Field(64, ge=8, le=1024, description="Channels of the convolutions.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in every block.")
    cells: int = Field(
        CELLS, ge=1, le=64, description="Equal parts of the time whose means are the vector."
    )


def _wav2vec2(
    options: Wav2Vec2Options, processor: Processor | None, length: int
) -> Wav2Vec2Encoder:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from headstart.encoders.waveform_models import Wav2Vec2Encoder

    check_heads(options.width, options.heads)
    rate = int(getattr(processor, "rate", RATE))
    # A stride of 5, then of 2 as often as makes the step of the paper.
    count = 1 + round(math.log2(max(rate * STEP / 5, 2)))
    groups = math.gcd(options.width, 16)
    config = Wav2Vec2Config(
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.width,
        conv_dim=(options.channels,) * count,
        conv_stride=(5, *(2,) * (count - 1)),
        conv_kernel=_KERNELS[:count],
        # Unlike group norm over time, it does not depend on what is beside a frame.
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=groups,
        hidden_dropout=options.dropout,
        activation_dropout=0.0,
        attention_dropout=options.dropout,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        # Objectives mask, and it has no vector for it of its own.
        apply_spec_augment=False,
        mask_time_prob=0.0,
    )
    preprocessor = {"sampling_rate": rate, "do_normalize": True, "return_attention_mask": True}
    return Wav2Vec2Encoder(Wav2Vec2Model(config), preprocessor, options.cells)


WAV2VEC2 = EncoderKind(
    "Convolutions on samples and a transformer, for recordings (wav2vec 2.0).",
    Wav2Vec2Options,
    _wav2vec2,
    length=200,
    batch_size=64,
    learning_rate=1e-3,
    reads="waveform",
    provides=frozenset({"frames", "dropout"}),
)
