"""Other encoders that the user names, and the checkpoint that a pre-training went on from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

import headstart as hs
from headstart.encoders.opening import open_processor
from headstart.errors import HeadstartError
from headstart.evaluation import frozen_encoders as candidates
from headstart.evaluation.cache import digests_of
from headstart.evaluation.frozen_encoders import measured, named, started
from headstart.modalities.opening import open_modality
from headstart.modalities.text.modality import TextModality

WORDS = ["apple", "pear", "plum", "fig", "saw", "axe", "drill", "file"]
TEXTS = [f"the {WORDS[n % 8]} lies beside the {WORDS[n * 3 % 8]} on table n{n}" for n in range(80)]
RECORDS = Dataset.from_dict({"id": [str(n) for n in range(80)], "text": TEXTS})


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[hs.Run, hs.Run]:
    """Return a run from nothing, and one that goes on from it."""
    folder = tmp_path_factory.mktemp("rivals")
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    options = {"budget": "5steps", "batch_size": 16, "tracker": "none", "objective": "contrast"}
    source = str(folder / "texts.txt")
    first = hs.pretrain(
        source, out=str(folder / "first"), encoder="light", encoder_options={"width": 16}, **options
    )
    # Unguarded: in five steps nothing is clearly better, and the start's weights would be kept.
    second = hs.pretrain(
        source,
        out=str(folder / "second"),
        encoder=str(first.folder),
        safeguards="off",
        **options,
    )
    return first, second


def test_only_a_continued_pre_training_has_a_starting_checkpoint(runs) -> None:
    first, second = runs
    notes: list[str] = []
    processor = open_processor(second.encoder)
    assert started(first, processor, 64, notes) == []
    candidate = started(second, processor, 64, notes)[0]
    assert (candidate.kind, notes) == ("start", [])
    own = named([str(first.folder)], open_modality("text"))[0]
    assert candidate.vectors(RECORDS, None) == pytest.approx(own.vectors(RECORDS, None))
    now = named([str(second.folder)], open_modality("text"))[0]
    assert np.abs(candidate.vectors(RECORDS, None) - now.vectors(RECORDS, None)).max() > 1e-6


def test_a_missing_starting_checkpoint_is_noted(runs, tmp_path: Path) -> None:
    run = hs.Run(tmp_path)
    run.write_config(
        {"verb": "pretrain", "options": {}, "resolved": {"plan": {"encoder": "no/such/folder"}}}
    )
    notes: list[str] = []
    assert started(run, None, 64, notes) == []
    assert "(no/such/folder) cannot be opened any more" in notes[0]


def test_a_fine_tuned_run_has_no_starting_checkpoint(tmp_path: Path) -> None:
    run = hs.Run(tmp_path)
    plan = {"batch_size": 16, "learning_rate": 1e-4}
    run.write_config({"verb": "finetune", "options": {}, "resolved": {"plan": plan}})
    assert started(run, None, 64, []) == []


def test_other_encoders_are_named_after_their_folder_unless_two_are_called_the_same(runs) -> None:
    first, second = (str(run.folder) for run in runs)
    text = open_modality("text")
    assert [candidate.name for candidate in named([first, second], text)] == ["first", "second"]
    assert [candidate.name for candidate in named([first, first], text)] == [first, first]


def test_an_encoder_of_other_data_is_refused(runs) -> None:
    with pytest.raises(HeadstartError, match="an encoder of texts, but the records are pictures"):
        named([str(runs[0].folder)], open_modality("image"))


def test_a_folder_of_sentence_transformers_is_read_as_its_own_library_reads_it(
    tmp_path: Path,
) -> None:
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    letters += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (tmp_path / "vocab.txt").write_text("\n".join(letters))
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    tokenizer.save_pretrained(tmp_path / "bert")
    config = BertConfig(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path / "bert")
    word = models.Transformer(str(tmp_path / "bert"), max_seq_length=32)
    model = SentenceTransformer(modules=[word, models.Pooling(16, "max")], device="cpu")
    model.save(str(tmp_path / "sentences"))
    candidate = named([str(tmp_path / "sentences")], open_modality("text"))[0]
    # Ours computes in bf16 where the processor has it.
    wanted = model.encode(TEXTS)
    assert candidate.vectors(RECORDS, None) == pytest.approx(wanted, rel=2e-2, abs=2e-2)


def test_features_are_computed_once_and_anew_for_other_records_or_encoders(
    runs, tmp_path: Path, monkeypatch
) -> None:
    computed: list[int] = []
    features = candidates.features

    def spy(encoder, processor, records, **options):
        computed.append(len(records))
        return features(encoder, processor, records, **options)

    timed: list[int] = []
    monkeypatch.setattr(candidates, "features", spy)
    monkeypatch.setattr(candidates, "rate", lambda _, count, __: timed.append(count) or 100.0)
    first, second = named([str(run.folder) for run in runs], open_modality("text"))
    train, test = RECORDS.select(range(50)), RECORDS.select(range(50, 80))
    digest_of = digests_of(TextModality())
    once = measured(first, train, test, digest_of, tmp_path, None)
    again = measured(first, train, test, digest_of, tmp_path, None)
    assert computed == [50, 30]
    assert again.train.tolist() == once.train.tolist()
    assert again.test.tolist() == once.test.tolist()
    measured(first, train, RECORDS.select(range(51, 80)), digest_of, tmp_path, None)
    measured(second, train, None, digest_of, tmp_path, None)
    assert computed == [50, 30, 29, 50]
    assert timed == [50, 50]  # beside cached features their speed is kept
    assert again.cost == once.cost
    assert again.cost.speed == 100
