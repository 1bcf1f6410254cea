"""Output layers that objectives put on top of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn import functional as F

from headstart.batch import IGNORE
from headstart.files import write_json
from headstart.objectives.cross_entropy import LinearCrossEntropy
from headstart.objectives.losses import majority, token_loss

#: Logits beyond which a loss is computed in parts, and those of a part.
_MOST, _PART = 2**28, 2**26
#: What a head ``generates`` that predicts how a text continues.
CONTINUATION = "continuation"


class TokenHead(nn.Module):
    """Output layer over the vocabulary, tied to the input embedding or separate.

    Args:
        embedding: the input embedding (V,E).
        width: D of the vectors; by default E. Some networks have a narrower table (ELECTRA).
        transform: BERT's dense layer, GELU and layer norm before the logits; GPT has none.
        tie: share the embedding's weights; otherwise the layer is separate and starts at zero.

    Example::

        head = TokenHead(encoder.token_embedding, encoder.width, transform=True)
        logits = head(encoder(batch).tokens)  # (B,T,V)
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        width: int | None = None,
        *,
        transform: bool,
        tie: bool = True,
    ) -> None:
        super().__init__()
        size, narrow = embedding.weight.shape
        width = width or narrow
        self.transform: nn.Module = nn.Identity()
        if transform:
            self.transform = nn.Sequential(
                nn.Linear(width, narrow), nn.GELU(), nn.LayerNorm(narrow)
            )
        elif width != narrow:
            self.transform = nn.Linear(width, narrow, bias=False)
        self.decoder = nn.Linear(narrow, size)
        self.tied = tie
        if tie:
            self.decoder.weight = embedding.weight
        else:
            nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (..., V) for vectors (..., D)."""
        return self.decoder(self.transform(tokens))

    def rows(self, ids: Tensor, *, sparse: bool = False) -> tuple[Tensor, Tensor]:
        """Return the weights (N,E) and biases (N,) of some ids (N,).

        Args:
            sparse: whether the gradient of the weights is of these rows alone.
        """
        return F.embedding(ids, self.decoder.weight, sparse=sparse), self.decoder.bias[ids]

    def save(self, folder: Path, objective: str, generates: str | None = None) -> None:
        """Write ``head.safetensors``, without the weights if they are tied, and ``head.json``."""
        shared = {"decoder.weight"} if self.tied else set()
        own = {k: v for k, v in self.state_dict().items() if k not in shared}
        save_file({k: v.contiguous() for k, v in own.items()}, folder / "head.safetensors")
        write_json(folder / "head.json", {"objective": objective, "generates": generates})


def loss_at_targets(head: nn.Module, vectors: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return cross-entropy and accuracy of ``head`` on vectors (..., D) that have a target.

    The vocabulary is most of the cost of a small model: logits are computed only where needed.

    Args:
        targets: (...) class indices, -100 for none; without any target the loss is 0.
    """
    flat = targets.flatten()  # (N,)
    where = flat.ne(IGNORE).nonzero().squeeze(1)
    found, wanted = vectors.flatten(0, -2)[where], flat[where]
    if isinstance(head, TokenHead) and found.device.type == "cpu" and not is_compiling():
        classes = head.decoder.out_features
        if len(wanted) * classes > _MOST:  # several copies of so many logits may not fit in memory
            layer, rows = head.decoder, max(1, _PART // classes)
            vectors = head.transform(found)
            learns = torch.is_grad_enabled()  # which is always off within the function
            loss, right = LinearCrossEntropy.apply(
                vectors, layer.weight, layer.bias, wanted, rows, learns
            )
            chance = majority(wanted, classes)
            return {"loss": loss, "accuracy": right, "accuracy_chance": chance}
    return token_loss(head(found), wanted)


def projection(
    widths: Sequence[int],
    *,
    batch_norm: bool = True,
    normed_output: bool = False,
    bias: bool = True,
) -> nn.Sequential:
    """Return the MLP that two-view objectives put after the pooled vector; it is not saved.

    Linear layers with ReLU, each hidden one followed by batch norm, as in SimCLR, BYOL, SimSiam,
    Barlow Twins and VICReg; without ``batch_norm`` as in MoCo v2.

    Args:
        widths: of the input, the hidden layers and the output.
        normed_output: a batch norm without scale or shift at the end (SimSiam; MoCo v3).
        bias: in the last layer; a loss that centres the output gives it no gradient.

    Example::

        projection([encoder.width, 256, 128])  # SimCLR's: (B,D) to (B,128)
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for index, (before, after) in enumerate(pairwise(widths)):
        normed = normed_output if index == last else batch_norm
        # A bias before a batch norm has no effect and gets no gradient.
        layers.append(nn.Linear(before, after, bias=not normed and (bias or index < last)))
        if normed:
            layers.append(nn.BatchNorm1d(after, affine=index < last))
        if index < last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
