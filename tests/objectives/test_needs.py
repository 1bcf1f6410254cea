"""What cannot work together is refused by its names, with what can, before anything is read."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from headstart.cli import app
from headstart.encoders.opening import create_encoder, read_note, reads_of, save_encoder
from headstart.errors import HeadstartError
from headstart.modalities import Modality
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.opening import open_modality
from headstart.modalities.text.modality import TextModality
from headstart.objectives import OBJECTIVES
from headstart.objectives.needs import check_fit, encoders_for

TEXTS = "light, modernbert, bert, gpt, gru, xlnet, t5"
IMAGES = "conv, plain, vit"


@pytest.mark.parametrize(
    ("modality", "encoder", "sentence"),
    [
        ("text", "conv", f"reads pictures, and the sources hold texts; .* read texts: {TEXTS}"),
        ("text", "resnet18", f"'resnet18' reads pictures.*read texts: {TEXTS}"),
        ("text", "resnet18.a1_in1k", "reads pictures"),
        ("image", "gpt", f"reads texts or sequences, and the sources hold pictures; .*: {IMAGES}"),
    ],
)
def test_an_encoder_of_other_data_is_refused_with_those_that_fit(modality, encoder, sentence):
    with pytest.raises(HeadstartError, match=sentence):
        check_fit(["contrast"], encoder, open_modality(modality))
    with pytest.raises(HeadstartError, match=sentence):
        check_fit([], encoder, open_modality(modality))


@pytest.mark.parametrize(
    ("modality", "objective", "encoder", "missing", "able"),
    [
        # Of what an objective needs, only what is not there is named.
        ("text", "unilm", "light", "order", "modernbert, bert, xlnet, t5"),
        ("text", "plm", "bert", "two streams", "xlnet"),
        ("text", "bart", "modernbert", "decoder", "t5"),
        ("text", "mlm", "gpt", "bidirectional", "light, modernbert, bert, xlnet, t5"),
        ("image", "mae", "conv", "patches", "vit"),
        ("image", "mae", "resnet18", "patches", "vit"),
    ],
)
def test_what_an_encoder_lacks_is_named_with_the_encoders_that_have_it(
    modality, objective, encoder, missing, able
):
    with pytest.raises(HeadstartError) as refusal:
        check_fit([objective], encoder, open_modality(modality))
    message = str(refusal.value)
    assert f"{objective!r} needs {missing}, which the encoder {encoder!r} cannot give" in message
    assert f"encoders that can: {able}; objectives for {encoder}: " in message
    within = message.rpartition(": ")[2].rstrip(".").split(", ")
    assert objective not in within
    assert len(within) <= 10


@pytest.mark.parametrize("encoder", ["auto", "vit"])
def test_objectives_of_texts_are_refused_for_pictures(encoder):
    with pytest.raises(HeadstartError, match=r"which pictures and their encoders .*: simcse, "):
        check_fit(["mlm"], encoder, ImageModality())


@pytest.mark.parametrize("encoder", ["auto", "bert"])
def test_objectives_of_pictures_are_refused_for_texts(encoder):
    with pytest.raises(HeadstartError) as refusal:
        check_fit(["mae"], encoder, TextModality())
    message = str(refusal.value)
    assert "'mae' needs patches and pixels, which texts and their encoders cannot give" in message
    assert "mlm" in message
    assert "rotation" not in message


def test_objectives_that_no_encoder_serves_together_are_refused():
    with pytest.raises(HeadstartError, match=r"plm and bart need together: plm has xlnet; bart ha"):
        check_fit(["plm", "bart"], "auto", TextModality())
    check_fit(["mlm", "bart"], "auto", TextModality())


@pytest.mark.parametrize("modality", ["text", "image"])
def test_what_is_taken_where_nothing_is_named_fits(modality):
    opened = open_modality(modality)
    for name in OBJECTIVES:
        if encoders_for(OBJECTIVES[name].needs, opened):
            check_fit([name], "auto", opened)


def test_a_new_kind_of_data_has_its_objectives_from_what_it_gives(monkeypatch):
    kind = SimpleNamespace(reads="waves", provides=frozenset({"dropout"}))
    monkeypatch.setitem(encoders_for.__globals__, "ENCODERS", {"ear": kind})
    modality = SimpleNamespace(gives="waves", provides=frozenset({"two_views"}))
    assert encoders_for(OBJECTIVES["simcse"].needs, modality) == ["ear"]
    assert encoders_for(OBJECTIVES["mlm"].needs, modality) == []


def test_names_that_fit_import_no_encoder_of_another_package(install):
    install("far", {"headstart.encoders": {"ear": "far_ear:EAR"}}, far_ear="EAR = 1")
    for encoder in ("modernbert", "auto"):
        check_fit(["mlm", "simcse"], encoder, TextModality())
    assert "far_ear" not in sys.modules
    with pytest.raises(HeadstartError, match="encoders that can"):
        check_fit(["mlm"], "gpt", TextModality())
    assert "far_ear" in sys.modules


def test_an_encoder_without_its_kind_of_data_is_refused_in_a_sentence(install, tmp_path):
    source = """
from dataclasses import replace
from headstart.encoders.plain import PLAIN
EAR = replace(PLAIN, reads="waves")
"""
    install("ears", {"headstart.encoders": {"ear": "ears_only:EAR"}}, ears_only=source)
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text('{"network": "ear"}')
    for encoder in ("ear", str(folder)):
        with pytest.raises(HeadstartError, match="reads 'waves', which no installed kind of data"):
            read_note(encoder)
    with pytest.raises(HeadstartError, match="no installed kind of data gives, and the sources"):
        check_fit([], "ear", TextModality())


def test_a_foreign_folder_tells_what_it_reads_without_being_opened(text_processor, tmp_path):
    for name, modality in (("light", "text"), ("plain", "image"), ("conv", "image")):
        encoder = create_encoder(name, {}, text_processor, length=32, seed=0)
        encoder.save(tmp_path / name)
        assert read_note(tmp_path / name)["modality"] == modality
        assert reads_of(str(tmp_path / name)) == encoder.reads
    with pytest.raises(HeadstartError, match=r"reads pictures, .*read texts"):
        check_fit(["contrast"], str(tmp_path / "plain"), TextModality())
    noted = tmp_path / "run"
    encoder = create_encoder("light", {}, text_processor, length=32, seed=0)
    save_encoder(encoder, text_processor, noted, {"modality": "text", "length": 32})
    check_fit(["contrast"], str(noted), TextModality())


# -- the whole command ---------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path) -> dict[str, str]:
    (tmp_path / "texts.txt").write_text("one two three\n" * 40)
    (tmp_path / "images").mkdir()
    for index in range(3):
        pixels = np.full((16, 16, 3), index, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    return {"text": str(tmp_path / "texts.txt"), "image": str(tmp_path / "images")}


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("text", ["--encoder", "conv", "--objective", "contrast"], "encoders that read texts"),
        ("text", ["--encoder", "resnet18"], "encoders that read texts"),
        ("text", ["--objective", "mae"], "objectives for texts"),
        ("text", ["--objective", "unilm", "--encoder", "light"], "encoders that can: modernbert"),
        ("image", ["--encoder", "gpt"], "encoders that read pictures"),
        ("image", ["--objective", "mlm"], "objectives for pictures"),
        ("image", ["--embeddings", "counts"], "leave it out"),
        ("text", ["--objective", "mlm", "--set", "mlm.mask_rate=0.3"], "did you mean 'mask_ratio'"),
        ("text", ["--objective", "dino:1,contrast:1"], "run it alone"),
    ],
)
def test_the_command_refuses_in_one_sentence_and_reads_nothing(
    sources, content, options, sentence, tmp_path, monkeypatch
):
    def read(*_, **__):
        raise AssertionError("read")

    for kind in (TextModality, ImageModality):
        monkeypatch.setattr(kind, "read", read)
    out = tmp_path / "run"
    result = CliRunner().invoke(app, ["pretrain", sources[content], "--out", str(out), *options])
    assert result.exit_code == 1
    assert sentence in " ".join(result.stderr.split())
    assert not out.exists()


def test_a_source_that_is_not_there_is_said_first(tmp_path):
    out, source = str(tmp_path / "run"), str(tmp_path / "picturs")
    result = CliRunner().invoke(app, ["pretrain", source, "--out", out, "--encoder", "conv"])
    assert result.exit_code == 1
    assert "there is no file or folder" in " ".join(result.stderr.split())
    assert not Path(out).exists()


def test_modalities_say_what_their_processors_give(text_processor):
    modality: Modality = TextModality()
    assert text_processor.gives == modality.gives
    assert text_processor.provides <= modality.provides
    from headstart.modalities.image.processor import ImageProcessor

    assert ImageProcessor(16).gives == ImageModality.gives
    assert ImageProcessor(16).provides <= ImageModality.provides
