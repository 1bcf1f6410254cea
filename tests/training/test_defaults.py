"""What `auto` stands for, and where a budget in minutes ends early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.config import PretrainConfig, load
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.training.defaults import Plan, decide


def plan(records: int = 100_000, **options: Any) -> Plan:
    return decide(
        load(PretrainConfig, sources=["x"], out="y", **options), range(records), TextModality()
    )


@pytest.mark.parametrize(
    ("options", "objectives", "encoder"),
    [
        ({}, ["contrast"], "light"),
        ({"encoder": "gpt"}, ["clm"], "gpt"),
        ({"encoder": "bert"}, ["mlm"], "bert"),
        ({"objective": "mlm"}, ["mlm"], "modernbert"),
        ({"objective": "clm"}, ["clm"], "gpt"),
        ({"objective": "simcse"}, ["simcse"], "modernbert"),
        ({"objective": "contrast:1,mlm:1"}, ["contrast", "mlm"], "modernbert"),
    ],
)
def test_open_options_follow_those_that_are_set(
    options: dict[str, str], objectives: list[str], encoder: str
) -> None:
    decided = plan(**options)
    assert list(decided.objectives) == objectives
    assert decided.encoder == encoder


def test_dropout_is_turned_on_for_the_objective_that_lives_on_it_alone() -> None:
    assert plan(objective="simcse").encoder_options == {"dropout": 0.1}
    assert plan(objective="mlm").encoder_options == {}
    requested = plan(objective="simcse", encoder_options={"dropout": 0.3})
    assert requested.encoder_options == {"dropout": 0.3}


@pytest.mark.parametrize(("records", "size"), [(100_000, 1024), (1_250, 125), (300, 64), (6, 3)])
def test_a_small_corpus_gets_batches_that_leave_it_several_steps(records: int, size: int) -> None:
    assert plan(records).batch_size == size


def test_what_is_said_holds() -> None:
    decided = plan(batch_size=7, length=33, optimizer={"learning_rate": 0.5})
    assert (decided.batch_size, decided.length, decided.learning_rate) == (7, 33, 0.5)


def test_only_the_pair_that_was_measured_has_a_most_of_epochs() -> None:
    assert plan().most_epochs == 6
    assert plan(objective="mlm", encoder="light").most_epochs is None
    assert plan(objective="contrast", encoder="bert").most_epochs is None


def test_minutes_end_where_more_would_overfit_but_steps_are_obeyed(tmp_path) -> None:
    """640 texts in batches of 64 are ten steps an epoch, and six epochs a second's work."""
    source = tmp_path / "texts.txt"
    words = [f"word{i}" for i in range(12)]
    lines = (" ".join(words[(i * k) % 12] for k in range(1, 9)) + f" n{i}" for i in range(640))
    source.write_text("\n".join(lines))
    common = {"validation_share": 0, "tracker": "none"}
    run = hs.pretrain(str(source), out=str(tmp_path / "minutes"), budget="20s", **common)
    assert run.resolved["steps"] == 60
    assert "more than 6 epochs over 640 records do not help" in run.log_file.read_text()
    run = hs.pretrain(str(source), out=str(tmp_path / "steps"), budget="80steps", **common)
    assert run.resolved["steps"] == 80


def test_a_long_budget_buys_phrases_and_epochs_where_there_are_records_enough() -> None:
    long = plan(budget="15min")
    assert (long.patient, long.most_epochs) == (True, 12.0)
    assert long.objective_options["contrast"] == {"drop": 0.3}
    for other in (plan(budget="5min"), plan(900, budget="60min"), plan(budget="9epochs")):
        assert (other.patient, other.most_epochs) == (False, 6.0)
    own = plan(budget="15min", objective_options={"contrast": {"drop": 0.1}})
    assert own.objective_options["contrast"] == {"drop": 0.1}
    assert not plan(budget="15min", objective="mlm").patient


def test_the_optimizer_follows_the_encoder_unless_it_is_named() -> None:
    assert plan(encoder="plain", objective="simclr").optimizer["name"] == "muon"
    assert plan(encoder="plain", objective="gan").optimizer == {}
    assert plan(encoder="plain", objective="gan").learning_rate == 2e-4
    named = plan(encoder="plain", objective="simclr", optimizer={"name": "adamw"})
    assert named.optimizer == {}
    rate = plan(encoder="plain", objective="simclr", optimizer={"muon_learning_rate": 0.01})
    assert rate.optimizer == {"name": "muon"}
    own = plan(encoder="plain", objective="simclr", optimizer={"learning_rate": 1e-3})
    assert own.optimizer["muon_learning_rate"] == pytest.approx(2e-3)
    assert plan(objective="mlm").optimizer["name"] == "muon"
    assert plan().optimizer == {}


def test_who_compares_no_records_may_take_smaller_steps() -> None:
    assert plan(10_000, encoder="vit", objective="mae").batch_size == 64
    assert plan(10_000, encoder="vit", objective="simclr").batch_size == 256
    assert plan(10_000, encoder="vit", objective="simclr:1,simmim:1").batch_size == 256


def test_token_vectors_begin_with_counts_where_attention_reads_them() -> None:
    assert plan().embeddings is None
    assert plan(objective="mlm").embeddings == "counts"
    assert plan(objective="mlm", embeddings="none").embeddings is None
    assert plan(objective="mlm", embeddings="runs/light").embeddings == "runs/light"
    assert plan(encoder="plain", objective="simclr").embeddings is None


def test_the_queue_of_moco_follows_the_records() -> None:
    short = plan(1000, encoder="plain", objective="moco", batch_size=64)
    assert short.objective_options["moco"]["queue"] == 448
    assert plan(encoder="plain", objective="moco").objective_options["moco"]["queue"] == 4096


def test_what_knows_something_goes_on_guarded_at_a_tenth_of_the_rate(tmp_path: Path) -> None:
    (tmp_path / "headstart.json").write_text('{"modality": "text", "length": 64}')
    folder = {"encoder": str(tmp_path), "objective": "mlm"}
    decided = plan(**folder)
    assert (decided.length, decided.learning_rate) == (64, pytest.approx(1e-4))
    assert decided.safeguards == {
        "new_rate": pytest.approx(10),
        "warmup": 0.1,
        "anchor": 2.0,
        "measure": "view_matching",
    }
    bare = plan(**folder, safeguards="off")
    assert (bare.learning_rate, bare.safeguards) == (1e-3, None)
    some = plan(**folder, safeguard_options={"low_rate": False, "anchor": 0.0})
    assert some.learning_rate == 1e-3
    assert some.safeguards is not None
    assert (some.safeguards["new_rate"], some.safeguards["anchor"]) == (1.0, 0.0)
    own = plan(**folder, optimizer={"learning_rate": 5e-4})
    assert own.learning_rate == 5e-4
    assert own.safeguards is not None
    assert own.safeguards["new_rate"] == pytest.approx(2)
    assert plan(objective="mlm").safeguards is None
    with pytest.raises(HeadstartError, match="modernbert begins with nothing"):
        plan(objective="mlm", safeguards="on")


def test_a_table_of_vectors_goes_on_with_the_batches_that_made_it(tmp_path: Path) -> None:
    kind = "sentence_transformers.models.StaticEmbedding"
    (tmp_path / "modules.json").write_text(f'[{{"type": "{kind}", "path": ""}}]')
    decided = plan(encoder=str(tmp_path))
    assert (decided.batch_size, decided.learning_rate) == (1024, pytest.approx(1e-3))
