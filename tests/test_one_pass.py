"""Whatever columns a verb needs, it reads a source once; a look at its beginning is no reading."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.config import FinetuneConfig
from headstart.data import discovery
from headstart.data.audit import Audit
from headstart.downstream.text.question_records import read_answered
from headstart.modalities.text.modality import TextModality

SMALL: dict[str, Any] = {"tracker": "none", "precision": "fp32"}
SEEN = {"labels": ["10"], "seeds": 2}


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each file is read to its end; chunks are small, so that a look is short."""
    count: Counter[str] = Counter()

    class Counted(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                count[Path(str(self.name)).name] += 1
            return data

    def counted(path: Path) -> Any:
        return Counted(io.FileIO(path))

    monkeypatch.setattr(discovery, "open_file", counted)
    for module in ("lines", "delimited", "decoding", "json_records"):
        monkeypatch.setattr(f"headstart.data.{module}.CHUNK", 512)
    return count


def pretrained(folder: Path, objective: str) -> hs.Run:
    source = folder / "texts.txt"
    source.write_text("\n".join(f"the fox runs {n} times" for n in range(40)))
    return hs.pretrain(
        str(source),
        out=str(folder / "run"),
        objective=objective,
        encoder_options={"layers": 1, "width": 16, "heads": 2},
        modality_options={"text": {"tokenizer": {"vocab_size": 300}}},
        budget="2steps",
        length=32,
        **SMALL,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    return pretrained(tmp_path_factory.mktemp("run"), "mlm")


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    return pretrained(tmp_path_factory.mktemp("writer"), "span_corruption")


def table(path: Path, row: Callable[[int], dict[str, Any]], count: int = 60) -> str:
    """Write a table that is several chunks long."""
    path.write_text("".join(json.dumps(row(n)) + "\n" for n in range(count)))
    return str(path)


def words(n: int) -> str:
    return f"the {('fox', 'hare')[n % 2]} runs {n} times in the old wood by the river"


def labeled(n: int) -> dict[str, Any]:
    return {"text": words(n), "label": ("a", "b")[n % 2]}


def several(n: int) -> dict[str, Any]:
    return {"text": words(n), "tags": [["a"], ["b"], ["a", "b"]][n % 3]}


def paired(n: int) -> dict[str, Any]:
    return {"s1": words(n), "s2": words(n + 1), "score": n % 5 + 0.5}


def tagged(n: int) -> dict[str, Any]:
    tokens = words(n).split()
    return {"tokens": tokens, "tags": ["B-X" if token == "fox" else "O" for token in tokens]}


def question(n: int) -> dict[str, Any]:
    return {"context": words(n), "question": "how many times?", "answer": f"{n} times", "id": n}


def written(n: int) -> dict[str, Any]:
    return {"document": words(n), "summary": f"{n} runs"}


@pytest.mark.parametrize("row", [labeled, several, paired])
def test_evaluate_reads_once_and_guesses_the_task_from_the_beginning(
    tmp_path: Path, run: hs.Run, readings: Counter[str], row: Any
) -> None:
    source = table(tmp_path / "train.jsonl", row)
    report = hs.evaluate(str(run.folder), train=source, out=str(tmp_path / "report.html"), **SEEN)
    tasks = {labeled: "classification", several: "multilabel", paired: "similarity"}
    assert report.results.task == tasks[row]
    assert readings["train.jsonl"] == 1


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("pairs", paired),
        ("multilabel", several),
        ("tokens", tagged),
        ("questions", question),
        ("seq2seq", written),
    ],
)
def test_finetune_reads_once(
    tmp_path: Path, request: pytest.FixtureRequest, readings: Counter[str], task: str, row: Any
) -> None:
    if task == "tokens":
        pytest.importorskip("seqeval")
    start = request.getfixturevalue("writer" if task == "seq2seq" else "run")
    source = table(tmp_path / "train.jsonl", row)
    hs.finetune(
        str(start.folder),
        train=source,
        task=task,
        out=str(tmp_path / "out"),
        budget="1steps",
        **SMALL,
    )
    assert readings["train.jsonl"] == 1


def test_objects_in_a_json_file_are_read_once_though_squad_has_that_form_too(
    tmp_path: Path, readings: Counter[str]
) -> None:
    source = table(tmp_path / "train.json", question, count=2000)
    options = FinetuneConfig(run="r", train=source, out="o", task="questions")
    assert len(read_answered(source, options, TextModality(), Audit())) == 2000
    assert readings == {"train.json": 1}


def test_pretrain_reads_pairs_and_negatives_in_one_pass(
    tmp_path: Path, readings: Counter[str]
) -> None:
    source = table(
        tmp_path / "pairs.jsonl",
        lambda n: {"one": words(n), "two": words(n + 2), "three": words(n + 1)},
    )
    hs.pretrain(
        source,
        out=str(tmp_path / "run"),
        columns={"text": "one", "pair": "two", "negative": "three"},
        objective="contrast",
        budget="2steps",
        **SMALL,
    )
    assert readings == {"pairs.jsonl": 1}
