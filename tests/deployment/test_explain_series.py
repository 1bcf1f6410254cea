"""A kind of data from elsewhere, series of readings, is explained by what it says of its units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from datasets import Dataset
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import FinetuneConfig
from headstart.deployment import explain as explaining
from headstart.deployment.explain import Explainer, Explanations
from headstart.deployment.explained_page import explained_page
from headstart.downstream.classification import Classification
from headstart.encoders import Features
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.modalities import Processor
from headstart.modalities.cells import Cells
from headstart.run import RunFolder

pytest.importorskip("captum", reason="captum (extra `explain`) is not installed")

TIME, CELLS = 32, 8


class WithoutUnits(Processor):
    """Series without units."""

    content: Any = SimpleNamespace(name="series", noun="series")
    provides = frozenset()

    def collate(self, records: Dataset, length: int) -> Batch:
        return {"series": torch.tensor(records["series"][:]).float()}

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Any:
        raise AssertionError("an explanation trains nothing")

    def save(self, folder: Path) -> None:
        raise AssertionError("an explanation saves nothing")


class WithUnits(WithoutUnits):
    provides = frozenset({"units"})

    def units(self, record: Mapping[str, Any], length: int) -> Cells:
        batch = self.collate(Dataset.from_list([dict(record)]), length)
        return Cells(batch, "series", noun="readings", cells=CELLS)


class Convolutions(nn.Module):
    """Looks for high readings in the second channel."""

    width, provides = 2, frozenset[str]()
    joined: ClassVar[dict[str, Any]] = {}
    vocabulary: ClassVar[Any] = None

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Conv1d(2, 2, 1)
        with torch.no_grad():
            self.model.weight.copy_(torch.tensor([[0.0, 4.0], [0.0, 0.0]])[:, :, None])
            self.model.bias.copy_(torch.tensor([-2.0, 1.0]))

    def forward(self, batch: Batch) -> Features:
        found = self.model(batch["series"]).relu().mT
        return Features(found, torch.ones(found.shape[:2]).bool(), found.mean(1))

    def pool(self, batch: Batch) -> Tensor:
        return self(batch).pooled


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    config = FinetuneConfig(run="r", train="t", out=str(tmp_path / "run"))
    run = RunFolder.create(tmp_path / "run", "finetune", config)
    run.encoder.mkdir()
    (run.encoder / "model.safetensors").touch()
    run.resolve(task="classification", modality="series", length=TIME, finished=True)
    head = Classification(2, ["calm", "rough"])
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[-9.0, 0.0], [9.0, 0.0]]))
    head.save(run.head)
    monkeypatch.setattr(OpenedEncoder, "encoder", Convolutions())
    monkeypatch.setattr(OpenedEncoder, "processor", WithUnits())
    return run


def record() -> dict[str, Any]:
    series = torch.zeros(2, TIME)
    series[0] = torch.rand(TIME, generator=torch.Generator().manual_seed(0))
    series[1, 12:16] = 1.0
    return {"id": "log.csv:3", "series": series.tolist()}


def test_the_decisive_readings_are_named_and_the_check_agrees(run: RunFolder) -> None:
    one = Explainer(run).explain(record())
    assert (one.predicted, one.method, one.noun) == ("rough", "integrated gradients", "readings")
    weights = one.summary()["readings"]
    assert len(weights) == CELLS
    assert max(range(CELLS), key=weights.__getitem__) == 3
    assert one.check is not None
    assert one.check.named_drop > one.check.random_drop
    assert "the reading it names first" in one.checked()


def test_the_console_and_the_page_show_them(run: RunFolder) -> None:
    one = Explainer(run).explain(record())
    assert "█" in str(Explanations([one]))
    page = explained_page([one], run)
    assert page.count("<rect") == CELLS
    assert "more for it than the average place" in page
    assert "deleting the readings named below" in page


@pytest.mark.parametrize(
    ("method", "match"),
    [("rollout", "needs a transformer"), ("gradcam", "needs a convolutional network of images")],
)
def test_what_the_encoder_cannot_show_is_refused_at_once(
    run: RunFolder, method: str, match: str
) -> None:
    with pytest.raises(HeadstartError, match=match):
        Explainer(run, method)


def test_without_an_image_or_without_units_nothing_is_read(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.config import ExplainConfig

    def read(*arguments: Any) -> None:
        raise AssertionError("something was read")

    monkeypatch.setattr(explaining, "read_inputs", read)
    config = ExplainConfig(run=str(run.folder), inputs=["log.csv"], out="found.png")
    with pytest.raises(HeadstartError, match="reads series, and explanations of those are no im"):
        explaining.explain(config, run, print)
    monkeypatch.setattr(OpenedEncoder, "processor", WithoutUnits())
    with pytest.raises(HeadstartError, match="reads series, and no parts of those are known"):
        explaining.explain(config, run, print)
    with pytest.raises(HeadstartError, match="no parts are known"):
        WithoutUnits().units(record(), TIME)
    assert WithoutUnits().show({}, {}, {}) is None
