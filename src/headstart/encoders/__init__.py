"""The networks that are kept. Each is one file; grown by one line in :data:`ENCODERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from headstart.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headstart.batch import Batch
    from headstart.config import Options

#: Each name stands for an :class:`EncoderKind`.
ENCODERS = Registry(
    "encoder",
    {
        "light": "headstart.encoders.light:LIGHT",
        "modernbert": "headstart.encoders.transformer:MODERNBERT",
        "bert": "headstart.encoders.transformer:BERT",
        "gpt": "headstart.encoders.transformer:GPT",
        "xlnet": "headstart.encoders.xlnet:XLNET",
        "t5": "headstart.encoders.seq2seq:T5",
        "conv": "headstart.encoders.conv:CONV",
        "plain": "headstart.encoders.plain:PLAIN",
        "vit": "headstart.encoders.vit:VIT",
    },
    group="headstart.encoders",
    members=("create", "reads", "provides"),
)


@dataclass
class Features:
    """What an encoder returns.

    Attributes:
        tokens: (B,T,D) one vector a position.
        mask: (B,T) bool, True where the position is real.
        pooled: (B,D) one vector a row: the mean over real positions unless the encoder says
            otherwise. These are the vectors that ``embed`` writes and the probes see.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


class Encoder(Protocol):
    """An ``nn.Module`` from batches to features.

    Attributes:
        width: D, the size of its vectors.
        provides: capabilities, among ``tokens``, ``token_embedding``, ``visibility``,
            ``order``, ``dropout``, ``bidirectional``, ``causal``, ``narrower`` (it can make a
            narrow copy of its kind), ``two_streams``, ``decoder`` (it also writes) and
            ``cross_attention`` (its blocks can also look at something else); of pictures
            ``pixels_in``, ``grid`` (the vectors lie on a square, row by row) and ``patches``:
            of these alone ``embed`` and ``contextualize`` may be called, the latter with any
            subset of the vectors and the ``positions`` (B,K) they are from. ``patch_size`` is
            their side.
    """

    width: int

    @property
    def provides(self) -> frozenset[str]:
        """What objectives may ask of it."""
        ...

    def __call__(self, batch: Batch) -> Features: ...

    @property
    def training(self) -> bool:
        """Whether dropout and statistics of batches are on."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Set training mode."""
        ...

    def eval(self) -> Any:
        """Set evaluation mode."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Yield all modules, itself first."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield all parameters."""
        ...

    def pool(self, batch: Batch) -> Tensor:
        """Return ``pooled`` (B,D) alone, without the cost of what is not asked for."""
        ...

    def layers(self) -> list[nn.Module]:
        """The parts from the input up, the embeddings first; freezing and rates follow it."""
        ...

    def untrained(self) -> Encoder:
        """Return an encoder of the same shape, freshly initialised: the verdict's first rival."""
        ...

    def save(self, folder: Path) -> None:
        """Write the network in its ecosystem's own format."""
        ...


class ContextEncoder(Encoder, Protocol):
    """An encoder in two steps that an objective may part: first each vector, then its context."""

    def embed(self, batch: Batch) -> Tensor:
        """Return the vectors (B,T,D) of the input before any position looks at another."""
        ...

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Return vectors (B,T,D) in context.

        ``visibility`` (B,T,T) bool is True where row i may look at column j, or (B,1,T) where all
        rows look at the same; None means that all see all that the network lets them see.
        ``positions`` (B,T) default to 0..T-1.
        """
        ...


@runtime_checkable
class MapEncoder(Encoder, Protocol):
    """An encoder of pictures that shows its maps, for heads that look at places."""

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps (B,C,h,w) of pictures (B,3,H,W), one a resolution, the finest first.

        Pictures, uint8 or 0..1, enter at their own size and need not be square.
        """
        ...


class TokenEncoder(ContextEncoder, Protocol):
    """An encoder of sequences from a finite alphabet (``token_embedding``)."""

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        """Go on from what ``embed`` returned (B,T,D), or from other vectors in its place."""
        ...

    @property
    def token_embedding(self) -> nn.Embedding:
        """The table (V,D) of input vectors, for tied output layers."""
        ...


@dataclass(frozen=True)
class EncoderKind:
    """How to make an encoder from scratch, and what training suits it.

    Attributes:
        about: what it is, in one line.
        Options: its hyper-parameters.
        create: ``create(options, processor, length)`` returns a freshly initialised encoder.
        length: tokens a row, or pixels a side; batch_size: rows a step; learning_rate: AdamW's
            peak.
        processor_defaults: what suits it of a processor, as :meth:`Modality.fit` reads it.
        modality: the data it reads.
        optimizer: what ``auto`` stands for: options of
            :class:`headstart.config.OptimizerOptions`.
        counts: whether its token vectors had better begin with counts than with chance.
    """

    about: str
    Options: type[Options]
    create: Callable[[Any, Any, int], Encoder]
    length: int
    batch_size: int
    learning_rate: float
    processor_defaults: Any = None
    modality: str = "text"
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = False
