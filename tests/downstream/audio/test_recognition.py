"""Speech recognition from the table to the subtitles, on tones that are letters."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import soundfile
import torch
from tones import PROCESSOR, RATE, head, network, said, texts, written

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.downstream.audio.recognition import Recognition, _frames_of
from headstart.downstream.audio.subtitles import write_transcripts
from headstart.errors import HeadstartError
from headstart.modalities.audio.modality import AudioModality
from headstart.seeding import seeded


def read(path, audit: Audit, **options):
    config = FinetuneConfig(run="r", train=str(path), out="o", task="ctc", **options)
    return Recognition.read(str(path), config, AudioModality(), audit)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return written(tmp_path_factory.mktemp("tones"), texts(40, 0))


@pytest.fixture(scope="module")
def learned(table):
    """Return an encoder and a head that have learned the tones."""
    torch.manual_seed(0)
    encoder, task = network().train(), head(order=0, beams=1).train()
    rows = task.rows(PROCESSOR, read(table, Audit()), 50, seed=0)
    optimizer = torch.optim.Adam([*encoder.parameters(), *task.parameters()], 5e-3)
    for step in range(90):
        with seeded(step):
            indices = np.random.default_rng(step).permutation(len(rows))[:12]
            batch = rows.batch(indices, step)
            loss = task(task.features(encoder, batch), batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.eval(), task.eval()


def test_it_learns_to_write_what_is_said(learned, tmp_path) -> None:
    encoder, task = learned
    held = read(written(tmp_path, texts(15, 9), seed=5), Audit())
    scores = task.measure(encoder, task.rows(PROCESSOR, held, 50))
    nearest = task.alternatives(held.select(range(10)), held.select(range(10, 15)))
    print(scores["cer"], nearest)
    assert scores["cer"].mean < 0.15
    assert nearest[0][1].keys() == {"accuracy", "cer", "wer"}
    assert task.write_page(tmp_path / "page.html")
    assert "Alignments" in (tmp_path / "page.html").read_text()


def test_words_have_the_times_at_which_they_are_heard(learned) -> None:
    encoder, task = learned
    samples = np.concatenate(
        [np.zeros(RATE // 2, np.float32), said("ab", np.random.default_rng(0))]
    )
    batch = {
        "waveform": torch.from_numpy(samples)[None, None],
        "lengths": torch.tensor([len(samples)]),
    }
    (row,) = task.predictions(task.features(encoder, batch), batch)
    assert row["text"].replace(" ", "") == "ab"
    assert row["words"][0]["start"] == pytest.approx(0.5, abs=0.15)
    assert row["words"][-1]["end"] <= len(samples) / RATE + 0.05
    assert 0 < row["score"] <= 1


def test_a_head_that_is_saved_and_opened_hears_the_same(learned, tmp_path) -> None:
    encoder, task = learned
    task.save(tmp_path / "head")
    again = Recognition.load(tmp_path / "head")
    samples = torch.from_numpy(said("ab ca", np.random.default_rng(3)))[None, None]
    batch = {"waveform": samples, "lengths": torch.tensor([samples.shape[2]])}
    with torch.no_grad():
        both = [each.predictions(each.features(encoder, batch), batch) for each in (task, again)]
    assert both[0] == both[1]


def test_the_language_model_and_the_beam_decide_between_sounds_alike() -> None:
    task = head(order=3, counts={"\n\na": 9, "\nab": 9, "ab\n": 9, "\nac": 1, "ac\n": 1}, beams=8)
    logs = np.log(np.array([[0.04, 0.02, 0.9, 0.02, 0.02], [0.02, 0.02, 0.02, 0.45, 0.49]]))
    assert task.alphabet.decode(task.decode(logs)) == "ab"
    task.configure(PredictConfig(run="r", inputs=["x.wav"], beams=1))
    assert task.alphabet.decode(task.decode(logs)) == "ac"


def test_a_batch_of_the_training_is_a_pure_function_of_like_lengths(table) -> None:
    rows = head().rows(PROCESSOR, read(table, Audit()), 50, seed=3)
    indices = np.array([5, 30, 2, 17])
    one, other = rows.batch(indices, 1), rows.batch(indices, 1)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["waveform"], rows.batch(indices, 2)["waveform"])
    spread = one["lengths"].float().std() / one["lengths"].float().mean()
    assert spread < 0.35
    held = head().rows(PROCESSOR, read(table, Audit()), 50)
    lengths = held.batch(np.arange(len(held)), 0)["lengths"]
    assert (lengths.diff() <= 0).all()


def test_frames_are_counted_for_any_encoder() -> None:
    width, samples = _frames_of(network())
    assert (width, samples) == (24, 160.0)


# -- bad input -----------------------------------------------------------------------------------


def faulty(tmp_path, rows: list[dict[str, str]]):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "good.wav", said("abc", rng), RATE)
    with open(tmp_path / "table.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["audio", "transcript"])
        table.writeheader()
        table.writerows([{"audio": "good.wav", "transcript": "abc"}, *rows])
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"audio": "good.wav", "transcript": ""}, "it has no transcript"),
        ({"audio": "good.wav", "transcript": "?!"}, "its transcript has no letter or digit"),
        ({"audio": "gone.wav", "transcript": "abc"}, "the recording that it names does not exist"),
    ],
)
def test_a_record_without_one_of_both_is_set_aside_with_the_reason(tmp_path, row, reason) -> None:
    audit = Audit()
    records = read(faulty(tmp_path, [row]), audit)
    assert len(records) == 1
    assert audit.reasons == {reason: 1}


def test_characters_outside_of_a_given_alphabet_are_set_aside(tmp_path) -> None:
    audit = Audit()
    table = faulty(tmp_path, [{"audio": "good.wav", "transcript": "abx"}])
    records = read(table, audit, task_options={"ctc": {"alphabet": "aBC"}})
    assert len(records) == 1
    assert audit.reasons == {"'x' of its transcript is not in the alphabet": 1}


def test_what_cannot_be_learned_is_set_aside_with_the_reason(tmp_path) -> None:
    rows = [
        {"audio": "good.wav", "transcript": "abc" * 30},
        {"audio": "good.wav", "transcript": "abz"},
    ]
    task = head()
    kept = task.rows(PROCESSOR, read(faulty(tmp_path, rows), Audit()), 50)
    assert kept.references == ["abc"]
    (note,) = task.notes()
    assert "2 of 3 recordings are set aside" in note
    assert "frames for a transcript that needs 90" in note
    assert "'z' is in no training transcript" in note


def test_where_nothing_can_be_learned_one_sentence_says_so(tmp_path) -> None:
    records = read(faulty(tmp_path, []), Audit()).map(lambda row: {"label": "abc" * 40})
    with pytest.raises(HeadstartError, match="1 of 1 recordings are set aside"):
        head().rows(PROCESSOR, records, 50)


# -- what is written ------------------------------------------------------------------------------


ROW = {
    "id": "a/one.wav",
    "text": "hello",
    "score": 0.9,
    "words": [{"word": "hello", "start": 0.1, "end": 0.4, "score": 0.9}],
}


def test_transcripts_are_written_as_subtitles_text_and_json(tmp_path) -> None:
    write_transcripts([ROW, {"id": "bad.wav", "text": None, "words": None}], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("one.json", "one.srt", "one.txt")
    ]
    assert json.loads((tmp_path / "out" / "one.json").read_text()) == ROW
    assert (tmp_path / "out" / "one.srt").read_text().startswith("1\n00:00:00,100 --> 00:00:00,400")
    with pytest.raises(HeadstartError, match="exists already"):
        write_transcripts([ROW], tmp_path / "out")


def test_one_srt_file_is_for_one_recording(tmp_path) -> None:
    write_transcripts([ROW], tmp_path / "one.srt")
    assert "hello" in (tmp_path / "one.srt").read_text()
    with pytest.raises(HeadstartError, match="one recording"):
        write_transcripts([ROW, ROW], tmp_path / "two.srt")
    assert not (tmp_path / "two.srt").exists()


def beside(folder, **texts_of):
    """Write a recording, a text, or both for each name; a text ends with a line feed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (is_recorded, text) in texts_of.items():
        if is_recorded:
            soundfile.write(folder / f"{name}.wav", said("abc", np.random.default_rng(0)), RATE)
        if text is not None:
            (folder / f"{name}.txt").write_bytes(text)
    return folder


def test_a_transcript_may_lie_beside_its_recording(tmp_path) -> None:
    audit = Audit()
    folder = beside(
        tmp_path / "clips",
        a=(True, b"Abc cab\n"),
        b=(True, "\ufeffbca".encode()),
        c=(True, None),
        d=(False, b"nobody says this"),
        e=(True, b"ab\0c"),
        f=(True, b" \n"),
        g=(True, b"\xff\xfea"),
        h=(True, b"a" * 1_000_001),
    )
    records = read(folder, audit)
    assert dict(zip(records["id"], records["label"], strict=True)) == {
        "clips/a.wav": "abc cab",
        "clips/b.wav": "bca",
    }
    reasons = {row["where"]: row["reason"] for row in audit.summary()["records"]}
    assert reasons.pop("clips/d.txt").startswith("the file that it would belong to")
    assert reasons.pop("clips/c.wav") == reasons.pop("clips/f.wav") == "it has no transcript"
    assert set(reasons) == {f"clips/{name}.wav" for name in "egh"}
    assert set(reasons.values()) == {"its transcript is not a plain text"}


def test_transcripts_of_speakers_in_folders_are_no_names_of_classes(tmp_path) -> None:
    for speaker in ("ann", "bob"):
        beside(tmp_path / "clips" / speaker, **{f"{speaker}1": (True, b"abc")})
    assert read(tmp_path / "clips", Audit())["label"] == ["abc", "abc"]


def test_a_shard_may_hold_transcripts_as_texts(tmp_path) -> None:
    import tarfile

    folder = beside(tmp_path / "clips", a=(True, b"abc\n"), b=(True, b"cab"))
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        for path in sorted(folder.iterdir()):
            shard.add(path, path.name)
    assert read(tmp_path / "shard.tar", Audit())["label"] == ["abc", "cab"]


def test_a_folder_of_recordings_and_transcripts_is_one_of_recordings(tmp_path) -> None:
    from headstart.modalities.guess import guess_content

    folder = beside(tmp_path / "clips", a=(True, b"abc"), b=(True, b"cab"))
    assert guess_content([str(folder)]) == "audio"
    (folder / "notes.txt").write_text("read by two people")
    assert guess_content([str(folder)]) == "audio"


def test_the_character_model_learns_from_the_texts_of_a_file(table, tmp_path) -> None:
    (tmp_path / "texts.txt").write_text("cab cab\nxyz\n" * 50)
    given = {"ctc": {"texts": str(tmp_path / "texts.txt"), "order": 3}}
    audit = Audit()
    records = read(table, audit, task_options=given)
    config = FinetuneConfig(run="r", train="t", out="o", task="ctc", task_options=given)
    task = Recognition.build(network(), records, config)
    assert task.model is not None
    assert task.model.counts["cab"] >= 100
    assert not any("x" in gram for gram in task.model.counts)
    missing = {"ctc": {"texts": str(tmp_path / "none.txt")}}
    with pytest.raises(HeadstartError, match=r"ctc\.texts: .*is no file"):
        read(table, Audit(), task_options=missing)
