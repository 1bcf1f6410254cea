"""Output layers that objectives put on top of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from headstart.batch import IGNORE
from headstart.files import write_json
from headstart.objectives.losses import token_loss

#: What a head ``generates`` that says what follows a text.
CONTINUATION = "continuation"


class TokenHead(nn.Module):
    """Scores over the vocabulary, from the encoder's input table or a layer of their own.

    Args:
        embedding: the table (V,D) of input vectors; its rows are the output vectors.
        transform: BERT's dense layer, GELU and layer norm before the scores; GPT has none.
        tie: share the table; otherwise the output layer is its own and starts at zero.
    """

    def __init__(self, embedding: nn.Embedding, *, transform: bool, tie: bool = True) -> None:
        super().__init__()
        size, width = embedding.weight.shape
        self.transform = (
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
            if transform
            else nn.Identity()
        )
        self.decoder = nn.Linear(width, size)
        self.tied = tie
        if tie:
            self.decoder.weight = embedding.weight
        else:
            nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (..., V) of vectors (..., D)."""
        return self.decoder(self.transform(tokens))

    def save(self, folder: Path, objective: str, generates: str | None = None) -> None:
        """Write ``head.safetensors``, without the table if it is tied, and ``head.json``."""
        shared = {"decoder.weight"} if self.tied else set()
        own = {k: v for k, v in self.state_dict().items() if k not in shared}
        save_file({k: v.contiguous() for k, v in own.items()}, folder / "head.safetensors")
        write_json(folder / "head.json", {"objective": objective, "generates": generates})


def answered(head: nn.Module, vectors: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return loss and accuracy of what ``head`` makes of vectors (..., D), where there is a target.

    Most of the cost of a small model is its vocabulary: scores are made only there.

    Args:
        targets: (...) classes, -100 where nothing is asked; where none is, the loss is 0.
    """
    flat = targets.flatten()
    where = flat.ne(IGNORE).nonzero().squeeze(1)
    return token_loss(head(vectors.flatten(0, -2)[where]), flat[where])


def projection(
    widths: Sequence[int],
    *,
    batch_norm: bool = True,
    normed_output: bool = False,
    bias: bool = True,
) -> nn.Sequential:
    """Return the MLP that two-view objectives put behind the pooled vector; it is not kept.

    Linear layers with a ReLU between them, each hidden one behind a batch norm, as in SimCLR,
    BYOL, SimSiam, Barlow Twins and VICReg; without ``batch_norm`` as in MoCo v2.

    Args:
        widths: of the input, the hidden layers and the output.
        normed_output: a batch norm without scale or shift at the end (SimSiam; MoCo v3).
        bias: a shift in the last layer; where the loss centres the output it would learn nothing.
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for index, (narrow, wide) in enumerate(pairwise(widths)):
        normed = normed_output if index == last else batch_norm
        # A shift before a batch norm has no effect and gets no gradient.
        layers.append(nn.Linear(narrow, wide, bias=not normed and (bias or index < last)))
        if normed:
            layers.append(nn.BatchNorm1d(wide, affine=index < last))
        if index < last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
