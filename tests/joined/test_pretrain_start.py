"""`pretrain --start`: a published encoder and simple features stand beside the new encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_start import publish, write_texts

import headstart as hs
from headstart.encoders import blocks_of, published
from headstart.encoders.opening import open_encoder
from headstart.encoders.published import VARIABLE
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.training import beside
from headstart.training.interrupt import Interrupted

TINY = {"budget": "3steps", "batch_size": 32, "tracker": "none", "encoder_options": {"width": 8}}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    return write_texts(tmp_path_factory.mktemp("texts") / "unlabeled.jsonl", range(80))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nothing that is installed or cached on this machine is found."""
    monkeypatch.setattr(TextModality, "published", None)
    monkeypatch.setattr(published, "_hub", lambda: iter(()))


def pretrained(source: str, out: Path, **options) -> hs.Run:
    return hs.pretrain(source, out=str(out), **(TINY | options))


def test_the_start_on_this_machine_and_simple_features_stand_beside(
    source, tiny, tmp_path, monkeypatch, capsys
):
    alone = pretrained(source, tmp_path / "alone", start="none")
    monkeypatch.setenv(VARIABLE, str(tiny))
    run = pretrained(source, tmp_path / "run")
    told = " ".join(capsys.readouterr().err.split())  # long lines are wrapped
    assert all(part in told for part in ("tiny (mit", "texts a second", '`start="none"`'))
    encoder = open_encoder(run.folder)
    assert [name for name, _ in blocks_of(encoder)] == ["pre-trained", "tiny", "LSA"]
    assert (encoder.scale > 0).all()
    assert (encoder.scale != 1).any()
    # What is trained is the same as without it, and what stands beside is as it was published.
    for folder, same in (("pre-trained", alone.folder / "encoder"), ("tiny", tiny)):
        mine, theirs = (each / "model.safetensors" for each in (run.encoder / folder, same))
        assert all(
            torch.equal(value, load_file(theirs)[name]) for name, value in load_file(mine).items()
        )
    assert (run.folder / "encoder" / "tiny" / "README.md").is_file()
    assert not (run.folder / "prepared").exists()


@pytest.mark.parametrize("option", [{"encoder": "light"}, {"objective": "contrast"}])
def test_whoever_names_an_encoder_or_an_objective_gets_that_alone(
    source, tiny, tmp_path, monkeypatch, option
):
    monkeypatch.setenv(VARIABLE, str(tiny))
    assert not open_encoder(pretrained(source, tmp_path / "run", **option).folder).joined


def test_a_named_start_needs_no_search_and_continues_beside_another_encoder(source, tiny, tmp_path):
    run = pretrained(source, tmp_path / "run", start=str(tiny))
    again = hs.pretrain(
        source, out=str(tmp_path / "again"), encoder=str(run.folder), budget="2steps",
        tracker="none",
    )  # fmt: skip
    # A joined run is continued by its pre-trained part, beside which nothing stands unless asked.
    assert not open_encoder(again.folder).joined


def test_an_interrupted_run_goes_on_when_the_start_is_gone(source, tiny, tmp_path, monkeypatch):
    from headstart.training import pretrain as stage

    start = shutil.copytree(tiny, tmp_path / "tiny")
    monkeypatch.setenv(VARIABLE, str(start))
    with monkeypatch.context() as patch:
        patch.setattr(stage, "save_encoder", raising := Interrupting())
        with pytest.raises(Interrupted):
            pretrained(source, tmp_path / "run")
    assert raising.called
    shutil.rmtree(start)
    run = hs.pretrain(out=str(tmp_path / "run"), resume=True)
    assert list(open_encoder(run.folder).joined) == ["pre-trained", "tiny", "LSA"]


class Interrupting:
    called = False

    def __call__(self, *_, **__):
        self.called = True
        raise KeyboardInterrupt


def damaged(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])


def half(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))


def wider(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 20}))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damaged, r"model\.safetensors"),
        (half, r"model-2\.safetensors is missing"),
        (with_code, "code of its own"),
        (wider, "shape|size|width"),
    ],
)
def test_a_start_that_cannot_be_used_is_refused_by_name_and_left_out_by_auto(
    source, tiny, tmp_path, monkeypatch, harm, message
):
    start = shutil.copytree(tiny, tmp_path / "theirs")
    harm(start)
    with pytest.raises(HeadstartError, match=message):
        pretrained(source, tmp_path / "run", start=str(start))
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv(VARIABLE, str(start))
    assert not open_encoder(pretrained(source, tmp_path / "auto").folder).joined


def test_a_restricted_licence_is_warned_of_by_name_and_never_taken_unasked(
    source, tiny, tmp_path, monkeypatch, capsys
):
    start = shutil.copytree(tiny, tmp_path / "theirs")
    (start / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    monkeypatch.setenv(VARIABLE, str(start))
    assert not open_encoder(pretrained(source, tmp_path / "auto").folder).joined
    assert "theirs is left out, as its licence, cc-by-nc-4.0" in capsys.readouterr().err
    assert open_encoder(pretrained(source, tmp_path / "run", start="theirs").folder).joined
    assert "licence of theirs, cc-by-nc-4.0, restricts" in capsys.readouterr().err


def test_a_large_one_and_one_that_was_not_made_to_embed_are_never_taken_unasked(
    source, tiny, tmp_path, monkeypatch, capsys
):
    start = shutil.copytree(tiny, tmp_path / "theirs")
    monkeypatch.setenv(VARIABLE, str(start))
    with monkeypatch.context() as patch:
        patch.setattr(beside, "LARGEST", 0)
        assert not open_encoder(pretrained(source, tmp_path / "large").folder).joined
    assert "theirs is left out, as its 0 MB make it slow" in capsys.readouterr().err
    (start / "modules.json").unlink()
    assert not open_encoder(pretrained(source, tmp_path / "bare").folder).joined


def test_a_start_of_the_name_of_another_part_gets_another(source, tiny, tmp_path):
    start = shutil.copytree(tiny, tmp_path / "pre-trained")
    run = pretrained(source, tmp_path / "run", start=str(start))
    assert list(open_encoder(run.folder).joined) == ["pre-trained", "pre-trained-start", "LSA"]


def test_an_encoder_of_another_language_is_left_out(source, tiny, tmp_path, monkeypatch, capsys):
    start = shutil.copytree(tiny, tmp_path / "theirs")
    (start / "README.md").write_text("---\nlanguage: zh\nlicense: mit\n---\n")
    monkeypatch.setenv(VARIABLE, str(start))
    monkeypatch.setattr(TextModality, "languages", lambda self, records: frozenset({"en"}))
    assert not open_encoder(pretrained(source, tmp_path / "auto").folder).joined
    assert "knows the language of these texts (en)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("start", "message"),
    [("tinny", "did you mean 'tiny'"), ("joined", "stand side by side there already")],
)
def test_a_start_that_is_none_is_refused_before_anything_is_read(
    source, tiny, tmp_path, monkeypatch, start, message
):
    monkeypatch.setenv(VARIABLE, str(tiny))
    if start == "joined":
        start = str(pretrained(source, tmp_path / "joined").folder)
    with pytest.raises(HeadstartError, match=message):
        pretrained(source, tmp_path / "run", start=start)
    assert not (tmp_path / "run").exists()
