"""Times between items and positions from the end: by hand, and that an encoder learns from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset

import headstart as hs
from headstart.encoders.opening import (
    create_encoder,
    open_encoder,
    open_processor,
    save_encoder,
)
from headstart.encoders.visibility import visibility
from headstart.errors import HeadstartError
from headstart.modalities.interactions.gaps import classes_of, gap_classes
from headstart.modalities.interactions.positions import from_end
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.modalities.interactions.timed import TimedHistories, times_within
from headstart.objectives.causal import CausalModeling, CausalOptions

RECORDS = Dataset.from_dict(
    {
        "id": ["a", "b"],
        "items": [["x", "y", "z"], ["y", "x"]],
        "times": [[100.0, 100.0, 103.0], [7.0, 7 + 2.0**40]],
    }
)


def test_a_gap_is_the_logarithm_of_the_seconds_by_hand():
    # 1 + floor(log2(1 + seconds)): no time is class 1, three seconds are class 3.
    assert gap_classes(np.array([100.0, 100.0, 103.0])).tolist() == [0, 1, 3]
    assert gap_classes(np.array([7.0, 7 + 2.0**40])).tolist() == [0, 31]
    assert gap_classes(np.array([5.0, 1.0])).tolist() == [0, 1]  # never negative
    assert gap_classes(np.array([np.nan, 1.0, 2.0])).tolist() == [0, 0, 2]
    assert gap_classes(np.array([])).tolist() == []
    together = classes_of(np.array([100.0, 100, 103, 7, 8, 1]), np.array([0, 3, 3, 5, 6, 6]))
    assert together.tolist() == [0, 1, 3, 0, 2, 0]


def test_batches_and_stored_rows_have_the_gaps_of_the_records(tmp_path):
    processor = ItemProcessor.fitted(RECORDS)
    assert "gaps" in processor.provides
    batch = processor.collate(RECORDS, 2)
    assert batch["gaps"].tolist() == [[1, 3], [0, 31]]
    (indices, again), *_ = processor.batches(RECORDS, 2, 8)
    assert torch.equal(again["gaps"], batch["gaps"][torch.from_numpy(indices)])
    processor.store(RECORDS, tmp_path / "stored")
    rows = processor.rows(tmp_path / "stored", layout="documents", length=8, seed=0)
    assert rows.batch(np.array([0, 1]), 0)["gaps"].tolist() == [[0, 1, 3], [0, 31, 0]]
    packed = processor.rows(tmp_path / "stored", layout="packed", length=5, seed=0)
    assert packed.batch(np.array([0]), 0)["gaps"].tolist() == [[0, 1, 3, 0, 31]]
    processor.save(tmp_path)
    assert ItemProcessor.load(tmp_path).timed


def test_positions_count_how_many_items_of_the_sequence_follow(tmp_path):
    segments = torch.tensor([[1, 1, 1, 2, 2], [1, 1, 0, 0, 0]])
    batch = {"mask": segments > 0, "segments": segments, "input_ids": segments}
    assert from_end(batch)["positions"].tolist() == [[2, 1, 0, 1, 0], [1, 0, 0, 0, 0]]
    processor = ItemProcessor.fitted(RECORDS, from_end=True)
    assert processor.collate(RECORDS, 3)["positions"].tolist() == [[2, 1, 0], [1, 0, 0]]
    processor.store(RECORDS, tmp_path / "stored")
    rows = processor.rows(tmp_path / "stored", layout="packed", length=5, seed=0)
    assert rows.batch(np.array([0]), 0)["positions"].tolist() == [[2, 1, 0, 1, 0]]
    processor.save(tmp_path)
    assert ItemProcessor.load(tmp_path).from_end
    plain = ItemProcessor.fitted(RECORDS)
    assert "positions" not in plain.collate(RECORDS, 3)


@pytest.mark.parametrize("name", ["modernbert", "bert", "gpt", "gru"])
def test_an_encoder_adds_a_vector_for_the_gap_and_reopens_with_it(name, tmp_path):
    processor = ItemProcessor.fitted(RECORDS)
    shape = {"layers": 1, "width": 16, "gaps": True}
    encoder = create_encoder(name, shape, processor, length=8, seed=0).eval()
    batch = processor.collate(RECORDS, 8)
    before = encoder(batch).pooled
    with torch.no_grad():
        encoder.gaps.table.weight.normal_()
    found = encoder(batch).pooled
    assert not torch.allclose(found, before)  # zero at first
    vectors = encoder.embed({**batch, "gaps": torch.zeros_like(batch["gaps"])})
    by_hand = vectors - encoder.gaps.table.weight[0] + encoder.gaps.table.weight[batch["gaps"]]
    torch.testing.assert_close(encoder.embed(batch), by_hand)
    note = {"modality": "interactions", "length": 8}
    save_encoder(encoder, processor, tmp_path / "encoder", note)
    again = open_encoder(tmp_path / "encoder").eval()
    torch.testing.assert_close(again(batch).pooled, found)
    assert again.untrained().gaps is not None


def test_where_no_time_is_known_the_option_is_refused():
    untimed = ItemProcessor.fitted(RECORDS.remove_columns("times"))
    with pytest.raises(HeadstartError, match=r"encoder\.gaps needs the time of each event"):
        create_encoder("gru", {"gaps": True}, untimed, length=8, seed=0)
    for name in ("xlnet", "t5"):
        with pytest.raises(HeadstartError, match="has no vectors of times"):
            create_encoder(name, {"gaps": True}, untimed, length=8, seed=0)


def test_timed_histories_are_lists_of_items_that_keep_their_times():
    histories = TimedHistories([np.array([1, 2]), np.array([3])], [np.zeros(2), np.ones(1)])
    assert [each.tolist() for each in histories] == [[1, 2], [3]]
    assert histories[1:].times[0].tolist() == [1.0]
    assert times_within(histories)[1].tolist() == [1.0]
    assert times_within([np.array([1])]) == [None]


def test_what_follows_from_the_gap_alone_is_learned():
    # After a short pause comes item 0, after a long one item 1: no item tells which.
    rng = np.random.default_rng(0)
    long = rng.random((256, 6)) < 0.5
    items = np.concatenate([np.full((256, 1), 2), long[:, :-1].astype(int)], axis=1)
    times = np.cumsum(np.where(long, 4000.0, 3.0), axis=1)
    records = Dataset.from_dict(
        {
            "id": [str(row) for row in range(256)],
            "items": [[str(item) for item in row] for row in items],
            "times": times.tolist(),
        }
    )
    losses = {}
    for gaps in (True, False):
        processor = ItemProcessor.fitted(records)
        shape = {"layers": 1, "width": 32, "dropout": 0.0, "gaps": gaps}
        encoder = create_encoder("gru", shape, processor, length=8, seed=0)
        objective = CausalModeling(encoder, processor, CausalOptions())
        batch = objective.corrupt(processor.collate(records, 8), torch.Generator())
        optimizer = torch.optim.Adam(objective.parameters(), 0.02)
        for _ in range(60):
            optimizer.zero_grad()
            loss = objective(batch)["loss"]
            loss.backward()
            optimizer.step()
        losses[gaps] = loss.item()
    # log 2 where nothing is known, and a sixth of it where only the first gap is not.
    assert losses[True] < 0.2 < 0.6 < losses[False]


def test_a_run_keeps_both_options_and_is_judged_with_them(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id,timestamp"]
    for user in range(60):
        start = rng.integers(20)
        lines += [f"{user},{(start + step) % 20},{1000 * step}" for step in range(8)]
    (tmp_path / "events.csv").write_text("\n".join(lines))
    run = hs.pretrain(
        str(tmp_path / "events.csv"),
        out=tmp_path / "run",
        encoder="bert",
        objective="clm",
        encoder_options={"width": 16, "layers": 1, "heads": 2, "gaps": True},
        modality_options={"interactions": {"positions": "end"}},
        budget="3steps",
    )
    rows = run.recommend(history=["1", "2"], count=3).to_dict()["recommendations"]
    assert len(rows) == 3
    batch = open_processor(tmp_path / "run" / "encoder").collate(
        Dataset.from_dict({"id": ["a"], "items": [["1", "2"]]}), 8
    )
    assert set(batch) == {"input_ids", "mask", "gaps", "positions"}
    assert int(batch["input_ids"].min()) >= FIRST
    assert visibility(batch) is None
