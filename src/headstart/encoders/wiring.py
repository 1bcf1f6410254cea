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
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from headstart.encoders.documents import apart, documents_of
from headstart.encoders.proof import alike, attempt, check_length, documents, refusal, serves
from headstart.errors import HeadstartError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Windows of attention while the documents are read: shorter than these.
WINDOW = 2
#: Share of the effect on later tokens below which the effect on earlier ones is rounding.
_RATIO = 0.05
#: Where a configuration says how far attention reaches.
_WINDOWS = ("sliding_window", "attention_chunk_size")


Mask = Literal["boolean", "additive", "rows", "alone"]
Windows = Literal["none", "all", "kinds"]


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

    mask: Mask
    causal: bool
    first: int | None = 0
    windows: Windows = "none"
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
    check_length(wiring.limit, tokens.shape[1])
    if not wiring.whole:
        if seen is None:
            return _unmasked(model, tokens)

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
    texts = documents(model)
    own = [_own(model, ids) for ids in texts]
    if not all(vectors.isfinite().all() for vectors in own):
        raise refusal(model, "gives values that are not finite")
    if not alike(own, [_own(model, ids) for ids in texts]):
        raise refusal(model, "gives one text different vectors each time")
    causal = _is_causal(model, texts[0], own[0])
    table = model.get_input_embeddings()
    vectors = [table(ids) for ids in texts]
    again = [attempt(_unmasked, model, v) for v in vectors]
    if not alike(own, again):
        raise refusal(model, "does not compute its vectors from its table of tokens alone")
    first = _first_position(model, vectors[0], own[0])
    width, limit = own[0].shape[2], _limit(model, first, vectors[0])
    for wiring in _candidates(model, causal, first):
        if serves(partial(contextualized, model, wiring), vectors, own):
            return Wiring(wiring.mask, causal, wiring.first, wiring.windows, limit, width)
    raise refusal(model, "gives a text other vectors beside other texts than alone")


def _candidates(model: PreTrainedModel, causal: bool, first: int | None) -> Iterator[Wiring]:
    """Yield the wirings to try, the fastest in training first."""
    from headstart.encoders import attention

    own = model.config._attn_implementation
    layers = set(getattr(model.config, "layer_types", None) or ("unknown",))
    windowed = layers != {"full_attention"} and any(
        getattr(model.config, name, None) for name in _WINDOWS
    )
    masks: list[Mask] = ["additive"] if own == "eager" else ["boolean", "additive"]
    windows: list[Windows] = ["kinds", "all"] if windowed else ["none"]
    for implementation in [attention.NAME, own] if own == "sdpa" else [own]:
        model.set_attn_implementation(implementation)
        for mask, window in product(masks, windows):
            yield Wiring(mask, causal, first, window)
    model.set_attn_implementation(own)
    yield Wiring("rows", causal)
    yield Wiring("alone", causal)


def _unmasked(model: PreTrainedModel, tokens: Tensor, **given: Any) -> Tensor:
    mask = torch.ones(tokens.shape[:2], dtype=torch.long, device=tokens.device)
    return _run(model, tokens, mask, **given)


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
        raise refusal(model, f"does not read token ids alone ({first_line(error)[:80]})") from None
    if vectors.shape[:2] != ids.shape:
        raise refusal(model, "does not give one vector for each token")
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


def _is_causal(model: PreTrainedModel, ids: Tensor, own: Tensor) -> bool:
    """Exchange a token at one end, and look how much the vectors beyond it change.

    In a network that has learned nothing a token changes others hardly more than rounding does, so
    that the two directions are compared with each other.
    """

    def effect(token: int, by: slice) -> float:
        changed = ids.clone()
        changed[0, token] = ids[0, 2]
        return float((own[:, by] - _own(model, changed)[:, by]).abs().max())

    return effect(-1, slice(None, -1)) < _RATIO * effect(0, slice(1, None))


def _first_position(model: PreTrainedModel, vectors: Tensor, own: Tensor) -> int | None:
    """Return the id that the network gives the first position; None if it takes no ids."""
    if "position_ids" not in _parameters(model):
        return None
    pad = getattr(model.config, "pad_token_id", None) or 0
    index = torch.arange(vectors.shape[1])[None]
    for first in sorted({0, 1, 2, pad + 1}):
        found = attempt(_unmasked, model, vectors, position_ids=index + first)
        if alike([own], [found]):
            return first
    return None


def _limit(model: PreTrainedModel, first: int | None, vectors: Tensor) -> int | None:
    """Return the number of positions; None for relative ones, which have no end."""
    stated = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return None
    if first is None:
        return stated
    beyond = torch.tensor([[0, 2 * stated + 100]])
    endless = attempt(_unmasked, model, vectors[:, :2], position_ids=beyond) is not None
    return None if endless else stated - first


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
