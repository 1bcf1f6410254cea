"""Contrast between two kinds of data that describe each other, such as pictures and captions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from headstart.batch import Batch, Rows, to_device
from headstart.config import Options
from headstart.encoders import Encoder
from headstart.encoders.towers import TowersEncoder, frozen_vectors
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.modalities import Processor
from headstart.modalities.towers import TowerProcessor
from headstart.objectives import Objective
from headstart.objectives.pair_losses import pairwise_sigmoid, symmetric_nce

#: The cosines are multiplied by this at most (CLIP, section 2.5).
HIGHEST = math.log(100)
#: The objective that a saved head names for what needs no labels (``headstart predict``).
PREDICTS = "class_names"


class TowerOptions(Options):
    """What both towers learn, and what they see."""

    views: Literal["none", "weak", "simclr"] = Field(
        "weak", description="Views of what the first tower reads: shifted, or SimCLR's crops."
    )
    frozen: Literal["none", "first", "second"] = Field(
        "none", description="Tower that does not learn; vectors of the second are computed once."
    )
    published_rate: float = Field(
        0.02, gt=0, le=1, description="Rate of a tower that began as a published one, relative."
    )
    chunk: int = Field(
        0,
        ge=0,
        description="Rows encoded at once; activations of the others are computed again, exactly "
        "but for batch norms. 0 encodes the whole batch.",
    )


class CLIPOptions(TowerOptions):
    """CLIP's values (Radford et al. 2021, section 2.5)."""

    temperature: float = Field(0.07, gt=0.01, le=1, description="What the cosines begin with.")


class LiTOptions(CLIPOptions):
    """LiT: the second tower is published, and stays as it is (Zhai et al. 2022)."""

    frozen: Literal["first", "second"] = Field(
        "second", description="Tower that does not learn; vectors of the second are computed once."
    )


class SigLIPOptions(CLIPOptions):
    """SigLIP's values (Zhai et al. 2023, section 3.2)."""

    temperature: float = Field(0.1, gt=0.01, le=1, description="What the cosines begin with.")
    bias: float = Field(-10.0, description="What is added to the scores at the beginning.")


class CLIP(Objective):
    """Each picture must find its caption among all of the batch, and each caption its picture.

    See Radford et al. 2021, https://arxiv.org/abs/2103.00020. Equal captions are right answers of
    each other.
    """

    family = "two kinds of data"
    needs = frozenset({"towers"})
    Options = CLIPOptions
    alone: ClassVar[bool] = True
    options: CLIPOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: CLIPOptions) -> None:
        super().__init__()
        assert isinstance(encoder, TowersEncoder)
        assert isinstance(processor, TowerProcessor)
        self.encoder, self.options = encoder, options
        self.towers, self.processor = encoder, processor
        self.scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))
        self._still = {"first": 0, "second": 1}.get(options.frozen)
        if self._still is not None:
            encoder.networks[self._still].requires_grad_(False)
        self._known: dict[int, Tensor] = {}

    def train(self, mode: bool = True) -> CLIP:
        """Set training mode; a frozen tower stays in evaluation mode."""
        super().train(mode)
        if self._still is not None:
            self.towers.networks[self._still].eval()
        return self

    def begin(self, rows: Rows, seed: int) -> None:
        """Compute the vectors of a frozen second tower once, as each is read in every epoch."""
        if self._still != 1:
            return
        device = self.scale.device
        for batch in self.processor.written(rows):
            found = frozen_vectors(self.towers, to_device(batch, device))
            self._known |= dict(zip(batch["keys"].tolist(), found.cpu(), strict=True))

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Draw a view of what the first tower reads."""
        return self.processor.augmented(batch, generator, self.options.views)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        first, second = self.vectors(batch)
        scale = self.scale.exp()
        found = symmetric_nce(first, second, scale, batch["keys"])
        return {**found, "logit_scale": scale.detach()}

    def vectors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the vectors (B,D) of both towers, in chunks where that is asked for."""
        first = self._in_chunks(self.towers.of_first, batch)
        keys = batch["keys"]
        if self._known and all(key in self._known for key in keys.tolist()):
            known = torch.stack([self._known[key] for key in keys.tolist()]).to(keys.device)
            return first, self.towers.heads[1](known)
        return first, self._in_chunks(self.towers.of_second, batch)

    def _in_chunks(self, encode: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        chunk, rows = self.options.chunk, len(batch["keys"])
        if not chunk or rows <= chunk:
            return encode(batch)
        parts = []
        for start in range(0, rows, chunk):
            some = {name: tensor[start : start + chunk] for name, tensor in batch.items()}
            parts.append(checkpoint(encode, some, use_reentrant=False))
        return torch.cat(parts)

    def after_step(self, progress: float) -> None:
        """Keep the scale at 100 or below."""
        with torch.no_grad():
            self.scale.clamp_(max=HIGHEST)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return a lower rate for towers that know something already."""
        published = [
            parameter
            for tower in self.towers.towers
            if tower.is_published
            for parameter in tower.encoder.parameters()
        ]
        slow = set(map(id, published))
        rest = [each for each in self.parameters() if id(each) not in slow]
        groups = [{"params": rest, "lr": learning_rate}]
        if published:
            groups.append({"params": published, "lr": learning_rate * self.options.published_rate})
        return groups

    def warning(self, batch: Batch) -> str | None:
        """Return a sentence where most captions are equal."""
        keys = batch["keys"].tolist()
        distinct = len(set(keys))
        if len(keys) < 8 or distinct > len(keys) / 4:
            return None
        return (
            f"of {len(keys)} pictures only {distinct} have captions that differ, so that hardly "
            "anything can be told apart by them."
        )

    def save_head(self, folder: Path) -> bool:
        """Write what `predict --classes` needs: the scale of the cosines."""
        about = {"objective": self.name, "predicts": PREDICTS, "scale": self.scale.exp().item()}
        write_json(folder / "head.json", about)
        return True

    @property
    def name(self) -> str:
        """The name that it is registered under."""
        return type(self).__name__.lower()


class LiT(CLIP):
    """CLIP with a published second tower that stays as it is: the first learns to fit it.

    See Zhai et al. 2022, https://arxiv.org/abs/2111.07991, where the tower of pictures is locked;
    here it is that of texts, which small data cannot teach.
    """

    family = "two kinds of data"
    Options = LiTOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: CLIPOptions) -> None:
        super().__init__(encoder, processor, options)
        still = "first" if self._still == 0 else "second"
        chosen = self.towers.towers[self._still or 0]
        if self._still is None or not chosen.is_published:
            raise HeadstartError(
                f"lit leaves the {still} tower ({chosen.name}) as it is, and that one knows "
                "nothing yet; name a published encoder or a run for it, or take clip."
            )


class SigLIP(CLIP):
    """Each pair of a picture and a caption is judged alone: do they belong together?

    See Zhai et al. 2023, https://arxiv.org/abs/2303.15343.
    """

    family = "two kinds of data"
    Options = SigLIPOptions
    options: SigLIPOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: SigLIPOptions) -> None:
        super().__init__(encoder, processor, options)
        self.bias = nn.Parameter(torch.tensor(float(options.bias)))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        first, second = self.vectors(batch)
        scale = self.scale.exp()
        found = pairwise_sigmoid(first, second, scale, self.bias, batch["keys"])
        return {**found, "logit_scale": scale.detach(), "logit_bias": self.bias.detach()}
