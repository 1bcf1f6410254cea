"""What a run generates is what its head says, and nothing else of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from headstart.config import GenerateConfig, PretrainConfig
from headstart.deployment.generators import GENERATORS, generate
from headstart.errors import HeadstartError
from headstart.objectives.decoders import ImageGenerator
from headstart.objectives.rewriting import save_head_description
from headstart.run import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    options = PretrainConfig(sources=["x"], out=str(tmp_path / "run"))
    made = RunFolder.create(tmp_path / "run", "pretrain", options)
    made.encoder.mkdir()
    made.head.mkdir()
    return made


def config(run: RunFolder, **options: object) -> GenerateConfig:
    return GenerateConfig(run=str(run.folder), **options)


def test_the_word_in_the_head_names_what_generates(run: RunFolder) -> None:
    save_head_description(run.head, "bart")
    assert json.loads((run.head / "head.json").read_text())["generates"] in GENERATORS
    ImageGenerator(4, 8, channels=4).save(run.head, "vae")
    out = generate(run, config(run, count=3))
    assert out == run.folder / "samples.png"
    assert Image.open(out).width > Image.open(out).height


def test_a_generator_of_another_package_is_called(
    run: RunFolder, install: Callable[..., Path]
) -> None:
    source = "def sing(run, config):\n    return 'la ' * config.count"
    install("singing", {"headstart.generators": {"song": "singing:sing"}}, singing=source)
    (run.head / "head.json").write_text('{"objective": "hum", "generates": "song"}')
    assert generate(run, config(run, count=2)) == "la la "


@pytest.mark.parametrize("described", [None, {"objective": "mlm", "generates": None}])
def test_a_head_that_generates_nothing_is_refused_with_those_that_do(
    run: RunFolder, described: dict[str, object] | None
) -> None:
    if described:
        (run.head / "head.json").write_text(json.dumps(described))
    with pytest.raises(HeadstartError, match=r"generates nothing: .* clm, .* gan or bigan"):
        generate(run, config(run))


def test_a_word_that_nobody_knows_is_refused(run: RunFolder) -> None:
    (run.head / "head.json").write_text('{"generates": "imagse"}')
    with pytest.raises(HeadstartError, match="unknown generator 'imagse'; did you mean 'images'"):
        generate(run, config(run))


def test_a_fine_tuned_run_predicts(run: RunFolder) -> None:
    run.write_config({**run.config(), "verb": "finetune"})
    with pytest.raises(HeadstartError, match="headstart predict"):
        generate(run, config(run))
