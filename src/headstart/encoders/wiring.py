"""How a network of Transformers takes masks and positions: found by asking it, when it is opened.

Two families of networks with the same inputs need not read them alike. So a few short documents are
read by the network's own forward pass, each alone, and then in the ways in which this library reads
texts: padded left and right, and several in one row. The first wiring that gives the same vectors
in all of them is taken::

    own      model(input_ids=..., attention_mask=ones)         each document alone
    whole    model(inputs_embeds, 4-D mask, position_ids)      many documents in a row
    rows     model(inputs_embeds, 2-D mask)                    one document in a row
    alone    the same, without padding                         one length at a time

What no wiring serves is refused. No list of architectures is kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from headstart.encoders import attention
from headstart.encoders.documents import apart, documents_of
from headstart.errors import HeadstartError, first_line

#: Lengths of the documents, and of the windows of attention while they are read.
LENGTHS, WINDOW = (7, 4, 5), 2
#: Largest difference, as a share of the largest value, between vectors that count as equal.
TOLERANCE = 2e-4
#: Where a configuration says how far attention reaches.
_WINDOWS = ("sliding_window", "attention_chunk_size")


@dataclass(frozen=True)
class Wiring:
    """How a network takes masks and positions.

    Attributes:
        mask: ``boolean`` or ``additive`` 4-D masks of several documents in a row; ``rows``, one
            document in each; ``alone``, only documents of one length together.
        causal: whether its positions attend to the left only.
        first: the id of the first position; None if it takes no positions.
        windows: 4-D masks are given by kind of layer (``kinds``), one for all layers that ends at
            the window (``all``), or without a window (``none``).
        limit: most positions; None without a limit.
        width: D of its vectors.
    """

    mask: Literal["boolean", "additive", "rows", "alone"]
    causal: bool
    first: int | None = 0
    windows: Literal["none", "all", "kinds"] = "none"
    limit: int | None = None
    width: int = 0

    @property
    def whole(self) -> bool:
        """Whether any visibility can be asked of it, and not only whole documents."""
        return self.mask in ("boolean", "additive")


def contextualized(
    model: PreTrainedModel,
    wiring: Wiring,
    tokens: Tensor,
    seen: Tensor | None,
    positions: Tensor | None = None,
) -> Tensor:
    """Return the vectors (B,T,D) of a network for input vectors (B,T,E).

    Args:
        seen: (B,T,T) or (B,1,T) bool; None shows everything.
        positions: (B,T) from 0, by default in order.

    Raises:
        HeadstartError: more positions than the network has, or a visibility it cannot take.
    """
    length = tokens.shape[1]
    if wiring.limit is not None and length > wiring.limit:
        raise HeadstartError(
            f"this network has {wiring.limit} positions, and a row has {length} tokens; set "
            f"--length {wiring.limit} or less, or choose another encoder."
        )
    if not wiring.whole:
        if seen is None:
            return _run(
                model, tokens, torch.ones(tokens.shape[:2], dtype=torch.long, device=tokens.device)
            )

        def run(vectors: Tensor, mask: Tensor) -> Tensor:
            return _run(model, vectors, mask.long())

        documents = documents_of(seen, wiring.causal)
        return apart(run, tokens, documents, padded=wiring.mask == "rows")
    given: dict[str, Any] = {}
    if positions is not None and wiring.first is not None:
        given["position_ids"] = positions + wiring.first
    return _run(model, tokens, None if seen is None else _mask(model, wiring, seen), **given)


def ask(model: PreTrainedModel) -> Wiring:
    """Return the wiring of a network; its weights and mode are left as they are.

    Raises:
        HeadstartError: no wiring gives the vectors of its own forward pass.
    """
    training, implementation = model.training, model.config._attn_implementation
    model.eval()
    try:
        with torch.no_grad(), _narrow_windows(model.config):
            return _asked(model)
    except HeadstartError:
        model.set_attn_implementation(implementation)
        raise
    finally:
        model.train(training)


def _asked(model: PreTrainedModel) -> Wiring:
    documents = _documents(model)
    own = [_own(model, ids) for ids in documents]
    if not all(vectors.isfinite().all() for vectors in own):
        raise _refusal(model, "gives values that are not finite")
    if not _alike(own, [_own(model, ids) for ids in documents]):
        raise _refusal(model, "gives one text different vectors each time")
    causal = _is_causal(model, documents[0], own[0])
    table = model.get_input_embeddings()
    vectors = [table(ids) for ids in documents]
    again = [
        _attempt(lambda v=v: _run(model, v, torch.ones(v.shape[:2], dtype=torch.long)))
        for v in vectors
    ]
    if not _alike(own, again):
        raise _refusal(model, "does not compute its vectors from its table of tokens alone")
    first = _first_position(model, vectors[0], own[0])
    width, limit = own[0].shape[2], _limit(model, first, vectors[0])
    for wiring in _candidates(model, causal, first):
        if _serves(model, wiring, vectors, own):
            return Wiring(wiring.mask, causal, wiring.first, wiring.windows, limit, width)
    raise _refusal(model, "gives a text other vectors beside other texts than alone")


def _candidates(model: PreTrainedModel, causal: bool, first: int | None) -> Iterator[Wiring]:
    """Yield the wirings to try, the fastest in training first."""
    own = model.config._attn_implementation
    kinds = set(getattr(model.config, "layer_types", None) or ("unknown",))
    windowed = kinds != {"full_attention"} and any(
        getattr(model.config, name, None) for name in _WINDOWS
    )
    for implementation in [attention.NAME, own] if own == "sdpa" else [own]:
        model.set_attn_implementation(implementation)
        for mask in ("additive",) if own == "eager" else ("boolean", "additive"):
            for windows in ("kinds", "all") if windowed else ("none",):
                yield Wiring(mask, causal, first, windows)
    model.set_attn_implementation(own)
    yield Wiring("rows", causal)
    yield Wiring("alone", causal)


def _serves(
    model: PreTrainedModel, wiring: Wiring, vectors: list[Tensor], own: list[Tensor]
) -> bool:
    """Whether documents have the vectors of their own rows when padded, and when they share one."""
    most = max(LENGTHS) + 2
    pads = [(0, most - v.shape[1]) for v in vectors]
    sizes = torch.tensor(LENGTHS)[:, None]
    column = torch.arange(most)
    right = column < sizes
    left = right.flip(1)
    packed = torch.cat(vectors, 1)
    number = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    index = torch.cat([torch.arange(n) for n in LENGTHS])[None]

    def read(tokens: Tensor, seen: Tensor | None, positions: Tensor | None = None) -> Tensor | None:
        return _attempt(lambda: contextualized(model, wiring, tokens, seen, positions))

    def rows(parts: list[tuple[int, int]]) -> Tensor:
        padded = [
            torch.nn.functional.pad(v, (0, 0, *p)) for v, p in zip(vectors, parts, strict=True)
        ]
        return torch.cat(padded)

    single = read(vectors[0], None)
    if not _alike(own[:1], [single]):
        return False
    together = read(packed, (number[:, None] == number)[None], index)
    if together is None or not _alike(own, list(together.split(LENGTHS, 1))):
        return False
    after = read(rows(pads), right[:, None, :])
    if after is None or not _alike(own, [v[None, :n] for v, n in zip(after, LENGTHS, strict=True)]):
        return False
    before = read(
        rows([(most - n, 0) for n in LENGTHS]), left[:, None, :], (column - most + sizes).clamp(0)
    )
    return before is not None and _alike(
        own, [v[None, -n:] for v, n in zip(before, LENGTHS, strict=True)]
    )


def _run(model: PreTrainedModel, tokens: Tensor, mask: Any, **given: Any) -> Tensor:
    if mask is not None:
        given["attention_mask"] = mask
    if "use_cache" in _parameters(model):
        given["use_cache"] = False
    out: Tensor = model(inputs_embeds=tokens, **given).last_hidden_state
    return out


def _own(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Return the vectors (1,T,D) of the network's own forward pass."""
    given = {"use_cache": False} if "use_cache" in _parameters(model) else {}
    try:
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), **given)
        vectors: Tensor = output.last_hidden_state
    except Exception as error:
        raise _refusal(model, f"does not read token ids alone ({first_line(error)[:80]})") from None
    if vectors.shape[:2] != ids.shape:
        raise _refusal(model, "does not give one vector for each token")
    return vectors


def _mask(model: PreTrainedModel, wiring: Wiring, seen: Tensor) -> Any:
    """Return a 4-D mask; it replaces the network's own, so it covers causality and windows."""
    length = seen.shape[-1]
    index = torch.arange(length, device=seen.device)
    distance = index[:, None] - index
    if wiring.causal:
        seen = seen & (distance >= 0)
    whole = _typed(wiring, seen)
    if wiring.windows == "none":
        return whole
    # Masks of Transformers: a causal window counts the position itself, the other one does not.
    reach = model.config.sliding_window - int(wiring.causal)
    # Padding may have no real token in its window, and attention over nothing is NaN.
    near = _typed(wiring, (seen & (distance.abs() <= reach)) | (distance == 0))
    if wiring.windows == "all":
        return near
    return {"full_attention": whole, "sliding_attention": near}


def _typed(wiring: Wiring, seen: Tensor) -> Tensor:
    if wiring.mask == "boolean":
        return seen[:, None]
    # Eager attention adds the mask to the scores; a boolean one would count as 0 and 1.
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, lowest)[:, None]


def _documents(model: PreTrainedModel) -> list[Tensor]:
    """Return documents (1,T) of ordinary tokens, drawn without a global generator."""
    size = len(getattr(model.get_input_embeddings(), "weight", ()))
    special = {getattr(model.config, f"{name}_token_id", None) for name in ("pad", "bos", "eos")}
    ordinary = torch.tensor([i for i in range(min(size, 10_000)) if i not in special])
    if len(ordinary) < max(LENGTHS):
        raise _refusal(model, "has no table of tokens")
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(ordinary), generator=generator)
    return [ordinary[order[:n]][None] for n in LENGTHS]


def _is_causal(model: PreTrainedModel, ids: Tensor, own: Tensor) -> bool:
    """Exchange a token at one end, and look whether the vectors beyond it change."""

    def seen(token: int, by: slice) -> bool:
        changed = ids.clone()
        changed[0, token] = ids[0, 2]
        return not _alike([own[:, by]], [_own(model, changed)[:, by]])

    return seen(0, slice(1, None)) and not seen(-1, slice(None, -1))


def _first_position(model: PreTrainedModel, vectors: Tensor, own: Tensor) -> int | None:
    """Return the id that the network gives the first position; None if it takes no ids."""
    if "position_ids" not in _parameters(model):
        return None
    pad = getattr(model.config, "pad_token_id", None) or 0
    index, mask = (
        torch.arange(vectors.shape[1])[None],
        torch.ones(vectors.shape[:2], dtype=torch.long),
    )
    for first in sorted({0, 1, 2, pad + 1}):
        found = _attempt(lambda f=first: _run(model, vectors, mask, position_ids=index + f))
        if _alike([own], [found]):
            return first
    return None


def _limit(model: PreTrainedModel, first: int | None, vectors: Tensor) -> int | None:
    """Return the number of positions; None for relative ones, which have no end."""
    stated = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return None
    if first is None:
        return stated
    pair, mask = vectors[:, :2], torch.ones(1, 2, dtype=torch.long)
    beyond = torch.tensor([[0, 2 * stated + 100]])
    endless = _attempt(lambda: _run(model, pair, mask, position_ids=beyond)) is not None
    return None if endless else stated - first


def _alike(wanted: list[Tensor], found: list[Tensor | None]) -> bool:
    return all(
        b is not None
        and a.shape == b.shape
        and bool((a - b).abs().max() <= TOLERANCE * a.abs().max())
        for a, b in zip(wanted, found, strict=True)
    )


def _attempt(call: Any) -> Tensor | None:
    """Return what a network of another library gives; None if it refuses, in whatever way."""
    try:
        found: Tensor = call()
    except Exception:
        return None
    return found


def _parameters(model: PreTrainedModel) -> Any:
    return inspect.signature(model.forward).parameters


@contextmanager
def _narrow_windows(config: Any) -> Iterator[None]:
    """Make windows of attention shorter than the documents, so that they show in the vectors."""
    kept = {name: getattr(config, name, None) for name in _WINDOWS}
    kept = {name: value for name, value in kept.items() if value}
    try:
        for name in kept:
            setattr(config, name, WINDOW)
        yield
    finally:
        for name, value in kept.items():
            setattr(config, name, value)


def _refusal(model: PreTrainedModel, what: str) -> HeadstartError:
    return HeadstartError(
        f"the network {model.config.model_type!r} {what}, so it cannot be an encoder here; "
        "choose another one, such as a BERT, RoBERTa or Llama."
    )
