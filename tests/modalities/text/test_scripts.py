"""Words in many scripts: marks and joiners stay with their letter, wherever words are told."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from headstart.downstream.text.spans import squad_scores
from headstart.downstream.text.tagged import joined
from headstart.modalities.text import corruptions
from headstart.modalities.text.lexicon import Lexicon
from headstart.modalities.text.scripts import (
    WORD,
    folded,
    is_chinese,
    is_unspaced,
    letters,
    pattern,
    stands_close,
)
from headstart.modalities.text.shingles import jaccard, shingles
from headstart.modalities.text.tokenizers import fit_tokenizer

#: A text, its words, and whether they stand between spaces.
TEXTS = {
    "english": ("the café's 2nd naïve plan", ["the", "café", "s", "2nd", "naïve", "plan"], True),
    "german": ("er müsste größer sein", ["er", "müsste", "größer", "sein"], True),
    "decomposed": ("er mu\u0308sste, sagt e", ["er", "mu\u0308sste", "sagt", "e"], True),
    "vietnamese": ("Tiếng Việt rất hay", ["Tiếng", "Việt", "rất", "hay"], True),
    "hindi": ("हिन्दी भाषा की किताब", ["हिन्दी", "भाषा", "की", "किताब"], True),
    "tamil": ("தமிழ் மொழி", ["தமிழ்", "மொழி"], True),
    "arabic": ("كِتَابٌ جديد", ["كِتَابٌ", "جديد"], True),
    "persian": ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"], True),
    "sinhala": ("ශ්\u200dරී ලංකා", ["ශ්\u200dරී", "ලංකා"], True),
    "korean": ("호텔 방이 깨끗해요", ["호텔", "방이", "깨끗해요"], True),
    "chinese": ("酒店𠮷很好, ok", ["酒", "店", "𠮷", "很", "好", "ok"], False),
    "japanese": ("ホテルー部屋", ["ホ", "テ", "ル", "ー", "部", "屋"], False),
    "thai": ("น้ำดื่ม", ["น้ำ"[:2], "ำ", "ดื่", "ม"], False),
    "lao": ("ນ້ອງ", ["ນ້", "ອ", "ງ"], False),
    "khmer": ("ក្រុមហ៊ុន", ["ក្រុ", "ម", "ហ៊ុ", "ន"], False),
    "burmese": ("မြန်မာ ဒုက္ခ", ["မြ", "န်", "မာ", "ဒု", "က္ခ"], False),
    "tibetan": ("བོད་སྐད", ["བོ", "ད", "སྐ", "ད"], False),
}
SCRIPTS = pytest.mark.parametrize(("text", "words", "spaced"), TEXTS.values(), ids=TEXTS)


@SCRIPTS
def test_words_are_runs_of_letters_or_letters_with_their_marks(text, words, spaced):
    assert pattern(WORD).findall(text) == words


@SCRIPTS
def test_texts_without_spaces_are_recognised(text, words, spaced):
    assert is_unspaced([text]) != spaced
    assert is_unspaced([unicodedata.normalize("NFD", text)] * 3) != spaced


def test_a_quotation_makes_no_script_and_kana_no_chinese():
    assert not is_unspaced(["An English text that quotes 酒店 once, and then goes on in English."])
    assert not is_unspaced([])
    assert not is_unspaced(["", "a\u0303 mid·dot ʼapostropheʼ"])
    assert is_chinese(["酒店的房间很干净，服务也很好。"])
    assert not is_chinese(["ホテルの部屋は清潔です"])
    assert not is_chinese(["ห้องพักสะอาดมาก"])


@pytest.mark.parametrize("mark", ["\u0301", "\u20e3", "\U0001e944", "\U00011101"])
def test_marks_of_any_plane_extend_a_letter(mark):
    word = f"a{mark}b{mark}"
    assert pattern("<run>").findall(f"{word} {mark} c") == [word, "c"]


def test_apostrophes_join_and_signs_stand_alone():
    found = pattern("<letter>|<run>(?:'<run>)?").findall("don't e\u0301't 'x' a_b")
    assert found == ["don't", "e\u0301't", "x", "a", "b"]


def test_words_that_differ_in_a_mark_are_different_and_compositions_the_same():
    lexicon = Lexicon()
    assert lexicon.read(["दिन दान दीन दून", "musste müsste", "Tiê\u0301ng tiếng"]).ids.tolist() == [
        *(0, 1, 2, 3),
        *(4, 5),
        *(6, 6),
    ]
    hangul = unicodedata.normalize("NFD", "호텔")
    assert len(set(lexicon.read([hangul, "호텔"]).ids.tolist())) == 1


def test_words_are_joined_as_their_script_has_them():
    assert joined(["हिन्दी", "호텔", "má", "ok"])[0] == "हिन्दी 호텔 má ok"
    assert joined(["น้ำ", "ดื่ม", "ក្រុម", "酒店"])[0] == "น้ำดื่มក្រុម酒店"


def test_no_space_stands_beside_what_is_written_without():
    assert all(map(stands_close, "酒の、。「ーำ็་！２"))
    assert not any(map(stands_close, "aé호हि́·ʼ9.!"))


def test_answers_overlap_by_letters_with_their_marks():
    assert squad_scores(["ดื่ม"], [["น้ำดื่ม"]])["f1"] == pytest.approx(2 * 0.5 / 1.5)
    assert squad_scores(["mu\u0308sste"], [["müsste"]])["exact"] == 1.0
    assert squad_scores(["कील"], [["काल"]])["f1"] == 0.0


def test_shingles_see_marks_and_neither_compositions_nor_joiners():
    def alike(one: str, other: str) -> float:
        hashes, offsets = shingles([one, other])
        return jaccard(hashes[: offsets[1]], hashes[offsets[1] :])

    assert alike("राजा की किताब", "राजू का कोताबी") < 0.4
    assert alike("mu\u0308sste", "müsste") == alike("می\u200cخواهم", "میخواهم") == 1
    assert alike("I ❤\ufe0f you", "I you") == 1
    # Of three characters, as in Chinese, and not of five.
    assert len(shingles(["ห้องพัก"])[0]) == len(shingles(["酒店的房间很"])[0]) + 1


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("kind", ["wordpiece", "word", "bpe", "superword", "unigram", "char"])
def test_no_tokenizer_drops_a_mark_and_all_compose(kind, lowercase):
    pairs = [("musste", "müsste"), ("ma", "má"), ("काल", "कील"), ("ดม", "ดื่ม"), ("ស្រ", "ស្រី")]
    texts = [f"{one} {other}" for one, other in pairs] * 20
    options = {"vocab_size": 500, "lowercase": lowercase, "wrap": False}
    tokenizer = fit_tokenizer(texts, kind=kind, **options)
    for one, other in pairs:
        ids = [tokenizer(word)["input_ids"] for word in (one, other)]
        assert ids[0] != ids[1]
        assert ids[1] == tokenizer(unicodedata.normalize("NFD", other))["input_ids"]
        assert tokenizer.unk_token_id not in ids[1]


def test_words_of_a_tokenizer_are_whole_words_or_letters():
    texts = ["वह l'e\u0301te\u0301 น้ำดื่ม ル は 酒店"] * 20
    found = fit_tokenizer(texts, kind="word", vocab_size=60, wrap=False).tokenize(texts[0])
    assert found == ["वह", "l'été", "น้", "ำ", "ดื่", "ม", "ル", "は", "酒", "店"]


@pytest.mark.parametrize("kind", ["wordpiece", "word"])
def test_what_joins_letters_is_kept_and_what_cannot_be_seen_is_dropped(kind):
    texts = ["می\u200cخواهم میخواهم ශ්\u200dරී ශ්රී soft hyphen"] * 20
    tokenizer = fit_tokenizer(texts, kind=kind, vocab_size=200, lowercase=True, wrap=False)
    for one, other in (("می\u200cخواهم", "میخواهم"), ("ශ්\u200dරී", "ශ්රී")):
        assert tokenizer(one)["input_ids"] != tokenizer(other)["input_ids"]
    assert tokenizer.tokenize("so\u00adft hy\u200bphen\ufeff") == ["soft", "hyphen"]


@pytest.mark.parametrize("kind", ["wordpiece", "word"])
def test_a_long_sentence_without_spaces_is_no_unknown_word(kind):
    sentence = "ห้องพักสะอาดมาก" * 12
    tokenizer = fit_tokenizer([sentence] * 5, kind=kind, vocab_size=200, wrap=False)
    assert tokenizer.unk_token_id not in tokenizer(sentence)["input_ids"]


def test_case_is_folded_by_the_rules_for_all_languages():
    assert folded("ISPARTA ılık") == "isparta ılık"
    assert folded("İ") == "i\u0307"
    assert folded("MU\u0308SSTE Maße") == "müsste maße"


def test_letters_keep_their_marks():
    assert letters("a\u0301b") == ["a\u0301", "b"]
    assert letters("น้ำ") == ["น้ำ"]
    assert "".join(letters("हिन्दी 👨\u200d👩\u200d👧 ok")) == "हिन्दी 👨\u200d👩\u200d👧 ok"


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_typos_and_spaces_part_no_letter_from_its_marks(severity):
    text = "हिन्दी भाषा की किताब " * 20
    for corrupt in (corruptions.typos, corruptions.whitespace):
        found = corrupt(text, severity, np.random.default_rng(0))
        assert found != text
        assert set(letters(found)) <= {*letters(text), "  "}


@pytest.mark.parametrize("kind", ["bpe", "superword"])
@pytest.mark.parametrize("word", ["हिन्दी", "மொழி", "می\u200cخواهم", "q\u0307ar"])
def test_bytes_merge_into_words_over_marks_and_joiners(kind, word):
    texts = [f"{word} {word} ok"] * 100
    tokenizer = fit_tokenizer(texts, kind=kind, vocab_size=600, wrap=False)
    assert len(tokenizer.tokenize(f"ok {word}")) == 2


def test_bytes_of_english_and_chinese_are_parted_as_gpt2_parts_them():
    text = "He'd said:  it's 25% of 酒店的房间...\n\n\tok ❤\ufe0f x" + " \n "
    for given in (text, f" {text}", f"\n{text}"):
        parted = pre_tokenizers.ByteLevel(add_prefix_space=True).pre_tokenize_str(given)
        backend = fit_tokenizer([text] * 5, kind="bpe", vocab_size=300).backend_tokenizer
        ours = backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(given))
        assert [piece for piece, _ in ours] == [piece for piece, _ in parted]
