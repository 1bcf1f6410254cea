"""Few labels: the nearest class mean needs no training, and a cloze asks the masked model."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional as F

from headstart.config import FinetuneConfig
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict
from headstart.downstream.prototypes import Prototypes
from headstart.downstream.text.prompt import Prompt, _Cloze
from headstart.encoders.opening import save_encoder
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.objectives.heads import TokenHead
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def config(out="o", run="r", **options):
    given = {"tracker": "none", "precision": "fp32", **options}
    return FinetuneConfig(run=str(run), train="t", out=str(out), **given)


def tune(encoder, processor, records, out, **options):
    options = config(out, **options)
    run = RunFolder.create(out, "finetune", options)
    return finetune(encoder, processor, records, None, options, run, note=NOTE)


def test_the_nearest_class_mean_is_predicted_and_nothing_is_trained(
    light, processor, records, tmp_path
):
    before = light.embedding.weight.clone()
    run = tune(
        light, processor, records({"fruit": 30, "tool": 30}), tmp_path / "o", task="prototypes"
    )
    assert torch.equal(light.embedding.weight, before)
    assert run.finished
    assert not list(run.checkpoints.glob("*"))
    others = records({"fruit": 20, "tool": 20}, seed=1)
    rows = list(predict(run, others, batch_size=7))
    hits = sum(row["label"] == label for row, label in zip(rows, others["label"], strict=True))
    assert hits > 25
    assert set(run.resolved["scores"]) == {"accuracy"}


def test_a_prototype_is_the_mean_of_its_class_on_the_sphere(light, processor, records):
    some = records({"fruit": 4, "tool": 4})
    head = Prototypes(16, ["fruit", "tool"])
    rows = head.rows(processor, some, 16)
    head.warm_start(light, rows, rows)
    light.eval()
    with torch.no_grad():
        features = light.pool(processor.collate(some, 16))
        unit = F.normalize(features - features.mean(0), dim=1)
        fruit = torch.tensor([label == "fruit" for label in some["label"]])
        assert torch.allclose(head.means[0], unit[fruit].mean(0), atol=1e-6)
        distance = (unit[0] - head.means[1]).square().sum()
        assert torch.allclose(head.logits(features)[0, 1], -head.scale * distance, atol=1e-4)


def test_one_record_a_class_is_enough_for_prototypes(light, processor, records, tmp_path):
    some = records({"fruit": 1, "tool": 1})
    run = tune(light, processor, some, tmp_path / "o", task="prototypes")
    assert [row["label"] for row in predict(run, some)] == list(some["label"])


@pytest.fixture
def masked_run(transformer, processor, tmp_path):
    """A run whose masked model says apple or hammer after texts of either kind."""
    folder = tmp_path / "mlm"
    save_encoder(transformer, processor, folder / "encoder", NOTE)
    (folder / "head").mkdir()
    torch.manual_seed(0)
    TokenHead(transformer.token_embedding, transform=True).save(folder / "head", "mlm")
    return folder


WORDS = {"fruit": "apple", "tool": ["hammer", "saw"]}


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{mask} : {text}", "[CLS] [MASK] : big plum and old pear [SEP]"),
        ("{text} and the {mask} of", "[CLS] big plum and old pear and the [MASK] of [SEP]"),
    ],
)
def test_a_template_hides_one_word_and_long_texts_give_way(
    processor, records, template, wanted, transformer
):
    cloze = _Cloze(processor, template)
    some = (
        records({"fruit": 1}).remove_columns("text").add_column("text", ["big plum and old pear"])
    )
    batch = cloze.collate(some, 32)
    ids, index = batch["input_ids"][0], int(batch["hidden"][0])
    tokens = processor.tokenizer.convert_ids_to_tokens(ids.tolist())
    assert [t for t in tokens if t != "[UNK]"] == [t for t in wanted.split() if t != ":"]
    assert ids[index] == processor.vocabulary.mask_id
    short = cloze.collate(some, len(ids) - 2)
    assert short["input_ids"].shape[1] == len(ids) - 2
    assert int((short["input_ids"] == processor.vocabulary.mask_id).sum()) == 1
    assert short["input_ids"][0, int(short["hidden"][0])] == processor.vocabulary.mask_id
    with pytest.raises(HeadstartError, match="no room for a text"):
        cloze.collate(some, 3)


def test_untrained_the_cloze_says_what_the_masked_model_says(
    masked_run, transformer, processor, records
):
    options = config(run=masked_run, task="prompt", task_options={"prompt": {"verbalizers": WORDS}})
    some = records({"fruit": 4, "tool": 4})
    head = Prompt.build(transformer, some, options).eval()
    full = TokenHead(transformer.token_embedding, transform=True)
    from safetensors.torch import load_file

    full.load_state_dict(load_file(masked_run / "head" / "head.safetensors"), strict=False)
    batch = head.collate(processor, some, 16)
    with torch.no_grad():
        hidden = transformer.eval()(batch).tokens[torch.arange(8), batch["hidden"]]
        logits = full(hidden)
        index = processor.tokenizer.convert_tokens_to_ids
        tool = (logits[:, index("hammer")] + logits[:, index("saw")]) / 2
        wanted = torch.stack([logits[:, index("apple")], tool], 1)
        assert torch.allclose(head.logits(head.features(transformer, batch)), wanted, atol=1e-5)


def test_a_cloze_learns_and_its_run_predicts(masked_run, transformer, processor, records, tmp_path):
    run = tune(
        transformer,
        processor,
        records({"fruit": 40, "tool": 40}),
        tmp_path / "o",
        run=masked_run,
        task="prompt",
        task_options={"prompt": {"verbalizers": WORDS}},
        budget="40steps",
        optimizer={"learning_rate": 1e-2},
    )
    others = records({"fruit": 10, "tool": 10}, seed=1)
    rows = list(predict(run, others))
    hits = sum(row["label"] == label for row, label in zip(rows, others["label"], strict=True))
    assert hits >= 18
    described = json.loads((run.head / "head.json").read_text())
    assert described["verbalizers"] == {"fruit": ["apple"], "tool": ["hammer", "saw"]}


def test_what_a_cloze_cannot_do_is_refused(masked_run, transformer, records, tmp_path):
    some = records({"fruit": 4, "tool": 4})

    def build(run=masked_run, **words):
        options = config(
            run=run, task="prompt", task_options={"prompt": {"verbalizers": {**WORDS, **words}}}
        )
        return Prompt.build(transformer, some, options)

    with pytest.raises(HeadstartError, match="'vegetable', which is no label"):
        build(vegetable="leek")
    with pytest.raises(HeadstartError, match="'pineapple' is not one token"):
        build(fruit="pineapple")
    write_json(masked_run / "head" / "head.json", {"objective": "clm"})
    with pytest.raises(HeadstartError, match="--objective mlm, or use task prototypes"):
        build()
    mute = config(task="prompt", task_options={"prompt": {"template": "{text} only"}})
    with pytest.raises(HeadstartError, match=r"'prompt\.template': a template has"):
        Prompt.build(transformer, some, mute)
