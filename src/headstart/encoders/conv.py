"""A small convolutional network for machines with two cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from headstart.config import Options
from headstart.encoders import EncoderKind
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.encoders.timm_models import TimmEncoder
    from headstart.modalities import Processor

#: Any ResNet of basic blocks would do, since its arguments define the whole shape.
ARCHITECTURE = "resnet18"


class ConvOptions(Options):
    """The shape of a small ResNet.

    The stem reduces sides to a quarter, so small images are enlarged first: one of 32 pixels has
    maps of 16, 8 and 4 in the stages.
    """

    widths: tuple[int, ...] = Field(
        (64, 128, 256), min_length=1, max_length=4, description="Channels of each stage."
    )
    depths: tuple[int, ...] = Field(
        (1, 1, 1), min_length=1, max_length=4, description="Residual blocks of each stage."
    )
    smallest: int = Field(
        64, ge=8, le=512, description="Pictures smaller than this enter the network at this side."
    )

    @model_validator(mode="after")
    def _matching(self) -> ConvOptions:
        if len(self.widths) != len(self.depths) or min(*self.widths, *self.depths) < 1:
            raise HeadstartError(
                "encoder.widths and encoder.depths must be positive numbers, one of each for "
                "every stage; give lists of the same length."
            )
        return self


def _conv(options: ConvOptions, processor: Processor, length: int) -> TimmEncoder:
    """ResNet (He et al. 2015, https://arxiv.org/abs/1512.03385) with fewer blocks and stages."""
    from headstart.encoders.timm_names import build

    missing = 4 - len(options.widths)
    shape = {
        "layers": [*options.depths, *[0] * missing],
        "channels": [*options.widths, *[options.widths[-1]] * missing],
        # Blocks initialised as the identity train more slowly on short budgets.
        "zero_init_last": False,
    }
    scale = max(1.0, options.smallest / length)
    return build(ARCHITECTURE, shape, length, scale=scale, owner="conv")


CONV = EncoderKind(
    "Small convolutional network (a short ResNet) for two cores.",
    ConvOptions,
    _conv,
    length=96,
    batch_size=256,
    learning_rate=1e-3,
    reads="pixels",
    provides=frozenset({"grid", "maps"}),
)
