"""XLNet: a transformer with two attention streams, for permuted language modeling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import Features, TwoStreamEncoder, check_heads
from headstart.encoders.proof import attempt, documents, refusal, serves
from headstart.encoders.transformer import (
    CONTEXT,
    MODERNBERT,
    SmallOptions,
    rounded,
    saved_causal,
)
from headstart.encoders.visibility import causal, mean_pool, visibility
from headstart.errors import HeadstartError
from headstart.modalities import TokenProcessor
from headstart.weights import load_strictly

if TYPE_CHECKING:
    from transformers import XLNetModel


class XLNetEncoder(TwoStreamEncoder):
    """Transformers' ``XLNetModel`` behind the :class:`headstart.encoders.Encoder` contract.

    Its positions are relative, so ``positions`` are ignored. All tokens are in one segment,
    including the final ``<cls>``, which has its own in Transformers.

    Args:
        model: the bare network.
        is_causal: whether it was trained to attend to the left only (``clm``).
    """

    def __init__(self, model: XLNetModel, is_causal: bool = False) -> None:
        super().__init__()
        self.model = model
        # With the causal attention type, Transformers cannot mask the rows of a batch
        # differently. The bidirectional one with a causal mask is equivalent.
        self.is_causal = is_causal or model.attn_type == "uni"
        model.attn_type = "bi"
        self.width = int(model.config.d_model)

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities; only XLNet has ``two_streams``."""
        direction = "causal" if self.is_causal else "bidirectional"
        dropout = {"dropout"} if self.has_dropout() else set()
        return CONTEXT | {"two_streams", direction} | dropout

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        seen = visibility(batch)
        if self.is_causal:
            seen = causal(seen, batch)
        tokens = self.contextualize(vectors, seen)
        return Features(tokens, batch["mask"], mean_pool(tokens.float(), batch["mask"]))

    def embed(self, batch: Batch) -> Tensor:
        vectors: Tensor = self.token_embedding(batch["input_ids"])
        return vectors

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        hidden = None if visibility is None else (~visibility).float()
        out: Tensor = self.model(
            inputs_embeds=tokens, perm_mask=hidden, use_mems=False
        ).last_hidden_state
        return out

    def query(self, tokens: Tensor, visibility: Tensor, where: Tensor) -> Tensor:
        # The content stream holds the tokens; the query stream starts from one learned vector and
        # attends to the content that ``visibility`` allows.
        width = tokens.shape[1]
        mapping = torch.nn.functional.one_hot(where.clamp(min=0), width) * (where >= 0)[:, :, None]
        out: Tensor = self.model(
            inputs_embeds=tokens,
            perm_mask=(~visibility).float(),
            target_mapping=mapping.to(tokens.dtype),
            use_mems=False,
        ).last_hidden_state
        return out

    @property
    def token_embedding(self) -> nn.Embedding:
        table: nn.Embedding = self.model.word_embedding
        return table

    def layers(self) -> list[nn.Module]:
        """The embedding, then the blocks, from the input up."""
        return [self.token_embedding, *self.model.layer]

    def untrained(self) -> XLNetEncoder:
        """Return a network of the same configuration, freshly initialised."""
        from headstart.encoders.networks import XLNetModel

        return XLNetEncoder(XLNetModel(self.model.config), self.is_causal)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; ``AutoModel`` opens them."""
        self.model.save_pretrained(folder)

    @classmethod
    def load(cls, folder: str | Path) -> XLNetEncoder:
        """Open a folder that ``save_pretrained`` wrote, or a name of the hub or its local cache.

        Raises:
            HeadstartError: the files are missing or damaged, or this library cannot reproduce what
                the network reads.
        """
        from headstart.encoders.networks import XLNetModel

        model = load_strictly(XLNetModel, folder).eval()
        texts = documents(model)
        with torch.no_grad():
            own = [attempt(_read, model, ids) for ids in texts]
            encoder = cls(model, bool(saved_causal(Path(folder))))
            _prove(encoder, texts, own)
        return encoder


def _read(model: XLNetModel, ids: Tensor) -> Tensor:
    """Return the vectors (1,T,D) of the network's own forward pass."""
    out: Tensor = model(
        input_ids=ids, attention_mask=torch.ones_like(ids), use_mems=False
    ).last_hidden_state
    return out


def _prove(encoder: XLNetEncoder, texts: list[Tensor], own: list[Tensor | None]) -> None:
    """Compare what is read with the network's own forward pass on a few short documents.

    Raises:
        HeadstartError: they differ.
    """
    model, is_causal = encoder.model, encoder.model.config.attn_type == "uni"
    found = [
        vectors
        for vectors, ids in zip(own, texts, strict=True)
        if vectors is not None and vectors.shape[:2] == ids.shape and bool(vectors.isfinite().all())
    ]
    if len(found) < len(texts):
        raise refusal(model, "does not give each token a finite vector")

    def read(vectors: Tensor, seen: Tensor | None, positions: Tensor | None) -> Tensor:
        if is_causal:
            shape = (len(vectors), vectors.shape[1])
            seen = causal(seen, {"mask": torch.ones(shape, dtype=torch.bool)})
        return encoder.contextualize(vectors, seen, positions)

    if not serves(read, [encoder.token_embedding(ids) for ids in texts], found):
        raise refusal(model, "gives a text other vectors beside other texts than alone")


def _xlnet(options: SmallOptions, processor: TokenProcessor, length: int) -> XLNetEncoder:
    from headstart.encoders.networks import XLNetConfig, XLNetModel

    check_heads(options.width, options.heads)
    if options.ngrams:
        raise HeadstartError("xlnet has no n-grams; leave out encoder.ngrams.")
    if options.gaps:
        raise HeadstartError("xlnet has no vectors of times; leave out encoder.gaps.")
    vocabulary = processor.vocabulary
    config = XLNetConfig(
        vocab_size=rounded(vocabulary.size),
        d_model=options.width,
        n_layer=options.layers,
        n_head=options.heads,
        d_inner=4 * options.width,
        dropout=options.dropout,
        attn_type="bi",
        pad_token_id=vocabulary.pad_id,
        bos_token_id=vocabulary.start_id,
        eos_token_id=vocabulary.end_id,
        use_mems_train=False,
        use_mems_eval=False,
    )
    return XLNetEncoder(XLNetModel(config))


XLNET = replace(
    MODERNBERT,
    reads="input_ids",
    about="Small XLNet: relative positions and two streams, for permuted language modeling.",
    create=_xlnet,
    learning_rate=1e-3,
    provides=CONTEXT | {"bidirectional", "dropout", "two_streams"},
)
