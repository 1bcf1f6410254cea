"""The wide half of a head against counts and sums done by hand, and that it learns order."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.config import FinetuneConfig, load
from headstart.downstream.classification import Classification
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import open_head, predict
from headstart.downstream.rows import LabeledRows
from headstart.downstream.wide import Wide, count, distinct, is_wide, log_ratios
from headstart.errors import HeadstartError
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 16}


def batch_of(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "mask": mask}


def runs_of(row: list[int]) -> set[tuple[int, ...]]:
    return {
        tuple(row[start : start + order])
        for order in (1, 2, 3)
        for start in range(len(row) - order + 1)
    }


class Counted:
    """Rows of token ids, as :class:`LabeledRows` hands them out."""

    names = frozenset({"input_ids", "mask"})

    def __init__(self, rows: list[list[int]], labels: list[int]) -> None:
        self.rows, self.labels = rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, torch.Tensor]:
        labels = torch.tensor([self.labels[index] for index in indices])
        return {**batch_of([self.rows[index] for index in indices]), "labels": labels}


ROWS = [[5, 6, 7, 5, 6], [6, 5], [5, 6, 9], [9], [7, 5, 6, 7]]
LABELS = [0, 1, 0, 1, 2]


def test_the_runs_of_a_row_are_its_distinct_ones_and_padding_is_none():
    row, key = distinct(batch_of(ROWS))
    assert row.bincount().tolist() == [len(runs_of(tokens)) for tokens in ROWS]
    singles = key[(row == 0) & (key < 1 << 40)]
    assert singles.tolist() == [5, 6, 7]


def test_a_run_has_the_same_key_in_every_row_and_another_than_every_other_run():
    random = np.random.default_rng(0)
    rows = [random.integers(30_000, size=200).tolist() for _ in range(50)]
    keys = distinct(batch_of(rows))[1]
    assert len(keys.unique()) == len(set().union(*map(runs_of, rows)))
    alone = distinct(batch_of([rows[3][40:43]]))[1]
    assert set(alone.tolist()) <= set(keys.tolist())


def test_what_is_counted_are_rows_of_each_class_and_runs_in_two_rows_or_more():
    known, counts = count(Counted(ROWS, LABELS), 3)
    wanted = {}
    for tokens, label in zip(ROWS, LABELS, strict=True):
        for run in runs_of(tokens):
            wanted.setdefault(run, [0, 0, 0])[label] += 1
    wanted = {run: c for run, c in wanted.items() if sum(c) >= 2}
    assert sorted(counts.tolist()) == sorted(wanted.values())
    assert counts[known == 5].tolist() == [wanted[(5,)]] == [[2, 1, 1]]
    assert (np.diff(known) > 0).all()


def test_of_too_many_runs_the_most_frequent_are_kept(monkeypatch):
    monkeypatch.setattr("headstart.downstream.wide._MOST", 6)
    known, counts = count(Counted(ROWS, LABELS), 3)
    assert known.tolist()[:2] == [5, 6]
    assert counts.sum(1).tolist() == [4, 4]


def test_the_log_ratios_are_naive_bayes_by_hand():
    """Wang and Manning 2012, equation 1: r = log((p / |p|) / (q / |q|)) with p = 1 + counts."""
    counts = np.array([[3, 0], [1, 1], [0, 4]])
    positive, negative = np.array([4, 2, 1]) / 7, np.array([1, 2, 5]) / 8
    found = log_ratios(counts)
    assert found[:, 0] - found[:, 1] == pytest.approx(np.log(positive / negative))
    assert found.sum(1) == pytest.approx(np.zeros(3))


def test_the_scores_are_the_sums_by_hand():
    wide = Wide.fit(Counted(ROWS, LABELS), 3).eval()
    with torch.no_grad():
        wide.scale.copy_(torch.linspace(0.5, 1.5, len(wide.known)))
    weight = {
        key: scale * ratios
        for key, scale, ratios in zip(
            wide.known.tolist(), wide.scale.detach(), wide.ratios, strict=True
        )
    }
    texts = [[5, 6, 7], [8, 8], [9, 5, 6, 9, 5]]
    found = wide(batch_of(texts))
    for tokens, scores in zip(texts, found, strict=True):
        keys = distinct(batch_of([tokens]))[1].tolist()
        wanted = torch.zeros(3)
        for order in range(3):
            same = [weight[key] for key in keys if key >> 40 == order and key in weight]
            if same:
                wanted += torch.stack(same).sum(0) / math.sqrt(len(same))
        torch.testing.assert_close(scores, wanted)
    assert found[1].tolist() == [0, 0, 0]  # nothing known, so no score


def test_only_while_training_some_runs_are_hidden():
    wide = Wide.fit(Counted(ROWS, LABELS), 3)
    torch.nn.init.ones_(wide.scale)
    batch = batch_of(ROWS)
    assert torch.equal(wide.eval()(batch), wide(batch))
    wide.train()
    assert not torch.equal(wide(batch), wide(batch))


def test_rows_that_repeat_nothing_are_scored_zero():
    wide = Wide.fit(Counted([[1], [2]], [0, 1]), 2)
    assert len(wide.known) == 0
    assert wide(batch_of([[1], [2]])).tolist() == [[0, 0], [0, 0]]


def test_auto_wants_an_order_blind_encoder_tokens_and_enough_rows(
    light, transformer, processor, records, monkeypatch
):
    some = records({"fruit": 6, "tool": 6})
    rows = LabeledRows(processor, some, torch.zeros(12).long(), 16)
    assert not is_wide("auto", light, rows)
    monkeypatch.setattr("headstart.downstream.wide.FEWEST", 12)
    assert is_wide("auto", light, rows)
    assert not is_wide("auto", transformer, rows)
    assert is_wide("on", transformer, rows)
    assert not is_wide("off", light, rows)


def test_without_tokens_auto_is_off_and_on_is_refused(light, records, monkeypatch):
    class Pixels:
        def collate(self, chosen, length):
            return {"pixels": torch.rand(len(chosen), 3, 4, 4)}

    monkeypatch.setattr("headstart.downstream.wide.FEWEST", 1)
    rows = LabeledRows(Pixels(), records({"fruit": 3}), torch.zeros(3).long(), 8)
    assert not is_wide("auto", light, rows)
    with pytest.raises(HeadstartError, match="wide=on needs records that are made of tokens"):
        is_wide("on", light, rows)


@pytest.mark.parametrize(("given", "meant"), [("on", "on"), ("off", "off"), ("auto", "auto")])
def test_a_bare_on_in_yaml_means_on(given, meant):
    options = {"run": "r", "train": "t", "out": "o"}
    assert load(FinetuneConfig, settings=[f"wide={given}"], **options).wide == meant


def ordered(count: int, seed: int) -> Dataset:
    """Sentences whose label is the order of two words, which no bag of words can tell."""
    random = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        label = int(random.integers(2))
        telling = ["apple hammer", "hammer apple"][label]
        filler = list(random.choice(["the", "of", "and", "some"], 4))
        filler.insert(random.integers(5), telling)
        rows.append({"id": str(index), "text": " ".join(filler), "label": "ab"[label]})
    return Dataset.from_list(rows)


def tuned(light, processor, out, **options) -> RunFolder:
    config = FinetuneConfig(
        run="run", train="train", out=str(out), tracker="none", precision="fp32", **options
    )
    run = RunFolder.create(out, "finetune", config)
    return finetune(light, processor, ordered(300, 0), None, config, run, note=NOTE)


def accuracy(run: RunFolder) -> float:
    others = ordered(200, 1)
    found = [row["label"] for row in predict(run, others)]
    return float(np.mean([a == b for a, b in zip(found, others["label"], strict=True)]))


def test_it_learns_the_order_that_the_encoder_is_blind_to(light, processor, tmp_path):
    assert accuracy(tuned(light, processor, tmp_path / "off", wide="off", budget="60steps")) < 0.65
    assert accuracy(tuned(light, processor, tmp_path / "on", wide="on", budget="60steps")) > 0.95


@pytest.mark.parametrize("options", [{"freeze": "all"}, {"class_weights": True}])
def test_it_goes_with_freezing_and_class_weights(light, processor, tmp_path, options):
    run = tuned(light, processor, tmp_path / "run", wide="on", budget="40steps", **options)
    assert accuracy(run) > 0.95


def test_a_saved_wide_head_gives_the_same_predictions(light, processor, tmp_path):
    run = tuned(light, processor, tmp_path / "run", wide="on", budget="20steps")
    assert json.loads((run.head / "head.json").read_text())["wide"] is True
    head = open_head(run)
    head.save(tmp_path / "again")
    again = Classification.load(tmp_path / "again")
    batch = processor.collate(ordered(20, 2), 16)
    with torch.no_grad():
        features = head.features(light.eval(), batch)
        assert head.wide(batch).abs().sum() > 0
        assert again.predictions(features, batch) == head.predictions(features, batch)
