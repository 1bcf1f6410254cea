"""Continuing a prompt with a pre-trained language model."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from headstart.deployment.writing import WRITING, Sampling, write
from headstart.encoders import TokenEncoder
from headstart.encoders.opening import OpenedEncoder, first_part
from headstart.encoders.visibility import prefixed
from headstart.errors import HeadstartError
from headstart.modalities.opening import ranking_hint
from headstart.modalities.text.processor import TextProcessor
from headstart.objectives.opening import objective_of, open_token_head
from headstart.seeding import generator

if TYPE_CHECKING:
    from headstart.config import GenerateConfig
    from headstart.encoders import Encoder
    from headstart.encoders.seq2seq import Seq2SeqEncoder
    from headstart.encoders.transformer import TransformerEncoder
    from headstart.objectives.heads import TokenHead
    from headstart.run import RunFolder


def continue_prompt(run: RunFolder, config: GenerateConfig) -> str:
    """Return the prompt of ``config`` with the continuation that the run generates."""
    sampling = Sampling(config.tokens, config.temperature, config.top_k, config.seed)
    return continued(open_writer(run), config.prompt, sampling)


def generate(
    run: RunFolder,
    prompt: str,
    *,
    tokens: int = 200,
    temperature: float = 0.8,
    top_k: int = 0,
    seed: int = 0,
    cache: bool = True,
) -> str:
    """Return ``prompt`` and up to ``tokens`` more tokens, fewer where an end token is generated.

    When the context is full, its older half is dropped and generation goes on. A run of a
    sequence-to-sequence network fills the holes of the prompt (see
    :func:`headstart.deployment.writing.write`).

    Args:
        temperature: divides the logits before the softmax; 0 is greedy.
        top_k: sample among this many of the likeliest tokens (Fan et al. 2018,
            https://arxiv.org/abs/1805.04833); 0 means all.
        cache: keep keys and values where the network supports it; the text is the same without.

    Raises:
        HeadstartError: the run is no language model, or the prompt is longer than the context, or
            empty where the tokenizer has no start token.

    Example::

        print(generate(RunFolder.open("runs/stories"), "Once upon a time", tokens=50))
    """
    sampling = Sampling(tokens, temperature, top_k, seed)
    return continued(open_writer(run), prompt, sampling, cache=cache)


@dataclass(frozen=True)
class Writer:
    """An opened language model.

    Attributes:
        objective: its pre-training objective.
        context: maximum number of tokens that the network reads.
        head: output layer for the next token; None where the network has its own.
    """

    encoder: TokenEncoder
    processor: TextProcessor
    objective: str
    context: int
    head: TokenHead | None


def open_writer(run: RunFolder) -> Writer:
    """Open a run whose objective trains a language model.

    Raises:
        HeadstartError: the run is no language model of texts.
    """
    opened = OpenedEncoder(first_part(run.require_encoder()))
    encoder = cast("TokenEncoder", opened.encoder)
    objective = objective_of(run) or ""
    wanted = {"clm": "causal", "prefix": "bidirectional", "unilm": "bidirectional"}
    wanted |= dict.fromkeys(WRITING, "decoder")
    if run.config()["verb"] == "finetune":
        raise HeadstartError(
            f"{run.folder} was fine-tuned for its task and goes on with no text; use it with "
            f"`headstart predict {shlex.quote(str(run.folder))} INPUT`."
        )
    if wanted.get(objective) not in encoder.provides:
        raise HeadstartError(
            f"{run.folder} cannot write text: its encoder was not pre-trained to predict the next "
            f"token; pre-train one with --objective {', '.join(wanted)}."
        )
    processor = opened.processor
    if not isinstance(processor, TextProcessor):
        hint = ranking_hint(opened.modality.name, run.folder) or "name a run of texts"
        raise HeadstartError(
            f"{run.folder} reads {processor.content.noun}, and only texts can be continued; {hint}."
        )
    head = None if objective in WRITING else open_token_head(run, encoder)
    cast(nn.Module, encoder).eval()
    return Writer(encoder, processor, objective, opened.length, head)


def continued(writer: Writer, prompt: str, sampling: Sampling, *, cache: bool = True) -> str:
    """Return ``prompt`` with the continuation by an opened run; see :func:`generate`."""
    if writer.head is None:
        return _filled(writer, prompt, sampling)
    begin, context = _opening(writer, prompt)
    with torch.inference_mode():
        written = [*begin, *_tokens(writer, begin, context, sampling, cache=cache)]
    return prompt + _continuation(writer.processor, begin, written)


def open_stream(run: RunFolder) -> Callable[[str, Sampling], Iterator[str]]:
    """Open a language model that hands on what it writes; see :func:`streamed`.

    Raises:
        HeadstartError: the run is no language model of texts.
    """
    return functools.partial(streamed, open_writer(run))


def streamed(writer: Writer, prompt: str, sampling: Sampling) -> Iterator[str]:
    """Yield the continuation of a prompt piece by piece, as soon as a token has made one.

    Together they are what :func:`continued` returns, without the prompt. A sequence-to-sequence
    network gives the whole text as one piece. It sets no mode of torch, which would hold for
    whatever is computed between two pieces.
    """
    if writer.head is None:
        yield _filled(writer, prompt, sampling)
        return
    begin, context = _opening(writer, prompt)
    written, given = list(begin), ""
    for token in _tokens(writer, begin, context, sampling):
        written.append(token)
        # A character of several tokens is not known before its last one.
        text = _continuation(writer.processor, begin, written)
        if text.startswith(given):
            yield text[len(given) :]
            given = text


def _filled(writer: Writer, prompt: str, sampling: Sampling) -> str:
    """Return what a sequence-to-sequence network makes of a prompt."""
    encoder = cast("Seq2SeqEncoder", writer.encoder)
    return write(encoder, writer.processor, prompt, writer.objective, writer.context, sampling)


def _opening(writer: Writer, prompt: str) -> tuple[list[int], int]:
    """Return the ids that a text begins with, and the most that the network reads."""
    begin, context = _begin(writer.processor, prompt, writer.context), writer.context
    return (
        _part(writer.processor, begin, context) if writer.objective == "unilm" else (begin, context)
    )


def _tokens(
    writer: Writer, begin: list[int], context: int, sampling: Sampling, *, cache: bool = True
) -> Iterator[int]:
    """Yield the tokens that are sampled after ``begin``."""
    encoder, processor = writer.encoder, writer.processor
    assert writer.head is not None
    end = _end(processor)
    never = _never(processor, writer.head.decoder.out_features, end)
    random = generator(sampling.seed, "generate")

    reader: _Reader | _CachedReader | _PrefixReader
    if writer.objective != "clm":
        hole = processor.vocabulary.mask_id if writer.objective == "unilm" else None
        reader = _PrefixReader(encoder, len(begin), context // 2, hole)
    else:
        from headstart.encoders.transformer import TransformerEncoder

        cached = cache and encoder.causal_architecture and isinstance(encoder, TransformerEncoder)
        reader = _CachedReader(cast("TransformerEncoder", encoder)) if cached else _Reader(encoder)
    window = list(begin)
    for _ in range(sampling.tokens):
        if len(window) == context:
            window = window[-(context // 2) :]
        logits = writer.head(reader.last(window)).float()
        logits[never] = -torch.inf
        token = _sample(logits, sampling, random)
        if token == end:
            break
        window.append(token)
        yield token


class _Reader:
    """Recomputes the whole window for each token."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def last(self, window: list[int]) -> Tensor:
        """Return the vector (D,) at the last position of the window."""
        ids = torch.tensor([window])
        batch = {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}
        return self.encoder(batch).tokens[0, -1]


class _CachedReader:
    """Computes only the tokens added to the window since the last call, with a key-value cache."""

    def __init__(self, encoder: TransformerEncoder) -> None:
        self.encoder = encoder
        self.reach = encoder.lookback
        self.read: list[int] = []
        self.past: Any = None

    def last(self, window: list[int]) -> Tensor:
        """Return the vector (D,) at the last position of the window."""
        if self.read != window[: len(self.read)]:  # the window has moved: positions restart
            self.read, self.past = [], None
        # Input vectors of n-grams depend on a few earlier tokens.
        start = max(0, len(self.read) - self.reach)
        ids = torch.tensor([window[start:]])
        vectors = self.encoder.embed({"input_ids": ids, "mask": torch.ones_like(ids).bool()})
        new = vectors[:, len(self.read) - start :]
        out = self.encoder.model(inputs_embeds=new, past_key_values=self.past, use_cache=True)
        self.read, self.past = list(window), out.past_key_values
        return out.last_hidden_state[0, -1]


class _PrefixReader:
    """Attends within the prompt in both directions, and from generated tokens to the left.

    Recomputes the window for each token. When the window has moved, what it keeps is the prefix.

    Args:
        prefix: number of tokens of the prompt.
        keep: tokens of a window that has moved.
        hole: id of the mask token, for a network that predicts masked tokens; None where the last
            position predicts the next token.
    """

    def __init__(self, encoder: TokenEncoder, prefix: int, keep: int, hole: int | None) -> None:
        self.encoder, self.prefix, self.keep, self.hole = encoder, prefix, keep, hole
        self.length = 0

    def last(self, window: list[int]) -> Tensor:
        """Return the vector (D,) that predicts the token after the window."""
        if len(window) <= self.length:
            self.prefix = self.keep
        self.length = len(window)
        ids = torch.tensor([window if self.hole is None else [*window, self.hole]])
        real = torch.ones_like(ids, dtype=torch.bool)
        parts = (torch.arange(ids.shape[1]) >= self.prefix).long()[None]
        batch = {"input_ids": ids, "mask": real}
        if self.hole is not None:
            batch["token_types"] = parts
        vectors = self.encoder.embed(batch)
        return self.encoder.contextualize(vectors, prefixed(None, parts.eq(0)))[0, -1]


def _sample(logits: Tensor, sampling: Sampling, random: torch.Generator) -> int:
    if sampling.is_greedy:
        return int(logits.argmax())
    if 0 < sampling.top_k < len(logits):
        logits[logits < logits.topk(sampling.top_k).values[-1]] = -torch.inf
    return int(torch.multinomial((logits / sampling.temperature).softmax(0), 1, generator=random))


def _begin(processor: TextProcessor, prompt: str, context: int) -> list[int]:
    """Return the special tokens that open a text, then the prompt's ids."""
    ids = processor.encode_ids([prompt])[0]
    ids = ids[: len(ids) - processor.vocabulary.suffix]
    if not ids:
        raise HeadstartError(
            "the prompt is empty, and this run's tokenizer has no token to begin a text with; "
            "give a --prompt."
        )
    if len(ids) > context:
        raise HeadstartError(
            f"the prompt is {len(ids)} tokens long, but the run's context is {context}; "
            "shorten the prompt, or pre-train with a larger --length."
        )
    return ids


def _part(processor: TextProcessor, begin: list[int], context: int) -> tuple[list[int], int]:
    """Close the prompt as the first of two segments; the mask takes a position of the context."""
    separator = processor.tokenizer.sep_token_id
    assert separator is not None  # segments were trained with one
    begin, context = [*begin, int(separator)], context - 1
    if len(begin) > context:
        raise HeadstartError(
            f"the prompt is {len(begin) - 1} tokens long, but the run's context is "
            f"{context + 1} with one for what ends it and one for the next; shorten the prompt, or "
            "pre-train with a larger --length."
        )
    return begin, context


def _end(processor: TextProcessor) -> int | None:
    """Return the id of the end token, if the tokenizer appends one."""
    return processor.encode_ids([""])[0][-1] if processor.vocabulary.suffix else None


def _never(processor: TextProcessor, size: int, end: int | None) -> Tensor:
    """Return ids never generated: special tokens but the end, and unused rows of the head."""
    special = [token for token in processor.vocabulary.special_ids if token != end]
    return torch.tensor([*special, *range(processor.vocabulary.size, size)], dtype=torch.long)


def _continuation(processor: TextProcessor, begin: list[int], written: list[int]) -> str:
    """Decode everything and cut the prompt off, so that nothing is lost between them."""
    decode = processor.tokenizer.decode
    seen = decode(begin, skip_special_tokens=True)
    whole = decode(written, skip_special_tokens=True)
    return whole[len(seen) :].rstrip("\ufffd")
