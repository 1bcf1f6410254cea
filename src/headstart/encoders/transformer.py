"""Networks of the ``transformers`` library: small ones to train, any text model to start from."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import (
    CrossAttentionEncoder,
    EncoderKind,
    Features,
    NarrowableEncoder,
    check_heads,
)
from headstart.encoders.fewer import evenly, stack_of, with_channels, with_layers
from headstart.encoders.gaps import GapEmbedding, gap_embedding
from headstart.encoders.ngrams import NgramEmbedding
from headstart.encoders.sentence_folders import Pooling
from headstart.encoders.tied import TiedDecoder, can_cross_attend
from headstart.encoders.visibility import causal, positions_of, real, visibility
from headstart.encoders.wiring import Wiring, ask, contextualized
from headstart.modalities import TokenProcessor
from headstart.weights import load_strictly

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NGRAMS = "ngrams.safetensors"
#: Share of the channels of each feed-forward that a smaller network keeps.
NARROW = 0.25
#: Capabilities of all attention networks on token ids.
CONTEXT = frozenset({"tokens", "token_embedding", "visibility", "left_to_right", "order"})


class TransformerEncoder(NarrowableEncoder, CrossAttentionEncoder):
    """A text model of Transformers behind the :class:`headstart.encoders.Encoder` contract.

    Args:
        model: the bare network, without a head.
        is_causal: whether positions attend to the left only; None for the architecture's
            default. A bidirectional architecture trained with ``clm`` is saved as causal.
        ngrams: n-gram embeddings that are added to those of the tokens. They are saved in a
            separate file; ``AutoModel`` opens the network without them.
        gaps: vectors of the times between tokens, kept likewise.
        pooling: how token vectors are pooled; folders of sentence-transformers define it.
        wiring: how it takes masks and positions; by default it is asked.

    Raises:
        HeadstartError: its own forward pass cannot be reproduced on padded and packed rows.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        is_causal: bool | None = None,
        ngrams: NgramEmbedding | None = None,
        gaps: GapEmbedding | None = None,
        pooling: Pooling | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.wiring = wiring or ask(model)
        self.ngrams, self.gaps = ngrams, gaps
        self.pooling = pooling or Pooling()
        self.causal_architecture = self.wiring.causal
        self.is_causal = self.causal_architecture if is_causal is None else is_causal
        self.width, self.limit = self.wiring.width, self.wiring.limit
        self.lookback = max(ngrams.orders) - 1 if ngrams else 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, in a process where its kind of attention may not be known yet."""
        for name in ("networks", "attention"):
            import_module(f"headstart.encoders.{name}")
        super().__setstate__(state)

    @property
    def provides(self) -> frozenset[str]:
        """Current capabilities; an objective may make the network causal."""
        direction = "causal" if self.is_causal else "bidirectional"
        dropout = {"dropout"} if self.has_dropout() else set()
        base = set(CONTEXT)
        if not self.wiring.whole and not self.causal_architecture:
            base -= {"visibility", "left_to_right"}
        if hasattr(self.model.config, "intermediate_size"):
            base.add("narrower")
        if not self.is_causal and self._can_cross_attend:
            base.add("cross_attention")
        return frozenset({*base, direction, *dropout})

    @cached_property
    def _can_cross_attend(self) -> bool:
        return can_cross_attend(self.model)

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        alone = "segments" not in batch and not self.is_causal
        seen = real(batch) if alone else visibility(batch)
        if self.is_causal and not self.causal_architecture:
            seen = causal(seen, batch)
        tokens = self.contextualize(vectors, seen, positions_of(batch))
        return Features(tokens, batch["mask"], self.pooling(tokens, batch["mask"]))

    def embed(self, batch: Batch) -> Tensor:
        vectors = self.token_embedding(batch["input_ids"])
        if "token_types" in batch:
            vectors = vectors + self._of_type(batch["token_types"])
        for further in (self.ngrams, self.gaps):
            vectors = vectors if further is None else vectors + further(batch)
        return vectors

    def _of_type(self, types: Tensor) -> Tensor | float:
        """Return the embedding of token types (B,T) relative to type 0, which the network adds."""
        table = getattr(getattr(self.model, "embeddings", None), "token_type_embeddings", None)
        if table is None or len(table.weight) < 2:
            return 0.0
        return table(types) - table.weight[0]

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        if torch.is_autocast_enabled(tokens.device.type):
            # A residual stream of half the size, since on a CPU additions are memory-bound.
            tokens = tokens.to(torch.get_autocast_dtype(tokens.device.type))
        return contextualized(self.model, self.wiring, tokens, visibility, positions)

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.model.get_input_embeddings()

    def layers(self) -> list[nn.Module]:
        """The embeddings, then the blocks, from the input up."""
        stacks = [m for m in self.model.modules() if isinstance(m, nn.ModuleList)]
        embeddings = getattr(self.model, "embeddings", None) or self.token_embedding
        return [embeddings, *max(stacks, key=len)] if stacks else [embeddings]

    def untrained(self) -> TransformerEncoder:
        """Return a network of the same configuration, freshly initialised."""
        fresh = type(self.model)(self.model.config)
        if getattr(self.model, "pooler", True) is None:
            fresh.pooler = None
        ngrams = self.ngrams
        if ngrams is not None:
            ngrams = NgramEmbedding(ngrams.orders, self.width, ngrams.buckets, ngrams.dropout)
        gaps = GapEmbedding(self.width) if self.gaps is not None else None
        return TransformerEncoder(fresh, self.is_causal, ngrams, gaps, self.pooling, self.wiring)

    def narrower(self, share: float) -> TransformerEncoder:
        config = copy.deepcopy(self.model.config)
        heads = max(1, round(config.num_attention_heads * share))
        size = self.width // config.num_attention_heads
        changes = {
            "hidden_size": heads * size,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "intermediate_size": rounded(config.intermediate_size * heads * size / self.width, 8),
            "embedding_size": heads * size,
        }
        for name, value in changes.items():
            if hasattr(config, name):
                setattr(config, name, value)
        model = type(self.model)(config)
        model.set_input_embeddings(nn.Identity())
        if hasattr(model, "pooler"):
            model.pooler = None
        wiring = replace(self.wiring, width=heads * size)
        return TransformerEncoder(model, self.is_causal, wiring=wiring)

    def smaller(self) -> Iterator[tuple[str, TransformerEncoder]]:
        """Yield networks with half and a third of the layers, and with narrower ones."""
        place = stack_of(self.model)
        layers = len(place[2]) if place else 0
        counts = sorted({max(1, -(-layers // by)) for by in (2, 3)} - {layers, 0}, reverse=True)
        for count in counts:
            model = with_layers(self.model, evenly(layers, count))
            yield f"{count} of {layers} layers", self._of(model)
            narrow = with_channels(model, NARROW)
            if narrow is not None:
                yield f"{count} of {layers} layers, a quarter of their channels", self._of(narrow)

    def _of(self, model: PreTrainedModel) -> TransformerEncoder:
        parts = copy.deepcopy((self.ngrams, self.gaps))
        return TransformerEncoder(model, self.is_causal, *parts, self.pooling, self.wiring)

    def decoder(self) -> TiedDecoder:
        return TiedDecoder(self.model)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; ``AutoModel`` opens them."""
        self.model.save_pretrained(folder)
        if self.ngrams is not None:
            self.ngrams.save(folder / NGRAMS)
        if self.gaps is not None:
            self.gaps.save(folder)
        self.pooling.save(folder, self.width)

    @classmethod
    def load(cls, folder: str | Path) -> TransformerEncoder:
        """Open a folder, or a name on the hub or in its local cache.

        Raises:
            HeadstartError: its weights are not whole, it needs code of its own, or its vectors
                cannot be reproduced.
        """
        from headstart.encoders.networks import AutoModel

        model = load_strictly(AutoModel, folder)
        if hasattr(model, "pooler"):
            # Only next-sentence prediction trains it; otherwise its output is noise.
            model.pooler = None
        further = _saved_ngrams(Path(folder)), GapEmbedding.load(Path(folder))
        return cls(model, saved_causal(Path(folder)), *further, Pooling.load(folder))


class SmallOptions(Options):
    """The size of a small transformer.

    Without dropout by default: on a small budget no text is read often enough to overfit (Geiping
    and Goldstein 2023, section 4.2, https://arxiv.org/abs/2212.14034). SimCSE enables it for its
    views.
    """

    layers: int = Field(4, ge=1, le=48, description="Blocks.")
    width: int = Field(256, ge=8, le=4096, description="Size of the vectors.")
    heads: int = Field(4, ge=1, description="Attention heads; they divide the width.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in every block.")
    ngrams: tuple[Annotated[int, Field(ge=2, le=8)], ...] = Field(
        (), description="Orders of n-grams with input vectors of their own, as [2,3,4]."
    )
    gaps: bool = Field(
        False,
        description="Add a vector for the time since the token before, if known.",
    )


def _modernbert(
    options: SmallOptions, processor: TokenProcessor, length: int
) -> TransformerEncoder:
    """ModernBERT (Warner et al. 2024, https://arxiv.org/abs/2412.13663): rotary, GeGLU, no bias."""
    from headstart.encoders.networks import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(
        **_shape(options, processor, length),
        intermediate_size=rounded(options.width * 1.5),
        # Sliding windows do not help with such short contexts.
        layer_types=["full_attention"] * options.layers,
        embedding_dropout=options.dropout,
        mlp_dropout=options.dropout,
        attention_dropout=options.dropout,
        cls_token_id=processor.vocabulary.start_id,
        sep_token_id=processor.vocabulary.end_id,
    )
    return TransformerEncoder(ModernBertModel(config), None, *_further(options, processor))


def _bert(options: SmallOptions, processor: TokenProcessor, length: int) -> TransformerEncoder:
    """A small BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805)."""
    from headstart.encoders.networks import BertConfig, BertModel

    config = BertConfig(
        **_shape(options, processor, length),
        intermediate_size=4 * options.width,
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
    )
    model = BertModel(config, add_pooling_layer=False)
    return TransformerEncoder(model, None, *_further(options, processor))


def _gpt(options: SmallOptions, processor: TokenProcessor, length: int) -> TransformerEncoder:
    """A small Llama (Touvron et al. 2023, https://arxiv.org/abs/2302.13971): RMSNorm, SwiGLU."""
    from headstart.encoders.networks import LlamaConfig, LlamaModel

    config = LlamaConfig(
        **_shape(options, processor, length),
        intermediate_size=rounded(options.width * 8 / 3),
        attention_dropout=options.dropout,
        tie_word_embeddings=True,
    )
    encoder = TransformerEncoder(LlamaModel(config), None, *_further(options, processor))
    _scale_residuals(encoder.model, options.layers)
    return encoder


def _shape(options: SmallOptions, processor: TokenProcessor, length: int) -> dict[str, Any]:
    check_heads(options.width, options.heads)
    vocabulary = processor.vocabulary
    return {
        "vocab_size": rounded(vocabulary.size),
        "hidden_size": options.width,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.heads,
        "max_position_embeddings": max(length, 512),
        "pad_token_id": vocabulary.pad_id,
        "bos_token_id": vocabulary.start_id,
        "eos_token_id": vocabulary.end_id,
    }


def _further(
    options: SmallOptions, processor: TokenProcessor
) -> tuple[NgramEmbedding | None, GapEmbedding | None]:
    """Return the vectors that are added to those of the tokens."""
    ngrams = NgramEmbedding(options.ngrams, options.width) if options.ngrams else None
    return ngrams, gap_embedding(options.gaps, options.width, processor)


def _scale_residuals(model: PreTrainedModel, layers: int) -> None:
    """Initialise residual projections with std 0.02 / sqrt(2 layers) (GPT-2, section 2.3)."""
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5)


def rounded(size: float, multiple: int = 64) -> int:
    """Round up to a multiple, for which matrix units are faster."""
    return -(-int(size) // multiple) * multiple


def saved_causal(folder: Path) -> bool | None:
    """Return whether a saved network attends to the left only; None without a note."""
    note = folder / "headstart.json"
    return json.loads(note.read_text()).get("is_causal") if note.is_file() else None


def _saved_ngrams(folder: Path) -> NgramEmbedding | None:
    return NgramEmbedding.load(folder / NGRAMS) if (folder / NGRAMS).is_file() else None


MODERNBERT = EncoderKind(
    "Small transformer after ModernBERT: rotary positions, GeGLU; sees both sides.",
    SmallOptions,
    _modernbert,
    length=128,
    batch_size=64,
    learning_rate=2e-3,
    reads="input_ids",
    provides=CONTEXT | {"bidirectional", "dropout", "narrower"},
    optimizer={"name": "muon", "muon_learning_rate": 4e-3},
    counts=True,
)
BERT = replace(
    MODERNBERT,
    reads="input_ids",
    about="Small transformer as BERT was published.",
    create=_bert,
    learning_rate=1e-3,
    provides=MODERNBERT.provides | {"cross_attention"},
)
GPT = replace(
    MODERNBERT,
    reads="input_ids",
    about="Small causal transformer after Llama, for next-token prediction.",
    create=_gpt,
    provides=CONTEXT | {"causal", "dropout", "narrower"},
)
