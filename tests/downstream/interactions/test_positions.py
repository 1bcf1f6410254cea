"""What ranks was trained: every position, every direction of a catalogue, whole records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

import headstart as hs
from headstart.downstream.interactions.against import OtherNetwork
from headstart.downstream.interactions.network import NetworkRanker
from headstart.downstream.interactions.reasons import reasons_of
from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.timed import TimedHistories
from headstart.modalities.interactions.trained import Trained
from headstart.objectives.causal import CausalModeling, CausalOptions

LENGTH = 8
LISTS = [[str((start + step) % 10) for step in range(12)] for start in range(10)]
RECORDS = Dataset.from_dict({"id": [str(row) for row in range(10)], "items": LISTS})


@pytest.mark.parametrize("from_end", [False, True])
def test_every_position_that_ranks_has_a_gradient_in_training(from_end, tmp_path):
    processor = ItemProcessor.fitted(RECORDS, from_end=from_end)
    shape = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.0}
    encoder = create_encoder("bert", shape, processor, length=LENGTH, seed=0)
    objective = CausalModeling(encoder, processor, CausalOptions())
    processor.store(RECORDS, tmp_path / "stored")
    rows = processor.rows(tmp_path / "stored", layout="packed", length=LENGTH, seed=0)
    table = encoder.model.embeddings.position_embeddings.weight
    for epoch in range(8):
        batch = rows.batch(np.arange(len(rows)), epoch)
        objective(objective.corrupt(batch, torch.Generator()))["loss"].backward()
    trained = set(table.grad.abs().sum(1).nonzero().squeeze(1).tolist())
    used = set()
    hook = encoder.model.embeddings.position_embeddings.register_forward_hook(
        lambda _, given, __: used.update(given[0].flatten().tolist())
    )
    ranker = NetworkRanker(encoder, objective.head, processor, LENGTH, is_causal=True)
    ranker.scores([np.arange(10), np.arange(3), np.array([4])])
    hook.remove()
    assert used <= trained
    assert len(used) == LENGTH - 1


class ByLast:
    """Scores each item by how near it is to the last one of the history."""

    name, settings = "near", {}

    def scores(self, histories):
        self.given = histories
        return np.stack([-np.abs(np.arange(4.0) - history[-1]) for history in histories])


def test_a_network_with_its_items_in_another_order_ranks_ours():
    # Our items 0..4 are its 2, 0, 3, none, 1.
    theirs = ByLast()
    other = OtherNetwork("other", theirs, np.array([2, 0, 3, -1, 1]), Trained())
    histories = TimedHistories([np.array([4, 3, 0])], [np.array([1.0, 2.0, 3.0])])
    found = other.scores(histories)
    assert theirs.given[0].tolist() == [1, 2]
    assert theirs.given.times[0].tolist() == [1.0, 3.0]
    assert found[0].tolist() == [0.0, -2.0, -1.0, -np.inf, -1.0]


def test_reasons_are_found_a_few_histories_at_a_time():
    class Counting:
        name, settings, most = "counting", {}, 0

        def scores(self, histories):
            self.most = max(self.most, len(histories))
            return np.stack([np.bincount(history, minlength=50) * 1.0 for history in histories])

    ranker = Counting()
    history = np.arange(40)
    assert [each.tolist() for each in reasons_of(ranker, history, np.array([7, 3]))] == [[7], [3]]
    assert ranker.most <= 16


def test_a_part_of_the_users_is_no_test_of_the_run(run: Path, bought: Path, tmp_path: Path):
    lines = bought.read_text().splitlines()
    some = tmp_path / "some.csv"
    some.write_text("\n".join([lines[0], *(line for line in lines if line.startswith("u1"))]))
    with pytest.raises(HeadstartError, match="129 users are missing or have other items"):
        hs.evaluate(str(run), train=str(some), out=str(tmp_path / "r.html"))


def test_users_of_a_file_keep_items_that_the_thresholds_of_training_leave_out(
    bought: Path, tmp_path: Path
):
    run = hs.pretrain(
        str(bought),
        out=tmp_path / "run",
        budget="3steps",
        tracker="none",
        encoder_options={"width": 16, "layers": 1, "heads": 2},
        modality_options={"interactions": {"least_events": 4, "least_users": 3}},
    )
    asked = tmp_path / "asked.csv"
    asked.write_text("user_id,item_id,timestamp\na,i4,1\na,i5,2\nb,i9,1\n")
    rows = run.recommend(users=str(asked), count=2).to_dict()["recommendations"]
    assert [row["user"] for row in rows] == ["a", "a", "b", "b"]


def test_repeats_beside_a_rare_item_are_merged_when_it_is_gone(tmp_path: Path):
    rows = ["user_id,item_id,timestamp"]
    for user in ("u", "v"):
        rare = [f"only {user}"]
        items = ["a", "b", *rare, "b", "c", "d"]
        rows += [f"{user},{item},{time}" for time, item in enumerate(items)]
    (tmp_path / "events.csv").write_text("\n".join(rows))
    options = {"interactions": {"least_users": 2, "hold_out": "none"}}
    found = hs.audit(str(tmp_path / "events.csv"), modality_options=options).summary()
    assert found["kept"] == 2
    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.modalities.interactions.modality import InteractionsModality
    from headstart.modalities.interactions.options import InteractionOptions

    modality = InteractionsModality(InteractionOptions(**options["interactions"]))
    records = modality.read([str(tmp_path / "events.csv")], SourceOptions(), Audit())
    assert records["items"][0] == ["a", "b", "c", "d"]
