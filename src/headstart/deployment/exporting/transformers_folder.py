"""The format ``transformers``: a folder for ``AutoModel``, with the pooling in its example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.deployment.exporting import Format, Outputs, Source, Written
from headstart.deployment.exporting.onnx_head import HEAD_CODE, head_runner, write_head_graph
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.portable import Portable

_BATCH = 32
_CODE = """\
model = AutoModel.from_pretrained(HERE).eval()
inputs = {name: torch.from_numpy(each) for name, each in read(values).items()}
with torch.inference_mode():
    tokens = model(**inputs).last_hidden_state
POOLED
vectors = vectors.numpy()
"""
_POOLED = {
    "mean": 'mask = inputs["attention_mask"][:, :, None].float()\n'
    "vectors = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1)",
    "cls": "vectors = tokens[:, 0]",
}
_UNIT = "\nvectors = torch.nn.functional.normalize(vectors, dim=1)"


def plain_transformer(source: Source, library: str) -> TransformerEncoder:
    """Return the encoder if it is a network of Transformers and nothing else.

    Raises:
        HeadstartError: it is another one, or has parts that ``library`` does not know.
    """
    encoder = source.encoder
    if not isinstance(encoder, TransformerEncoder):
        raise HeadstartError(
            f"--format {library} is for networks of Transformers, and this encoder is none; take "
            "--format onnx, or `headstart list exports` for others."
        )
    further = [name for name in ("ngrams", "gaps") if getattr(encoder, name) is not None]
    if encoder.is_causal != encoder.causal_architecture:
        further.append("attention to the left in a network that sees both sides")
    if further:
        raise HeadstartError(
            f"this encoder has {' and '.join(further)}, which {library} does not know; take "
            "--format onnx."
        )
    return encoder


def write(source: Source, folder: Path) -> Written:
    """Write network, tokenizer and head; ``AutoModel`` and ``AutoTokenizer`` open the folder."""
    encoder = plain_transformer(source, "transformers")
    pooling = encoder.pooling
    if pooling.mode not in _POOLED:
        raise HeadstartError(
            f"its vectors are pooled by {pooling.mode}, which Transformers leaves to others; take "
            "--format sentence-transformers or onnx."
        )
    encoder.save(folder)
    source.processor.save(folder)
    portable = source.processor.portable(folder, source.length)
    if len(portable.tensors) > 2:
        raise HeadstartError(
            "this encoder reads more than ids and a mask, which AutoModel alone does not take; "
            "take --format onnx."
        )
    write_head_graph(source, folder)
    pooled = _POOLED[pooling.mode] + (_UNIT if pooling.normalize else "")
    has_head = source.head is not None
    return Written(
        run=_runner(source, portable, folder),
        packages=("numpy", "torch", "transformers", *portable.packages)
        + (("onnxruntime",) if has_head else ()),
        imports=("import torch", "from transformers import AutoModel")
        + (("import onnxruntime",) if has_head else ()),
        code=_CODE.replace("POOLED", pooled) + (HEAD_CODE if has_head else ""),
        reading=portable,
    )


def _runner(source: Source, portable: Portable, folder: Path) -> Callable[[Dataset], Outputs]:
    from headstart.encoders.networks import AutoModel

    encoder = plain_transformer(source, "transformers")
    model = AutoModel.from_pretrained(folder).eval()
    score = head_runner(source, folder)

    @torch.inference_mode()
    def run(records: Dataset) -> Outputs:
        vectors = np.zeros((len(records), encoder.width), np.float32)
        for indices, batch in source.processor.batches(records, source.length, _BATCH):
            inputs = {name: torch.from_numpy(each) for name, each in portable.inputs(batch).items()}
            tokens = model(**inputs).last_hidden_state
            vectors[indices] = encoder.pooling(tokens, batch["mask"]).numpy()
        return Outputs(vectors, score(vectors))

    return run


FORMAT = Format("A folder for AutoModel of Transformers.", write)
