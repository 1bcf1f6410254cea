"""There and back: the same each time, made once, and gone on with after an interruption."""

from __future__ import annotations

import json
import shutil

import pytest
from datasets import Dataset
from safetensors.torch import load_file, save_file

from headstart.encoders.opening import create_encoder, save_encoder
from headstart.errors import HeadstartError
from headstart.modalities.text import back_translation
from headstart.modalities.text.back_translation import back_translated
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

TEXTS = ["The fox jumps. It sleeps!", "A dog", "Zebras run over the hill.", "Five jugs of liquor."]
RECORDS = Dataset.from_dict({"id": [f"a.txt:{n}" for n in range(4)], "text": TEXTS})


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two networks that read and write, with weights that nobody taught anything."""
    tokenizer = fit_tokenizer(TEXTS * 5, kind="bpe", vocab_size=300, wrap=True, sentinels=4)
    processor, made = TextProcessor(tokenizer), []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp(f"translator{seed}")
        size = {"layers": 1, "width": 16, "heads": 2}
        encoder = create_encoder("t5", size, processor, length=32, seed=seed)
        save_encoder(encoder, processor, folder, {"modality": "text", "length": 32})
        made.append(str(folder))
    return made


def made(folders, file, messages):
    return back_translated(RECORDS, *folders, file, say=messages.append)


def test_an_interrupted_way_round_goes_on_and_ends_the_same(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(back_translation, "CHUNK", 1)
    messages: list[str] = []
    whole = made(folders, tmp_path / "one.jsonl", messages)
    assert len(whole) == 4
    assert all(whole)
    assert whole != TEXTS
    lines = (tmp_path / "one.jsonl").read_text().split("\n")
    assert [json.loads(line)["id"] for line in lines[1:5]] == RECORDS["id"]
    # Killed within the third line: two are whole, and the rest is made anew.
    (tmp_path / "two.jsonl").write_text("\n".join([*lines[:3], lines[3][:9]]))
    assert made(folders, tmp_path / "two.jsonl", messages) == whole
    assert (tmp_path / "two.jsonl").read_text() == (tmp_path / "one.jsonl").read_text()
    assert made(folders, tmp_path / "one.jsonl", messages) == whole
    assert [line.split()[1] for line in messages] == ["4", "2"]


def test_translations_by_other_networks_are_not_taken_for_these(folders, tmp_path):
    messages: list[str] = []
    made(folders, tmp_path / "one.jsonl", messages)
    with pytest.raises(HeadstartError, match="translations by other networks"):
        made(folders[::-1], tmp_path / "one.jsonl", messages)


def test_a_text_that_was_changed_is_translated_again(folders, tmp_path):
    messages: list[str] = []
    file = tmp_path / "one.jsonl"
    before = made(folders, file, messages)
    changed = Dataset.from_dict({"id": RECORDS["id"], "text": [*TEXTS[:-1], "A new text."]})
    after = back_translated(changed, *folders, file, say=messages.append)
    assert after[:-1] == before[:-1]
    assert [line.split()[1] for line in messages] == ["4", "1"]


def test_sentences_go_one_by_one_and_a_text_without_an_answer_stays(folders, tmp_path, monkeypatch):
    translated: list[str] = []

    def shouted(self, sentences):
        translated.extend(sentences)
        return ["" if "dog" in text.lower() else text.upper() for text in sentences]

    monkeypatch.setattr(back_translation._Translator, "_write", shouted)
    found = made(folders, tmp_path / "one.jsonl", [])
    assert found == [TEXTS[0].upper(), "A dog", TEXTS[2].upper(), TEXTS[3].upper()]
    assert {"The fox jumps.", "It sleeps!"} <= set(translated)


def test_a_network_with_a_missing_tensor_translates_nothing(folders, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folders[0], broken)
    state = load_file(broken / "model.safetensors")
    del state["decoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(HeadstartError, match=r"lacks the tensor decoder\.block"):
        made([str(broken), folders[1]], tmp_path / "one.jsonl", [])
