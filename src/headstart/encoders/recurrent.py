"""A gated recurrent network over token ids: reads from left to right, in memory that is constant.

As GRU4Rec it recommends (Hidasi et al. 2016, "Session-based Recommendations with Recurrent Neural
Networks", https://arxiv.org/abs/1511.06939, section 3.1): vectors of the items, gated recurrent
units, and an output layer that ``clm`` ties to the vectors (Hidasi and Karatzoglou 2018).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.compiler import is_exporting
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import EncoderKind, Features, TokenEncoder
from headstart.encoders.gaps import GapEmbedding, gap_embedding
from headstart.encoders.visibility import visibility
from headstart.errors import refused
from headstart.files import write_json
from headstart.modalities import TokenProcessor

WEIGHTS = "model.safetensors"
BASE = frozenset({"tokens", "token_embedding", "left_to_right", "order", "causal"})

#: Written beside the weights: Transformers has no network like this.
README = """\
A recurrent network over token ids. These lines open it with PyTorch alone:

    import json, torch
    from safetensors.torch import load_file

    config = json.load(open("config.json"))
    width = config["width"]
    table = torch.nn.Embedding(config["vocab_size"], width)
    units = torch.nn.GRU(width, width, config["layers"], batch_first=True)
    state = load_file("model.safetensors")
    table.weight.data = state.pop("table.weight")
    own = {name[6:]: value for name, value in state.items() if name.startswith("units.")}
    units.load_state_dict(own)

`units(table(ids))[0]` are the vectors of ids (B,T) in context; the vector of a row is the last one.
Where `gaps.table.weight` is among the weights, its rows are added for the time before each id.
"""


class RecurrentOptions(Options):
    """The size of the network."""

    layers: int = Field(1, ge=1, le=16, description="Layers of gated recurrent units.")
    width: int = Field(128, ge=8, le=4096, description="Size of the vectors.")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="Dropout of the vectors of the input and of each layer."
    )
    gaps: bool = Field(
        False,
        description="Add a vector for the time since the token before, if known.",
    )


class RecurrentEncoder(TokenEncoder):
    """Gated recurrent units; ``pooled`` is the vector of the last real position.

    Args:
        options: the shape.
        size: V, rows of the table of token vectors.
        gaps: vectors of the times between tokens, added to those.
    """

    is_causal = True
    causal_architecture = True

    def __init__(
        self, options: RecurrentOptions, size: int, gaps: GapEmbedding | None = None
    ) -> None:
        super().__init__()
        self.options, self.width = options, options.width
        self.table = nn.Embedding(size, self.width)
        nn.init.normal_(self.table.weight, std=self.width**-0.5)
        inner = options.dropout if options.layers > 1 else 0.0
        self.units = nn.GRU(self.width, self.width, options.layers, batch_first=True, dropout=inner)
        self.dropout = nn.Dropout(options.dropout)
        self.gaps = gaps

    @property
    def provides(self) -> frozenset[str]:
        """What it can do; no position can be hidden from those after it."""
        dropout = {"dropout"} if self.has_dropout() else set()
        return frozenset(
            {"tokens", "token_embedding", "left_to_right", "order", "causal"} | dropout
        )

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.table

    def embed(self, batch: Batch) -> Tensor:
        vectors = self.table(batch["input_ids"])
        return vectors if self.gaps is None else vectors + self.gaps(batch)

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Return vectors (B,T,D) in context: of ``visibility`` only where documents begin counts.

        A document begins where a position may not look at the one before it.
        """
        if is_exporting():  # a row is one document
            start = tokens.new_zeros(self.options.layers, tokens.shape[0], self.width)
            return self.dropout(self.units(self.dropout(tokens), start)[0])
        count, length, _ = tokens.shape
        begins = torch.zeros(count, length, dtype=torch.bool, device=tokens.device)
        begins[:, 0] = True
        if visibility is not None and visibility.shape[1] == length:
            begins[:, 1:] = ~visibility.diagonal(-1, dim1=1, dim2=2)
        inputs = self.dropout(tokens).flatten(0, 1)  # (B*T,D)
        document = begins.flatten().cumsum(0) - 1  # (B*T,)
        first = begins.flatten().nonzero().squeeze(1)  # (documents,)
        column = torch.arange(count * length, device=tokens.device) - first[document]
        sizes = torch.bincount(document)
        padded = inputs.new_zeros(len(first), int(sizes.max()), self.width)
        padded[document, column] = inputs
        # Recurrent units in half precision are slower than in single precision on a CPU.
        with torch.autocast(tokens.device.type, enabled=False):
            packed = pack_padded_sequence(
                padded.float(), sizes.cpu(), batch_first=True, enforce_sorted=False
            )
            found, _ = pad_packed_sequence(self.units(packed)[0], batch_first=True)
        return self.dropout(found[document, column]).view(count, length, self.width)

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        seen = visibility(batch) if "segments" in batch else None
        tokens, mask = self.contextualize(vectors, seen), batch["mask"]
        position = torch.arange(mask.shape[1], device=mask.device)
        last = torch.where(mask, position, 0).amax(1)
        return Features(tokens, mask, tokens[torch.arange(len(tokens)), last])

    def layers(self) -> list[nn.Module]:
        """The table, then the units, which are one part."""
        return [self.table, self.units]

    def untrained(self) -> RecurrentEncoder:
        """Return a network of the same shape, freshly initialised."""
        gaps = GapEmbedding(self.width) if self.gaps is not None else None
        return RecurrentEncoder(self.options, self.table.num_embeddings, gaps)

    def save(self, folder: Path) -> None:
        """Write the weights, the shape, and a README that opens them with PyTorch alone."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        about = {"network": "gru", "vocab_size": self.table.num_embeddings}
        write_json(folder / "config.json", {**about, **self.options.model_dump()})
        (folder / "README.md").write_text(README, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, length: int | None = None) -> RecurrentEncoder:
        """Open a folder that :meth:`save` wrote.

        Raises:
            HeadstartError: the files are missing or damaged.
        """
        what = f"the recurrent network in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
            shape = {name: config[name] for name in RecurrentOptions.model_fields}
            if not 1 <= int(config["vocab_size"]) <= 10**9:
                raise ValueError(f"its vocab_size is {config['vocab_size']}")
            gaps = GapEmbedding(int(config["width"])) if config["gaps"] else None
            encoder = cls(RecurrentOptions(**shape), int(config["vocab_size"]), gaps)
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return encoder


def _gru(options: RecurrentOptions, processor: TokenProcessor, length: int) -> RecurrentEncoder:
    gaps = gap_embedding(options.gaps, options.width, processor)
    return RecurrentEncoder(options, processor.vocabulary.size, gaps)


GRU = EncoderKind(
    "Gated recurrent units, as GRU4Rec has: a step for each new token, whatever came before.",
    RecurrentOptions,
    _gru,
    length=128,
    batch_size=64,
    learning_rate=2e-3,
    reads="input_ids",
    provides=BASE | {"dropout"},
    load=RecurrentEncoder.load,
)
