"""Encoders side by side: one that was pre-trained, a published one, and simple features.

::

    batch --> pre-trained --> pooled (B,D1) ---- centred, scaled --+
      |                                                            |
      +--NAME/...--> published --> (B,D2) ------ centred, scaled --+--> pooled (B,D1+D2+D3)
      |                                                            |
      +--NAME/...--> simple features (B,D3) ---- centred, scaled --+

What a published encoder knows of a language, a pre-training of the domain and words tell of the
records complement each other, and which of them serves a task best only its labels can say. So
all three are kept, as blocks of one vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from headstart.batch import Batch, part
from headstart.encoders import Encoder, Features, blocks_of
from headstart.encoders.formats import joined_parts
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.stored import opening, read_text

Origin = Literal["pre-trained", "published", "simple"]
#: Name of the part that is pre-trained.
OWN = "pre-trained"
CONFIG, SCALES = "config.json", "joined.safetensors"
#: Files of a published encoder that are kept beside its network.
PAPERS = ("README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")
#: Weights of the blocks beside a published encoder's. As heavy as that one, the others harm it
#: where it is strong (``docs/log.md``); where it is weak, a classifier makes up for a low weight.
WEIGHTS: dict[Origin, float] = {"pre-trained": 0.3, "published": 1.0, "simple": 0.3}


@dataclass(frozen=True)
class Part:
    """One of the encoders that stand side by side.

    Attributes:
        name: of its folder, its block and its tensors in a batch.
        encoder: the network.
        origin: where it comes from.
        licence: of a published encoder, as far as its card says.
        papers: its model card and licence, by file name.
    """

    name: str
    encoder: Encoder
    origin: Origin
    licence: str = ""
    papers: Mapping[str, str] = field(default_factory=dict, repr=False)


class JoinedEncoder(Encoder):
    """Encoders side by side, whose pooled vectors are the blocks of one.

    Only the first one learns; its tokens are those of the whole. The others stay as they are, in
    evaluation mode.

    Args:
        parts: the first is the pre-trained one.

    Raises:
        HeadstartError: one of them is joined itself.

    Example::

        encoder = open_encoder("runs/reviews")
        blocks_of(encoder)  # (("pre-trained", 256), ("all-MiniLM-L6-v2", 384), ("LSA", 300))
    """

    provides = frozenset()

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        for each in parts:
            if each.encoder.joined:
                raise HeadstartError(
                    f"{each.name} stands beside other encoders already; name one of its parts, "
                    f"such as its folder encoder/{next(iter(each.encoder.joined))}."
                )
        self.described = list(parts)
        self.networks = nn.ModuleList(each.encoder for each in parts)
        self.networks[1:].requires_grad_(False).eval()
        self.width = sum(each.encoder.width for each in parts)
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    @property
    def first(self) -> Encoder:
        """The part that was pre-trained."""
        return self.described[0].encoder

    @property
    def reads(self) -> str:  # type: ignore[override]
        """The input tensor of the first part."""
        return self.first.reads

    @property
    def joined(self) -> Mapping[str, Encoder]:
        """The encoders by name, in the order of their blocks."""
        return {each.name: each.encoder for each in self.described}

    def forward(self, batch: Batch) -> Features:
        found = self.first(batch)
        return Features(found.tokens, found.mask, self._joined(found.pooled, batch))

    def pool(self, batch: Batch) -> Tensor:
        """Return the blocks (B,D) of all parts."""
        return self._joined(self.first.pool(batch), batch)

    def _joined(self, first: Tensor, batch: Batch) -> Tensor:
        others = [each.encoder.pool(part(batch, each.name)) for each in self.described[1:]]
        return join((first, *others), self.centre, self.scale)

    def fit_scale(self, name: str, vectors: Tensor) -> None:
        """Centre and scale a block, so that it outweighs no other by its unit.

        Its root mean squared length becomes its weight, see :data:`WEIGHTS`.

        Args:
            name: of the part.
            vectors: (N,D_i) of records, as the part itself pools them.
        """
        names, widths = zip(*blocks_of(self), strict=True)
        index = names.index(name)
        start = sum(widths[:index])
        block = slice(start, start + widths[index])
        centre = vectors.double().mean(0)
        size = (vectors - centre).square().sum(1).mean().sqrt().clamp(min=1e-12)
        self.centre[block] = centre
        self.scale[block] = WEIGHTS[self.described[index].origin] / size

    def train(self, mode: bool = True) -> JoinedEncoder:
        """Set training mode, of the first part alone."""
        super().train(mode)
        self.networks[1:].eval()
        return self

    def layers(self) -> list[nn.Module]:
        """Those of the first part: no other learns."""
        return self.first.layers()

    def untrained(self) -> JoinedEncoder:
        """Return the same with a fresh first part; the others do not depend on the pre-training."""
        first = self.described[0]
        fresh = Part(first.name, first.encoder.untrained(), first.origin)
        made = JoinedEncoder([fresh, *self.described[1:]])
        made.centre.copy_(self.centre)
        made.scale.copy_(self.scale)
        return made

    def save(self, folder: Path) -> None:
        """Write each part into its own folder, and how they are joined."""
        for each in self.described:
            each.encoder.save(folder / each.name)
            for name, text in each.papers.items():
                (folder / each.name / name).write_text(text, encoding="utf-8")
        keys = ("name", "origin", "licence")
        parts = [{key: getattr(each, key) for key in keys} for each in self.described]
        write_json(folder / CONFIG, {"network": "joined", "parts": parts})
        save_file({"centre": self.centre, "scale": self.scale}, folder / SCALES)

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> JoinedEncoder:
        """Open a folder that :meth:`save` wrote; ``length`` is that of the first part.

        Raises:
            HeadstartError: a part cannot be opened; the message names its folder.
        """
        folder = Path(folder)
        parts: list[Part] = []
        for told in joined_parts(folder):
            own = folder / told["name"]
            encoder = open_encoder(own, length=None if parts else length)
            made = Part(told["name"], encoder, origin_of(told), told["licence"], papers_of(own))
            parts.append(made)
        joined = cls(parts)
        with opening(folder / SCALES):
            scales = load_file(folder / SCALES)
            joined.centre.copy_(scales["centre"])
            joined.scale.copy_(scales["scale"])
        return joined


def join(blocks: Sequence[Tensor], centre: Tensor, scale: Tensor) -> Tensor:
    """Return vectors (B,D) whose blocks are those of the parts, centred and scaled.

    Args:
        blocks: (B,D_i) of each part, in order.
        centre, scale: (D,).
    """
    return (torch.cat([each.float() for each in blocks], 1) - centre) * scale


def origin_of(part: Mapping[str, str]) -> Origin:
    """Return the origin of a part as :func:`headstart.encoders.formats.joined_parts` tells it.

    Raises:
        HeadstartError: it is none that is known.
    """
    found: Origin | None = next((each for each in WEIGHTS if each == part["origin"]), None)
    if found is None:
        raise HeadstartError(
            f"{part['name']} stands beside other encoders as {part['origin']!r}, which this "
            "version does not know; install the one that made it."
        )
    return found


def papers_of(folder: Path) -> dict[str, str]:
    """Return the model card and the licence in a folder, by file name."""
    return {name: read_text(folder / name) for name in PAPERS if (folder / name).is_file()}
