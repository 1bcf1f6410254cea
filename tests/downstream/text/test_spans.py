"""The best span of all windows is the answer, scored as SQuAD scores it."""

from __future__ import annotations

import pytest
import torch

from headstart.downstream.text.questions import Questions
from headstart.downstream.text.span_scores import SpanScores
from headstart.downstream.text.spans import best_spans, squad_scores, trimmed


def test_the_best_span_is_the_best_of_all_sound_ones():
    generator = torch.Generator().manual_seed(0)
    starts, ends = torch.randn(2, 50, 12, generator=generator)
    allowed = torch.zeros(50, 12, dtype=torch.bool)
    allowed[:, 3:10] = True
    score, first, last = best_spans(starts, ends, allowed, 3)
    for row in range(50):
        every = {
            (a, b): float(starts[row, a] + ends[row, b])
            for a in range(3, 10)
            for b in range(a, min(10, a + 3))
        }
        assert (int(first[row]), int(last[row])) == max(every, key=every.get)
        assert float(score[row]) == pytest.approx(max(every.values()))


def test_a_row_without_a_context_has_no_span():
    nothing = torch.zeros(1, 4, dtype=torch.bool)
    assert best_spans(torch.zeros(1, 4), torch.zeros(1, 4), nothing, 3)[0].item() == -torch.inf


def test_white_space_is_cut_from_the_ends_of_an_answer():
    assert trimmed("in York , ok", 2, 8) == (3, 7)
    assert trimmed("in York", 2, 3) == (3, 3)


def test_scores_are_those_of_squads_script():
    # The official script: lower case, no punctuation, no articles, the best of several answers.
    assert squad_scores(["The York!"], [["york"]]) == {"exact": 1.0, "f1": 1.0}
    scores = squad_scores(["old town of Bath"], [["Leeds", "the old town"]])
    assert scores["exact"] == 0.0
    assert scores["f1"] == pytest.approx(2 * (2 / 4) * (2 / 2) / (2 / 4 + 1))


def test_questions_without_an_answer_are_right_only_when_nothing_is_said():
    scores = squad_scores(["York", "", "York", ""], [["York"], ["York"], [], []])
    assert scores["exact"] == 0.5
    assert scores["has_answer_f1"] == 0.5
    assert scores["no_answer_exact"] == 0.5


def test_chinese_characters_count_one_by_one():
    assert squad_scores(["王小"], [["王小明"]])["f1"] == pytest.approx(0.8)
    assert squad_scores(["王小"], [["王小明"]])["exact"] == 0.0


def head_of(declines=True, **options):
    options = {"stride": None, "question_length": 64, "longest": 5, **options}
    return Questions(SpanScores(4), declines=declines, **options).eval()


def windows(starts, ends, owners, head):
    """Answers for log-probabilities (n,T): position 0 is no answer, 1.. one character each."""
    count, width = starts.shape
    index = torch.arange(width).expand(count, width)
    batch = {
        "context": index > 0,
        "char_starts": index - 1,
        "char_ends": index.clone(),
        "record": torch.tensor(owners),
    }
    head.logs = lambda features, batch: (starts, ends)
    return head.predictions(None, batch)


def test_the_likeliest_span_of_all_windows_is_the_answer():
    starts = torch.tensor([[0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]).log()
    ends = torch.tensor([[0.1, 0.2, 0.7], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]]).log()
    found = windows(starts, ends, [0, 0, 1], head_of())
    assert [(row["start"], row["end"]) for row in found] == [(0, 2), (1, 2)]
    assert found[0]["score"] == pytest.approx(0.64)


def test_no_answer_needs_every_window_to_say_so():
    sure, unsure = [0.98, 0.01, 0.01], [0.3, 0.5, 0.2]
    logs = torch.tensor([sure, unsure, sure, sure]).log()
    found = windows(logs, logs, [0, 0, 1, 1], head_of())
    assert (found[0]["start"], found[0]["end"]) == (0, 1)
    assert found[1] == {"start": None, "end": None, "score": pytest.approx(0.98**2, rel=1e-4)}


def test_a_head_that_never_saw_an_unanswerable_question_always_answers():
    logs = torch.tensor([[0.98, 0.01, 0.01]]).log()
    assert windows(logs, logs, [0], head_of(declines=False))[0]["start"] is not None
