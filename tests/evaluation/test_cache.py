from __future__ import annotations

import importlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets
from scipy import sparse

from headstart.data.overlap import overlap
from headstart.encoders.opening import create_encoder
from headstart.evaluation import cache
from headstart.evaluation.cache import (
    cached,
    cached_candidates,
    cached_overlap,
    digest_of_encoder,
    digest_of_records,
    digests_of,
)
from headstart.evaluation.outcomes import Candidate
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.processor import ImageProcessor
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.modality import TextModality

DENSE = np.arange(6, dtype=np.float32).reshape(2, 3)
SPARSE = sparse.csr_matrix(DENSE)
DIGEST_OF = digests_of(TextModality())


class Counted:
    """Returns what it was given, and counts how often it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.times = 0

    def __call__(self) -> object:
        self.times += 1
        return self.answer


@pytest.mark.parametrize("matrix", [DENSE, SPARSE])
def test_features_are_computed_once(tmp_path: Path, matrix: object) -> None:
    compute = Counted(matrix)
    for _ in range(2):
        found = cached(tmp_path, "a", compute)
        assert sparse.issparse(found) == sparse.issparse(matrix)
        assert np.asarray(found.sum(1)).ravel().tolist() == [3, 12]
    assert compute.times == 1
    cached(tmp_path, "b", compute)
    assert compute.times == 2


def test_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    compute = Counted(DENSE)
    cached(tmp_path, "a", compute)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-5])
    assert cached(tmp_path, "a", compute).tolist() == DENSE.tolist()
    assert compute.times == 2
    assert cached(tmp_path, "a", compute).tolist() == DENSE.tolist()
    assert compute.times == 2


def test_candidates_are_cached_with_their_kind(tmp_path: Path) -> None:
    compute = Counted(
        [Candidate("TF-IDF", "baseline", SPARSE, DENSE), Candidate("b", "other", DENSE)]
    )
    first = cached_candidates(tmp_path, "x", compute)
    again = cached_candidates(tmp_path, "x", compute)
    assert compute.times == 1
    assert [(c.name, c.kind, c.test is None) for c in again] == [
        (c.name, c.kind, c.test is None) for c in first
    ]
    assert (again[0].train != SPARSE).nnz == 0
    next(tmp_path.glob("x-1-train*")).unlink()
    cached_candidates(tmp_path, "x", compute)
    assert compute.times == 2


def test_what_cannot_be_kept_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "a file"
    folder.write_text("in the way of the folder")
    assert cached(folder, "a", lambda: DENSE) is DENSE
    found = [Candidate("TF-IDF", "baseline", SPARSE, DENSE)]
    assert cached_candidates(folder, "x", lambda: found) is found
    texts = Dataset.from_dict({"id": ["1"], "text": ["a"]})
    alike = overlap(texts, texts, TEXT)
    assert cached_overlap(folder, texts, texts, DIGEST_OF, lambda: alike) is alike


def test_what_was_not_used_for_longest_is_deleted(tmp_path: Path, monkeypatch) -> None:
    cached(tmp_path, "a", lambda: DENSE)
    size = (tmp_path / "a.npz").stat().st_size
    monkeypatch.setattr(cache, "MOST", 2 * size + 10)  # two files
    for age, name in enumerate("abc"):
        cached(tmp_path, name, lambda: DENSE)
        file = tmp_path / f"{name}.npz"
        os.utime(file, (1000 + age, 1000 + age)) if file.exists() else None
        cached(tmp_path, "a", lambda: DENSE)  # used again and again
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "c.npz"]


def test_records_are_distinguished_by_content_and_order_alone() -> None:
    def texts(*values: str) -> Dataset:
        return Dataset.from_dict({"id": [f"{n}" for n in range(len(values))], "text": values})

    one = digest_of_records(texts("a", "b"), TEXT)
    part = Dataset.from_dict({"text": ["x", "a", "b"]}).select([1, 2])
    assert one == digest_of_records(part, TEXT)
    # Features of "A" are not those of "a", though the two repeat each other.
    others = [texts("b", "a"), texts("ab", ""), texts("a", "b", ""), texts("A", "b"), None]
    assert len({one, *(digest_of_records(other, TEXT) for other in others)}) == 6


def test_records_of_many_numbers_are_digested_in_bulk() -> None:
    values = np.random.default_rng(0).normal(size=(10_000, 1000)).astype(np.float32)
    records = Dataset.from_dict({"text": list(values)})
    start = time.process_time()
    before = digest_of_records(records, TEXT)
    assert time.process_time() - start < 2
    assert digest_of_records(records, TEXT) == before
    shifted = concatenate_datasets([records.select([0]), records]).select(range(1, 10_001))
    assert digest_of_records(shifted, TEXT) == before
    assert digest_of_records(records.select([*range(1, 10_000), 0]), TEXT) != before


def test_records_are_told_apart_by_every_field() -> None:
    two = replace(TEXT, fields=(*TEXT.fields, replace(TEXT.fields[0], name="title")))
    one, other = (
        Dataset.from_dict({"id": ["1"], "text": ["a"], "title": [title]}) for title in ("b", "c")
    )
    assert digest_of_records(one, TEXT) == digest_of_records(other, TEXT)
    assert digest_of_records(one, two) != digest_of_records(other, two)


def test_images_are_distinguished_by_their_bytes_or_by_their_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    records = Dataset.from_dict(
        {"image": [{"bytes": None, "path": str(file)}, {"bytes": b"x", "path": None}]}
    )
    before = digest_of_records(records, IMAGE)
    assert digest_of_records(records, IMAGE) == before
    file.write_bytes(b"longer")
    assert digest_of_records(records, IMAGE) != before


def test_an_encoder_is_known_by_weights_and_length_wherever_it_lies() -> None:
    processor = ImageProcessor(16)
    one, same, other = (
        create_encoder("plain", {}, processor, length=16, seed=seed) for seed in (1, 1, 2)
    )
    assert digest_of_encoder(one, processor, 16) == digest_of_encoder(same, processor, 16)
    found = {digest_of_encoder(one, processor, 16), digest_of_encoder(other, processor, 16)}
    assert len({*found, digest_of_encoder(one, processor, 32)}) == 3


@pytest.mark.parametrize("file", ["foreign/__init__.py", "foreign/deep/layers.py", "foreign.py"])
def test_the_code_of_other_packages_is_part_of_the_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    if not file.endswith("foreign.py"):
        (tmp_path / "foreign" / "deep").mkdir(parents=True)
        (tmp_path / "foreign" / "__init__.py").touch()
    (tmp_path / file).write_text("STEPS = 1\n")
    monkeypatch.delitem(sys.modules, "foreign", raising=False)
    importlib.import_module("foreign")
    processor = ImageProcessor(16)
    plain, encoder = (create_encoder("plain", {}, processor, length=16, seed=1) for _ in range(2))
    foreign: list[Any] = [
        type("Foreign", (base,), {"__module__": "foreign.deep"})
        for base in (type(encoder), ImageProcessor, TextModality)
    ]
    encoder.__class__ = foreign[0]
    records = Dataset.from_dict({"text": ["a"]})

    def digests() -> list[str]:
        cache._code_of_package.cache_clear()  # as in another process
        return [
            digest_of_encoder(plain, processor, 16),
            digest_of_encoder(encoder, processor, 16),
            digest_of_encoder(plain, foreign[1](16), 16),
            digests_of(foreign[2]())(records),
        ]

    before = digests()
    assert digests() == before
    (tmp_path / file).write_text("STEPS = 2\n")
    same = [one == other for one, other in zip(before, digests(), strict=True)]
    assert same == [True, False, False, False]


def test_records_are_read_once_for_all_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    records = Dataset.from_dict({"text": ["a"]})
    compute = Counted("digest")
    monkeypatch.setattr(cache, "digest_of_records", lambda records, content: compute())
    digest_of = digests_of(TextModality())
    assert digest_of(records) == digest_of(records)
    assert compute.times == 1


def _texts(*texts: str, side: str) -> Dataset:
    return Dataset.from_dict({"id": [f"{side}:{text}" for text in texts], "text": list(texts)})


def test_an_overlap_is_searched_once_for_the_same_records_under_the_same_names(
    tmp_path: Path,
) -> None:
    background, tested = _texts("one", "two", side="seen"), _texts("two", "six", side="test")
    truth = overlap(background, tested, TEXT)
    compute = Counted(truth)
    for _ in range(2):
        found = cached_overlap(tmp_path, background, tested, DIGEST_OF, compute)
        assert found.sentences() == truth.sentences()
        assert found.summary() == truth.summary()
        assert found.indices.tolist() == [1]
    assert compute.times == 1
    cached_overlap(tmp_path, background, _texts("two", "six", side="moved"), DIGEST_OF, compute)
    assert compute.times == 2
    next(tmp_path.glob("*.json")).write_text("{")
    for _ in range(2):
        cached_overlap(tmp_path, background, tested, DIGEST_OF, compute)
        cached_overlap(tmp_path, background, _texts("two", "six", side="moved"), DIGEST_OF, compute)
    assert compute.times == 3
