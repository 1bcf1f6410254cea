"""The networks that are kept. Each is one file; grown by one line in :data:`ENCODERS`.

The way of the data, for ids of a vocabulary and for pixels::

    batch["input_ids"] (B,T)              batch["pixels"] (B,3,S,S)
            |                                     |
          embed         each position alone     embed         (``patches`` only)
            |                                     |
       tokens (B,T,D)   what an objective    tokens (B,T,D)
            |           may hide or move          |
      contextualize     each in the light    contextualize
            |           of the others             |
            +------------> Features <-------------+
                tokens (B,T,D)  mask (B,T)  pooled (B,D)

Which of these steps a network has it says in ``provides``; what it reads, in ``reads``. Nobody
asks for a kind of data: an encoder fits any processor that ``gives`` what it ``reads``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from headstart.registry import Registry

if TYPE_CHECKING:
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


class Encoder(nn.Module, ABC):
    """A network from batches to features.

    Attributes:
        reads: the tensor of :mod:`headstart.batch` that it looks at.
        width: D, the size of its vectors.
        is_causal: whether its positions look to the left only.
    """

    reads: ClassVar[str]
    width: int
    is_causal: bool = False

    @property
    @abstractmethod
    def provides(self) -> frozenset[str]:
        """What objectives and tasks may ask of it, as it is now.

        Of ids: ``tokens``, ``token_embedding``, ``visibility``, ``order``, ``bidirectional`` or
        ``causal``, ``narrower``, ``cross_attention``, ``two_streams``, ``decoder``. Of pixels:
        ``grid`` (the vectors lie on a square, row by row), ``patches``, ``maps``. Of both:
        ``dropout``.
        """

    @abstractmethod
    def forward(self, batch: Batch) -> Features:
        """Return the features of a batch."""

    if TYPE_CHECKING:

        def __call__(self, batch: Batch) -> Features: ...

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D), without the cost of what is not asked for."""
        return self(batch).pooled

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The parts from the input up, the embeddings first; freezing and rates follow it."""

    def writing_layers(self) -> list[nn.Module]:
        """The blocks of a decoder that is kept, from the input up."""
        return []

    @abstractmethod
    def untrained(self) -> Encoder:
        """Return a network of the same shape, freshly initialised: the verdict's first baseline."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the network in its ecosystem's own format."""

    def has_dropout(self) -> bool:
        """True where two passes over one record differ in training mode."""
        return any(isinstance(part, nn.Dropout) and part.p > 0 for part in self.modules())


class TokenEncoder(Encoder):
    """An encoder of ids of a vocabulary, in two steps that an objective may part.

    Attributes:
        born_causal: whether the network itself can look to the left only.
        lookback: positions to the left whose ids also enter the vector of a position.
    """

    reads = "input_ids"
    born_causal: bool = False
    lookback: int = 0

    @property
    @abstractmethod
    def token_embedding(self) -> nn.Embedding:
        """The table (V,D) of input vectors, for tied output layers."""

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Return the vectors (B,T,D) of the input before any position looks at another."""

    @abstractmethod
    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Return vectors (B,T,D) in context.

        ``visibility`` (B,T,T) bool is True where row i may look at column j, or (B,1,T) where all
        rows look at the same; None means that all see all that the network lets them see.
        ``positions`` (B,T) default to 0..T-1.
        """

    @abstractmethod
    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        """Go on from what :meth:`embed` returned (B,T,D), or from other vectors in its place."""

    def forward(self, batch: Batch) -> Features:
        return self.from_vectors(self.embed(batch), batch)


class NarrowableEncoder(TokenEncoder):
    """An encoder that can make a narrow copy of its kind (``narrower``), as ELECTRA needs one."""

    @abstractmethod
    def narrower(self, share: float) -> TokenEncoder:
        """Return a fresh network with ``share`` of the width and heads, for vectors of its own.

        It has no table of tokens: what goes in are vectors (B,T,``width``) of the narrow one.
        """


class CrossAttentionEncoder(TokenEncoder):
    """An encoder whose blocks can also look at something else (``cross_attention``)."""

    @abstractmethod
    def decoder(self) -> nn.Module:
        """Return the same network, weights shared, as one that writes; it is not kept.

        It takes vectors (B,U,D) and one vector a row (B,D) that all of them look at.
        """


class TwoStreamEncoder(TokenEncoder):
    """An encoder with a second stream that knows its position alone (``two_streams``)."""

    @abstractmethod
    def query(self, tokens: Tensor, visibility: Tensor, where: Tensor) -> Tensor:
        """Return the query stream (B,P,D) at positions (Yang et al. 2019, section 2.3, figure 1).

        Args:
            tokens: (B,T,D), what :meth:`embed` returns.
            visibility: (B,T,T) bool. The content also sees itself, whatever its diagonal says.
            where: (B,P) positions, -1 for none.
        """


class WriterEncoder(TokenEncoder):
    """An encoder that is kept together with a decoder (``decoder``)."""

    @abstractmethod
    def write(self, memory: Tensor, mask: Tensor, written: Tensor) -> Tensor:
        """Return vectors (B,U,D), each of which tells a token of ``written`` from those before.

        Args:
            memory: (B,T,D) what the decoder looks at.
            mask: (B,T) bool, where it is real.
            written: (B,U) ids; padding stands at the end, where nothing before looks at it.
        """

    @abstractmethod
    def score(self, vectors: Tensor) -> Tensor:
        """Return the scores (..., V) of the tokens that vectors (..., D) of :meth:`write` tell."""


class PixelEncoder(Encoder):
    """An encoder of squares of pixels.

    Attributes:
        size: pixels a side of the pictures that it is for.
    """

    reads = "pixels"
    size: int

    @property
    def patch_size(self) -> int:
        """Pixels a side of a patch; 16 for networks that halve what they see a few times."""
        return 16

    @abstractmethod
    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps (B,C,h,w) of pictures (B,3,H,W), one a resolution, the finest first.

        Pictures, uint8 or 0..1, enter at their own size and need not be square (``maps``).
        """


class PatchEncoder(PixelEncoder):
    """An encoder of pixels in two steps, where single patches can be left out (``patches``)."""

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Return the vectors (B,T,D) of the patches, without positions."""

    @abstractmethod
    def contextualize(
        self,
        tokens: Tensor,
        visibility: Tensor | None = None,
        positions: Tensor | None = None,
        grid: int | None = None,
    ) -> Tensor:
        """Return the patches (B,K,D) in the context of one another.

        Args:
            visibility: must be None, for patches all see each other.
            positions: (B,K) where on the grid the patches lie; without them they are all.
            grid: patches along a side; without it, as in pictures of ``size`` pixels.
        """


@dataclass(frozen=True)
class EncoderKind:
    """How to make an encoder from scratch, and what training suits it.

    Attributes:
        about: what it is, in one line.
        Options: its hyper-parameters.
        create: ``create(options, processor, length)`` returns a freshly initialised encoder.
        length: tokens a row, or pixels a side; batch_size: rows a step; learning_rate: AdamW's
            peak.
        reads: as of the encoders that it makes.
        provides: all that an encoder of this kind can provide, known before one is made; what
            depends on options (``dropout``) among it.
        processor_defaults: what suits it of a processor, as :meth:`Modality.fit` reads it.
        optimizer: what ``auto`` stands for: options of
            :class:`headstart.config.OptimizerOptions`.
        counts: whether its token vectors had better begin with counts than with chance.
        load: ``load(folder, length)`` reopens what no other library opens: a folder whose
            ``config.json`` has the kind's registered name as ``network``.
    """

    about: str
    Options: type[Options]
    create: Callable[[Any, Any, int], Encoder]
    length: int
    batch_size: int
    learning_rate: float
    reads: str
    provides: frozenset[str]
    processor_defaults: Any = None
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = False
    load: Callable[[str | Path, int | None], Encoder] | None = None
