"""Span corruption: its lengths, its inverse, how texts are parted, and the loss of Transformers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import combinations

import language
import lesson
import pytest
import torch
from frozen import cloze
from rewritten import SENTINELS, Bare, Writing, on_neighbours, row_of, texts, theirs, tiny_t5

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.rewriting import Body
from headstart.objectives.span_corruption import SpanCorruption, noise_spans, random_lengths
from headstart.seeding import generator


def make(processor=Writing, **options) -> SpanCorruption:
    return SpanCorruption(tiny_t5(), processor, SpanCorruption.Options(**options)).eval()


@pytest.mark.parametrize(
    ("length", "read", "written"), [(70, 64, 14), (141, 128, 29), (284, 256, 58), (568, 512, 114)]
)
def test_lengths_are_those_of_the_original_code(length, read, written):
    class Many(Bare):
        vocabulary = replace(Bare.vocabulary, sentinel_ids=tuple(range(200, 100, -1)))

    corrupted = make(Many).corrupt(texts(length, prefix=0), generator(0))
    assert corrupted["mask"].sum().item() == read
    assert corrupted["written/mask"].sum().item() == written


def spliced(read: list[int], written: list[int]) -> list[int]:
    """Replace the sentinels by what was written, as the definition says."""
    spans: dict[int, list[int]] = {}
    for token in written[:-1]:
        if token in SENTINELS:
            spans[token] = []
            last = spans[token]
        else:
            last.append(token)
    assert list(spans) == list(SENTINELS[: len(spans)])  # counted down from the end
    assert [token for token in read if token in SENTINELS] == list(spans)
    assert all(spans.values())
    return [part for token in read for part in spans.get(token, [token])]


@pytest.mark.parametrize("processor", [Writing, Bare])
def test_what_is_read_and_what_is_written_make_up_the_text_of_every_row(processor):
    batch = texts(*range(1, 41), prefix=processor.vocabulary.prefix)
    corrupted = lesson.pure(make(processor), batch)
    for row, length in enumerate(range(1, 41)):
        read, written = (row_of(corrupted, row, name) for name in ("", "written/"))
        assert written[-1] == read[-1] == row_of(batch, row)[-1]
        if length == 1:  # nothing would be left to tell it from
            assert read == row_of(batch, row)
            assert len(written) == 1
            continue
        assert spliced(read, written) == row_of(batch, row)
        noise = min(max(round(0.15 * length), 1), length - 1)
        spans = max(1, round(noise / 3))
        assert len(read) == processor.vocabulary.prefix + length - noise + spans + 1
        assert len(written) == noise + spans + 1
        assert read[processor.vocabulary.prefix] not in SENTINELS  # text first


def test_all_ways_to_part_a_text_are_as_likely():
    rows = 6000
    found = Counter(
        map(
            tuple,
            random_lengths(
                torch.full((rows,), 5), torch.full((rows,), 3), 9, generator(0)
            ).tolist(),
        )
    )
    splits = {(a, b - a, 5 - b) for a, b in combinations(range(1, 5), 2)}
    assert set(found) == splits
    assert all(abs(count / rows - 1 / len(splits)) < 0.03 for count in found.values())


def test_many_spans_are_limited_by_the_sentinels_and_by_what_is_kept():
    text = Body(torch.zeros(3, 60, dtype=torch.long), torch.tensor([60, 8, 2]))
    number = noise_spans(text, 0.5, 1.0, 4, generator(0))
    assert number.amax(1).tolist() == [3, 3, 0]
    assert (number >= 0).sum(1).tolist() == [30, 4, 1]


def test_loss_and_gradients_equal_those_of_transformers_row_by_row():
    objective = make()
    batch = objective.corrupt(texts(12, 30, 7, 2, 21), generator(3))
    lesson.same_gradients(objective(batch)["loss"], theirs(objective.encoder, batch), objective)


def test_scores_are_made_only_where_something_is_written():
    objective, seen = make(), []
    objective.encoder.model.lm_head.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape))
    batch = objective.corrupt(texts(12, 30, 7), generator(3))
    objective(batch)
    assert seen == [(int(batch["written/mask"].sum()), 16)]


def test_others_are_refused_with_the_names_of_those_that_can(text_processor):
    size = {"layers": 1, "width": 16, "heads": 2}
    bert = create_encoder("bert", size, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"needs decoder and sentinels, which .* cannot give"):
        build_objective({"span_corruption": 1.0}, {}, bert, text_processor)


def test_every_parameter_moves():
    assert language.without_gradient(language.build({"span_corruption": 1.0}, "t5")) == []


def test_on_unseen_articles_its_features_tell_more_of_what_was_cut_out():
    objective = on_neighbours("span_corruption")
    measure = partial(cloze, hidden=int(objective.sentinels[0]))
    assert language.learns(objective, 300, rate=1e-2, measure=measure) > 0.04
