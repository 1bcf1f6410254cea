"""A small vision transformer, from which objectives may drop patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from headstart.config import Options
from headstart.encoders import EncoderKind, check_heads

if TYPE_CHECKING:
    from headstart.encoders.timm_models import TimmEncoder
    from headstart.modalities import Processor

ARCHITECTURE = "vit_tiny_patch16_224"


class VitOptions(Options):
    """The shape of a small ViT (Dosovitskiy et al. 2021), by default DeiT's tiny at half depth."""

    patch: int | None = Field(
        None, ge=1, le=64, description="Pixels per side of a patch; by default chosen by the size."
    )
    layers: int = Field(6, ge=1, le=48, description="Blocks.")
    width: int = Field(192, ge=8, le=4096, description="Size of the vectors.")
    heads: int = Field(3, ge=1, description="Attention heads; they divide the width.")
    pool: Literal["mean", "class"] = Field(
        "mean", description="A picture's vector: the mean of its patches, or the class token."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in every block.")
    drop_path: float = Field(0.0, ge=0, lt=1, description="Share of blocks skipped at the top.")


def patch_for(length: int) -> int:
    """Return the patch size that gives about 64 to 200 patches."""
    return 4 if length < 56 else 8 if length < 160 else 16


def _vit(options: VitOptions, processor: Processor, length: int) -> TimmEncoder:
    from headstart.encoders.timm_names import build

    check_heads(options.width, options.heads)
    patch = options.patch or patch_for(length)
    shape: dict[str, Any] = {
        "img_size": -(-length // patch) * patch,
        "patch_size": patch,
        "embed_dim": options.width,
        "depth": options.layers,
        "num_heads": options.heads,
        "global_pool": "avg" if options.pool == "mean" else "token",
        # Norm before the mean, so that patch vectors are normalised too.
        "fc_norm": False,
        "proj_drop_rate": options.dropout,
        "attn_drop_rate": options.dropout,
        "drop_path_rate": options.drop_path,
    }
    return build(ARCHITECTURE, shape, length, owner="vit")


VIT = EncoderKind(
    "Small vision transformer; MAE drops the patches it does not show it.",
    VitOptions,
    _vit,
    length=224,
    batch_size=256,
    learning_rate=2e-3,
    reads="pixels",
    provides=frozenset({"grid", "maps", "patches", "dropout"}),
    optimizer={"name": "muon", "muon_learning_rate": 4e-3},
)
