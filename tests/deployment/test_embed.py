"""Embedding writes what features() returns, in a stream, whole or not at all."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset

from headstart.deployment import embed as embedding
from headstart.deployment.embed import embed
from headstart.encoders.features import features
from headstart.errors import HeadstartError
from headstart.modalities.tokens.batching import by_length


class CodeProcessor:
    """Turns a text into the code points of its characters."""

    def batches(self, records, length, size):
        def read(texts):
            return [[ord(c) for c in text[:length]] for text in texts]

        for indices, rows in by_length(records["text"], read, length * size):
            yield indices, self.pad(rows)

    def pad(self, rows):
        longest = max(map(len, rows))
        batch = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        return {"input_ids": batch, "mask": batch > 0}


class LetterEncoder(torch.nn.Module):
    """The mean of random letter vectors."""

    width = 6

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(128, self.width)

    def pool(self, batch):
        tokens = self.table(batch["input_ids"]) * batch["mask"][:, :, None]
        return tokens.sum(1) / batch["mask"].sum(1, keepdim=True)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return LetterEncoder()


@pytest.fixture
def records():
    texts = ["abcdefghij"[: 1 + n % 10] for n in range(23)]
    return Dataset.from_dict({"id": [f"f.txt:{n}" for n in range(23)], "text": texts})


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(embedding, "CHUNK", 5)


def test_npy_holds_the_features_and_the_ids_lie_beside(tmp_path, encoder, records):
    processor = CodeProcessor()
    out = tmp_path / "vectors.npy"
    assert embed(encoder, processor, records, out, length=8, batch_size=2) == 23
    vectors = np.load(out)
    wanted = features(encoder, processor, records, length=8, batch_size=2)
    assert vectors.dtype == np.float32
    assert vectors.shape == (23, 6)
    assert vectors == pytest.approx(wanted, abs=1e-6)
    names = (tmp_path / "vectors.ids.txt").read_text().split("\n")
    assert names == [*records["id"], ""]
    assert {path.name for path in tmp_path.iterdir()} == {"vectors.npy", "vectors.ids.txt"}


def test_parquet_holds_ids_and_vectors(tmp_path, encoder, records):
    processor = CodeProcessor()
    out = tmp_path / "vectors.parquet"
    embed(encoder, processor, records, out, length=8, batch_size=2)
    table = pq.read_table(out)
    assert table.column_names == ["id", "vector"]
    assert table["id"].to_pylist() == list(records["id"])
    wanted = features(encoder, processor, records, length=8, batch_size=2)
    assert np.array(table["vector"].to_pylist()) == pytest.approx(wanted, abs=1e-6)
    assert pq.ParquetFile(out).num_row_groups == 5  # written as it goes, chunk by chunk


@pytest.mark.parametrize("name", ["v.npy", "v.parquet"])
def test_no_more_than_a_chunk_is_in_memory(tmp_path, encoder, records, monkeypatch, name):
    seen = []

    def watched(encoder, processor, chunk, **options):
        seen.append(len(chunk))
        return features(encoder, processor, chunk, **options)

    monkeypatch.setattr(embedding, "features", watched)
    done = []
    embed(
        encoder,
        CodeProcessor(),
        records,
        tmp_path / name,
        length=8,
        progress=lambda count, total: done.append((count, total)),
    )
    assert seen == [5, 5, 5, 5, 3]
    assert done == [(5, 23), (10, 23), (15, 23), (20, 23), (23, 23)]


@pytest.mark.parametrize("name", ["v.npy", "v.parquet"])
def test_a_failure_leaves_what_was_there_before(tmp_path, encoder, records, monkeypatch, name):
    (tmp_path / name).write_bytes(b"before")
    (tmp_path / "v.ids.txt").write_bytes(b"names before")

    def failing(encoder, processor, chunk, **options):
        if chunk[0]["id"] == "f.txt:10":
            raise HeadstartError("the encoder returns values that are not finite")
        return features(encoder, processor, chunk, **options)

    monkeypatch.setattr(embedding, "features", failing)
    with pytest.raises(HeadstartError, match="not finite"):
        embed(encoder, CodeProcessor(), records, tmp_path / name, length=8)
    assert (tmp_path / name).read_bytes() == b"before"
    assert (tmp_path / "v.ids.txt").read_bytes() == b"names before"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_line_break_in_an_id_does_not_shift_the_others(tmp_path, encoder):
    records = Dataset.from_dict({"id": ["odd\nname", "b"], "text": ["a", "b"]})
    embed(encoder, CodeProcessor(), records, tmp_path / "v.npy", length=8)
    assert (tmp_path / "v.ids.txt").read_text() == "odd\\nname\nb\n"


def test_another_ending_is_refused_before_anything_is_computed(tmp_path, records):
    with pytest.raises(HeadstartError, match=r"\.npy or \.parquet, not to 'v\.csv'"):
        embed(None, None, records, tmp_path / "v.csv", length=8)


def test_no_records_to_embed_is_an_error(tmp_path, encoder, records):
    with pytest.raises(HeadstartError, match="no records to embed"):
        embed(encoder, None, records.select([]), tmp_path / "v.npy", length=8)
    assert not list(tmp_path.iterdir())


def test_ids_that_a_killed_process_left_alone_are_written_again(tmp_path):
    code = (
        "import os, sys, pathlib; from headstart.files import whole_file\n"
        "vectors, ids = (pathlib.Path(sys.argv[1], name) for name in ('a.npy', 'a.ids.txt'))\n"
        "with whole_file(vectors):\n"
        "    with whole_file(ids): pass\n"
        "    os.kill(os.getpid(), 9)"
    )
    ids = tmp_path / "a.ids.txt"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ids.exists()
    assert ids in embedding.check_out(tmp_path / "a.npy")
    assert not ids.exists()
    # No process was killed while it wrote the vectors beside these.
    (tmp_path / "b.ids.txt").write_text("of the user\n")
    embedding.check_out(tmp_path / "b.npy")
    assert (tmp_path / "b.ids.txt").exists()


def test_what_lies_beside_vectors_is_written_before_them(tmp_path, encoder, records):
    """A process that is killed in between has left no vectors, so that it is called again."""
    out, seen = tmp_path / "v.npy", []
    processor = CodeProcessor()
    embed(encoder, processor, records, out, length=8, finish=lambda: seen.append(out.exists()))
    assert seen == [False]
    assert out.exists()
