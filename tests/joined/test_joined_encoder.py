"""Encoders that stand side by side: one vector of blocks, saved in a folder of folders."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from safetensors.torch import save_file
from tiny_start import publish, text_of

from headstart.batch import part
from headstart.config import PretrainConfig
from headstart.encoders import ENCODERS, blocks_of
from headstart.encoders.features import features
from headstart.encoders.joined import WEIGHTS, JoinedEncoder, Part, papers_of
from headstart.encoders.opening import (
    OpenedEncoder,
    create_encoder,
    open_encoder,
    open_processor,
    save_encoder,
)
from headstart.encoders.vectors import VectorEncoder
from headstart.errors import HeadstartError
from headstart.modalities.image.hog import hog_and_colour
from headstart.modalities.image.hog_vectors import HogProcessor
from headstart.modalities.image.processor import ImageProcessor
from headstart.modalities.joined import JoinedProcessor, Reader
from headstart.modalities.text.modality import TextModality
from headstart.stored import seal

NAMES = ("pre-trained", "tiny", "LSA")


@pytest.fixture(scope="module")
def records() -> Dataset:
    texts = [text_of(number)[0] for number in range(60)]
    return Dataset.from_dict({"id": list(map(str, range(60))), "text": texts})


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture(scope="module")
def joined(records, published):
    """The encoder, its processor, and the length of the first part."""
    modality = TextModality()
    config = PretrainConfig(sources=["x"], out="x")
    kind = ENCODERS["light"]
    own = modality.fit(records, config, kind.processor_defaults, 32)
    light = create_encoder("light", {"width": 8}, own, length=32, seed=0)
    simple = modality.simple(records, 32, 0)
    start = OpenedEncoder(published)
    encoder = JoinedEncoder(
        [
            Part(NAMES[0], light, "pre-trained"),
            Part(NAMES[1], start.encoder, "published", "mit", papers_of(published)),
            Part(NAMES[2], VectorEncoder(simple.width), "simple"),
        ]
    )
    readers = (Reader(own, 32), Reader(start.processor, 16), Reader(simple, 32))
    processor = JoinedProcessor(dict(zip(NAMES, readers, strict=True)))
    for part_name, own_encoder in encoder.joined.items():
        reader = processor.parts[part_name]
        vectors = features(own_encoder, reader.processor, records, length=reader.length, bf16=False)
        encoder.fit_scale(part_name, torch.from_numpy(vectors))
    return encoder.eval(), processor


@pytest.fixture(scope="module")
def folder(joined, tmp_path_factory):
    folder = tmp_path_factory.mktemp("joined") / "encoder"
    save_encoder(*joined, folder, {"modality": "text", "length": 32})
    seal(folder)
    return folder


def divided(encoder: JoinedEncoder, vectors: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum([width for _, width in blocks_of(encoder)])
    return np.split(vectors, ends[:-1], axis=1)


def test_its_vectors_are_those_of_the_parts_centred_and_scaled_as_blocks(joined, records):
    encoder, processor = joined
    vectors = features(encoder, processor, records, length=32, bf16=False)
    assert vectors.shape == (60, encoder.width)
    assert [name for name, _ in blocks_of(encoder)] == list(NAMES)
    for block, (name, own), weight in zip(
        divided(encoder, vectors), encoder.joined.items(), WEIGHTS.values(), strict=True
    ):
        reader = processor.parts[name]
        alone = features(own, reader.processor, records, length=reader.length, bf16=False)
        alone = alone - alone.mean(0)
        alone *= weight / np.sqrt((alone**2).sum(1).mean())
        np.testing.assert_allclose(block, alone, atol=1e-5)


def test_each_part_reads_records_at_its_own_length(joined):
    processor = joined[1]
    long = Dataset.from_dict({"id": ["0"], "text": ["apple " * 100]})
    batch = processor.collate(long, 24)
    assert batch["input_ids"].shape == (1, 24)
    assert part(batch, "tiny")["input_ids"].shape == (1, 16)
    assert "LSA/vectors" in batch


def test_a_folder_gives_the_same_vectors_again(joined, folder, records):
    opened = OpenedEncoder(folder)
    again = features(opened.encoder, opened.processor, records, length=opened.length, bf16=False)
    before = features(*joined, records, length=32, bf16=False)
    np.testing.assert_allclose(again, before, atol=1e-6)  # a table is saved as weighted
    assert blocks_of(opened.encoder) == blocks_of(joined[0])


@pytest.mark.parametrize("name", NAMES)
def test_each_part_opens_alone(joined, folder, records, name):
    opened = OpenedEncoder(folder / name)
    reader = joined[1].parts[name]
    assert opened.length == reader.length
    alone = features(opened.encoder, opened.processor, records, length=opened.length, bf16=False)
    expected = features(
        joined[0].joined[name], reader.processor, records, length=reader.length, bf16=False
    )
    np.testing.assert_allclose(alone, expected, atol=1e-6)


def test_the_card_and_licence_of_a_published_part_are_kept(folder, published):
    assert (folder / "tiny" / "README.md").read_text() == (published / "README.md").read_text()
    assert open_encoder(folder).described[1].licence == "mit"


def test_a_damaged_part_is_one_sentence_that_names_the_file(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "encoder")
    weights = copy / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(HeadstartError, match=r"tiny/model.safetensors is damaged"):
        open_encoder(copy)
    (copy / "SHA256SUMS").unlink()
    shutil.rmtree(copy / "LSA")
    with pytest.raises(HeadstartError, match=r"LSA"):
        open_processor(copy)


def test_scales_of_another_encoder_are_refused(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "SHA256SUMS").unlink(missing_ok=True)
    save_file({"centre": torch.zeros(3)}, copy / "joined.safetensors")
    with pytest.raises(HeadstartError, match=r"joined.safetensors cannot be opened"):
        open_encoder(copy)


def test_only_the_first_part_learns_and_is_untrained(joined, records):
    encoder, processor = joined
    fresh = encoder.untrained()
    batch = processor.collate(records, 32)
    before, after = (
        divided(encoder, each.pool(batch).detach().numpy()) for each in (encoder, fresh)
    )
    assert not np.allclose(before[0], after[0])
    for own, other in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(own, other)
    fresh.train()
    assert fresh.first.training
    assert not fresh.described[1].encoder.training
    fresh.pool(batch).square().sum().backward()
    learned = {name for name, p in fresh.named_parameters() if p.grad is not None}
    assert learned
    assert all(name.startswith("networks.0.") for name in learned)


def test_what_is_joined_cannot_be_joined_again(joined):
    encoder, _ = joined
    with pytest.raises(HeadstartError, match="stands beside other encoders already"):
        JoinedEncoder([Part("mine", encoder, "pre-trained")])


def test_words_are_removed_from_what_every_part_reads(joined):
    processor = joined[1]
    record = {"id": "0", "text": "the apple lies on table 3"}
    units = processor.units(record, 32)
    assert units.count == 6
    batch = units.without([set(), {1}])
    again = processor.collate(
        Dataset.from_list([record, {"id": "1", "text": "the  lies on table 3"}]), 32
    )
    for name in ("tiny/input_ids", "LSA/vectors"):
        torch.testing.assert_close(batch[name], again[name])
    assert batch["mask"].sum(1).tolist() == [6, 5]
    # What is given to units comes back from the positions that they are spread over.
    weights = torch.arange(6).float()
    found = units.evidence(units.positions(weights), "fruit", signed=True)
    np.testing.assert_allclose(found.weights, weights)


def test_cells_are_removed_from_what_every_part_reads(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    record = {"id": "a", "image": {"bytes": None, "path": str(tmp_path / "a.png")}}
    readers = {"own": Reader(ImageProcessor(16), 16), "HOG": Reader(HogProcessor(16), 16)}
    units = JoinedProcessor(readers).units(record, 16)
    batch = units.without([set(), {0}])
    hog = hog_and_colour(batch["pixels"])
    torch.testing.assert_close(batch["HOG/vectors"], hog, atol=0.02, rtol=0.02)
    assert not torch.allclose(hog[0], hog[1])
