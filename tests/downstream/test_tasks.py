"""What a task has to bring, and what it is given: the contract, tried with the smallest head."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import pytest
import torch
from datasets import Dataset
from torch import Tensor, nn

from headstart.config import FinetuneConfig
from headstart.downstream import TASKS, Task
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import open_head, predict
from headstart.encoders.opening import OpenedEncoder, save_encoder
from headstart.errors import HeadstartError
from headstart.modalities.opening import open_modality
from headstart.run import RunFolder
from headstart.verbs.reading import labeled_records

NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


class Length(Task):
    """How long a text is: all that a task must bring, and nothing else."""

    name: ClassVar[str] = "length"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1)

    @classmethod
    def build(cls, encoder: Any, records: Dataset, config: FinetuneConfig) -> Self:
        return cls(encoder.width)

    def forward(self, features: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        missed = self.linear(features).squeeze(1) - batch["labels"]
        return {"loss": missed.square().mean(), "error": missed.abs().mean()}

    def predictions(self, features: Tensor, batch: dict[str, Tensor]) -> list[dict[str, Any]]:
        return [{"length": value} for value in self.linear(features).squeeze(1).tolist()]

    def arguments(self) -> dict[str, Any]:
        return {"width": self.linear.in_features}


@pytest.fixture
def lengths(records) -> Dataset:
    some = records({"fruit": 20, "tool": 20})
    return some.map(lambda row: {"label": float(len(row["text"].split()))})


def test_a_head_with_nothing_but_the_needed_is_trained_saved_reopened_and_predicts(
    light, processor, lengths, tmp_path, monkeypatch
) -> None:
    for module in ("finetune", "predict"):
        monkeypatch.setattr(f"headstart.downstream.{module}.TASKS", {"length": Length})
    options = FinetuneConfig(
        run="r",
        train="t",
        out=str(tmp_path / "o"),
        task="length",
        budget="4steps",
        tracker="none",
        precision="fp32",
    )
    run = RunFolder.create(tmp_path / "o", "finetune", options)
    finetune(light, processor, lengths, None, options, run, note=NOTE)
    assert set(run.resolved["scores"]) == {"error"}
    rows = list(predict(run, lengths))
    assert [row["id"] for row in rows] == list(lengths["id"])
    head = open_head(run)
    with torch.no_grad():
        wanted = head.predictions(light.eval().pool(processor.collate(lengths, 16)), {})
    assert [row["length"] for row in rows] == pytest.approx([row["length"] for row in wanted])


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_is_one_and_knows_its_name(name: str) -> None:
    assert issubclass(TASKS[name], Task)
    assert TASKS[name].name == name


def test_a_head_learns_no_faster_than_its_most() -> None:
    (group,) = Length(4).parameter_groups(0.5)
    assert group["lr"] == 0.5
    assert len(group["params"]) == 2

    class Careful(Length):
        max_learning_rate: ClassVar[float] = 0.1

    assert Careful(4).parameter_groups(0.5)[0]["lr"] == 0.1


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_a_task_for_another_kind_of_data_is_refused_before_anything_is_read(
    light, processor, tmp_path, task
) -> None:
    save_encoder(light, processor, tmp_path, NOTE)
    options = FinetuneConfig(run=str(tmp_path), train="nowhere", out="o", task=task)
    with pytest.raises(HeadstartError, match=f"the task {task!r} reads pictures, .* reads texts"):
        labeled_records("nowhere", options, OpenedEncoder(tmp_path))


@pytest.mark.parametrize("task", ["tokens", "questions", "seq2seq", "prompt"])
def test_tasks_of_text_refuse_pictures(task) -> None:
    with pytest.raises(HeadstartError, match=f"the task {task!r} reads texts, .* pictures"):
        TASKS[task].check(open_modality("image"))
    TASKS[task].check(open_modality("text"))
