"""Every row of the page on file layouts works as it stands there."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawing import image_bytes

from headstart.config import PretrainConfig
from headstart.data.audit import Audit
from headstart.modalities.opening import modality_of, open_modality

PAGE = Path(__file__).resolve().parents[2] / "docs" / "file_layouts.md"
COMMANDS = re.findall(r"\| `headstart pretrain (.*?)` \|$", PAGE.read_text("utf-8"), re.M)
ROWS = [{"text": f"a short text, number {n}", "label": "ab"[n % 2]} for n in range(4)]
LINES = "".join(f"{row['text']}\n" for row in ROWS)
FRAME = pandas.DataFrame(ROWS)
LABELS = ["a", "b", "a", "b"]


def files(folder: str, found: dict[str, str | bytes]) -> None:
    for name, data in found.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def each(pattern: str, data: Callable[[int], str | bytes]) -> dict[str, str | bytes]:
    """Return four files; ``@`` stands for the label of each and ``#`` for its number."""
    return {pattern.replace("@", "ab"[n % 2]).replace("#", str(n)): data(n) for n in range(4)}


def picture(number: int) -> bytes:
    return image_bytes(seed=number)


def sound(number: int) -> bytes:
    """Return a second of a tone as WAV, whose pitch is its number's."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, 8000, 8000, "NONE", ""))
        times = np.arange(8000) * (300 + 100 * number) * 2 * np.pi / 8000
        file.writeframes((np.sin(times) * 9000).astype("<i2").tobytes())
    return data.getvalue()


def line(number: int) -> str:
    return f"{ROWS[number]['text']}\nof two lines"


def german() -> None:
    rows = "".join(f"Schöne Grüße Nr. {n};{n},5{n}\r\n" for n in range(4))
    Path("export.csv").write_bytes(f"Text;Note\r\n{rows}".encode("cp1252"))


def events(name: str, head: str) -> None:
    rows = [f"u{user},{item},{time}" for user in range(4) for time, item in enumerate("xyz")]
    Path(name).write_text("\n".join([head, *rows]) + "\n")


def workbook() -> None:
    pytest.importorskip("openpyxl", reason="reading .xlsx needs openpyxl")
    with pandas.ExcelWriter("book.xlsx") as book:
        pandas.DataFrame({"about": ["nothing"]}).to_excel(book, sheet_name="About", index=False)
        FRAME.to_excel(book, sheet_name="Answers", index=False)


def noted() -> None:
    classes = datasets.ClassLabel(names=["a", "b"])
    features = datasets.Features({"text": datasets.Value("string"), "label": classes})
    rows = {"text": [row["text"] for row in ROWS], "label": [0, 1, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet("reviews.parquet")


def zipped(name: str, found: dict[str, str | bytes]) -> None:
    with zipfile.ZipFile(name, "w") as archive:
        for member, data in found.items():
            archive.writestr(member, data)


def shard(name: str, suffix: str, make: Callable[[int], bytes]) -> None:
    with tarfile.open(name, "w") as archive:
        for name, data in [
            pair
            for n in range(4)
            for pair in ((f"{n}.{suffix}", make(n)), (f"{n}.cls", LABELS[n].encode()))
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def pictures() -> None:
    kind = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = {"image": [{"bytes": picture(n), "path": None} for n in range(4)], "label": LABELS}
    datasets.Dataset.from_dict(rows, features=kind).to_parquet("pictures.parquet")


def recordings() -> None:
    rows = {"audio": [{"bytes": sound(n), "path": None} for n in range(4)], "label": LABELS}
    pq.write_table(pa.table(rows), "recordings.parquet")


def arrays() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    np.savez("digits.npz", x_train=x, y_train=LABELS, x_test=x[:1], y_test=LABELS[:1])


def named(file: str, header: str, row: str) -> None:
    files(".", each("photos/#.png", picture) | each("clips/#.wav", sound))
    rows = [row.replace("@", LABELS[n]).replace("#", str(n)) for n in range(4)]
    Path(file).write_text("\n".join([header, *rows]))


#: By the first source: what makes it, the kind of data, and the labels of its four records.
LAYOUTS: dict[str, tuple[Callable[[], Any], str, list[str] | None]] = {
    "corpus.txt": (lambda: Path("corpus.txt").write_text(LINES), "text", None),
    "articles": (lambda: files("articles", each("#.txt", line)), "text", None),
    "mails": (lambda: files("mails", each("@/#.txt", line)), "text", sorted(LABELS)),
    "lines": (
        lambda: files("lines", dict.fromkeys(("a/all.txt", "b/all.txt"), "one\ntwo\n")),
        "text",
        sorted(LABELS),
    ),
    "reviews.csv": (lambda: FRAME.to_csv("reviews.csv", index=False), "text", LABELS),
    "survey.csv": (
        lambda: FRAME.set_axis(["Answer", "Stars"], axis=1).to_csv("survey.csv"),
        "text",
        LABELS,
    ),
    "export.csv": (german, "text", ["0.50", "1.51", "2.52", "3.53"]),
    "reviews.jsonl": (
        lambda: Path("reviews.jsonl").write_text("\n".join(map(json.dumps, ROWS))),
        "text",
        LABELS,
    ),
    "frame.json": (lambda: FRAME.to_json("frame.json"), "text", LABELS),
    "reviews.parquet": (noted, "text", LABELS),
    "saved": (lambda: datasets.Dataset.from_list(ROWS).save_to_disk("saved"), "text", LABELS),
    "book.xlsx#Answers": (workbook, "text", LABELS),
    "site": (lambda: files("site", each("#.html", lambda n: f"<p>page {n}")), "text", None),
    "reviews.csv.zst": (
        lambda: Path("reviews.csv.zst").write_bytes(
            pa.compress(FRAME.to_csv(index=False).encode(), "zstd", asbytes=True)
        ),
        "text",
        LABELS,
    ),
    "russian.txt": (
        lambda: Path("russian.txt").write_bytes("да\nнет\nможет быть\nнаверное".encode("cp1251")),
        "text",
        None,
    ),
    "photos": (lambda: files("photos", each("#.png", picture)), "image", None),
    "animals": (lambda: files("animals", each("@/#.png", picture)), "image", sorted(LABELS)),
    "labels.csv": (
        lambda: named("labels.csv", "image,label", "photos/#.png,@"),
        "image",
        LABELS,
    ),
    "captions.csv": (
        lambda: named("captions.csv", "file,text,label", "photos/#.png,a picture of @,@"),
        "image",
        LABELS,
    ),
    "animals.zip": (
        lambda: zipped("animals.zip", each("animals/@/#.png", picture)),
        "image",
        sorted(LABELS),
    ),
    "shard.tar": (lambda: shard("shard.tar", "png", picture), "image", LABELS),
    "pictures.parquet": (pictures, "image", LABELS),
    "digits.npz#train": (arrays, "image", LABELS),
    "clips": (lambda: files("clips", each("#.wav", sound)), "audio", None),
    "words": (lambda: files("words", each("@/#.wav", sound)), "audio", sorted(LABELS)),
    "spoken.csv": (
        lambda: named("spoken.csv", "file,label", "clips/#.wav,@"),
        "audio",
        LABELS,
    ),
    "calls.csv": (
        lambda: named("calls.csv", "nr,call,about", "#,clips/#.wav,@"),
        "audio",
        LABELS,
    ),
    "manifest.jsonl": (
        lambda: files(
            ".",
            each("clips/#.wav", sound)
            | {
                "manifest.jsonl": "".join(
                    json.dumps({"audio_filepath": f"clips/{n}.wav", "text": f"tone {n}"}) + "\n"
                    for n in range(4)
                )
            },
        ),
        "audio",
        None,
    ),
    "words.zip": (
        lambda: zipped("words.zip", each("words/@/#.wav", sound)),
        "audio",
        sorted(LABELS),
    ),
    "spoken.tar": (lambda: shard("spoken.tar", "wav", sound), "audio", LABELS),
    "recordings.parquet": (recordings, "audio", LABELS),
    "events.csv": (lambda: events("events.csv", "user_id,item_id,timestamp"), "interactions", None),
    "log.csv": (lambda: events("log.csv", "who,what,when"), "interactions", None),
    "histories.jsonl": (
        lambda: Path("histories.jsonl").write_text(
            "".join(json.dumps({"bought": [n, n + 1, 7]}) + "\n" for n in range(4))
        ),
        "interactions",
        None,
    ),
    "sequences.txt": (
        lambda: Path("sequences.txt").write_text("".join(f"u{n} {n} 7 9\n" for n in range(4))),
        "interactions",
        None,
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_layout_of_the_page_is_read_by_its_command(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    sources, options, columns = [], {}, {}
    while words:
        word = words.pop(0)
        if word == "--column":
            name, _, column = words.pop(0).partition("=")
            columns[name] = column
        elif word.startswith("--"):
            options[word.removeprefix("--")] = words.pop(0)
        else:
            sources.append(word)
    make, kind, labels = LAYOUTS[sources[0]]
    make()
    count = 4
    for source in sources[1:]:
        files(Path(source).parent.name, {"1.jsonl": json.dumps({"text": "one more"})})
        count += 1
    config = PretrainConfig(sources=sources, out="run", columns=columns, **options)
    assert modality_of(config) == kind
    audit = Audit()
    records = open_modality(kind).read(config.sources, config, audit)
    assert len(records) == count, audit.summary()
    assert not audit.quarantined
    assert (records["label"][:] if "label" in records.column_names else None) == labels


def test_every_layout_is_on_the_page() -> None:
    assert {shlex.split(command)[0] for command in COMMANDS} == set(LAYOUTS)
