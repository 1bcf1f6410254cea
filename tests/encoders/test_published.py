"""Published encoders are found where they lie, and what cannot be used says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from headstart.encoders import published
from headstart.encoders.published import VARIABLE, Found
from headstart.errors import HeadstartError
from headstart.modalities import Package
from headstart.modalities.audio.modality import AudioModality
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.text.modality import TextModality

CARD = "---\nlanguage: [en, de]\nlicense: cc-by-nc-4.0\n---\n\n# A small network\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A small network of Transformers with its tokenizer and a model card."""
    folder = tmp_path_factory.mktemp("published") / "small"
    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(letters))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"vocab_size": len(letters), "hidden_size": 8, "intermediate_size": 8}
    config = BertConfig(num_hidden_layers=1, num_attention_heads=2, **size)
    BertModel(config).save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return folder


@pytest.fixture
def copy(whole, tmp_path, monkeypatch):
    """Return a function that copies the network under a name, where it is looked for."""

    def make(name: str) -> Path:
        folder = tmp_path / "starts" / name
        shutil.copytree(whole, folder)
        monkeypatch.setenv(VARIABLE, str(folder))
        return folder

    for kind in (TextModality, ImageModality, AudioModality):
        monkeypatch.setattr(kind, "published", None)
    monkeypatch.setattr(published, "_hub", lambda: iter(()))
    return make


def test_a_folder_of_the_environment_is_found_with_what_its_card_says(copy):
    folder = copy("small")
    (only,) = Found.here().encoders
    assert (only.name, only.folder, only.source) == ("small", folder, "folder")
    assert (only.modality, only.width, only.for_vectors) == ("text", 8, False)
    assert only.languages == ("en", "de")
    assert only.licence == "cc-by-nc-4.0"
    assert only.is_restricted
    assert only.speaks({"de", "fr"})
    assert only.speaks(())
    assert not only.speaks({"fr"})


def test_many_languages_are_all(copy):
    folder = copy("small")
    (folder / "README.md").write_text(CARD.replace("[en, de]", "multilingual"))
    assert Found.here().encoders[0].speaks({"zh"})


def test_none_looks_nowhere(copy, monkeypatch):
    copy("small")
    monkeypatch.setenv(VARIABLE, "none")
    assert Found.here() == Found((), {})
    assert "--fetch NAME" in str(Found.here())


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _half(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.Y"}}))


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def _without_tokenizer(folder: Path) -> None:
    for file in ("tokenizer.json", "vocab.txt"):
        (folder / file).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_pickled, "a pickle"),
        (_half, "model-2.safetensors is missing"),
        (_with_code, "never run"),
        (_without_tokenizer, "no tokenizer"),
        (_cut, "model.safetensors cannot be read"),
        (lambda folder: (folder / "1_Pooling").mkdir(), "modules.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    ],
)
def test_what_cannot_be_used_says_why(copy, harm, reason):
    harm(copy("harmed"))
    found = Found.here()
    assert not found.encoders
    assert reason in found.unusable["harmed"]
    assert f"harmed cannot be used: {found.unusable['harmed']}" in str(found)


def test_those_made_for_vectors_stand_first(whole, copy, tmp_path, monkeypatch):
    one, other = copy("one"), copy("other")
    (other / "modules.json").write_text('[{"type": "x.Transformer", "path": ""}]')
    monkeypatch.setenv(VARIABLE, f"{one}:{other}")
    assert [each.name for each in Found.here().encoders] == ["other", "one"]
    assert Found.here().named("one").folder == one
    assert Found.here().named("two") is None


def test_the_cache_of_the_hub_is_looked_through(whole, tmp_path, monkeypatch):
    repo = tmp_path / "hub" / "models--author--small"
    shutil.copytree(whole, repo / "snapshots" / "abc")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    scan = huggingface_hub.scan_cache_dir
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scan(tmp_path / "hub"))
    for kind in (TextModality, ImageModality, AudioModality):
        monkeypatch.setattr(kind, "published", None)
    monkeypatch.delenv(VARIABLE)
    (only,) = Found.here().encoders
    assert (only.name, only.source) == ("author/small", "hub cache")
    assert Found.here().named("small") == only


def test_fetching_without_a_network_is_one_sentence():
    with pytest.raises(HeadstartError, match="author/small cannot be fetched"):
        published.fetch("author/small")


def test_odd_files_of_others_never_end_a_search(copy):
    folder = copy("odd")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"width": {}, "d_model": {}}))
    (folder / "README.md").write_text("---\nlanguage: 5\nlicense: [a]\n---\n")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": ["a"]}')
    (only,) = Found.here().encoders
    assert (only.width, only.languages) == (8, ())


def test_norwegian_is_a_language(copy):
    folder = copy("small")
    (folder / "README.md").write_text("---\nlanguage: [no, en]\n---\n")
    assert Found.here().encoders[0].languages == ("no", "en")


def test_a_cache_that_is_no_folder_is_none(tmp_path, monkeypatch):
    (tmp_path / "hub").write_text("")
    scan = huggingface_hub.scan_cache_dir
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scan(tmp_path / "hub"))
    for kind in (TextModality, ImageModality, AudioModality):
        monkeypatch.setattr(kind, "published", None)
    monkeypatch.delenv(VARIABLE)
    assert Found.here() == Found((), {})


def test_what_is_written_in_the_cache_stays_for_whoever_reads_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = tmp_path / "headstart" / "starts" / "small-1"

    def write(_, made: Path) -> None:
        (made / "own").touch()
        kept.mkdir()
        (kept / "of another process").touch()

    monkeypatch.setattr(published, "import_module", lambda _: SimpleNamespace(write=write))
    monkeypatch.setattr(published, "distribution", lambda _: SimpleNamespace(version="1"))
    package = Package("a-package", "models", "small", "a_module:write")
    assert published._written(tmp_path, package) == kept
    assert [file.name for file in kept.parent.rglob("*")] == ["small-1", "of another process"]
    monkeypatch.setattr("os.access", lambda *_: False)  # the cache of an image, for example
    assert published._written(tmp_path, package) == kept
