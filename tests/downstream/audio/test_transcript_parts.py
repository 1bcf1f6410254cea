"""The parts of a recogniser: alphabets, the character model, error rates, subtitles."""

from __future__ import annotations

import math

import pytest

from headstart.downstream.audio.alphabet import Alphabet, folded, repeats
from headstart.downstream.audio.character_model import EDGE, CharacterModel
from headstart.downstream.audio.error_rates import NOTHING, alignments, confused, error_rates
from headstart.downstream.audio.file_names import file_names
from headstart.downstream.audio.other_texts import other_texts
from headstart.downstream.audio.subtitles import subtitles
from headstart.errors import HeadstartError


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("It's 5 o\u2019clock - NOW!", "it's 5 o'clock now"),
        ("  'quoted'  words ", "quoted words"),
        ("Stra\u00dfe, na\u00efve", "stra\u00dfe na\u00efve"),
        ("?!", ""),
    ],
)
def test_transcripts_are_folded_to_what_is_heard(text, heard) -> None:
    assert folded(text) == heard


def test_characters_are_encoded_and_decoded_without_loss() -> None:
    alphabet = Alphabet.of(["abc ab", "cab"])
    classes = alphabet.encode("cab abc")
    assert classes is not None
    assert alphabet.decode(classes) == "cab abc"
    assert 0 not in classes


def test_a_character_outside_of_the_alphabet_is_named() -> None:
    alphabet = Alphabet.of(["abc"])
    assert alphabet.encode("abx") is None
    assert alphabet.foreign("abx") == "x"


def test_pieces_are_longer_symbols_that_give_the_same_text() -> None:
    spoken = ["the pound key", "the star key", "press the pound key"] * 3
    alphabet = Alphabet.of(spoken, pieces=40)
    assert max(map(len, alphabet.symbols)) > 1
    assert len(alphabet) <= 40
    for text in spoken:
        classes = alphabet.encode(text)
        assert classes is not None
        assert alphabet.decode(classes) == text
        assert len(classes) < len(text)


def test_equal_neighbours_need_a_blank_each() -> None:
    assert repeats([1, 1, 1, 2, 2, 3]) == 3


def test_the_character_model_is_witten_bell_by_hand() -> None:
    model = CharacterModel.of(["ab", "ac"], 2)
    # After a: b and c once each, so n = 2 and t = 2; three kinds, and one more that is unknown.
    counts, size = {"a": 2, "b": 1, "c": 1, EDGE: 2}, 5
    unigram = {each: (counts.get(each, 0) + 4 / size) / (6 + 4) for each in (*counts, "?")}
    assert math.exp(model.log_probability("a", "b")) == pytest.approx((1 + 2 * unigram["b"]) / 4)
    assert math.exp(model.log_probability("", "a")) == pytest.approx((2 + 1 * unigram["a"]) / 3)
    assert math.exp(model.log_probability("zz", "c")) == pytest.approx(unigram["c"])
    assert math.exp(model.log_probability("b", EDGE)) == pytest.approx((1 + unigram[EDGE]) / 2)


@pytest.mark.parametrize("before", ["", "a", "the ", "zzz"])
def test_the_probabilities_of_the_next_character_sum_to_one(before) -> None:
    model = CharacterModel.of(["the cat", "the hat", "a cat"], 4)
    known = {*"the cathat", EDGE, "?"}  # one stands for all that are unknown
    assert sum(math.exp(model.log_probability(before, each)) for each in known) == pytest.approx(1)


def test_a_model_is_rebuilt_from_its_counts() -> None:
    model = CharacterModel.of(["abba", "aba"], 3)
    again = CharacterModel(model.order, model.counts)
    assert again.log_symbol("a", "bb") == model.log_symbol("a", "bb")


def test_error_rates_by_hand() -> None:
    rates = error_rates(["one too", "four"], ["one two", "for"])
    # One character of seven, and one of three, is wrong; one word of two, and one of one.
    assert rates["cer"].mean == pytest.approx(2 / 10)
    assert rates["wer"].mean == pytest.approx(2 / 3)
    assert rates["accuracy"].mean == pytest.approx(8 / 10)
    assert rates["cer"].low <= rates["cer"].mean <= rates["cer"].high


def test_a_text_that_is_all_wrong_and_too_long_has_no_negative_accuracy() -> None:
    rates = error_rates(["xyzxyz"], ["ab"])
    assert rates["cer"].mean == 3
    assert rates["accuracy"].mean == 0


def test_alignments_show_what_was_left_out_and_added() -> None:
    (found,) = alignments(["x"], ["press pound key now"], ["press the pound key"])
    assert found.reference == ["press", "the", "pound", "key", NOTHING]
    assert found.written == ["press", NOTHING, "pound", "key", "now"]
    assert found.errors == 2
    assert ("the", NOTHING, 1) in confused([found])


def test_subtitles_are_divided_at_pauses_and_at_their_length() -> None:
    words = [
        {"word": "hello", "start": 0.0, "end": 0.5},
        {"word": "there", "start": 0.6, "end": 1.0},
        {"word": "again", "start": 3601.5, "end": 3602.0},
    ]
    assert subtitles(words) == (
        "1\n00:00:00,000 --> 00:00:01,000\nhello there\n\n2\n01:00:01,500 --> 01:00:02,000\nagain\n"
    )
    many = [{"word": "word", "start": at / 2, "end": at / 2 + 0.4} for at in range(30)]
    assert all(len(line) <= 42 for line in subtitles(many).splitlines())


def test_names_of_files_are_plain_and_occur_once() -> None:
    assert file_names(["a/x.wav", "b/x.wav", "..", "c\\y?.wav"]) == ["x", "x-2", "recording", "y_"]
    long = file_names(["n" * 251 + ".wav", "n" * 250 + "m.wav", "語" * 80 + ".wav"])
    assert len(set(long)) == 3
    assert max(len(f"{name}_voice1.wav".encode()) for name in long) <= 255


def test_a_missing_library_is_named_with_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jiwer", None)
    with pytest.raises(HeadstartError, match=r"headstart\[audio\]"):
        error_rates(["a"], ["a"])


def test_texts_of_a_file_are_folded_and_other_characters_left_out(tmp_path) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffPress ONE!\r\n\nna\u00efve\n".encode())
    assert other_texts(str(file)) == ["press one", "na\u00efve"]
    assert other_texts(str(file), "presson ") == ["press one"]
    file.write_bytes(b"abc abc\n" * 300_000)
    found = other_texts(str(file))
    assert len(found) == 250_000
    assert set(found) == {"abc abc"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "is no file"),
        (b"", "is empty"),
        (b"?!\n", "is empty"),
        (b"a\0b\n", "no text in UTF-8"),
        (b"\xff\xfe\n", "no text in UTF-8"),
        (b"xyz\n", "has characters that no training transcript has in every line"),
    ],
)
def test_a_file_without_texts_is_one_sentence(data, message, tmp_path) -> None:
    if data is not None:
        (tmp_path / "texts.txt").write_bytes(data)
    with pytest.raises(HeadstartError, match=message):
        other_texts(str(tmp_path / "texts.txt"), "abc ")
