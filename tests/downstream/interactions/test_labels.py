"""Labels of users: what `label` writes is filled in, learned from, predicted and explained."""

from __future__ import annotations

import csv
from pathlib import Path

import headstart as hs


def test_what_label_writes_is_learned_from(run: Path, bought: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "to_label.csv"
    hs.label(str(run), unlabeled=str(bought), count=12, out=str(chosen))
    with open(chosen, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "items", "label", "why"]
    for number, row in enumerate(rows):
        row["label"] = "ab"[number % 2]
    with open(chosen, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    tuned = hs.finetune(
        str(run), train=str(chosen), out=str(tmp_path / "tuned"), budget="2steps", tracker="none"
    )
    found = tuned.predict(str(bought))
    assert len(found) == 240
    assert {row["label"] for row in found} <= {"a", "b"}


def test_a_column_of_labels_is_that_of_its_user(run: Path, bought: Path, tmp_path: Path) -> None:
    lines = bought.read_text().splitlines()
    labeled = tmp_path / "labeled.csv"
    rows = [f"{line},{'odd' if int(line.split(',')[0][1:]) % 2 else 'even'}" for line in lines[1:]]
    labeled.write_text("\n".join([f"{lines[0]},label", *rows]) + "\n")
    tuned = hs.finetune(
        str(run), train=str(labeled), out=str(tmp_path / "tuned"), budget="2steps", tracker="none"
    )
    assert {row["label"] for row in tuned.predict(str(bought))} <= {"odd", "even"}
