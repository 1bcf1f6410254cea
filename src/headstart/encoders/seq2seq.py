"""Sequence-to-sequence networks: an encoder and a decoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import Features, WriterEncoder, check_heads
from headstart.encoders.proof import alike, attempt, check_length, documents, refusal, serves
from headstart.encoders.transformer import (
    CONTEXT,
    MODERNBERT,
    SmallOptions,
    rounded,
    saved_causal,
)
from headstart.encoders.visibility import causal, mean_pool, positions_of, visibility
from headstart.errors import HeadstartError
from headstart.modalities import TokenProcessor
from headstart.modalities.tokens.tokenizer_defaults import TokenizerDefaults
from headstart.weights import load_strictly

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Seq2SeqEncoder(WriterEncoder):
    """A sequence-to-sequence network of Transformers behind the encoder contract.

    ``tokens`` and ``pooled`` are of its encoder. The whole network is saved, for
    ``AutoModelForSeq2SeqLM``.

    Args:
        model: the network with its output layer.
        is_causal: whether its encoder was trained to attend to the left only (``clm``).
    """

    def __init__(self, model: PreTrainedModel, is_causal: bool = False) -> None:
        super().__init__()
        self.model = model
        self.is_causal = is_causal
        self.width = int(model.config.hidden_size)
        learned = getattr(model.get_encoder(), "embed_positions", None)
        table = getattr(learned, "weight", None)
        self.limit = None if table is None else len(table) - getattr(learned, "offset", 0)

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities; only these networks have a ``decoder``."""
        direction = "causal" if self.is_causal else "bidirectional"
        dropout = {"dropout"} if self.has_dropout() else set()
        return CONTEXT | {"decoder", direction} | dropout

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        seen = visibility(batch)
        if self.is_causal:
            seen = causal(seen, batch)
        tokens = self.contextualize(vectors, seen, positions_of(batch))
        return Features(tokens, batch["mask"], mean_pool(tokens.float(), batch["mask"]))

    def embed(self, batch: Batch) -> Tensor:
        vectors: Tensor = self.token_embedding(batch["input_ids"])
        # Some networks scale embeddings when given ids, but not when given vectors.
        return vectors * getattr(self.model.get_encoder(), "embed_scale", 1.0)

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        check_length(self.limit, tokens.shape[1])
        encoder = self.model.get_encoder()
        learned = getattr(encoder, "embed_positions", None)
        if learned is not None and positions is not None:
            # The network adds positions 0..T-1; replace them. T5's positions are relative.
            table, begin = learned.weight, getattr(learned, "offset", 0)
            counted = torch.arange(tokens.shape[1], device=tokens.device)
            tokens = tokens + table[positions + begin] - table[counted + begin]
        seen = None if visibility is None else visibility[:, None]
        out: Tensor = encoder(inputs_embeds=tokens, attention_mask=seen).last_hidden_state
        return out

    def write(self, memory: Tensor, mask: Tensor, written: Tensor) -> Tensor:
        begin = torch.full_like(written[:, :1], self.model.config.decoder_start_token_id)
        out: Tensor = self.model.get_decoder()(
            input_ids=torch.cat([begin, written[:, :-1]], 1),
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        return out

    def score(self, vectors: Tensor) -> Tensor:
        if self.model.config.model_type == "t5" and self.model.config.scale_decoder_outputs:
            vectors = vectors * self.width**-0.5
        logits: Tensor = self.model.lm_head(vectors)
        bias = getattr(self.model, "final_logits_bias", None)
        return logits if bias is None else logits + bias[0]

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.model.get_input_embeddings()

    def layers(self) -> list[nn.Module]:
        """The embedding, then the blocks of the encoder, from the input up."""
        return [self.token_embedding, *_blocks(self.model.get_encoder())]

    def decoder_layers(self) -> list[nn.Module]:
        return _blocks(self.model.get_decoder())

    def untrained(self) -> Seq2SeqEncoder:
        """Return a network of the same configuration, freshly initialised."""
        return Seq2SeqEncoder(type(self.model)(self.model.config), self.is_causal)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; ``AutoModelForSeq2SeqLM`` opens them."""
        self.model.save_pretrained(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Seq2SeqEncoder:
        """Open a folder that ``save_pretrained`` wrote, or a name of the hub's cache.

        Raises:
            HeadstartError: the files are missing or damaged, or this library cannot reproduce what
                the network reads and writes.
        """
        from headstart.encoders.networks import AutoModelForSeq2SeqLM

        model = load_strictly(AutoModelForSeq2SeqLM, folder)
        encoder = cls(model, bool(saved_causal(Path(folder))))
        with torch.no_grad():
            _prove(encoder.eval())
        return encoder


def _prove(encoder: Seq2SeqEncoder) -> None:
    """Compare both halves with the network's own forward pass on a few short documents.

    Raises:
        HeadstartError: they differ.
    """
    model = encoder.model
    texts = documents(model)
    own = [attempt(_read, model, ids) for ids in texts]
    vectors = [attempt(encoder.embed, {"input_ids": ids}) for ids in texts]
    found = [v for v in own if v is not None and bool(v.isfinite().all())]
    embedded = [v for v in vectors if v is not None]
    if not len(found) == len(embedded) == len(texts):
        raise refusal(model, "does not give finite vectors for token ids alone")
    if not serves(encoder.contextualize, embedded, found):
        raise refusal(model, "gives a text other vectors beside other texts than alone")
    wanted = attempt(_logits, model, texts[0], texts[1])
    mask = torch.ones_like(texts[0], dtype=torch.bool)
    written = attempt(encoder.write, found[0], mask, texts[1])
    if wanted is None or not alike([wanted], [attempt(encoder.score, written)]):
        raise refusal(model, "does not write what its decoder and output layer give")


def _read(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Return the vectors (1,T,D) of the network's own encoder."""
    out: Tensor = model.get_encoder()(
        input_ids=ids, attention_mask=torch.ones_like(ids)
    ).last_hidden_state
    return out


def _logits(model: PreTrainedModel, ids: Tensor, written: Tensor) -> Tensor:
    """Return the logits (1,U,V) of the network's own forward pass for written ids (1,U)."""
    begin = torch.full_like(written[:, :1], model.config.decoder_start_token_id)
    out: Tensor = model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        decoder_input_ids=torch.cat([begin, written[:, :-1]], 1),
    ).logits
    return out


def _blocks(stack: nn.Module) -> list[nn.Module]:
    """Return the blocks of an encoder or a decoder."""
    return list(next(m for m in stack.modules() if isinstance(m, nn.ModuleList)))


class Seq2SeqOptions(SmallOptions):
    """The size of a small sequence-to-sequence network."""

    decoder_layers: int | None = Field(
        None, ge=1, le=48, description="Blocks that write; as many as read by default."
    )


def _t5(options: Seq2SeqOptions, processor: TokenProcessor, length: int) -> Seq2SeqEncoder:
    """T5 (Raffel et al. 2020, https://arxiv.org/abs/1910.10683) with GEGLU as in 1.1, tied."""
    from headstart.encoders.networks import T5Config, T5ForConditionalGeneration

    check_heads(options.width, options.heads)
    if options.ngrams:
        raise HeadstartError("t5 has no n-grams; leave out encoder.ngrams.")
    if options.gaps:
        raise HeadstartError("t5 has no vectors of times; leave out encoder.gaps.")
    vocabulary = processor.vocabulary
    config = T5Config(
        vocab_size=rounded(vocabulary.size),
        d_model=options.width,
        d_kv=options.width // options.heads,
        d_ff=-(-options.width * 8 // 3 // 64) * 64,
        num_layers=options.layers,
        num_decoder_layers=options.decoder_layers or options.layers,
        num_heads=options.heads,
        dropout_rate=options.dropout,
        feed_forward_proj="gated-gelu",
        pad_token_id=vocabulary.pad_id,
        eos_token_id=vocabulary.end_id,
        decoder_start_token_id=vocabulary.pad_id,
    )
    return Seq2SeqEncoder(T5ForConditionalGeneration(config))


T5 = replace(
    MODERNBERT,
    reads="input_ids",
    about="Small T5, an encoder with a decoder: relative positions, GEGLU; reads and writes.",
    Options=Seq2SeqOptions,
    create=_t5,
    provides=CONTEXT | {"bidirectional", "dropout", "decoder"},
    processor_defaults=TokenizerDefaults(sentinels=100),
)
