"""`headstart monitor` on a real run: windows, what has moved, the page, the webhook, bad input."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.errors import HeadstartError

KNOWN = ("apple", "pear", "plum", "fig", "cherry", "grape")
OTHER = ("saw", "axe", "drill", "file")


def text(draw: random.Random, words: tuple[str, ...]) -> str:
    return " ".join(draw.choices(words, k=4))


def write(file: Path, count: int, foreign: float = 0.0, **columns: Any) -> Path:
    draw = random.Random(file.name)
    rows = [
        {"text": text(draw, OTHER if draw.random() < foreign else KNOWN), **columns}
        for _ in range(count)
    ]
    with open(file, "a") as opened:
        opened.writelines(json.dumps(row) + "\n" for row in rows)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("monitor")
    write(found / "base.jsonl", 150)
    write(found / "same.jsonl", 80)
    write(found / "moved.jsonl", 80, 0.4)
    hs.pretrain(
        write(found / "texts.jsonl", 300, 0.2),
        out=found / "run",
        budget="30steps",
        tracker="none",
        encoder_options={"width": 16},
    )
    return found


def look(folder: Path, new: str = "moved.jsonl", **options: Any) -> Any:
    options = {"baseline": folder / "base.jsonl", "new": folder / new, **options}
    return hs.monitor(folder / "run", **options)


def test_foreign_records_raise_an_alarm_and_are_shown_with_their_words(folder: Path) -> None:
    report = look(folder, out=folder / "page.html")
    assert report.is_drift
    assert report.exit_code == 3
    found = report.to_dict()
    assert {"features"} <= {alarm["kind"] for alarm in found["alarms"]}
    assert {row["name"] for row in found["moved"]["words"][:6]} & set(OTHER)
    lines = (folder / "moved.jsonl").read_text().splitlines()
    shown = [
        json.loads(lines[int(row["id"].split(":")[1]) - 1])["text"] for row in found["foreign"]
    ]
    assert sum(text.split()[0] in OTHER for text in shown) >= 6
    page = (folder / "page.html").read_text()
    assert "The data has moved" in page
    assert "The most foreign records" in page
    assert "<script" not in page
    assert "5% at most" in str(report)


def test_the_same_kind_of_data_raises_none(folder: Path) -> None:
    report = look(folder, "same.jsonl")
    assert not report.is_drift
    assert report.answer == "No drift is seen in 80 texts."
    look(folder, "same.jsonl", out=folder / "same.json")
    assert json.loads((folder / "same.json").read_text())["drift"] is False


def test_windows_follow_their_dates_and_thin_ones_abstain(folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.jsonl"
    for day, count, foreign in ((3, 60, 0.6), (1, 60, 0.0), (2, 5, 0.0)):
        write(new, count, foreign, date=f"2026-03-0{day}T12:00:00")
    report = hs.monitor(folder / "run", baseline=folder / "base.jsonl", new=new, every="day")
    windows = report.to_dict()["windows"]
    assert [(each["name"], each["records"]) for each in windows] == [
        ("2026-03-01", 60),
        ("2026-03-02", 5),
        ("2026-03-03", 60),
    ]
    assert windows[1]["p_values"] == {}
    assert {alarm["last"] for alarm in report.to_dict()["alarms"]} == {"2026-03-03"}
    assert "1 window has fewer than 30 records" in str(report)
    assert "from 2026-03-03 on" in report.answer
    page = tmp_path / "course.html"
    hs.monitor(folder / "run", baseline=folder / "base.jsonl", new=new, every="day", out=page)
    assert "The course" in page.read_text()


def test_labels_that_move_raise_an_alarm_of_their_own(folder: Path, tmp_path: Path) -> None:
    base, new = tmp_path / "base.jsonl", tmp_path / "new.jsonl"
    for label, before, after in (("good", 80, 20), ("bad", 20, 80)):
        write(base, before, label=label)
        write(new, after, label=label)
    report = hs.monitor(folder / "run", baseline=base, new=new)
    assert [alarm["kind"] for alarm in report.to_dict()["alarms"]] == ["labels"]
    assert report.to_dict()["moved"]["labels"][0]["name"] in {"good", "bad"}


def test_predictions_that_move_are_seen(folder: Path, tmp_path: Path) -> None:
    rows = [{"text": text(random.Random(i), (KNOWN, OTHER)[i % 2]), "label": "ab"[i % 2]}
            for i in range(60)]  # fmt: skip
    run = hs.finetune(folder / "run", train=rows, out=tmp_path / "tuned", budget="30steps",
                      tracker="none", names="off", alternatives=False)  # fmt: skip
    report = run.monitor(baseline=folder / "base.jsonl", new=folder / "moved.jsonl")
    assert "predictions" in report.to_dict()["tests"]
    assert "predictions" in report.to_dict()["moved"]


def test_pictures_are_watched_and_shown(tmp_path: Path) -> None:
    draw = random.Random(0)
    for side, count in (("base", 60), ("new", 40)):
        (tmp_path / side).mkdir()
        for index in range(count):
            red = side == "new" and index % 3 == 0
            colour = (250, 10, 10) if red else (10, 10, draw.randrange(150, 250))
            Image.new("RGB", (16, 16), colour).save(tmp_path / side / f"{index}.png")
    run = hs.pretrain(tmp_path / "base", out=tmp_path / "run", budget="1steps", tracker="none",
                      encoder="conv", length=16)  # fmt: skip
    page = tmp_path / "page.html"
    report = run.monitor(baseline=tmp_path / "base", new=tmp_path / "new", out=page)
    assert report.is_drift
    assert page.read_text().count("data:image/webp") >= 8
    assert "When" not in page.read_text()  # of one window there is nothing to say


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """Yield an address, what it is told, and the status that it answers with."""
    told: list[dict[str, Any]] = []
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", told, status
    server.shutdown()
    thread.join()


def test_a_webhook_is_told_of_a_drift_alone(folder: Path, hook: Any) -> None:
    address, told, status = hook
    look(folder, "same.jsonl", webhook=address)
    assert told == []
    look(folder, webhook=address)
    assert told[0]["drift"] is True
    assert "The data has moved" in told[0]["text"]
    for refused in (500, 302):
        status[0] = refused
        with pytest.raises(HeadstartError, match=r"there is a drift, and http.* could not be told"):
            look(folder, webhook=address)


def test_the_exit_code_says_whether_there_is_a_drift(folder: Path) -> None:
    for new, code in (("same.jsonl", 0), ("moved.jsonl", 3)):
        words = ["--baseline", str(folder / "base.jsonl"), "--new", str(folder / new), "--json"]
        done = CliRunner().invoke(app, ["monitor", str(folder / "run"), *words])
        assert done.exit_code == code, done.stderr
        assert json.loads(done.stdout)["drift"] is bool(code)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"new": "none.jsonl"}, "none.jsonl"),
        ({"baseline": "thin.jsonl"}, "the baseline has 5 texts, and at least 30"),
        ({"every": "day"}, "time"),
        ({"every": "year"}, "must be 'all', 'hour', 'day', 'week' or 'month'"),
        ({"time_column": "date"}, "time_column needs"),
        ({"webhook": "file:///etc/passwd"}, "must be an address"),
        ({"new": "picture.png"}, "picture"),
        ({"out": "page.txt"}, "page.txt"),
    ],
)
def test_what_cannot_be_watched_is_one_sentence(
    folder: Path, options: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    if not Path("thin.jsonl").exists():
        write(Path("thin.jsonl"), 5)
        Image.new("RGB", (8, 8)).save("picture.png")
    with pytest.raises(HeadstartError, match=sentence):
        look(folder, **options)


def test_too_few_new_records_abstain(folder: Path) -> None:
    if not (folder / "thin.jsonl").exists():
        write(folder / "thin.jsonl", 5)
    report = look(folder, "thin.jsonl")
    assert report.answer == "Nothing can be said: there are too few texts."
    assert not report.is_drift
