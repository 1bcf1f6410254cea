"""The format ``sentence-transformers``: a folder that ``SentenceTransformer`` opens."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.deployment.exporting import Format, Outputs, Source, Written
from headstart.deployment.exporting.onnx_head import HEAD_CODE, head_runner, write_head_graph
from headstart.deployment.exporting.transformers_folder import plain_transformer
from headstart.encoders.flat_table import FlatTable
from headstart.errors import HeadstartError
from headstart.files import write_json

if TYPE_CHECKING:
    from datasets import Dataset

_CODE = """\
model = SentenceTransformer(str(HERE), device="cpu")
vectors = model.encode(values)
"""
MISSING = (
    "exports for sentence-transformers need the extra `sentence`: pip install headstart[sentence]"
)


def write(source: Source, folder: Path) -> Written:
    """Write network or table, pooling, tokenizer and head."""
    if not find_spec("sentence_transformers"):
        raise HeadstartError(MISSING)
    if isinstance(source.encoder.exportable(), FlatTable):
        source.encoder.save(folder)
    else:
        encoder = plain_transformer(source, "sentence-transformers")
        encoder.save(folder)
        encoder.pooling.write(folder, encoder.width)
        about = {"max_seq_length": source.length, "do_lower_case": False}
        write_json(folder / "sentence_bert_config.json", about)
    source.processor.save(folder)
    if not (folder / "tokenizer.json").is_file():
        raise HeadstartError(
            f"sentence-transformers reads no {source.processor.content.noun}; take --format onnx."
        )
    # Its own reading of records is not needed, but how they are typed is.
    portable = replace(
        source.processor.portable(folder, source.length), imports=(), code="", packages=()
    )
    write_head_graph(source, folder)
    has_head = source.head is not None
    more = ("onnxruntime",) if has_head else ()
    return Written(
        run=lambda records: _run(source, folder, records),
        packages=("numpy", "sentence-transformers", *more),
        imports=("from sentence_transformers import SentenceTransformer",)
        + (("import onnxruntime",) if has_head else ()),
        code=_CODE + (HEAD_CODE if has_head else ""),
        reading=portable,
    )


def _run(source: Source, folder: Path, records: Dataset) -> Outputs:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    texts = list(records[source.processor.content.name])
    found = model.encode(texts, batch_size=32, convert_to_numpy=True, show_progress_bar=False)
    vectors = np.asarray(found, np.float32)
    return Outputs(vectors, head_runner(source, folder)(vectors))


FORMAT = Format("A folder for SentenceTransformer.", write)
