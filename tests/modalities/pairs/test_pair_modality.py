"""Pictures with captions are fitted, prepared and batched; a caption follows its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from painted import painted, picture, records, table

from headstart.config import PretrainConfig, SourceOptions
from headstart.data.audit import Audit
from headstart.encoders.towers import TowerStarts
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES
from headstart.modalities.pairs.modality import PairsModality, as_captions
from headstart.modalities.pairs.options import PairsOptions
from headstart.modalities.pairs.processor import PairRows, PairsProcessor


def config(**options: object) -> PretrainConfig:
    return PretrainConfig(sources=["x"], out="y", **options)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[PairsModality, PairsProcessor, Path]:
    folder = tmp_path_factory.mktemp("pairs")
    drawn = painted(12)
    drawn[3] = (b"no picture", "a grey square")
    found = records(table(folder, drawn))
    modality = PairsModality(PairsOptions(text="light"))
    processor = modality.fit(found, config(), TowerStarts(), 16)
    modality.prepare(found, processor, folder / "train", Audit(), learn=True)
    return modality, processor, folder


def test_a_row_is_a_picture_with_one_of_its_own_captions(fitted) -> None:
    _, processor, folder = fitted
    rows = PairRows(folder / "train", processor)
    assert len(rows) == 11  # one cannot be decoded
    batch = rows.batch(np.arange(11), 0)
    assert batch["pictures/pixels"].shape == (11, 3, 16, 16)
    texts = [each for index, (_, each) in enumerate(painted(12)) if index != 3]
    expected = processor.caption_batch(texts)
    assert batch["keys"].tolist() == expected["keys"].tolist()
    assert batch["captions/input_ids"].tolist() == expected["captions/input_ids"].tolist()


def test_captions_of_a_picture_take_turns(tmp_path: Path, fitted) -> None:
    modality, processor, _ = fitted
    table(tmp_path, [(picture("red", "bar"), "a red bar"), (picture("red", "bar"), "red")])
    found = records(tmp_path / "pairs.csv")
    found = found.select([0]).remove_columns("captions").add_column("captions", [["one", "two"]])
    modality.prepare(found, processor, tmp_path / "train", Audit(), learn=False)
    rows = PairRows(tmp_path / "train", processor)
    seen = [rows.batch(np.array([0]), epoch)["keys"].item() for epoch in range(4)]
    assert seen[0] == seen[2] != seen[1] == seen[3]


def test_records_of_either_kind_are_batched_apart_and_in_their_places(fitted, tmp_path) -> None:
    _, processor, folder = fitted
    opened = PairsModality()
    opened.folder = folder
    (tmp_path / "t.csv").write_text(f"file,caption\n{''},a red bar\npairs000.png,\n")
    (tmp_path / "pairs000.png").write_bytes(picture("red", "square"))
    found = opened.read([str(tmp_path / "t.csv")], SourceOptions(), Audit())
    assert [each is None for each in found["image"]] == [True, False]
    batches = list(processor.batches(found, 16, 8))
    assert [indices.tolist() for indices, _ in batches] == [[1], [0]]
    assert "pictures/pixels" in batches[0][1]
    assert "captions/input_ids" in batches[1][1]
    with pytest.raises(HeadstartError, match="not read in one batch"):
        processor.collate(found, 16)


def test_previews_show_captions_beside_pictures(fitted) -> None:
    modality, _, folder = fitted
    shown = modality.preview(records(folder / "pairs.csv").select([0, 3]), 24)
    assert [each.text for each in shown] == ["a red square", "a grey square"]
    assert [bool(each.image) for each in shown] == [True, False]
    assert modality.preview(as_captions(["x"], ["typed"]), 24)[0].text == "typed"


def test_towers_are_refused_by_name_before_anything_is_fitted(fitted) -> None:
    _, _, folder = fitted
    found = records(folder / "pairs.csv")
    for options, words in (
        ({"picture": "light"}, "does not read pictures; those that do: conv, plain, vit"),
        ({"text": "plain"}, "does not read texts; those that do: light"),
        ({"text": "published"}, "no published encoder of these texts is on this machine"),
        ({"text": "no/such/run"}, "no encoder can be opened from 'no/such/run'"),
    ):
        modality = PairsModality(PairsOptions(**options))
        with pytest.raises(HeadstartError, match=words):
            modality.fit(found, config(), TowerStarts(), 16)


def test_the_kind_is_registered_with_its_protocols() -> None:
    kind = MODALITIES["pairs"]
    assert kind.protocols[0] == "cross_retrieval"
    assert kind.content.columns == ["image", "captions"]
