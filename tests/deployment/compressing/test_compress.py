"""A smaller run takes the place of another, is measured, and opens with every verb."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.config import CompressConfig
from headstart.config.loading import validated
from headstart.deployment.compressing import measuring
from headstart.deployment.compressing.choosing import Row, choose
from headstart.deployment.compressing.measuring import Contender
from headstart.deployment.compressing.quality import quality
from headstart.encoders.fewer import evenly
from headstart.encoders.opening import OpenedEncoder, open_encoder, save_encoder
from headstart.encoders.plain import PlainEncoder, PlainOptions
from headstart.errors import HeadstartError
from headstart.files import DiskFull
from headstart.run import RunFolder
from headstart.stored import check
from headstart.verbs import compressing

#: Every how many changes of files a process is killed.
STEP = int(os.environ.get("HEADSTART_EVERY_CHANGE", 23))
SMALL: dict[str, Any] = {"tracker": "none", "start": "none", "quiet": True}
TEXTS = [
    f"the {a} {b} {c} over the {d} {e}"
    for a in ("quick", "brown", "red", "sly")
    for b in ("fox", "hare", "wolf")
    for c in ("jumps", "leaps", "runs", "hops")
    for d in ("lazy", "old", "big")
    for e in ("dog", "log")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compressing")


@pytest.fixture(scope="module")
def labeled(made: Path) -> str:
    file = made / "labeled.jsonl"
    rows = [{"text": text, "label": text.split()[2]} for text in TEXTS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def network(made: Path, labeled: str) -> hs.Run:
    return hs.pretrain(
        labeled,
        out=str(made / "network"),
        objective="mlm",
        encoder="modernbert",
        encoder_options={"layers": 2, "width": 32, "heads": 2},
        modality_options={"text": {"tokenizer": {"vocab_size": 200}}},
        budget="2steps",
        length=16,
        **SMALL,
    )


@pytest.fixture(scope="module")
def tuned(made: Path, labeled: str, network: hs.Run) -> hs.Run:
    options = {"budget": "2steps", "tracker": "none", "alternatives": False, "quiet": True}
    return hs.finetune(network, train=labeled, out=str(made / "tuned"), **options)


def rounded(name: str, opened: OpenedEncoder, records: Dataset, folder: Path) -> Contender:
    """Return the vectors of floats as if they were computed in 8 bits and in no time."""
    found = measuring.in_floats(name, opened, records)
    return Contender(name, "int8", found.megabytes / 4, found.vectors, [lambda: None])


def test_a_smaller_run_opens_with_every_verb_and_the_former_one_stays(
    tuned: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "in_bytes", rounded)
    before = tuned.encode(TEXTS[:2])
    out = tmp_path / "small"
    words = ["compress", str(tuned.folder), "--target", "3x", "--loss", "100", "--judged", "60"]
    words += ["--budget", "2steps", "--out", str(out), "--json", "--quiet"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    names = [row["name"] for row in found["candidates"]]
    small_names = {"1 of 2 layers", "1 of 2 layers, a quarter of their channels"}
    assert set(names) == {"the original", *small_names}
    assert found["measure"] == "accuracy of the head"
    assert all(row["records_per_second"] > 0 for row in found["candidates"])
    assert found["chosen"]["weights"] == "int8"
    small = hs.Run(out)
    assert small.encode(TEXTS[:2]).shape == before.shape
    assert tuned.encode(TEXTS[:2]) == pytest.approx(before)
    (row,) = small.predict(TEXTS[0], quiet=True)
    assert row["label"] in {"fox", "hare", "wolf"}
    assert "1 of 2 layers" in (out / "compress.html").read_text()
    assert (out / "int8" / "model.onnx").is_file()
    check(out / "int8")
    assert (out / "int8" / "head.json").is_file()
    assert not Path(f"{out}.candidates").exists()


def test_eight_bits_are_measured_as_onnx_runtime_runs_them(network: hs.Run, tmp_path: Path) -> None:
    opened = OpenedEncoder(network.folder)
    records = Dataset.from_dict({"id": [str(n) for n in range(40)], "text": TEXTS[:40]})
    floats = measuring.in_floats("x", opened, records)
    found = measuring.in_bytes("x", opened, records, tmp_path / "int8")
    products = (floats.vectors * found.vectors).sum(1)
    lengths = np.linalg.norm(floats.vectors, axis=1) * np.linalg.norm(found.vectors, axis=1)
    assert (products / lengths > 0.98).all()
    assert found.weights == "int8"
    assert found.megabytes == pytest.approx((tmp_path / "int8/model.onnx").stat().st_size / 1e6)
    assert len(found.runs) == len(floats.runs) == measuring.TIMED // measuring.BATCH
    assert all(seconds > 0 for seconds in measuring.timed([floats, found]))


def test_a_killed_command_goes_on_and_other_bounds_learn_nothing_again(
    tuned: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: Any) -> None:
        raise HeadstartError("a package is missing.")

    monkeypatch.setattr(measuring, "in_bytes", missing)
    out, learned = tmp_path / "small", []
    trained = compressing.pretrain

    def counted(*sources: Any, **options: Any) -> Any:
        learned.append(Path(options["out"]).name)
        if len(learned) == 2:
            raise KeyboardInterrupt
        return trained(*sources, **options)

    monkeypatch.setattr(compressing, "pretrain", counted)
    options: dict[str, Any] = {"budget": "2steps", "judged": 60, "out": str(out), "quiet": True}
    with pytest.raises(KeyboardInterrupt):
        tuned.compress(target=2, **options)
    assert not out.exists()
    with pytest.raises(HeadstartError, match="nothing is 900x as fast within 0 points"):
        tuned.compress(target="900x", loss=0, **options)
    assert learned[0] == "candidate 0"
    assert learned.count("candidate 0") == 1
    before = len(learned)
    with pytest.raises(HeadstartError, match="a compression with other options was begun"):
        tuned.compress(target=2, **{**options, "budget": "3steps"})
    found = tuned.compress(max_size=1, loss=100, **options)
    assert len(learned) == before
    assert "the original has no 8 bits: a package is missing." in found.notes
    assert {row.weights for row in found.rows} == {"float32"}
    assert hs.Run(out).encode(TEXTS[:1]).shape[0] == 1


@pytest.fixture
def quick(network: hs.Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning, 8 bits and the clock are stubs: that training goes on is shown elsewhere."""

    def learned(*_: Any, out: str, **__: Any) -> RunFolder:
        copy = made / f"copy {os.getpid()}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(network.folder, copy)
        shutil.rmtree(out, ignore_errors=True)
        return RunFolder(shutil.move(copy, out))

    def missing(*arguments: Any) -> None:
        raise HeadstartError("a package is missing.")

    monkeypatch.setattr(compressing, "pretrain", learned)
    monkeypatch.setattr(compressing, "_static", lambda opened: None)
    monkeypatch.setattr(measuring, "in_bytes", missing)
    monkeypatch.setattr(measuring, "timed", lambda contenders: [3.0, 2.0, 1.0])


def files_of(run: Path) -> dict[str, bytes]:
    found = {str(each.relative_to(run)): each for each in run.rglob("*") if each.is_file()}
    named = {name: each.read_bytes() for name, each in found.items()}
    return {name: each.replace(run.name.encode(), b"OUT") for name, each in named.items()}


@pytest.mark.usefixtures("quick")
def test_killed_at_any_change_of_a_file_the_same_command_ends_it(
    tuned: hs.Run, tmp_path: Path, dying: Any
) -> None:
    """What is there is whole at every moment, and the end is that of a command never stopped."""
    options: dict[str, Any] = {"max_size": 10, "loss": 100, "judged": 60, "quiet": True}
    tuned.compress(out=str(tmp_path / "dies000"), **options)
    wanted, died, change = files_of(tmp_path / "dies000"), 0, 1
    while True:
        out = tmp_path / f"dies{change:03}"  # of as many letters, for lines that are cut
        if not dying(tmp_path, change, lambda out=out: tuned.compress(out=str(out), **options)):
            break
        died += 1
        if out.exists():
            assert files_of(out) == wanted
            with pytest.raises(HeadstartError, match="is a folder with files in it"):
                tuned.compress(out=str(out), **options)
        else:
            tuned.compress(out=str(out), **options)
        assert files_of(out) == wanted
        assert not list(tmp_path.glob(f"*{out.name}*.*")), change
        change += STEP
    assert died > 2


@pytest.mark.usefixtures("quick")
def test_two_commands_for_one_place_are_one_too_many(
    tuned: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"max_size": 10, "loss": 100, "judged": 60, "quiet": True}
    options["out"] = str(tmp_path / "small")
    choosing = compressing._measured

    def meanwhile(*given: Any) -> Any:
        with pytest.raises(HeadstartError, match="another process compresses to"):
            tuned.compress(**options)
        return choosing(*given)

    monkeypatch.setattr(compressing, "_measured", meanwhile)
    tuned.compress(**options)
    assert [each.name for each in tmp_path.iterdir()] == ["small"]


@pytest.mark.usefixtures("quick")
def test_a_full_disk_is_no_candidate_without_8_bits(
    tuned: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise DiskFull("the disk is full.")

    options: dict[str, Any] = {"max_size": 10, "loss": 100, "judged": 60, "quiet": True}
    monkeypatch.setattr(measuring, "in_bytes", full)
    with pytest.raises(HeadstartError, match="the disk is full"):
        tuned.compress(out=str(tmp_path / "small"), **options)
    assert [each.name for each in tmp_path.iterdir()] == ["small.candidates"]


def test_a_name_that_is_too_long_is_one_sentence(tuned: hs.Run, tmp_path: Path) -> None:
    for length in (245, 255, 300):
        with pytest.raises(HeadstartError, match="a name has at most 255 bytes"):
            tuned.compress(out=str(tmp_path / ("x" * length)), target=2, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_alone_becomes_a_run_that_names_what_it_was_made_of(
    network: hs.Run, labeled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "in_bytes", rounded)
    monkeypatch.setattr(compressing, "_static", lambda opened: None)
    options: dict[str, Any] = {"budget": "1steps", "judged": 60, "loss": 100, "quiet": True}
    out = tmp_path / "small"
    found = hs.compress(network.encoder, labeled, max_size=0.1, out=str(out), **options)
    assert "ten nearest" in found.measure
    written = hs.Run(out).config()["options"]
    assert written["sources"] == [labeled]
    assert written["encoder"] == str(network.encoder)
    assert hs.embed(out, ["the sly fox"], quiet=True).shape == (1, 32)


def test_layers_and_channels_that_are_left_out_are_left_out_of_the_files(
    network: hs.Run, tmp_path: Path
) -> None:
    opened = OpenedEncoder(network.folder)
    batch = opened.processor.collate(Dataset.from_dict({"text": TEXTS[:3]}), 16)
    count = sum(each.numel() for each in opened.encoder.parameters())
    for number, (_, small) in enumerate(opened.encoder.smaller()):
        folder = tmp_path / str(number)
        save_encoder(small, opened.processor, folder, opened.note)
        again = open_encoder(folder).eval()
        assert sum(each.numel() for each in again.parameters()) < count
        with torch.inference_mode():
            torch.testing.assert_close(again.pool(batch), small.eval().pool(batch))
    assert len(list(opened.encoder.smaller())) == 2
    assert evenly(12, 4) == [0, 4, 7, 11]
    assert evenly(6, 1) == [0]


def test_channels_without_weight_are_the_first_to_go() -> None:
    torch.manual_seed(0)
    encoder = PlainEncoder(PlainOptions(widths=(8, 8, 6), pooled=(True, False, False)), 16).eval()
    for part in encoder.model:
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
    with torch.no_grad():
        for part in [each for each in encoder.model if isinstance(each, torch.nn.BatchNorm2d)][:2]:
            part.weight[::2] = 0
            part.bias[::2] = 0
    small = next(net for name, net in encoder.smaller() if name == "half of the channels").eval()
    pixels = {"pixels": torch.rand(2, 3, 16, 16)}
    with torch.inference_mode():
        torch.testing.assert_close(small.pool(pixels), encoder.pool(pixels))
    assert small.options.widths == (4, 4, 6)


def row(name: str, faster: float, megabytes: float, lost: float) -> Row:
    return Row(name, "float32", 10 * faster, faster, megabytes, 0.9 - lost / 100, lost)


ROWS = [row("a", 2.0, 50, 0.2), row("b", 4.5, 20, 0.9), row("c", 4.1, 25, 0.9), row("d", 9, 5, 7)]


def test_the_best_of_those_that_reach_the_target_is_taken() -> None:
    assert choose(ROWS, target=4, max_size=None, loss=1).name == "b"  # as good, and faster
    assert choose(ROWS, target=1.5, max_size=None, loss=1).name == "a"
    assert choose(ROWS, target=None, max_size=10, loss=8).name == "d"


def test_nothing_that_reaches_it_is_one_sentence_with_the_best_there_is() -> None:
    with pytest.raises(HeadstartError) as refused:
        choose(ROWS, target=8, max_size=None, loss=1)
    sentence = str(refused.value)
    assert "nothing is 8x as fast within 1 points: of those the best is d" in sentence
    assert "7.0 points lost" in sentence
    assert "within the loss the nearest is b in float32 (4.5x as fast" in sentence


def test_without_labels_neighbours_decide_and_with_them_a_classifier() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 8)).astype(np.float32)
    labels = ["ab"[int(value > 0)] for value in vectors[:, 0]]
    neighbours = quality(vectors, None, None, 0)
    assert neighbours.of(vectors * 3) == 1.0
    assert neighbours.of(rng.normal(size=(200, 8)).astype(np.float32)) < 0.3
    probe = quality(vectors, None, labels, 0)
    assert probe.of(vectors) > 0.9
    assert probe.of(vectors[:, 1:]) < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "target, such as 4x, or max_size"),
        ({"target": "fast"}, "'fast' is no factor above 1; write for example 4x"),
        ({"target": "0.5x"}, "no factor above 1"),
        ({"max_size": -1}, "max_size"),
    ],
)
def test_bounds_that_are_none_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(HeadstartError, match=message):
        validated(CompressConfig, {"run": "r", "out": "o", **options})


def test_what_has_no_smaller_form_or_no_records_is_one_sentence(
    network: hs.Run, labeled: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "x")
    table = hs.pretrain(
        labeled, out=str(tmp_path / "table"), encoder="light", budget="1steps", length=16, **SMALL
    )
    with pytest.raises(HeadstartError, match="has no smaller form"):
        table.compress(target=4, out=out, quiet=True)
    with pytest.raises(HeadstartError, match="is an encoder without its records; name some"):
        hs.compress(str(network.encoder), target=4, out=out, quiet=True)
    with pytest.raises(HeadstartError, match="are too few"):
        hs.compress(str(network.encoder), ["a fox", "a hare"], target=4, out=out, quiet=True)
    assert not (tmp_path / "x.candidates").exists()
    (tmp_path / "x.candidates").write_text("mine")
    with pytest.raises(HeadstartError, match="is in the way"):
        network.compress(target=4, out=out, quiet=True)
    assert (tmp_path / "x.candidates").read_text() == "mine"
    assert not Path(out).exists()
