"""From unlabeled records to a file that is filled in and read back, without duplicates."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.config import LabelConfig
from headstart.encoders.light import LightEncoder
from headstart.encoders.opening import save_encoder
from headstart.errors import HeadstartError
from headstart.files import clear_beside
from headstart.labeling.label import Labeling, label


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, processor) -> str:
    """A folder with a tiny encoder of random word vectors."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("labeling") / "encoder"
    light = LightEncoder(torch.ones(processor.vocabulary.size), 16)
    torch.nn.init.normal_(light.token_embedding.weight)
    save_encoder(light, processor, folder, {"modality": "text", "length": 32})
    return str(folder)


def write(file: Path, rows: list[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture
def texts(tmp_path, records) -> dict[str, str]:
    made = list(records({"fruit": 60, "tool": 60}))
    rows = [{"text": row["text"], "label": row["label"]} for row in made]
    bare = [{"text": row["text"]} for row in rows]
    return {
        "unlabeled": write(tmp_path / "pool.jsonl", bare),
        "labeled": write(tmp_path / "labeled.jsonl", rows),
    }


def run(encoder: str, unlabeled: str, out: Path, **options: object):
    options = {"run": encoder, "unlabeled": [unlabeled], "out": str(out), **options}
    return label(LabelConfig(**options), say=lambda _: None)


def read(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_file_has_an_id_a_content_an_empty_label_and_a_reason(encoder, texts, tmp_path) -> None:
    out = tmp_path / "to_label.csv"
    found = run(encoder, texts["unlabeled"], out, count=8)
    rows = read(out)
    assert len(rows) == len(found.rows) == 8
    assert list(rows[0]) == ["id", "text", "label", "why"]
    assert {row["label"] for row in rows} == {""}
    assert all("pool.jsonl:" in row["id"] and row["why"] for row in rows)


def test_what_to_do_next_makes_sense_with_so_many_labels(encoder, texts, tmp_path) -> None:
    few = str(run(encoder, texts["unlabeled"], tmp_path / "few.csv", count=8))
    assert f"headstart finetune {encoder} --train {tmp_path}/few.csv --out" in few
    assert "headstart evaluate" not in few  # one or two records would be tested
    again = f"--labeled {tmp_path}/few.csv --unlabeled {texts['unlabeled']} --out"
    assert f"{again} {tmp_path}/few_2.csv  # more: a verdict needs" in few
    assert "few_3.csv" in str(labeling_of(tmp_path / "few_2.csv"))
    many = str(run(encoder, texts["unlabeled"], tmp_path / "many.csv", count=60))
    assert f"headstart evaluate {encoder} --train {tmp_path}/many.csv --folds 5" in many


def labeling_of(out: Path, *before: Path, known: int = 0) -> Labeling:
    """Return a round that follows others."""
    return Labeling([{"id": "a"}], out, run="r", labeled=[*map(str, before)], known=known)


def test_a_later_round_learns_from_the_files_of_all(tmp_path) -> None:
    names = [tmp_path / name for name in ("to_label.csv", "to_label_2.csv", "to_label_3.csv")]
    for name in names:
        name.write_text("id,text,label,why\n")
    found = str(labeling_of(names[2], *names[:2], known=50))
    assert f"finetune r --train '{tmp_path}/to_label*.csv' --out" in found
    assert f"evaluate r --train '{tmp_path}/to_label*.csv' --folds 5" in found
    (tmp_path / "to_label_old.csv").write_text("text\nanother\n")
    found = str(labeling_of(names[2], *names[:2]))
    assert "--train FOLDER --out" in found
    assert f"FOLDER holds {names[0]}, {names[1]} and {names[2]}" in found


def test_the_long_step_tells_how_far_it_is(encoder, texts, tmp_path) -> None:
    seen: list[tuple[int, int]] = []
    config = LabelConfig(run=encoder, unlabeled=[texts["unlabeled"]], out=str(tmp_path / "o.csv"))
    label(config, say=print, progress=lambda *each: seen.append(each))
    done, total = seen[-1]
    assert done == total > 0


def test_what_was_filled_in_is_read_back_and_the_rest_is_skipped(
    encoder, texts, tmp_path, capsys
) -> None:
    out = tmp_path / "to_label.csv"
    run(encoder, texts["unlabeled"], out, count=30)
    known = {
        row["text"]: row["label"]
        for row in map(json.loads, Path(texts["labeled"]).read_text().splitlines())
    }
    rows = read(out)
    for row in rows[:24]:
        row["label"] = known[row["text"]]
    with open(out, "w", encoding="utf-8", newline="") as opened:  # as a spreadsheet saves it
        writer = csv.DictWriter(opened, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    tuned = hs.finetune(
        encoder, train=str(out), out=str(tmp_path / "tuned"), budget="2steps", tracker="none"
    )
    assert tuned.finished
    assert "6 it has no label" in capsys.readouterr().err
    again = run(encoder, texts["unlabeled"], tmp_path / "second.csv", count=90, labeled=[str(out)])
    assert not {row["text"] for row in rows} & {row["text"] for row in again.rows}
    assert any("6 records of --labeled have no label" in note for note in again.notes)


def test_duplicates_are_named_once(encoder, tmp_path) -> None:
    source = write(tmp_path / "p.jsonl", [{"text": t} for t in ["Apple pear", "apple  pear"] * 9])
    found = run(encoder, source, tmp_path / "o.csv", count=5)
    assert len(found.rows) == 1
    assert any("repeat an earlier one" in note for note in found.notes)
    assert any("Only 1 record is left" in note for note in found.notes)


def test_a_file_that_may_hold_labels_is_never_replaced(encoder, texts, tmp_path) -> None:
    out = tmp_path / "to_label.csv"
    out.write_text("id,text,label\n1,apple,fruit\n")
    with pytest.raises(HeadstartError, match="exists already; move it"):
        run(encoder, texts["unlabeled"], out)
    assert out.read_text().endswith("fruit\n")


def test_labels_in_the_unlabeled_source_count(encoder, tmp_path, records) -> None:
    made = list(records({"fruit": 30, "tool": 30}))
    rows = [
        {"text": row["text"], "label": row["label"] if index < 50 else None}
        for index, row in enumerate(made)
    ]
    found = run(encoder, write(tmp_path / "half.jsonl", rows), tmp_path / "o.csv", count=99)
    labeled = {row["text"] for row in rows[:50]}
    assert not labeled & {row["text"] for row in found.rows}
    assert all("the labels so far" in row["why"] for row in found.rows)


def test_the_next_round_reads_the_file_whatever_the_columns_of_the_source_are_called(
    encoder, tmp_path
) -> None:
    source = tmp_path / "pool.csv"
    source.write_text("body\ngr\xf6\xdfer apple\npear\nplum\n", encoding="latin-1")
    options: dict[str, Any] = {"columns": {"text": "body"}, "encoding": "latin-1"}
    first = run(encoder, str(source), tmp_path / "a.csv", count=1, **options)
    rows = read(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(f"id,text,label,why\n1,{rows[0]['text']},x,y\n")
    mine = write(tmp_path / "mine.jsonl", [{"body": "fig", "label": "x"}])
    given = [str(tmp_path / "a.csv"), mine]
    found = run(encoder, str(source), tmp_path / "b.csv", count=3, labeled=given, **options)
    assert {row["text"] for row in found.rows} == {"größer apple", "pear", "plum"} - {
        row["text"] for row in first.rows
    }
    again = f"--labeled {given[0]} --labeled {mine} --column text=body --labeled {tmp_path}/b.csv"
    assert again in str(found)


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_lines_and_quotes_inside_a_text_come_back_whole(encoder, tmp_path, end) -> None:
    text = f'apple "pear",{end}plum; saw'
    source = write(tmp_path / "p.jsonl", [{"text": text}])
    run(encoder, source, tmp_path / "o.csv", count=1)
    assert read(tmp_path / "o.csv")[0]["text"] == text
    found = run(encoder, str(tmp_path / "o.csv"), tmp_path / "again.csv", count=1)
    assert found.rows[0]["text"] == text


def test_a_full_disk_of_temporary_files_ends_in_a_sentence_and_no_signal(
    encoder, texts, tmp_path, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(HeadstartError, match=r"the disk is full.*set TMPDIR to a folder"):
        run(encoder, texts["unlabeled"], tmp_path / "o.csv", count=1)
    assert not (tmp_path / "o.csv").exists()


def test_another_ending_is_refused(encoder, texts, tmp_path) -> None:
    with pytest.raises(HeadstartError, match=r"to \.csv or \.jsonl"):
        run(encoder, texts["unlabeled"], tmp_path / "o.xlsx")


def test_a_simulation_comes_with_the_file(encoder, texts, tmp_path) -> None:
    found = run(
        encoder, texts["unlabeled"], tmp_path / "o.csv", count=5, simulate=texts["labeled"], seeds=2
    )
    curve = found.summary()["simulation"]["curve"]
    assert [row["labels"] for row in curve] == [5, 10, 20]
    assert any(line.startswith(("Yes:", "No:")) for line in str(found).splitlines())


def test_too_few_labels_for_a_simulation_are_refused(encoder, texts, tmp_path) -> None:
    few = write(tmp_path / "few.jsonl", [{"text": "apple", "label": "fruit"}] * 5)
    with pytest.raises(HeadstartError, match="has 5 labeled records"):
        run(encoder, texts["unlabeled"], tmp_path / "o.csv", simulate=few)


def test_vectors_are_computed_once_and_cached_with_a_run(
    encoder, texts, tmp_path, monkeypatch
) -> None:
    from headstart.labeling import label as labeling

    folder = tmp_path / "run"
    (folder).mkdir()
    (folder / "encoder").symlink_to(encoder)
    (folder / "config.yaml").write_text("verb: pretrain\noptions: {}\nresolved: {}\n")
    calls = []
    compute = labeling.features
    monkeypatch.setattr(labeling, "features", lambda *a, **o: calls.append(1) or compute(*a, **o))
    one = run(str(folder), texts["unlabeled"], tmp_path / "a.csv", count=4)
    two = run(str(folder), texts["unlabeled"], tmp_path / "b.csv", count=4)
    assert len(calls) == 1
    assert one.rows == two.rows


def test_images_are_written_beside_the_file_and_read_back(tmp_path) -> None:
    import numpy as np

    Image = pytest.importorskip("PIL.Image")
    from headstart.data.audit import Audit
    from headstart.labeling.label import _write
    from headstart.modalities.image.modality import ImageModality

    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.full((16, 16, 3), 60 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    options = LabelConfig(run="r", unlabeled=[str(folder)])
    modality = ImageModality()
    records = modality.read([str(folder)], options, Audit())
    out = tmp_path / "to_label.csv"
    _write(records, modality.content, ["because"] * 3, out)
    out.write_text(out.read_text("utf-8-sig").replace(",,because", ",dark,because"))
    back = modality.read([str(out)], options, Audit())
    assert list(back["label"]) == ["dark"] * 3
    assert [Path(v["path"]).read_bytes() for v in back["image"]] == [
        (folder / f"p{number}.png").read_bytes() for number in range(3)
    ]


def test_a_simulation_divides_no_group_and_says_so(encoder, tmp_path, records) -> None:
    made = [
        {"text": row["text"], "label": row["label"], "author": f"a{index % 12}"}
        for index, row in enumerate(records({"fruit": 30, "tool": 30}))
    ]
    pool = write(tmp_path / "pool.jsonl", [{"text": row["text"]} for row in made])
    known = write(tmp_path / "known.jsonl", made)
    out = tmp_path / "o.csv"
    found = run(encoder, pool, out, count=5, simulate=known, seeds=2, group="author")
    assert any("12 groups by 'author', which no split divides" in note for note in found.notes)
    bare = write(tmp_path / "bare.jsonl", [{**row, "label": None} for row in made])
    found = run(encoder, bare, tmp_path / "p.csv", count=5, group="author")
    assert any("--group matters to a simulation alone" in note for note in found.notes)


def test_pictures_that_a_killed_process_left_are_written_again(tmp_path) -> None:
    """They lie beside a list that it did not come to write."""
    code = (
        "import os, sys; from pathlib import Path; from headstart.labeling import label\n"
        "class Content:\n"
        "    noun = 'pictures'\n"
        "    def export(self, records, folder):\n"
        "        folder.mkdir(); (folder / 'a.png').touch(); os.kill(os.getpid(), 9)\n"
        "label._write([], Content(), [], Path(sys.argv[1], 'next.csv'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    left, own = tmp_path / "next_pictures", tmp_path / "own_pictures"
    assert (left / "a.png").exists()
    clear_beside(tmp_path / "next.csv", left)
    assert not left.exists()
    own.mkdir()
    clear_beside(tmp_path / "own.csv", own)
    assert own.exists()
