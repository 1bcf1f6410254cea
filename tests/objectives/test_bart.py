"""BART's noises, each by its counts and by what it keeps, and the loss of Transformers."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from math import ceil

import language
import lesson
import pytest
import torch
from frozen import cloze
from rewritten import Writing, on_neighbours, row_of, texts, theirs, tiny_t5
from tokens import CLS, KNOWN, MASK, SEP

from headstart.errors import HeadstartError
from headstart.objectives.bart import BART
from headstart.objectives.building import build_objective
from headstart.objectives.masked import plain_ids
from headstart.objectives.rewriting import Body
from headstart.objectives.text_noise import (
    delete,
    infill,
    mask,
    permute_sentences,
    replace,
    rotate,
)
from headstart.seeding import generator

SIZES = torch.arange(1, 36).repeat(20)


def distinct() -> Body:
    """Return texts of 1 to 35 tokens, no token twice; behind their ends stands another token."""
    ids = 5 + torch.arange(35).expand(len(SIZES), -1)
    return Body(torch.where(torch.arange(35) < SIZES[:, None], ids, 39), SIZES)


def rows(text: Body) -> list[list[int]]:
    return [ids[:size].tolist() for ids, size in zip(text.ids, text.size, strict=True)]


def is_part(part: list[int], whole: list[int]) -> bool:
    """True where ``part`` is ``whole`` with some of it left out."""
    left = iter(whole)
    return all(token in left for token in part)


def test_masking_replacement_and_deletion_hit_exactly_so_many():
    text, plain = distinct(), plain_ids(KNOWN)
    masked, deleted, replaced = (
        rows(mask(text, 0.3, MASK, generator(0))),
        rows(delete(text, 0.3, generator(1))),
        rows(replace(text, 0.3, plain, generator(2))),
    )
    for row, before in enumerate(rows(text)):
        hit = ceil(round(0.3 * len(before), 6))
        assert masked[row].count(MASK) == hit
        assert all(new in (old, MASK) for new, old in zip(masked[row], before, strict=True))
        assert len(deleted[row]) == max(1, len(before) - hit)
        assert is_part(deleted[row], before)
        assert MASK not in deleted[row]
        changed = sum(new != old for new, old in zip(replaced[row], before, strict=True))
        assert changed <= hit
        assert not set(replaced[row]) & set(KNOWN.special_ids)
    # A replacement is the same token by chance once in 35.
    pairs = zip(chain(*replaced), chain(*rows(text)), strict=True)
    changed = sum(new != old for new, old in pairs)
    assert changed > 0.95 * sum(ceil(round(0.3 * size, 6)) for size in SIZES.tolist())


def test_infilling_takes_out_exactly_its_budget_one_mask_a_span():
    text = distinct()
    inserted = 0
    filled = rows(infill(text, 0.3, 3.0, MASK, generator(0)))
    for before, after in zip(rows(text), filled, strict=True):
        kept = [token for token in after if token != MASK]
        assert is_part(kept, before)
        assert len(before) - len(kept) == ceil(round(0.3 * len(before), 6))
        assert after.count(MASK) >= 1
        indices = [before.index(token) for token in kept]
        gaps = sum(b - a > 1 for a, b in pairwise([-1, *indices, len(before)]))
        inserted += after.count(MASK) - gaps
    # Spans of length 0, and some that lie side by side.
    assert inserted > 0.05 * len(SIZES)


def test_span_lengths_are_poisson_and_a_length_of_zero_inserts_a_mask():
    size = torch.full((300,), 400)
    text = Body(torch.arange(400).expand(300, -1) + 5, size)
    spans, lengths = 0, Counter()
    for after in rows(infill(text, 0.3, 3.0, MASK, generator(0))):
        spans += after.count(MASK)
        last = 4
        for one, other in pairwise([*after, 405]):
            if one == MASK and other != MASK and last != MASK:
                lengths[other - last - 1] += 1
            last = one
    # 120 tokens are spent after about (120 + 3) / 3 spans.
    assert abs(spans / 300 - 41) < 1.5
    share = {k: v / sum(lengths.values()) for k, v in lengths.items()}
    for k, wanted in enumerate((0.0498, 0.1494, 0.2240, 0.2240, 0.1680)):
        assert abs(share[k] - wanted) < 0.02, k


def test_sentences_stay_whole_and_come_in_any_order():
    rows_, width = 600, 12
    ids = torch.arange(5, 5 + width).expand(rows_, -1)
    starts = torch.zeros(rows_, width, dtype=torch.bool)
    starts[:, [0, 3, 7]] = True
    text = Body(ids, torch.full((rows_,), 10))
    parts = ([5, 6, 7], [8, 9, 10, 11], [12, 13, 14])
    found = Counter()
    for after in rows(permute_sentences(text, starts, generator(0))):
        order = sorted(range(3), key=lambda part: after.index(parts[part][0]))
        assert after == [token for part in order for token in parts[part]]
        found[tuple(order)] += 1
    assert len(found) == 6
    assert min(found.values()) > 60


def test_rotation_begins_anywhere_and_goes_round():
    begins = Counter()
    rotated = rows(rotate(distinct(), generator(0)))
    for before, after in zip(rows(distinct()), rotated, strict=True):
        position = before.index(after[0])
        assert after == before[position:] + before[:position]
        begins[position / len(before) < 0.5] += 1
    assert min(begins.values()) > 200


def make(**options) -> BART:
    return BART(tiny_t5(), Writing, BART.Options(**options)).eval()


def batch_of(*sizes: int):
    batch = texts(*sizes)
    position = torch.arange(batch["mask"].shape[1])
    return {**batch, "sentence_starts": batch["mask"] & (position % 5 == 1)}


@pytest.mark.parametrize(
    "noises",
    [
        ("sentences", "infilling"),
        ("rotation",),
        ("masking", "deletion", "replacement"),
        ("sentences", "masking", "deletion", "replacement", "infilling", "rotation"),
    ],
)
def test_all_noises_leave_what_surrounds_a_text_and_the_whole_of_it_is_written(noises):
    batch = batch_of(*range(1, 36))
    corrupted = lesson.pure(make(noises=noises), batch)
    for row in range(35):
        assert row_of(corrupted, row, "written/") == row_of(batch, row)
        read = row_of(corrupted, row)
        assert (read[0], read[-1]) == (CLS, SEP)
        assert not {CLS, SEP} & set(read[1:-1])


def test_loss_and_gradients_equal_those_of_transformers_row_by_row():
    objective = make()
    batch = objective.corrupt(batch_of(12, 30, 7, 1, 21), generator(3))
    lesson.same_gradients(objective(batch)["loss"], theirs(objective.encoder, batch), objective)


def test_a_noise_that_there_is_not_is_refused(text_processor):
    with pytest.raises(HeadstartError, match=r"value 1 of 'bart\.noises' .*'infilling'"):
        build_objective(
            {"bart": 1.0},
            {"bart": {"noises": ["infiling"]}},
            tiny_t5(),
            text_processor,
        )


def test_every_parameter_moves():
    assert language.without_gradient(language.build({"bart": 1.0}, "t5")) == []


def test_on_unseen_articles_its_features_tell_more_of_what_was_hidden():
    assert language.learns(on_neighbours("bart"), 300, rate=1e-2, measure=cloze) > 0.025
