"""The options of a kind of data hold wherever its encoders are used, not in pre-training alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.config import PretrainConfig, load
from headstart.encoders.opening import open_modality_of, read_note
from headstart.errors import HeadstartError

MODULE = '''
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.options import TextOptions

#: The option that each modality had which read or showed records.
TIMES = []


class EchoOptions(TextOptions):
    """How often an echo repeats."""

    times: int = 1


class Echo(TextModality):
    """Texts that are repeated."""

    name = "echo"
    Options = EchoOptions

    def __init__(self, options=None):
        super().__init__(options or EchoOptions())

    def read(self, sources, options, audit, cache=None, *, fields=()):
        TIMES.append(self.options.times)
        return super().read(sources, options, audit, cache, fields=fields)

    def preview(self, records, side):
        TIMES.append(self.options.times)
        return super().preview(records, side)
'''
QUICK: dict[str, Any] = {"budget": "4steps", "tracker": "none"}


@pytest.fixture
def labeled(install: Callable[..., Path], tmp_path: Path) -> str:
    """Labeled texts, in a world where the package is installed."""
    install("echoing", {"headstart.modalities": {"echo": "echoing:Echo"}}, echoing=MODULE)
    sys.modules.pop("echoing", None)
    file = tmp_path / "labeled.jsonl"
    rows = [
        {"text": f"{level} tide number {number} at the bridge", "label": level}
        for number in range(30)
        for level in ("high", "low")
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def pretrained(labeled: str, out: Path, *settings: str) -> hs.Run:
    return hs.pretrain(
        labeled,
        out=str(out),
        modality="echo",
        encoder="light",
        encoder_options={"width": 16},
        settings=list(settings),
        **QUICK,
    )


def test_every_verb_reads_with_the_options_of_the_pre_training(
    labeled: str, tmp_path: Path
) -> None:
    run = pretrained(labeled, tmp_path / "run", "echo.times=5")
    assert read_note(run.encoder)["modality_options"] == {"echo": {"times": 5}}
    times: list[int] = sys.modules["echoing"].TIMES
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"boat number {number} at the pier\n" for number in range(20)))
    few: dict[str, Any] = {"labels": ["all"], "seeds": 2}
    tuned = run.finetune(labeled, out=str(tmp_path / "tuned"), **QUICK)
    verbs: dict[str, Callable[[], Any]] = {
        "evaluate": lambda: run.evaluate(labeled, against=[str(tuned.folder)], **few),
        "compare": lambda: hs.compare(
            str(run.folder), str(tuned.folder), train=labeled, out=str(tmp_path / "c.html"), **few
        ),
        "finetune": lambda: run.finetune(labeled, out=str(tmp_path / "again"), **QUICK),
        "evaluate the fine-tuned": lambda: tuned.evaluate(labeled, **few),
        "predict": lambda: tuned.predict(labeled),
        "embed": lambda: tuned.embed(labeled, out=str(tmp_path / "vectors.npy")),
        "search": lambda: tuned.search(labeled, query="a tide"),
        "label": lambda: run.label(str(texts), count=3, out=str(tmp_path / "to_label.csv")),
    }
    for name, verb in verbs.items():
        times.clear()
        verb()
        assert set(times) == {5}, name


def test_an_explanation_reads_with_them_too(labeled: str, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="captum (extra `explain`) is not installed")
    run = pretrained(labeled, tmp_path / "run", "echo.times=5")
    tuned = run.finetune(labeled, out=str(tmp_path / "tuned"), **QUICK)
    sys.modules["echoing"].TIMES.clear()
    tuned.explain(labeled, count=1)
    assert set(sys.modules["echoing"].TIMES) == {5}


def test_a_kind_of_data_that_is_not_installed_is_named(
    labeled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pretrained(labeled, tmp_path / "run")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "installed" not in entry])
    for verb in (run.evaluate, run.label):
        with pytest.raises(HeadstartError, match="kind of data 'echo', which no installed package"):
            verb(labeled)


def test_an_objective_of_the_same_name_takes_no_options_from_it(
    labeled: str, install: Callable[..., Path], tmp_path: Path
) -> None:
    source = "from headstart.objectives import OBJECTIVES\nX = OBJECTIVES['contrast']"
    install("echoed", {"headstart.objectives": {"echo": "echoed:X"}}, echoed=source)
    with pytest.raises(HeadstartError, match=r"called 'echo'; write modality_options\.echo\.times"):
        pretrained(labeled, tmp_path / "run", "echo.times=5")
    run = pretrained(labeled, tmp_path / "run", "modality_options.echo.times=5")
    assert open_modality_of(run.encoder).options.times == 5


def test_a_section_does_not_win_over_an_option() -> None:
    sections = {
        "optimizer": ("objective_options", "optimizer"),
        "length": ("objective_options", "length"),
    }
    settings = ["optimizer.name=muon", "length.mean=3"]
    config = load(PretrainConfig, settings=settings, sections=sections, sources=["a"], out="b")
    assert config.optimizer.name == "muon"
    assert config.objective_options == {"length": {"mean": 3}}


def test_a_file_names_options_as_settings_do_which_win(tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("mlm:\n  mask_ratio: 0.3\n  span: 2\nlength: 64\n")
    sections = {"mlm": ("objective_options", "mlm")}
    given = {"file": file, "settings": ["mlm.span=3"], "sections": sections}
    config = load(PretrainConfig, **given, sources=["a"], out="b")
    assert config.objective_options == {"mlm": {"mask_ratio": 0.3, "span": 3}}
    assert config.length == 64


def test_a_note_holds_no_options_that_are_the_defaults(labeled: str, tmp_path: Path) -> None:
    run = pretrained(labeled, tmp_path / "run", "echo.times=1")
    assert "modality_options" not in read_note(run.encoder)
    assert open_modality_of(run.encoder).options.times == 1


def test_continued_training_takes_on_the_options_of_its_start(labeled: str, tmp_path: Path) -> None:
    run = pretrained(labeled, tmp_path / "run", "echo.times=5", "echo.tokenizer.vocab_size=200")

    def continued(name: str, *settings: str) -> dict[str, Any]:
        again = hs.pretrain(
            labeled,
            out=str(tmp_path / name),
            modality="echo",
            encoder=str(run.folder),
            settings=list(settings),
            **QUICK,
        )
        found: dict[str, Any] = read_note(again.encoder)["modality_options"]["echo"]
        return found

    assert continued("as it was") == {"times": 5, "tokenizer": {"vocab_size": 200}}
    assert set(sys.modules["echoing"].TIMES) == {5}
    changed = continued("changed", "echo.times=2", "echo.tokenizer.segmenter=none")
    assert changed == {"times": 2, "tokenizer": {"vocab_size": 200, "segmenter": "none"}}


def test_runs_that_read_otherwise_are_not_compared(
    labeled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [pretrained(labeled, tmp_path / str(n), f"echo.times={n}").folder for n in (1, 2)]
    kind = sys.modules["echoing"].Echo
    read = kind.read

    def in_part(self: Any, *sources: Any, **options: Any) -> Any:
        records = read(self, *sources, **options)
        return records.select(range(len(records) // self.options.times))

    few: dict[str, Any] = {"labels": ["all"], "seeds": 2, "out": str(tmp_path / "page.html")}
    assert hs.compare(*map(str, runs), train=labeled, **few).summary()
    monkeypatch.setattr(kind, "read", in_part)
    with pytest.raises(HeadstartError, match=r"2 reads .* otherwise than 1, for their options"):
        hs.compare(*map(str, runs), train=labeled, overwrite=True, **few)
