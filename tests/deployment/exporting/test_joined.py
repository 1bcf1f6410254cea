"""Encoders side by side leave as one graph, with simple features that numpy computes."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

import headstart as hs
from headstart.errors import HeadstartError
from headstart.modalities.image.hog_vectors import HogProcessor
from headstart.modalities.portable import Portable
from headstart.modalities.text.topic_vectors import TopicProcessor
from headstart.stored import check

Bare = Callable[..., list[dict[str, Any]]]
QUERIES = ["the sly fox", "a wolf that nobody saw"]
OPTIONS: dict[str, Any] = {"tracker": "none", "quiet": True}
#: Marks, joiners, scripts without spaces, letters outside of the first plane, halves of a pair.
AWKWARD = [
    "",
    "  \n\t ",
    "The fox's den -- the fox\u2019s DEN, 1,000 foxes!",
    "हिन्दी की किताब, हिन्दी",
    "我爱北京天安门 and 東京タワー",
    "cafe\u0301 café CAFÉ İstanbul STRASSE straße",
    "ສະບາຍດີ 𝒻𝑜𝓍 👩\u200d👩\u200d👧 \ud83d",
    "fox " * 300,
]


@pytest.fixture(scope="module")
def joined(made: Path, labeled: str, table: hs.Run) -> hs.Run:
    """A table, another as a published one, and LSA."""
    return hs.pretrain(
        labeled,
        out=str(made / "joined"),
        encoder_options={"width": 16},
        start=str(table.encoder),
        budget="1steps",
        length=16,
        **OPTIONS,
    )


@pytest.fixture(scope="module")
def joined_pictures(made: Path, pictures: str, convolutions: hs.Run) -> hs.Run:
    """A plain stack of convolutions, another, and HOG."""
    return hs.pretrain(
        pictures,
        out=str(made / "joined pictures"),
        encoder="plain",
        encoder_options={"widths": [8, 16], "pooled": [True, True]},
        start=str(convolutions.encoder),
        budget="1steps",
        length=20,
        **OPTIONS,
    )


def alone(portable: Portable, folder: Path, values: list[str]) -> np.ndarray:
    """Return the features that the exported code computes, with what it imports itself alone."""
    known: dict[str, Any] = {"np": np, "HERE": folder, "json": json}
    exec("\n".join([*portable.imports, portable.code]), known)
    found: np.ndarray = known["read"](values)["features"]
    return found


def test_lsa_without_headstart_gives_the_same_of_any_text(tmp_path: Path) -> None:
    texts = [*AWKWARD, *(f"{each} 北京 fox's" for each in AWKWARD)]
    processor = TopicProcessor.fit(Dataset.from_dict({"text": [*texts[:6], *texts[8:14]]}), 0)
    assert processor is not None
    portable = processor.portable(tmp_path, 16)
    found = alone(portable, tmp_path, texts)
    assert found == pytest.approx(processor.vectors(texts), abs=1e-6)
    assert np.abs(found).max() > 0.1
    with np.load(tmp_path / "lsa.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_hog_without_headstart_gives_the_same_of_any_picture(tmp_path: Path, pictures: str) -> None:
    processor = HogProcessor(24)
    files = [str(Path(pictures) / name) for name in ("0.png", "5.png", "big1.jpg")]
    flat = tmp_path / "flat.png"
    from PIL import Image

    Image.new("RGB", (30, 40), (255, 0, 7)).save(flat)
    files.append(str(flat))
    images = [{"path": file, "bytes": None} for file in files]
    records = Dataset.from_dict({"id": files, "image": images})
    wanted = processor.collate(records, 24)["vectors"].numpy()
    found = alone(processor.portable(tmp_path, 24), tmp_path, files)
    assert found == pytest.approx(wanted, abs=1e-4)


def test_texts_of_a_joined_run_with_a_head(
    joined: hs.Run, labeled: str, bare: Bare, tmp_path: Path
) -> None:
    options = {"budget": "2steps", "alternatives": False, **OPTIONS}
    tuned = hs.finetune(joined, train=labeled, out=str(tmp_path / "tuned"), **options)
    out = tmp_path / "export"
    found = tuned.export(format="onnx", out=str(out), quiet=True)
    rows = bare(out, *QUERIES, "")
    assert np.array([row["vector"] for row in rows[:2]]) == pytest.approx(
        tuned.encode(QUERIES), abs=1e-4
    )
    ours = tuned.predict(QUERIES[0], quiet=True)
    assert rows[0]["label"] == ours[0]["label"]
    assert rows[0]["score"] == pytest.approx(ours[0]["score"], abs=1e-4)
    assert found.parity.decisions == 1.0
    assert "temperature" in json.loads((out / "head.json").read_text())
    check(out)
    card = (out / "README.md").read_text()
    assert re.search(r"Parts\*\*: pre-trained \(16 numbers\), .* \(published, 16", card)
    assert "LSA (simple, " in card
    assert not list(out.rglob("*.pkl"))


def test_joined_in_8_bits_each_part_is_rounded_as_it_would_be_alone(
    joined: hs.Run, bare: Bare, tmp_path: Path
) -> None:
    out = tmp_path / "int8"
    found = joined.export(format="onnx", quantize="int8", out=str(out), quiet=True)
    assert found.parity.cosine_least > 0.999
    import onnx

    tables = onnx.load(str(out / "model.onnx")).graph.initializer
    assert sum(each.data_type == onnx.TensorProto.INT8 for each in tables) >= 2
    (row,) = bare(out, QUERIES[0])
    assert np.array(row["vector"]) == pytest.approx(joined.encode(QUERIES[:1])[0], abs=0.02)


def test_a_network_beside_a_table_takes_rows_of_other_lengths(
    made: Path, labeled: str, table: hs.Run, network: hs.Run, bare: Bare, tmp_path: Path
) -> None:
    run = hs.pretrain(
        labeled,
        out=str(tmp_path / "run"),
        encoder_options={"width": 16},
        start=str(network.encoder),
        budget="1steps",
        length=12,
        **OPTIONS,
    )
    out = tmp_path / "export"
    run.export(format="onnx", out=str(out), quiet=True)
    rows = bare(out, *QUERIES, "the unbelievably complicated wolverine " * 3)
    texts = [row["value"] for row in rows]
    assert np.array([row["vector"] for row in rows]) == pytest.approx(run.encode(texts), abs=1e-4)


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_pictures_of_a_joined_run(
    quantize: str, joined_pictures: hs.Run, pictures: str, bare: Bare, tmp_path: Path
) -> None:
    out = tmp_path / "export"
    joined_pictures.export(
        format="onnx", quantize=quantize, out=str(out), least_overlap=0.7, quiet=True
    )
    files = [str(Path(pictures) / name) for name in ("0.png", "big0.jpg")]
    ours = hs.embed(joined_pictures, *files, quiet=True)
    found = np.array([row["vector"] for row in bare(out, *files)])
    assert found == pytest.approx(ours, abs=1e-3 if quantize == "none" else 0.05)
    assert found.shape[1] == 16 + 16 + 544


@pytest.mark.parametrize("form", ["numpy", "transformers", "sentence-transformers", "timm"])
def test_formats_of_other_libraries_name_the_one_that_holds_all(
    form: str, joined: hs.Run, tmp_path: Path
) -> None:
    with pytest.raises(HeadstartError, match=rf"and the format {form} holds one; take .*onnx"):
        joined.export(format=form, out=str(tmp_path / "x"), quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_the_rule_of_words_goes_along_as_text(tmp_path: Path) -> None:
    """Python's own tables of Unicode decide nothing but lower case and composition."""
    processor = TopicProcessor.fit(Dataset.from_dict({"text": ["a fox", "the fox"]}), 0)
    assert processor is not None
    processor.portable(tmp_path, 16)
    rule = json.loads((tmp_path / "lsa.json").read_text())["word"]
    assert re.compile(rule).findall(unicodedata.normalize("NFC", "नमस्ते 中文 ok")) == [
        "नमस्ते",
        "中",
        "文",
        "ok",
    ]
