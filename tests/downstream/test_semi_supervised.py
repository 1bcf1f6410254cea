"""Fine-tuning with unlabeled records: pseudo-labels, exact resume, and digits."""

from __future__ import annotations

import copy
import io
import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from torch import nn

from headstart.config import FinetuneConfig
from headstart.downstream import semi_supervised
from headstart.downstream.classification import Classification
from headstart.downstream.frozen_head import FrozenHead
from headstart.downstream.predict import predict
from headstart.downstream.rows import LabeledRows
from headstart.downstream.semi_supervised import (
    compare_with_labels_only,
    finetune_with_unlabeled,
    semi_method,
    verdict,
)
from headstart.downstream.semi_supervised.pseudo_labels import PseudoLabeled, aligned, surest
from headstart.downstream.semi_supervised.unlabeled import features_of, unlabeled_rows
from headstart.encoders.plain import PlainEncoder, PlainOptions
from headstart.errors import HeadstartError
from headstart.modalities.image.processor import ImageProcessor
from headstart.modalities.text.content import TEXT
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def tune(
    encoder: Any,
    processor: Any,
    records: Dataset,
    unlabeled: Dataset,
    out: Any,
    *,
    validation: Dataset | None = None,
    note: dict[str, Any] = NOTE,
    **options: Any,
) -> RunFolder:
    options = {"tracker": "none", "precision": "fp32", **options}
    config = FinetuneConfig(run="run", train="train", unlabeled=["more"], out=str(out), **options)
    run = RunFolder.create(out, "finetune", config)
    return finetune_with_unlabeled(
        encoder, processor, records, validation, unlabeled, None, config, run, note=note
    )


def right(run: RunFolder, tested: Dataset) -> float:
    pairs = zip(predict(run, tested), tested["label"], strict=True)
    return float(np.mean([row["label"] == label for row, label in pairs]))


# -- pseudo-labels ---------------------------------------------------------------------------------


def test_the_surest_of_each_class_are_taken_in_the_same_share() -> None:
    probabilities = torch.tensor(
        [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.45, 0.55], [0.48, 0.52], [0.99, 0.01]]
    )
    indices, guessed = surest(probabilities, 0.5)
    assert indices.tolist() == [0, 4, 6]  # half of five is two, half of two is one
    assert guessed.tolist() == [0, 1, 0]
    assert surest(probabilities, 1.0)[0].tolist() == list(range(7))
    assert surest(probabilities, 0.01)[0].tolist() == [4, 6]


def test_aligned_chances_have_the_shares_of_the_labels_on_average() -> None:
    raw = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    probabilities = raw / raw.sum(1, keepdim=True)
    shares = torch.tensor([0.6, 0.3, 0.1])
    found = aligned(probabilities, shares)
    torch.testing.assert_close(found.mean(0), shares, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(500))
    # Within a class nobody overtakes anybody: the odds all change by one and the same factor.
    before, after = probabilities[:, 0] / probabilities[:, 1], found[:, 0] / found[:, 1]
    torch.testing.assert_close(after / before, (after / before)[:1].expand(500), rtol=1e-3, atol=0)


def test_labeled_and_pseudo_labeled_rows_keep_their_own_targets(processor, records) -> None:
    labeled, others = records({"fruit": 2, "tool": 1}), records({"fruit": 4}, seed=9)
    targets = torch.tensor([1, 0, 1])
    rows = PseudoLabeled(
        LabeledRows(processor, labeled, targets, 16),
        LabeledRows(processor, others, torch.full((4,), -1), 16),
        np.array([1, 3]),
        torch.tensor([[0.3, 0.7], [0.8, 0.2]]),
    )
    assert len(rows) == 5
    batch = rows.batch(np.array([4, 1]), 0)
    assert batch["labels"].tolist() == [0, 0]
    assert batch["probabilities"].tolist() == [[1.0, 0.0], [pytest.approx(0.8), pytest.approx(0.2)]]
    for row, (source, index) in enumerate([(labeled, 1), (others, 3)]):
        ids = processor.collate(source.select([index]), 16)["input_ids"][0]
        assert batch["input_ids"][row][batch["mask"][row]].tolist() == ids.tolist()


# -- the whole way ---------------------------------------------------------------------------------


@pytest.mark.parametrize("semi", ["auto", "pseudo", "fixmatch", "mean-teacher"])
def test_a_resumed_run_ends_with_the_same_predictions(
    semi, processor, records, tmp_path, light
) -> None:
    some, more = records({"fruit": 10, "tool": 10}), records({"fruit": 20, "tool": 20}, seed=3)
    options = {"budget": "12steps", "checkpoint_steps": 3, "semi": semi}
    whole = tune(copy.deepcopy(light), processor, some, more, tmp_path / "whole", **options)
    cut = tune(copy.deepcopy(light), processor, some, more, tmp_path / "cut", **options)
    for file in cut.checkpoints.glob("step-*"):
        if int(file.stem.removeprefix("step-")) > 9:
            file.unlink()
    trained = cut.resolved["semi"]["way"] != "propagate"
    assert any(cut.checkpoints.glob("step-*")) is trained
    content = cut.config()
    content["resolved"].pop("finished")
    cut.write_config(content)
    again = FinetuneConfig(**content["options"])
    finetune_with_unlabeled(
        copy.deepcopy(light), processor, some, None, more, None, again, cut, note=NOTE
    )
    assert list(predict(cut, some)) == list(predict(whole, some))
    assert cut.resolved["semi"] == whole.resolved["semi"]
    alone = RunFolder.open(cut.labels_alone)
    assert alone.finished
    assert alone.config()["options"]["unlabeled"] == []


def test_the_whole_run_goes_on_where_the_labels_alone_were_interrupted(
    processor, records, tmp_path, light, monkeypatch
) -> None:
    commands = []

    def stopped(*given: Any, **options: Any) -> None:
        commands.append(given[5].command())
        raise HeadstartError("stopped")

    monkeypatch.setattr(semi_supervised, "finetune", stopped)
    some, more = records({"fruit": 4, "tool": 4}), records({"fruit": 4}, seed=3)
    config = FinetuneConfig(run="run", train="train", unlabeled=["more"], out=str(tmp_path / "t"))
    run = RunFolder(tmp_path / ".t.headstart-new", tmp_path / "t")
    run.begin("finetune", config)
    for _ in range(2):  # begun, and gone on with
        with pytest.raises(HeadstartError, match="stopped"):
            finetune_with_unlabeled(
                light, processor, some, None, more, None, config, run, note=NOTE
            )
    out = shlex.quote(str(tmp_path / "t"))
    assert commands == [f"headstart finetune --resume --overwrite --out {out}"] * 2
    written = RunFolder.open(run.labels_alone).config()["options"]["out"]
    assert written == str(tmp_path / "t" / "labels_alone")


def test_labels_of_unlabeled_records_are_never_looked_at(
    processor, records, tmp_path, light
) -> None:
    some, more = records({"fruit": 10, "tool": 10}), records({"fruit": 15, "tool": 15}, seed=3)
    wrong = more.map(lambda row: {"label": "bird"})
    options = {"budget": "5steps", "semi": "pseudo"}
    one = tune(copy.deepcopy(light), processor, some, more, tmp_path / "one", **options)
    two = tune(copy.deepcopy(light), processor, some, wrong, tmp_path / "two", **options)
    assert list(predict(one, some)) == list(predict(two, some))


def test_another_task_is_refused(light, processor, records, tmp_path) -> None:
    some = records({"fruit": 4, "tool": 4})
    with pytest.raises(HeadstartError, match="not with detection"):
        tune(light, processor, some, some, tmp_path / "t", task="detection")


def digits(indices: np.ndarray) -> Dataset:
    """Handwritten digits as PNG files in memory."""
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = []
    for index in indices:
        buffer = io.BytesIO()
        image = Image.fromarray((found.images[index] * 15.9).astype(np.uint8)).convert("RGB")
        image.resize((16, 16), Image.Resampling.BILINEAR).save(buffer, "PNG")
        image = {"bytes": buffer.getvalue(), "path": None}
        rows.append({"id": f"d:{index}", "image": image, "label": str(found.target[index])})
    return Dataset.from_list(rows)


def test_digits_are_learned_from_three_of_each_and_a_thousand_without_labels(tmp_path) -> None:
    from sklearn.datasets import load_digits

    target = load_digits().target
    some = np.concatenate([np.flatnonzero(target == digit)[:3] for digit in range(10)])
    rest = np.setdiff1d(np.arange(len(target)), some)
    labeled, unlabeled, tested = digits(some), digits(rest[:1000]), digits(rest[1100:])
    torch.manual_seed(0)
    encoder = PlainEncoder(PlainOptions(widths=(16, 32, 64), pooled=(True, True, False)), 16)
    run = tune(
        encoder,
        ImageProcessor(16),
        labeled,
        unlabeled,
        tmp_path / "t",
        validation=digits(rest[1000:1100]),
        note={"modality": "image", "length": 16, "encoder": "plain"},
        semi="pseudo",
        semi_options={"rounds": 8, "share": 1.0},
        budget="400steps",
    )
    ours, alone = right(run, tested), right(RunFolder.open(run.labels_alone), tested)
    # Not that it helps: its settings were tried on these very digits. It must do no harm on them.
    assert ours >= alone, (ours, alone)
    told = run.resolved["semi"]
    assert told["way"] == "pseudo"
    assert 900 < told["unlabeled"] <= 1000  # near twins of labeled ones are left out
    assert told["held_out"] == 100


# -- spreading labels ------------------------------------------------------------------------------


class PixelsOnly(nn.Module):
    """Handwritten digits are near their like without any network."""

    width = 3 * 16 * 16
    reads = "pixels"
    provides: frozenset[str] = frozenset()
    joined: Mapping[str, Any] = MappingProxyType({})

    def pool(self, batch: Any) -> torch.Tensor:
        return batch["pixels"].flatten(1).float() / 255


def spread_and_alone(
    labels: int, others: int, **options: Any
) -> tuple[Classification, Any, torch.Tensor]:
    """A head of ``labels`` of each digit whose labels were spread over ``others`` records."""
    from sklearn.datasets import load_digits

    target = load_digits().target
    some = np.concatenate([np.flatnonzero(target == digit)[: labels + 2] for digit in range(10)])
    rest = np.setdiff1d(np.arange(len(target)), some)
    first = np.arange(len(some)) % (labels + 2) < labels
    processor = ImageProcessor(16)
    parts = [digits(some[first]), digits(some[~first])]
    head = Classification(PixelsOnly.width, sorted(set(parts[0]["label"]))).eval()
    train, held = (LabeledRows(processor, part, head.targets(part), 16) for part in parts)
    unlabeled = features_of(
        PixelsOnly(), unlabeled_rows(processor, digits(rest[:others]), 16), print
    )
    frozen = FrozenHead(PixelsOnly(), head, train, held, 0, unlabeled.numpy(), **options)
    tested = digits(rest[others:])
    features = features_of(
        PixelsOnly(), LabeledRows(processor, tested, head.targets(tested), 16), print
    )
    return head, frozen, features


def test_a_head_that_is_set_scores_as_what_was_measured_also_when_it_is_saved(tmp_path) -> None:
    head, frozen, features = spread_and_alone(3, 600)
    frozen.set_part()
    assert head.fused is not None
    with torch.no_grad():
        scores = head.logits(features, {}).numpy()
    expected = frozen.chosen.log_probabilities(features.numpy())
    # The pool is kept in 16 bits, so that now and then another neighbour is the tenth.
    assert (np.abs(scores - expected) < 2e-2).mean() > 0.98
    assert (scores.argmax(1) == expected.argmax(1)).mean() > 0.995
    head.save(tmp_path / "head")
    again = Classification.load(tmp_path / "head").eval()
    with torch.no_grad():
        np.testing.assert_allclose(again.logits(features, {}).numpy(), scores, atol=1e-5)


def test_without_the_pool_a_linear_layer_learns_what_spread() -> None:
    _, whole, features = spread_and_alone(3, 600)
    head, small, _ = spread_and_alone(3, 600, keep_pool=False)
    small.set_part()
    assert head.fused is None
    assert not small.spreads
    same = whole.chosen.predict(features.numpy()) == small.chosen.predict(features.numpy())
    assert same.mean() > 0.85
    assert "what labels spread to" in small.chosen.selection.name


def test_auto_says_which_way_it_took(light, processor, records, tmp_path) -> None:
    some, more = records({"fruit": 10, "tool": 10}), records({"fruit": 20, "tool": 20}, seed=3)
    run = tune(light, processor, some, more, tmp_path / "run", budget="5steps")
    way = run.resolved["semi"]["way"]
    assert way in ("propagate", "pseudo")
    log = run.log_file.read_text()
    taken = "The labels are spread over 40" in log or "Nothing is learned from the unl" in log
    assert taken is (way == "propagate")
    assert ("pseudo-labels instead" in log) is (way == "pseudo")


# -- the verdict -----------------------------------------------------------------------------------


def test_the_verdict_says_yes_only_where_it_is_clear() -> None:
    found = {"held_out": 200, "accuracy": 0.9, "accuracy_labels_alone": 0.8, "p": 0.001}
    assert verdict(found).startswith("Yes: of 200 held-out records 90.0% are right")
    assert verdict({**found, "p": 0.2}).startswith("Not clear")
    assert verdict({**found, "accuracy": 0.7}).startswith("No")
    assert "labels_alone" in verdict({**found, "accuracy": 0.7})


def test_runs_are_compared_by_the_records_that_one_alone_has_right(monkeypatch) -> None:
    told = {"ours": "aaaabbbbbb", "alone": "bbbbbbbbbb"}

    def rows(run: str, held: Dataset) -> list[dict[str, Any]]:
        return [{"label": x, "scores": {x: 0.8, "ab"[x == "a"]: 0.2}} for x in told[run]]

    monkeypatch.setattr("headstart.downstream.semi_supervised.predict", rows)
    found = compare_with_labels_only(
        "ours", "alone", Dataset.from_dict({"label": list("aaaabbbbba")})
    )
    assert found["accuracy"] == 0.9
    assert found["accuracy_labels_alone"] == 0.5
    assert found["p"] == pytest.approx(2 * 0.5**4)
    assert found["loss"] == pytest.approx(-(9 * np.log(0.8) + np.log(0.2)) / 10)


def test_ways_that_compare_views_are_refused_where_there_are_none() -> None:
    class Viewless:
        content = TEXT
        provides: frozenset[str] = frozenset()

    for method in ("auto", "propagate", "pseudo"):
        assert semi_method(method, Viewless()) == method
    with pytest.raises(HeadstartError, match=r"--semi uda compares views .* texts have none"):
        semi_method("uda", Viewless())
    assert semi_method("uda", ImageProcessor(8)) == "uda"
