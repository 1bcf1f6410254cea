"""The pre-trained network, fine-tuned on every draw, stands beside its frozen features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headstart as hs
from headstart.downstream import scratch
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError


def write(file: Path, numbers: range) -> str:
    rows = (
        {"text": f"{name} number {n} lies on the table", "label": name}
        for n in numbers
        for name in ("apple", "hammer")
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> hs.Run:
    folder = tmp_path_factory.mktemp("finetuned")
    source = write(folder / "unlabeled.jsonl", range(60))
    return hs.pretrain(
        source,
        out=str(folder / "run"),
        budget="10steps",
        batch_size=16,
        tracker="none",
        encoder_options={"width": 16},
    )


def test_it_starts_from_the_run_s_weights_and_is_no_alternative(run, tmp_path, monkeypatch) -> None:
    ours = open_encoder(run.encoder).token_embedding.weight.detach()
    started = []
    finetune = scratch.finetune

    def spy(encoder, processor, records, validation, config, *rest, **options):
        started.append((encoder.token_embedding.weight.detach().clone(), len(records)))
        config = config.model_copy(update={"budget": "3steps"})
        return finetune(encoder, processor, records, validation, config, *rest, **options)

    monkeypatch.setattr(scratch, "finetune", spy)
    train, test = write(tmp_path / "a.jsonl", range(60, 80)), write(tmp_path / "b.jsonl", range(9))
    report = run.evaluate(train, test=test, labels=["10"], seeds=2, finetuned=True)
    assert [count for _, count in started] == [10, 10]
    # Rows of tokens that say nothing are drawn anew whenever a light encoder is opened.
    assert all((weights == ours).all(1).float().mean() > 0.5 for weights, _ in started)
    kinds = {outcome.candidate: outcome.kind for outcome in report.results.outcomes}
    assert kinds["fine-tuned"] == kinds["pre-trained"] == "pretrained"
    judged = report.results.judged(10)
    assert [outcome.candidate for outcome in judged if outcome.kind == "pretrained"] == [
        "pre-trained",
        "fine-tuned",
        "pre-trained + LSA",
    ]


def test_it_is_refused_where_there_are_no_classes(run, tmp_path) -> None:
    train = write(tmp_path / "a.jsonl", range(60, 80))
    with pytest.raises(HeadstartError, match="finetuned=True serves classification and not clus"):
        run.evaluate(train, task="clustering", finetuned=True)
