"""No verb writes onto what it reads, nor onto what is there unless it is told to."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

import headstart as hs
from headstart.cli import VERBS
from headstart.config import AuditConfig, EmbedConfig, LabelConfig, PretrainConfig
from headstart.deployment.exporting.export import ABOUT
from headstart.deployment.indexes.state import CURRENT
from headstart.deployment.indexes.store import SEGMENTS
from headstart.encoders.opening import NOTE
from headstart.errors import HeadstartError
from headstart.files import write_text
from headstart.outputs import FINISHED, KEPT, check_free, check_unread, store_of
from headstart.run import MARKER, PARTS, RunFolder
from headstart.stored import SUMS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a source, and a run that was made from another one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    for name in ("docs/a.json", "docs/b.json", "data.npy", "data.ids.txt", "past.html"):
        Path(name).write_text("keep me")
    run = {"verb": "pretrain", "options": {"sources": ["past.html"], "out": "run"}, "resolved": {}}
    for part in ("encoder/model.npy", "report.npy"):
        Path("run", part).parent.mkdir(parents=True, exist_ok=True)
        Path("run", part).write_text("keep me")
    Path("run/config.yaml").write_text(yaml.safe_dump(run))
    return tmp_path


def embedding(out: str, *inputs: str, overwrite: bool = True) -> EmbedConfig:
    return EmbedConfig(run="run", inputs=list(inputs), out=out, overwrite=overwrite)


@pytest.mark.parametrize(
    ("out", "source"),
    [
        ("docs/a.json", "docs/a.json"),
        ("docs/../docs/a.json", "docs/a.json"),
        ("docs/a.json", "docs/*.json"),
        ("docs/a.json", "docs"),
        ("docs/a.json", "docs/a.json#train"),
        ("docs", "docs/a.json"),
        ("run/encoder/model.npy", "docs"),
        ("run/config.yaml", "docs"),
        ("past.html", "docs"),  # the run's own source
    ],
)
def test_what_is_read_is_never_replaced(folder: Path, out: str, source: str) -> None:
    with pytest.raises(HeadstartError, match="choose another --out") as refused:
        check_free(embedding(out, source))
    assert len(str(refused.value)) < 300


def test_messages_show_both_ends_of_a_long_path(folder: Path) -> None:
    deep = Path(*["a folder of a long name"] * 9)
    deep.mkdir(parents=True)
    (deep / "a.json").write_text("keep me")
    with pytest.raises(HeadstartError, match=r"name/a\.json is a file of a folder of") as refused:
        check_free(embedding(str(deep / "a.json"), str(deep)))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("source", ["docs", "docs/a.json"])
def test_another_name_of_a_file_is_that_file(folder: Path, source: str, link: object) -> None:
    link(folder / "docs/a.json", folder / "other.json")  # type: ignore[operator]
    with pytest.raises(HeadstartError, match=r"which this command reads|is read by"):
        check_free(embedding("other.json", source))


def test_links_inside_a_folder_that_is_read_count(folder: Path) -> None:
    os.symlink(folder / "data.npy", folder / "docs" / "link.json")
    with pytest.raises(HeadstartError, match=r"data\.npy is a file of docs"):
        check_free(embedding("data.npy", "docs"))


def test_a_file_beside_is_written_too(folder: Path) -> None:
    ids = folder / "data.ids.txt"
    with pytest.raises(HeadstartError, match="read by this command"):
        check_free(embedding("new.npy", str(ids)), ids)
    with pytest.raises(HeadstartError, match=r"ids\.txt exists already"):
        check_free(embedding("new.npy", "docs", overwrite=False), ids)


def test_a_file_that_is_there_needs_overwrite(folder: Path) -> None:
    with pytest.raises(HeadstartError, match="replace it with --overwrite, or choose another"):
        check_free(embedding("data.npy", "docs", overwrite=False))
    check_free(embedding("data.npy", "docs"))
    check_free(embedding("run/report.npy", "docs"))  # beside the parts of the run
    check_free(embedding("deep/er/new.npy", "a text that is longer than a path may be " * 20))
    assert not (folder / "deep").exists()
    os.symlink(folder / "nothing", folder / "dangling.npy")
    with pytest.raises(HeadstartError, match="exists already"):
        check_free(embedding("dangling.npy", "docs", overwrite=False))


def test_labels_are_never_replaced(folder: Path) -> None:
    with pytest.raises(HeadstartError, match="exists already; move it, or choose"):
        check_free(LabelConfig(run="run", unlabeled=["docs"], out="data.npy"))


def test_a_folder_that_cannot_be_written_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HeadstartError, match="docs is a folder"):
        check_free(AuditConfig(sources=["data.npy"], out="docs"))
    with pytest.raises(HeadstartError, match=r"data\.npy is no folder"):
        check_free(embedding("data.npy/new.npy", "docs"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(HeadstartError, match="is read-only for you"):
        check_free(embedding("new/v.npy", "docs"))


@pytest.mark.parametrize("start", ["run", "run/encoder"])
def test_a_run_does_not_replace_the_one_it_starts_from(folder: Path, start: str) -> None:
    plan = PretrainConfig(sources=["docs"], out="run", encoder=start, overwrite=True)
    with pytest.raises(HeadstartError, match="choose another --out"):
        check_unread(plan)
    with pytest.raises(HeadstartError, match="choose another out="):
        hs.pretrain("docs", out="run", encoder=start, overwrite=True)
    assert Path("run/encoder/model.npy").read_text() == "keep me"


def test_a_run_among_its_own_sources_is_not_read_and_can_be_replaced(folder: Path) -> None:
    check_unread(PretrainConfig(sources=["."], out="run", overwrite=True))
    check_free(embedding("run/report.npy", "."))
    with pytest.raises(HeadstartError, match=r"data\.npy is a file of \."):
        check_free(embedding("data.npy", "."))


def test_nothing_new_is_written_into_what_is_finished(folder: Path) -> None:
    (folder / "run" / MARKER).write_text("")
    for what, names in FINISHED.items():
        for name in names:
            (folder / what).mkdir(exist_ok=True)
            (folder / what / name).write_text("{}")
        for out in (f"{what}/new.npy", f"{what}/deep/er/new.npy"):
            with pytest.raises(HeadstartError, match=f"lies in .*{what} that stays as it was"):
                check_free(embedding(out, "docs"))
    os.symlink("run/encoder", "link")
    for out in ("run/encoder/new.npy", "run/index/x/new.npy", "link/new.npy"):
        plan = EmbedConfig(run="other", inputs=["docs"], out=out)  # whichever run is read
        with pytest.raises(HeadstartError, match="is a part of the run"):
            check_free(plan)
        with pytest.raises(HeadstartError, match="is a part of the run"):
            check_unread(PretrainConfig(sources=["docs"], out=out))
        with pytest.raises(HeadstartError, match="is a part of the run"):
            hs.index("run", "docs", out=out)
    check_free(embedding("run/mine/new.npy", "docs"))
    check_unread(PretrainConfig(sources=["docs"], out="run/seeds/3"))
    (folder / "theirs" / "encoder").mkdir(parents=True)
    (folder / "theirs" / "config.yaml").write_text("model: x")  # of another program
    check_free(embedding("theirs/encoder/new.npy", "docs"))


def test_finished_folders_are_known_by_what_is_in_them() -> None:
    assert set(FINISHED["a finished encoder"]) == {NOTE, SUMS}
    assert set(FINISHED["an export"]) == {ABOUT, SUMS}
    assert set(FINISHED["an index"]) == {CURRENT, SEGMENTS}


def test_parts_of_a_run_are_attributes_described_and_not_foreign(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for part in PARTS:
        write_text(run.folder / part.name, "x")
        assert part.name in (RunFolder.__doc__ or "")
    assert run.report_file == tmp_path / "report.html"
    assert run.foreign() == []
    write_text(tmp_path / "thesis.tex", "x")
    assert run.foreign() == ["thesis.tex"]
    assert "encoder" in KEPT
    assert "report.html" not in KEPT


#: The least options of each verb, reading and writing the file {0}.
LEAST = {
    "audit": {"sources": ["{0}"]},
    "preview": {"sources": ["{0}"]},
    "pretrain": {"sources": ["{0}"]},
    "evaluate": {"run": "run", "train": "{0}"},
    "compare": {"runs": ["run", "other"], "train": "{0}"},
    "label": {"run": "run", "unlabeled": ["{0}"]},
    "finetune": {"run": "run", "train": "{0}"},
    "predict": {"run": "run", "inputs": ["{0}"]},
    "embed": {"run": "run", "inputs": ["{0}"]},
    "search": {"run": "run", "inputs": ["{0}"], "query": "?"},
    "explain": {"run": "run", "inputs": ["{0}"]},
    "recommend": {"run": "run", "users": "{0}"},
    "generate": {"run": "run", "prompt": "{0}"},
    "monitor": {"run": "run", "baseline": ["{0}"], "new": ["{0}"]},
    "export": {"run": "run", "inputs": ["{0}"]},
    "compress": {"run": "run", "inputs": ["{0}"], "target": "4x"},
}
ENDINGS = {
    **dict.fromkeys(("evaluate", "compare", "audit", "explain", "preview", "monitor"), "html"),
    **dict.fromkeys(("label", "predict", "search", "recommend"), "csv"),
    "embed": "parquet",
}


#: Verbs that write to --out; `index` changes nothing but an index, whatever it reads.
WRITE = [verb for verb in VERBS if "out" in VERBS[verb][0].model_fields and verb != "index"]


@pytest.mark.parametrize("verb", WRITE)
def test_every_verb_asks_before_any_work(folder: Path, verb: str) -> None:
    name = f"input.{ENDINGS.get(verb, 'png')}"
    Path(name).write_text("keep me")
    options = {
        key: [each.format(name) for each in value]
        if isinstance(value, list)
        else value.format(name)
        for key, value in LEAST[verb].items()
    }
    positional = [
        each
        for key in VERBS[verb][1]
        for each in (options[key] if isinstance(options[key], list) else [options[key]])
    ]
    named = {key: value for key, value in options.items() if key not in VERBS[verb][1]}
    if "overwrite" in VERBS[verb][0].model_fields:
        named["overwrite"] = True
    with pytest.raises(HeadstartError, match="read by this command"):
        getattr(hs, verb)(*positional, out=name, **named)
    assert Path(name).read_text() == "keep me"


def test_what_is_made_from_a_run_is_kept_in_it_where_that_can_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    assert store_of("run") == Path("run")
    encoder = store_of("run/encoder")  # of whatever library: it is not ours
    assert encoder.parent == folder / "cache" / "headstart"
    assert encoder == store_of(folder / "run" / "encoder")
    assert encoder.is_dir()
    assert store_of("org/model").name.startswith("model-")
    assert not Path("org").exists()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "run" and access(path, mode))
    assert store_of("run").name.startswith("run-")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "data.npy"))
    temporary = store_of("run")
    assert temporary.is_dir()
    assert temporary != store_of("org/model")  # which has pages of the same names


@pytest.mark.parametrize("link", [False, True])
def test_a_device_or_a_pipe_is_never_replaced(folder: Path, link: bool) -> None:
    os.mkfifo("pipe.npy")
    os.symlink("/dev/null", "null.npy")
    with pytest.raises(HeadstartError, match="is no regular file"):
        check_free(embedding("null.npy" if link else "pipe.npy", "docs"))


def test_the_home_is_the_home_also_where_no_shell_has_seen_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("of mine")
    texts = [f"the {n} sheep sleeps" for n in range(30)]
    small = {"encoder": "light", "encoder_options": {"width": 8}, "budget": "1step"}
    with pytest.raises(HeadstartError, match=rf"^{re.escape(str(tmp_path))} "):
        hs.pretrain(texts, out="~", **small)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["letter.txt"]
    run = hs.pretrain(texts, out="~/runs/sheep", **small)
    assert run.folder == tmp_path / "runs" / "sheep"
    assert len(hs.embed("~/runs/sheep", ["the 3 sheep"])) == 1


def test_a_place_that_is_not_utf8_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = os.fsdecode(b"run\xe9")
    with pytest.raises(HeadstartError, match="option 'out': its name is not UTF-8; rename it"):
        hs.pretrain(["a text", "another"], out=named)
    with pytest.raises(HeadstartError, match="option 'run': its name is not UTF-8; rename it"):
        hs.embed(named, ["a text"])
    with pytest.raises(HeadstartError, match="option 'runs': its name is not UTF-8; rename it"):
        hs.compare("a", named, train="labeled.csv")
    assert list(tmp_path.iterdir()) == []
