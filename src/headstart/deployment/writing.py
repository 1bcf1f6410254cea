"""Filling the holes of a prompt with a network that reads and writes (T5, BART, PEGASUS)."""

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

#: Objectives whose runs write.
WRITING = ("span_corruption", "bart", "gap_sentences")
#: No three tokens are written twice (Paulus et al. 2018, section 2.5), so nothing runs in circles.
REPEATED = 3


@dataclass(frozen=True)
class Drawing:
    """How tokens are drawn, and how many at most; see :func:`headstart.generate`."""

    tokens: int
    temperature: float
    top_k: int
    seed: int


def write(
    encoder: Seq2SeqEncoder,
    processor: TextProcessor,
    prompt: str,
    objective: str,
    context: int,
    drawing: Drawing,
) -> str:
    """Return what the network writes for the holes of a prompt.

    Holes are written as the tokenizer's mask or as ``<extra_id_0>``; a prompt without one has it
    at its end. ``span_corruption`` returns the prompt with its holes filled, ``bart`` the whole
    text as it is written anew, and ``gap_sentences`` the sentences that were left out (behind
    the prompt, where that has no hole).

    Args:
        context: tokens that the network reads at most.

    Raises:
        HeadstartError: the prompt is longer than the context, or has too many holes.
    """
    spans = objective == "span_corruption"
    pieces = _parted(processor, prompt)
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
        opening = ids[
            : processor.vocabulary.prefix
        ]  # the whole text is written, with what opens it
    written = _written(encoder.model, processor, ids, opening, spans, drawing)
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


def _parted(processor: TextProcessor, prompt: str) -> list[str]:
    """Return what stands before, between and behind the holes of a prompt."""
    holes = [SENTINEL.format(r"\d+")]
    if processor.tokenizer.mask_token:
        holes.append(re.escape(processor.tokenizer.mask_token))
    return re.split("|".join(holes), prompt)


def _with_holes(processor: TextProcessor, pieces: list[str], spans: bool) -> list[int]:
    """Return the ids of a prompt with a token in the place of each hole."""
    count, known = len(pieces) - 1, len(processor.vocabulary.sentinel_ids)
    if spans and count > known:
        raise HeadstartError(
            f"the prompt has {count} holes, but the run knows {known}; leave some out."
        )
    mask = processor.tokenizer.mask_token
    holes = [SENTINEL.format(place) if spans else mask for place in range(count)]
    text = pieces[0] + "".join(hole + piece for hole, piece in zip(holes, pieces[1:], strict=True))
    ids: list[int] = processor.encode_ids([text])[0]
    return ids


def _written(
    model: Any,
    processor: TextProcessor,
    ids: list[int],
    opening: list[int],
    spans: bool,
    drawing: Drawing,
) -> list[int]:
    """Return the ids that the network writes, from ``opening`` on; at most so many new ones."""
    begin = [model.config.decoder_start_token_id, *opening]
    most = drawing.tokens
    if hasattr(model.get_decoder(), "embed_positions"):
        most = min(most, int(model.config.max_position_embeddings) - len(begin))
    if most < 1:
        return opening
    end = processor.encode_ids([""])[0][-1] if processor.vocabulary.suffix else None
    allowed = {end, *(processor.vocabulary.sentinel_ids if spans else ())}
    never = [token for token in processor.vocabulary.special_ids if token not in allowed]
    never += range(processor.vocabulary.size, int(model.config.vocab_size))
    read = torch.tensor([ids])
    sampled = {"temperature": drawing.temperature, "top_k": drawing.top_k}
    settings = GenerationConfig(
        max_new_tokens=most,
        num_beams=1,
        do_sample=drawing.temperature > 0,
        **(sampled if drawing.temperature > 0 else {}),
        no_repeat_ngram_size=REPEATED,
        suppress_tokens=never,
        eos_token_id=end,
        pad_token_id=processor.vocabulary.pad_id,
        decoder_start_token_id=begin[0],
    )
    model.eval()
    with torch.inference_mode(), seeded(drawing.seed, "generate"):
        out = model.generate(
            input_ids=read,
            attention_mask=torch.ones_like(read),
            decoder_input_ids=torch.tensor([begin]),
            generation_config=settings,
        )
    found: list[int] = out[0].tolist()[1:]
    return found[: found.index(end)] if end in found else found


def _fillings(processor: TextProcessor, written: list[int], count: int) -> list[str]:
    """Return the text behind each of the first ``count`` sentinels; empty where there is none."""
    place = {token: turn for turn, token in enumerate(processor.vocabulary.sentinel_ids[:count])}
    others = set(processor.vocabulary.sentinel_ids)
    found: list[list[int]] = [[] for _ in range(count)]
    into: list[int] | None = None
    for token in written:
        if token in others:
            # A span that is told twice is heard once.
            into = found[place[token]] if token in place and not found[place[token]] else None
        elif into is not None:
            into.append(token)
    decode = processor.tokenizer.decode
    return [decode(ids, skip_special_tokens=True).strip() for ids in found]
