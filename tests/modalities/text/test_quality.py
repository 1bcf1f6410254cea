"""The rules of Gopher and C4, each on a text that just passes and one that just fails."""

from __future__ import annotations

import pytest

from headstart.modalities.text.options import QualityNumbers
from headstart.modalities.text.quality import RULES, Page, count, first_failed

PAPERS = QualityNumbers()
PLAIN = "The cat sat with a dog. " * 3


def words(number: int, word: str = "word") -> str:
    return " ".join([word] * number)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("gopher.words", words(50), words(49)),
        ("gopher.words", words(100_000), words(100_001)),
        ("gopher.word_length", "abc def", "ab def"),
        ("gopher.word_length", "abcdefghij", "abcdefghijk"),
        ("gopher.symbols", "#" + words(10), "##" + words(10)),
        ("gopher.symbols", words(9) + " etc...", words(18) + " etc... and so on... …"),
        ("gopher.bullets", "- a\n" * 9 + "b", "- a\n" * 10 + "- b"),
        ("gopher.bullets", "*SPOILERS* and more", "* one\n* two"),
        ("gopher.ellipses", "a...\nb...\nc...\n" + "d\n" * 7, "a...\nb…\n" + "d\n" * 4),
        ("gopher.alphabetic", "a b c d 5", "a b c 4 5"),
        ("gopher.stop_words", "cats with that", "the cat, the dog"),
        ("gopher.repeated_lines", "abc\nabc\n" + "\n".join("defghijkl"), "x\nx\ny"),
        ("gopher.repeated_lines", "one\n\ntwo\n\nthree", "long one here\n\nlong one here\n\ntwo"),
        ("gopher.repeated_phrases", " ".join(map(str, range(99))), "good film " * 9),
        ("c4.punctuation", 'no\nHe said: "yes."', "no\nand so on..."),
        ("c4.line_words", "a b\na b c d e", "a b\na b c d"),
        ("c4.sentences", "One. Two! Three?", "Version 1.2.3 is out. Good."),
        ("c4.javascript", "enable JavaScript\nor do not", "enable JavaScript"),
        ("c4.policies", "our cookie policy\nis good", "Our Cookie Policy\nterms of use"),
        ("c4.lorem_ipsum", "lorem", "Lorem Ipsum dolor"),
        ("c4.brackets", "(a)", "{a}"),
    ],
)
def test_a_rule_parts_texts_where_its_paper_says(rule: str, good: str, bad: str) -> None:
    assert RULES[rule].passes(Page(good), PAPERS)
    assert not RULES[rule].passes(Page(bad), PAPERS)


def test_every_rule_is_named_after_its_paper() -> None:
    assert {rule.partition(".")[0] for rule in RULES} == {"gopher", "c4"}


def repeated(fresh: int, phrase: str, times: int) -> Page:
    """Return letters that do not repeat, with a phrase now and then."""
    between = [f"n{number:03}" for number in range(fresh)]
    step = max(1, fresh // times)
    for time in range(times):
        between.insert(time * (step + 1), phrase)
    return Page(" ".join(between))


def test_repeated_phrases_follow_the_thresholds_of_gophers_table() -> None:
    """Of the letters a phrase of two words may take a fifth, all later copies of five 15%."""
    rule = RULES["gopher.repeated_phrases"].passes
    assert rule(repeated(82, "aaaa bbbb", 10), PAPERS)  # 80 of 408 letters
    assert not rule(repeated(78, "aaaa bbbb", 10), PAPERS)  # 80 of 392
    long = "aaaa bbbb cccc dddd eeee"
    assert rule(repeated(105, long, 2), PAPERS)
    numbers = {fresh: rule(repeated(fresh, long, 4), PAPERS) for fresh in (90, 70)}
    assert numbers == {90: True, 70: False}  # 60 of 440, and of 360 letters, are later copies


def test_word_rules_do_not_judge_scripts_without_spaces() -> None:
    chinese = Page("酒店的房间很干净，服务也很好。早餐一般。位置不错！")
    spared = [rule for rule in RULES if not RULES[rule].applies(chinese)]
    assert set(spared) == {
        *("gopher.words", "gopher.word_length", "gopher.symbols", "gopher.alphabetic"),
        *("gopher.stop_words", "gopher.repeated_phrases", "c4.line_words"),
    }
    assert first_failed(chinese, tuple(RULES), PAPERS) is None


@pytest.mark.parametrize("text", ["यह घर बहुत अच्छा है।", "هل هذا بيت جميل؟", "这里很好。", "It is."])
def test_a_line_closes_with_the_stop_of_its_script(text: str) -> None:
    rule = RULES["c4.punctuation"].passes
    assert rule(Page(text), PAPERS)
    assert not rule(Page(text[:-1]), PAPERS)
    assert Page(f"{text} {text} {text}").sentences == 3


def test_english_stop_words_are_asked_of_english_only() -> None:
    german = "Der schnelle braune Fuchs springt."
    applies = RULES["gopher.stop_words"].applies
    assert not applies(Page(german, "de"))
    assert applies(Page(german, "en"))
    assert applies(Page(german))


def test_counts_and_numbers_of_ones_own() -> None:
    pages = [Page(PLAIN), Page("{ short }"), Page("短。")]
    found = count(pages, ("gopher.words", "c4.brackets"), PAPERS)
    assert found.total == 3
    assert found.failed == {"gopher.words": 2, "c4.brackets": 1}
    assert found.inapplicable == {"gopher.words": 1, "c4.brackets": 0}
    assert first_failed(pages[0], ("gopher.words",), QualityNumbers(min_words=5)) is None
