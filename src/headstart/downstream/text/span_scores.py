"""The layers that score each token as a start and as an end of an answer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import AutoConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING

if TYPE_CHECKING:
    from headstart.encoders import Encoder


class SpanScores(nn.Module):
    """The head that Transformers has for the network, or else one linear layer.

    So network and head together can be opened by ``AutoModelForQuestionAnswering``.

    Args:
        width: D, the size of the vectors.
        config: the network's configuration in Transformers, as a dict; None for other networks.
    """

    def __init__(self, width: int, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.width, self.config = width, config
        self.whole: Any = None
        if config is None:
            self.linear = nn.Linear(width, 2)
            return
        self.whole = _whole(config)
        self._name = _network_name(self.whole)
        setattr(self.whole, self._name, _Given())

    @classmethod
    def on(cls, encoder: Encoder) -> SpanScores:
        """Return freshly initialised layers for an encoder."""
        model: Any = getattr(encoder, "model", None)
        config: Any = getattr(model, "config", None)
        if type(config) not in MODEL_FOR_QUESTION_ANSWERING_MAPPING:
            return cls(encoder.width)
        described = {**config.to_dict(), "num_labels": 2}
        return cls(encoder.width, described if _fits(described, encoder) else None)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (B,T) of vectors (B,T,D) as starts and as ends."""
        if self.whole is None:
            starts, ends = self.linear(tokens).float().unbind(2)
            return starts, ends
        found = self.whole(inputs_embeds=tokens)
        return found.start_logits.float(), found.end_logits.float()

    def publish(self, encoder: Encoder, folder: Path) -> None:
        """Write network and layers together for ``AutoModelForQuestionAnswering``."""
        if self.whole is None:
            return
        setattr(self.whole, self._name, encoder.model)
        try:
            self.whole.save_pretrained(folder)
        finally:
            setattr(self.whole, self._name, _Given())


class _Given(nn.Module):
    """Replaces the network inside the head, and returns the vectors unchanged."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)


def _whole(config: dict[str, Any]) -> Any:
    described = copy.deepcopy(config)
    parsed = AutoConfig.for_model(described.pop("model_type"), **described)
    return MODEL_FOR_QUESTION_ANSWERING_MAPPING[type(parsed)](parsed)


def _network_name(whole: Any) -> str:
    """Return the attribute of the model that is its network."""
    prefix = str(whole.base_model_prefix)
    if hasattr(whole, prefix):
        return prefix
    return next(name for name, part in whole.named_children() if hasattr(part, "config"))


def _fits(config: dict[str, Any], encoder: Encoder) -> bool:
    """Return whether the layers need only the vectors, and the network is of the same class."""
    import torch

    try:
        whole = _whole(config)
        name = _network_name(whole)
        same = type(getattr(whole, name)) is type(encoder.model)
        setattr(whole, name, _Given())
        whole(inputs_embeds=torch.zeros(1, 2, encoder.width))
    except Exception:  # networks refuse with various errors
        return False
    return same
