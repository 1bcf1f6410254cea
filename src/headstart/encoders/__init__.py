"""The encoders: one file each, registered in :data:`ENCODERS`.

The forward pass, for token ids and for pixels::

    batch["input_ids"] (B,T)              batch["pixels"] (B,3,S,S)
            |                                     |
          embed         each position alone     embed         (``patches`` only)
            |                                     |
       tokens (B,T,D)   objectives may       tokens (B,T,D)
            |           mask or permute           |
      contextualize     in the context of    contextualize
            |           the others                |
            +------------> Features <-------------+
                tokens (B,T,D)  mask (B,T)  pooled (B,D)

A network declares in ``provides`` which of these steps it has, and in ``reads`` its input tensor.
Kinds of data do not matter: an encoder fits any processor whose ``gives`` equals its ``reads``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from headstart.encoders.visibility import causal, visibility
from headstart.errors import HeadstartError
from headstart.registries import ENCODERS as ENCODERS

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.config import Options
    from headstart.modalities import Vocabulary

#: Rates of dropout in configurations of Transformers; that of attention has no module.
_RATES = ("attention_dropout", "attention_probs_dropout_prob", "dropout")


@dataclass
class Features:
    """What an encoder returns.

    Attributes:
        tokens: (B,T,D) one vector per position.
        mask: (B,T) bool, True at real positions.
        pooled: (B,D) one vector per row: by default the mean over real positions. These are the
            vectors that ``embed`` writes and probes use.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


class Encoder(nn.Module, ABC):
    """A network from batches to features.

    Attributes:
        reads: the tensor of :mod:`headstart.batch` that is its input.
        width: D, the size of its vectors.
        is_causal: whether positions attend to the left only.
        vocabulary: of the ids that it makes of its input; None where it makes none.

    Example::

        encoder = open_encoder("runs/reviews")
        features = encoder(batch)  # tokens (B,T,D), mask (B,T), pooled (B,D)
    """

    reads: ClassVar[str]
    width: int
    is_causal: bool = False
    vocabulary: Vocabulary | None = None

    @property
    def joined(self) -> Mapping[str, Encoder]:
        """The encoders that stand side by side in it, by name; {} for a single one."""
        return {}

    @property
    @abstractmethod
    def provides(self) -> frozenset[str]:
        """Its capabilities for objectives and tasks, in its current state.

        Of ids: ``tokens``, ``token_embedding``, ``visibility`` (any position can be hidden from
        any other), ``left_to_right`` (those to its right can), ``order``, ``bidirectional`` or
        ``causal``, ``narrower``, ``cross_attention``, ``two_streams``, ``decoder``, ``static`` (its
        vectors are linear in those of the tokens). Of pixels:
        ``grid`` (the vectors are a square, row by row), ``patches``, ``maps``. Of both:
        ``dropout``.
        """

    @abstractmethod
    def forward(self, batch: Batch) -> Features:
        """Return the features of a batch."""

    if TYPE_CHECKING:

        def __call__(self, batch: Batch) -> Features: ...

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D), without computing ``tokens`` if possible."""
        return self(batch).pooled

    def exportable(self) -> nn.Module:
        """Return a module from a batch to vectors (B,D), like :meth:`pool`, for ``torch.export``.

        Its steps depend on shapes alone. By default it is the encoder itself, which asks
        ``torch.compiler.is_exporting`` where it would look at values.
        """
        return Pooled(self)

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """Its parts from the input up, embeddings first; for freezing and layer-wise rates."""

    def decoder_layers(self) -> list[nn.Module]:
        """The blocks of its decoder from the input up; by default it has none."""
        return []

    @abstractmethod
    def untrained(self) -> Encoder:
        """Return a freshly initialised network of the same shape, as a baseline."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the network in the format of its own library."""

    def smaller(self) -> Iterator[tuple[str, Encoder]]:
        """Yield smaller networks of its kind and width, begun with its weights, and their names.

        By default there are none.
        """
        return iter(())

    def has_dropout(self) -> bool:
        """Whether two passes over one record differ in training mode."""
        config = getattr(getattr(self, "model", None), "config", None)
        if any(getattr(config, name, None) for name in _RATES):
            return True
        return any(isinstance(part, nn.Dropout) and part.p > 0 for part in self.modules())


class Pooled(nn.Module):
    """An encoder as a module that returns its pooled vectors (B,D) alone."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: Batch) -> Tensor:
        """Return the vectors of a batch."""
        return self.encoder.pool(batch).float()


class TokenEncoder(Encoder):
    """An encoder of token ids, in two steps between which an objective may intervene.

    Attributes:
        causal_architecture: whether the architecture itself attends to the left only.
        limit: most positions in a row; None if there is no limit.
        lookback: positions to the left whose ids also enter the vector of a position.
        generates: what a run of it writes that predicts each token from those before it.
    """

    reads = "input_ids"
    causal_architecture: bool = False
    limit: int | None = None
    lookback: int = 0
    generates: ClassVar[str] = "continuation"

    def with_ids(self, batch: Batch) -> Batch:
        """Return the batch with ``input_ids`` and ``mask`` (B,T); by default it has them."""
        return batch

    def causal_visibility(self, batch: Batch) -> Tensor | None:
        """Return the visibility (B,T,T) with which no position sees those to its right."""
        return causal(visibility(batch), batch)

    @property
    @abstractmethod
    def token_embedding(self) -> nn.Embedding:
        """The input embedding (V,D), for tied output layers."""

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Return the input vectors (B,T,D), each without context."""

    @abstractmethod
    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Return vectors (B,T,D) in context.

        ``visibility`` (B,T,T) bool is True where row i may attend to column j; (B,1,T) is the same
        for all rows, and None does not restrict the network. ``positions`` (B,T) default to
        0..T-1.
        """

    @abstractmethod
    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        """Return the features for input vectors (B,T,D), those of :meth:`embed` or others."""

    def forward(self, batch: Batch) -> Features:
        return self.from_vectors(self.embed(batch), batch)


class NarrowableEncoder(TokenEncoder):
    """An encoder that can create a narrower network of its kind (``narrower``), for ELECTRA."""

    @abstractmethod
    def narrower(self, share: float) -> TokenEncoder:
        """Return a freshly initialised network with ``share`` of the width and heads.

        It has no token embedding: its input are vectors (B,T,D') of its own width D'.
        """


class CrossAttentionEncoder(TokenEncoder):
    """An encoder whose blocks have cross-attention (``cross_attention``)."""

    @abstractmethod
    def decoder(self) -> nn.Module:
        """Return a decoder that shares the weights; it is not saved.

        Its inputs are vectors (B,U,D), and one vector per row (B,D) to cross-attend to.
        """


class TwoStreamEncoder(TokenEncoder):
    """An encoder with a query stream that knows only its position (``two_streams``)."""

    @abstractmethod
    def query(self, tokens: Tensor, visibility: Tensor, where: Tensor) -> Tensor:
        """Return the query stream (B,P,D) at positions (Yang et al. 2019, section 2.3, figure 1).

        Args:
            tokens: (B,T,D), what :meth:`embed` returns.
            visibility: (B,T,T) bool. The content stream also sees itself, whatever the diagonal is.
            where: (B,P) positions, -1 for none.
        """


class WriterEncoder(TokenEncoder):
    """An encoder that is saved together with a decoder (``decoder``)."""

    @abstractmethod
    def write(self, memory: Tensor, mask: Tensor, written: Tensor) -> Tensor:
        """Return the decoder's vectors (B,U,D) that predict each token from those before it.

        Args:
            memory: (B,T,D) the encoder's output, for cross-attention.
            mask: (B,T) bool, True at real positions of ``memory``.
            written: (B,U) target ids, padded at the end.
        """

    @abstractmethod
    def score(self, vectors: Tensor) -> Tensor:
        """Return logits (..., V) for vectors (..., D) of :meth:`write`."""


class PixelEncoder(Encoder):
    """An encoder of squares of pixels.

    Attributes:
        size: pixels per side of the images that it is built for.
    """

    reads = "pixels"
    size: int

    @property
    def patch_size(self) -> int:
        """Pixels per side of a patch; 16 for networks that downsample."""
        return 16

    @abstractmethod
    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Return feature maps (B,C,h,w) of images (B,3,H,W), one per resolution, finest first.

        Images, uint8 or in 0..1, keep their size and need not be square (``maps``).
        """


class PatchEncoder(PixelEncoder):
    """An encoder of pixels in two steps, between which patches can be dropped (``patches``)."""

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Return the patch vectors (B,T,D), without positions."""

    @abstractmethod
    def contextualize(
        self,
        tokens: Tensor,
        visibility: Tensor | None = None,
        positions: Tensor | None = None,
        grid: int | None = None,
    ) -> Tensor:
        """Return patch vectors (B,K,D) in context.

        Args:
            visibility: must be None, since all patches see each other.
            positions: (B,K) indices of the patches on the grid; None for all patches.
            grid: patches per side; None for images of ``size`` pixels.
        """


def blocks_of(encoder: Encoder) -> tuple[tuple[str, int], ...]:
    """Return the name and the width of each block of an encoder's pooled vectors (B,D), in order.

    A single encoder has one block.
    """
    parts = encoder.joined or {"encoder": encoder}
    return tuple((name, part.width) for name, part in parts.items())


def check_heads(width: int, heads: int) -> None:
    """Raise a :class:`HeadstartError` if the width is not a multiple of the attention heads."""
    if width % heads:
        raise HeadstartError(
            f"encoder.width={width} cannot be divided among encoder.heads={heads}; choose a "
            "multiple."
        )


@dataclass(frozen=True)
class EncoderKind:
    """How to create an encoder from scratch, and its training defaults.

    Attributes:
        about: a description in one line.
        Options: its hyper-parameters.
        create: ``create(options, processor, length)`` returns a freshly initialised encoder.
        length: tokens per row, or pixels per side.
        batch_size: rows per step.
        learning_rate: AdamW's peak.
        reads: the input tensor of its encoders.
        provides: all capabilities that an encoder of this kind can have, including those that
            depend on options (``dropout``).
        processor_defaults: defaults of the processor, for :meth:`Modality.fit`.
        optimizer: options of :class:`headstart.config.OptimizerOptions` that ``auto`` stands for.
        counts: whether token vectors are by default initialised from co-occurrence counts.
        load: ``load(folder, length)`` opens a folder whose ``config.json`` has the kind's
            registered name as ``network``; None for networks of other libraries.

    Example::

        TINY = EncoderKind(
            "Two convolutions.", TinyOptions, create_tiny, length=32, batch_size=256,
            learning_rate=1e-3, reads="pixels", provides=frozenset({"grid"}),
        )
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
