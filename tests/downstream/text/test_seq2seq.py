"""One text from another: what is learned, what is written, and that writing always ends."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
)

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.deployment.generate import generate
from headstart.downstream.finetune import finetune
from headstart.downstream.lora import add_lora
from headstart.downstream.predict import predict, reader
from headstart.downstream.text.seq2seq import Seq2Seq
from headstart.downstream.text.written_pairs import WrittenRows, find_columns
from headstart.encoders.opening import create_encoder
from headstart.encoders.seq2seq import Seq2SeqEncoder
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "t5"}
ENGLISH = ["one", "two", "three", "four", "five", "six"]
GERMAN = ["eins", "zwei", "drei", "vier", "sechs", "sieben"]
WORDS = TextProcessor(fit_tokenizer([" ".join(ENGLISH + GERMAN)] * 2, kind="word", vocab_size=64))
SIZE = {"layers": 1, "width": 32, "heads": 2}


def pairs(count, seed=0, longest=4):
    """Numbers, and the same numbers in German."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        drawn = random.integers(6, size=random.integers(1, longest + 1))
        rows.append(
            {
                "id": f"p:{number}",
                "text": " ".join(ENGLISH[index] for index in drawn),
                "label": " ".join(GERMAN[index] for index in drawn),
            }
        )
    return Dataset.from_list(rows)


def network(seed=0):
    return create_encoder("t5", SIZE, WORDS, length=16, seed=seed)


def absolute_positions(indices=12):
    """A small BART, whose places are numbered."""
    torch.manual_seed(0)
    tokenizer = WORDS.tokenizer
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=indices,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id,
        decoder_start_token_id=tokenizer.sep_token_id,
        forced_eos_token_id=None,
    )
    return Seq2SeqEncoder(BartForConditionalGeneration(config))


def options(out="o", **given):
    return FinetuneConfig(
        run="r", train="t", out=str(out), task="seq2seq", tracker="none", precision="fp32", **given
    )


def write(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return str(path)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A run that has learned to translate numbers."""
    out = tmp_path_factory.mktemp("runs") / "tuned"
    plan = options(
        out,
        budget="350steps",
        batch_size=32,
        patience=0,
        validate_steps=100,
        dropout=0.0,
        optimizer={"learning_rate": 5e-3},
        task_options={"seq2seq": {"beams": 1, "no_repeat": 0, "label_smoothing": 0.0}},
    )
    run = RunFolder.create(out, "finetune", plan)
    return finetune(network(), WORDS, pairs(400, longest=2), pairs(40, 1, 2), plan, run, note=NOTE)


def test_it_learns_to_write_and_its_scores_say_so(tuned):
    scores = tuned.resolved["scores"]
    assert set(scores) == {"bleu", "chrf", "rouge1", "rouge2", "rougeL", "perplexity"}
    assert scores["chrf"] > 85
    assert 1.0 <= scores["perplexity"] < 1.3
    low, high = tuned.resolved["intervals"]["chrf"]
    assert low <= scores["chrf"] <= high
    unseen = Dataset.from_list([{"id": "a", "text": "one three"}])
    assert list(predict(tuned, unseen)) == [{"id": "a", "generated": "eins drei"}]
    assert "On 40 held-out records: bleu" in tuned.log_file.read_text()


def test_transformers_writes_the_same_from_the_saved_folder_with_beams_or_without(tuned):
    records = pairs(8, seed=2)
    tokenizer = AutoTokenizer.from_pretrained(tuned.encoder)
    model = AutoModelForSeq2SeqLM.from_pretrained(tuned.encoder)
    read = tokenizer(list(records["text"]), return_tensors="pt", padding=True)
    read.pop("token_type_ids", None)
    for beams in (None, 3):
        requested = PredictConfig(run="r", inputs=["x"], beams=beams)
        ours = [row["generated"] for row in predict(tuned, records, options=requested)]
        out = model.generate(**read, **({"num_beams": beams} if beams else {}))
        assert ours == tokenizer.batch_decode(out, skip_special_tokens=True)


def test_a_batch_is_written_as_each_of_its_texts_alone(tuned):
    records = pairs(4, seed=3, longest=9)
    alone = [row for one in range(4) for row in predict(tuned, records.select([one]))]
    assert list(predict(tuned, records, batch_size=4)) == alone


def test_the_loss_is_that_of_transformers_and_smoothing_is_for_training_only():
    encoder, records = network().eval(), pairs(5)
    head = Seq2Seq(label_smoothing=0.2)
    batch = head.rows(WORDS, records, 16, seed=0).batch(np.arange(5), 0)
    targets = batch["written/input_ids"].masked_fill(~batch["written/mask"], -100)
    theirs = encoder.model(
        input_ids=batch["input_ids"], attention_mask=batch["mask"].long(), labels=targets
    )
    head.eval()
    plain = head(head.features(encoder, batch), batch)["loss"]
    torch.testing.assert_close(plain, theirs.loss, rtol=1e-5, atol=1e-5)
    head.train()
    smoothed = head(head.features(encoder, batch), batch)["loss"]
    # By hand: a fifth of each target is spread evenly over the vocabulary.
    logs = theirs.logits.log_softmax(-1)[batch["written/mask"]]
    own = logs.gather(1, batch["written/input_ids"][batch["written/mask"]][:, None]).mean()
    torch.testing.assert_close(smoothed, -0.8 * own - 0.2 * logs.mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("make", [network, absolute_positions])
def test_a_network_that_would_never_stop_is_stopped_and_does_not_run_in_circles(make, beams):
    encoder = make().eval()
    end = WORDS.tokenizer.sep_token_id
    old = encoder.model.lm_head.weight
    layer = torch.nn.Linear(old.shape[1], old.shape[0])
    with torch.no_grad():  # whatever was read, the end is the last thing it would say
        layer.weight.copy_(old)
        layer.bias.zero_()[[end, WORDS.tokenizer.cls_token_id]] = -1e4
    encoder.model.lm_head = layer
    texts = [{"id": "a", "text": "one two"}, {"id": "b", "text": "five " * 9}]
    for writes in (3, 11, 60):
        head = Seq2Seq(reads=10, writes=writes, beams=beams, no_repeat=2)
        batch = head.collate(WORDS, Dataset.from_list(texts), 10)
        with torch.inference_mode():
            rows = head.predictions(head.features(encoder, batch), batch)
        for row in rows:
            words = row["generated"].split()
            assert len(words) <= writes
            twos = list(pairwise(words))
            assert len(set(twos)) == len(twos)


def test_a_text_longer_than_what_is_read_is_cut_and_the_numbers_are_told(tuned):
    records = Dataset.from_list([{"id": "a", "text": "one"}, {"id": "b:7", "text": "two " * 30}])
    messages = []
    rows = list(predict(tuned, records, say=messages.append))
    assert [row["id"] for row in rows] == ["a", "b:7"]
    (line,) = messages
    assert line.startswith("1 of 2 texts to read are longer than 16 tokens and were cut")
    assert "b:7, has 32" in line
    head = Seq2Seq()
    head.rows(WORDS, pairs(3, longest=1).add_item(records[1] | {"label": "drei " * 40}), 16, 0)
    read, written = head.notes()
    assert "texts to read are longer than 16" in read
    assert "texts to write are longer than 16" in written
    assert "seq2seq.tokens=N" in written
    assert head.notes() == []


def test_what_is_cut_still_ends_as_a_text_does():
    records = Dataset.from_list([{"id": "a", "text": "one " * 20, "label": "eins " * 20}])
    batch = WrittenRows(WORDS, records, 6, 5).batch(np.array([0]), 0)
    assert batch["input_ids"].shape == (1, 6)
    assert batch["written/input_ids"].shape == (1, 5)
    end = WORDS.tokenizer.sep_token_id
    assert batch["input_ids"][0, -1] == batch["written/input_ids"][0, -1] == end


def test_columns_are_found_where_their_names_are_well_known(tmp_path):
    plain = options()
    two = write(tmp_path / "two.jsonl", [{"image": "a.jpg", "en": "a dog", "de": "ein Hund"}])
    assert find_columns(two, plain) == ("en", "de")
    back = options(columns={"text": "de"})
    assert find_columns(two, back) == ("de", "en")
    news = write(tmp_path / "news.jsonl", [{"id": 3, "summary": "short", "document": "long"}])
    assert find_columns(news, plain) == ("document", "summary")
    many = write(tmp_path / "many.jsonl", [{"en": "a", "de": "b", "fr": "c"}])
    with pytest.raises(HeadstartError, match=r"with --column text=COLUMN .* 'en', 'de', 'fr'"):
        find_columns(many, plain)
    assert find_columns(many, options(columns={"text": "fr", "label": "de"})) == ("fr", "de")
    with pytest.raises(HeadstartError, match="no column 'dee'; did you mean 'de'"):
        find_columns(many, options(columns={"text": "en", "label": "dee"}))


def test_inputs_are_judged_where_they_have_the_target_and_written_where_not(tuned, tmp_path):
    rows = [{"text": "one two", "label": "eins zwei"}, {"text": "three", "label": "drei"}]
    labeled = write(tmp_path / "labeled.jsonl", rows)
    bare = tmp_path / "bare.txt"
    bare.write_text("four\nfive six\n")
    requested = PredictConfig(run="r", inputs=["x"], columns={"text": "text", "label": "label"})
    records = reader(tuned, [labeled], requested)(TextModality(), Audit())
    messages = []
    list(predict(tuned, records, say=messages.append))
    assert messages[0].startswith("On 2 labeled records: bleu ")
    records = reader(tuned, [str(bare)], PredictConfig(run="r", inputs=["x"]))(
        TextModality(), Audit()
    )
    assert records.column_names == ["id", "text"]
    messages.clear()
    assert [row["generated"] for row in predict(tuned, records, say=messages.append)] == [
        "vier",
        "sechs sieben",
    ]
    assert messages == []


def test_generate_points_to_predict(tuned):
    with pytest.raises(HeadstartError, match="use it with `headstart predict"):
        generate(tuned, "one two")


def test_what_cannot_write_or_is_asked_for_too_much_is_refused(transformer, processor):
    records = pairs(4)
    with pytest.raises(HeadstartError, match=r"needs decoder.*can: t5; .* span_corruption, bart"):
        Seq2Seq.check_encoder(transformer, processor)
    with pytest.raises(HeadstartError, match="--freeze all leaves nothing to learn"):
        Seq2Seq.build(network(), records, options(freeze="all"))
    with pytest.raises(HeadstartError, match="12 positions, fewer than the 64 tokens asked for"):
        Seq2Seq.build(absolute_positions(), records, options(length=64))
    endless = TextProcessor(fit_tokenizer(["a b"] * 2, kind="word", vocab_size=20, wrap=False))
    with pytest.raises(HeadstartError, match="a tokenizer that closes a text"):
        Seq2Seq().rows(endless, records, 16, 0)


def test_a_text_without_its_target_is_written_all_the_same(tmp_path):
    head = Seq2Seq(columns=("text", "label"))
    gap = [{"text": "one", "label": "eins"}, {"text": "two", "label": ""}, {"text": "six"}]
    requested = PredictConfig(run="r", inputs=["x"])
    path = write(tmp_path / "gap.jsonl", gap)
    records = head.read_inputs([path], requested, TextModality(), Audit())
    assert list(records["text"]) == ["one", "two", "six"]
    assert list(records["label"]) == ["eins", None, None]


def test_low_rank_pairs_stand_beside_what_reads_and_what_writes():
    encoder = network()
    merge = add_lora(encoder, 2)
    learned = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert any(".encoder." in name for name in learned)
    assert any(".decoder." in name for name in learned)
    assert all("lora_" in name for name in learned)
    merge()
    assert not any("lora_" in name for name, _ in encoder.named_parameters())


def test_dropout_acts_while_training_only_and_limits_follow_the_training_targets():
    encoder = network()
    head = Seq2Seq.build(encoder, pairs(4), options(dropout=0.5))
    rows = head.rows(WORDS, pairs(50), 16, seed=0)
    assert head.writes == rows.written_sizes.max() == 6
    batch = rows.batch(np.arange(8), 0)
    encoder.train()
    losses = {head(head.features(encoder, batch), batch)["loss"].item() for _ in range(3)}
    assert len(losses) == 3
    encoder.eval()
    losses = {head(head.features(encoder, batch), batch)["loss"].item() for _ in range(3)}
    assert len(losses) == 1
    assert all(map(math.isfinite, losses))
