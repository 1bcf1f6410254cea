"""Filling the holes of a prompt with a sequence-to-sequence network (T5, BART, PEGASUS)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig

from headstart.errors import HeadstartError
from headstart.modalities.text.tokenizers import SENTINEL
from headstart.seeding import seeded

if TYPE_CHECKING:
    from headstart.encoders.seq2seq import Seq2SeqEncoder
    from headstart.modalities.text.processor import TextProcessor

#: Objectives of sequence-to-sequence networks.
WRITING = ("span_corruption", "bart", "gap_sentences")
#: No n-gram of this size is generated twice (Paulus et al. 2018, https://arxiv.org/abs/1705.04304,
#: section 2.5), which prevents loops.
REPEATED = 3

#: Lowest temperature that tokens are sampled at.
_COLDEST = 1e-4


@dataclass(frozen=True)
class Sampling:
    """How tokens are sampled, and their maximum number; see :func:`headstart.generate`."""

    tokens: int
    temperature: float
    top_k: int = 0
    seed: int = 0

    @property
    def is_greedy(self) -> bool:
        """Whether the most probable token is taken: logits over less are not finite."""
        return self.temperature < _COLDEST


def write(
    encoder: Seq2SeqEncoder,
    processor: TextProcessor,
    prompt: str,
    objective: str,
    context: int,
    sampling: Sampling,
) -> str:
    """Return what the network generates for the holes of a prompt.

    Holes are written as the tokenizer's mask or as ``<extra_id_0>``; a prompt without any gets one
    at its end. ``span_corruption`` returns the prompt with its holes filled, ``bart`` the whole
    reconstructed text, and ``gap_sentences`` the missing sentences (after the prompt, if that has
    no hole).

    Args:
        objective: one of :data:`WRITING`.
        context: maximum number of tokens that the network reads.

    Raises:
        HeadstartError: the prompt is longer than the context, or has too many holes.
    """
    spans = objective == "span_corruption"
    pieces = _split(processor, prompt)
    open_end = len(pieces) == 1
    if open_end:
        pieces = [prompt, ""]
    ids = _with_holes(processor, pieces, spans)
    if len(ids) > context:
        raise HeadstartError(
            f"the prompt is {len(ids)} tokens long with its holes and what opens and closes it, "
            f"but the run's context is {context}; shorten the prompt, or pre-train with a larger "
            "--length."
        )
    opening: list[int] = []
    if spans:
        opening = [processor.vocabulary.sentinel_ids[0]]
    elif objective == "bart":
        # The whole text is generated, special tokens at its start included.
        opening = ids[: processor.vocabulary.prefix]
    written = _generated(encoder.model, processor, ids, opening, spans, sampling)
    if spans:
        fillings = _fillings(processor, written, len(pieces) - 1)
    else:
        fillings = [processor.tokenizer.decode(written, skip_special_tokens=True).strip()]
    if open_end and objective != "bart":
        return f"{prompt.rstrip()} {fillings[0]}".strip()
    if not spans:
        return fillings[0]
    return pieces[0] + "".join(
        filling + piece for filling, piece in zip(fillings, pieces[1:], strict=True)
    )


def _split(processor: TextProcessor, prompt: str) -> list[str]:
    """Return the pieces of a prompt before, between and after its holes."""
    holes = [SENTINEL.format(r"\d+")]
    if processor.tokenizer.mask_token:
        holes.append(re.escape(processor.tokenizer.mask_token))
    return re.split("|".join(holes), prompt)


def _with_holes(processor: TextProcessor, pieces: list[str], spans: bool) -> list[int]:
    """Return the ids of a prompt with a token for each hole."""
    count, known = len(pieces) - 1, len(processor.vocabulary.sentinel_ids)
    if spans and count > known:
        raise HeadstartError(
            f"the prompt has {count} holes, but the run knows {known}; leave some out."
        )
    mask = processor.tokenizer.mask_token or ""  # without one there are no such holes
    holes = [SENTINEL.format(number) if spans else mask for number in range(count)]
    text = pieces[0] + "".join(hole + piece for hole, piece in zip(holes, pieces[1:], strict=True))
    ids: list[int] = processor.encode_ids([text])[0]
    return ids


def _generated(
    model: Any,
    processor: TextProcessor,
    ids: list[int],
    opening: list[int],
    spans: bool,
    sampling: Sampling,
) -> list[int]:
    """Return the ids that the network generates, those of ``opening`` included."""
    begin = [model.config.decoder_start_token_id, *opening]
    most = sampling.tokens
    if hasattr(model.get_decoder(), "embed_positions"):
        most = min(most, int(model.config.max_position_embeddings) - len(begin))
    if most < 1:
        return opening
    end = processor.encode_ids([""])[0][-1] if processor.vocabulary.suffix else None
    allowed = {end, *(processor.vocabulary.sentinel_ids if spans else ())}
    never = [token for token in processor.vocabulary.special_ids if token not in allowed]
    never += range(processor.vocabulary.size, int(model.config.vocab_size))
    read = torch.tensor([ids])
    sampled = {"temperature": sampling.temperature, "top_k": sampling.top_k}
    settings = GenerationConfig(
        max_new_tokens=most,
        num_beams=1,
        do_sample=not sampling.is_greedy,
        **({} if sampling.is_greedy else sampled),
        no_repeat_ngram_size=REPEATED,
        suppress_tokens=never,
        eos_token_id=end,
        pad_token_id=processor.vocabulary.pad_id,
        decoder_start_token_id=begin[0],
    )
    model.eval()
    with torch.inference_mode(), seeded(sampling.seed, "generate"):
        out = model.generate(
            input_ids=read,
            attention_mask=torch.ones_like(read),
            decoder_input_ids=torch.tensor([begin]),
            generation_config=settings,
        )
    found: list[int] = out[0].tolist()[1:]
    return found[: found.index(end)] if end in found else found


def _fillings(processor: TextProcessor, written: list[int], count: int) -> list[str]:
    """Return the text after each of the first ``count`` sentinels; empty where there is none."""
    order = {token: index for index, token in enumerate(processor.vocabulary.sentinel_ids[:count])}
    others = set(processor.vocabulary.sentinel_ids)
    found: list[list[int]] = [[] for _ in range(count)]
    into: list[int] | None = None
    for token in written:
        if token in others:
            # Of a span that is generated twice, the first counts.
            into = found[order[token]] if token in order and not found[order[token]] else None
        elif into is not None:
            into.append(token)
    decode = processor.tokenizer.decode
    return [decode(ids, skip_special_tokens=True).strip() for ids in found]
