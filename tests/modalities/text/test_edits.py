"""Edits of texts: what each does to a row, on whole batches, and the views made of them."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.modalities.text.edits import EDITS, parse_edits
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives.building import build_objective
from headstart.seeding import generator

PAD, CLS, SEP = 0, 3, 4


def make_batch(rows: int = 50):
    """Return rows of 20 and of 11 tokens, no two of a row alike, each between [CLS] and [SEP]."""
    ids = torch.arange(rows * 20).view(rows, 20) + 5
    ids[:, 0], ids[:, -1] = CLS, SEP
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[::2, 11:] = False
    ids[::2, 10] = SEP
    ids[~mask] = PAD
    return {"input_ids": ids, "mask": mask}


def edit(name: str, share: float, seed: int = 0):
    batch = make_batch()
    before = batch["input_ids"].clone()
    inner = batch["mask"] & (batch["input_ids"] > SEP)
    views = [EDITS[name][0](batch, inner, generator(s), share, PAD) for s in (seed, seed, seed + 1)]
    assert torch.equal(batch["input_ids"], before)
    assert torch.equal(views[0]["input_ids"], views[1]["input_ids"])
    assert not torch.equal(views[0]["input_ids"], views[2]["input_ids"])
    rows = []
    for old, real, new, kept in zip(
        batch["input_ids"], batch["mask"], views[0]["input_ids"], views[0]["mask"], strict=True
    ):
        after = new[kept].tolist()
        assert kept.tolist() == sorted(kept.tolist(), reverse=True)
        assert (new[~kept] == PAD).all()
        assert (after[0], after[-1]) == (CLS, SEP)
        rows.append((old[real].tolist()[1:-1], after[1:-1]))
    return rows


def in_order(some: list[int], all_: list[int]) -> bool:
    rest = iter(all_)
    return all(token in rest for token in some)


def test_insertion_adds_tokens_and_keeps_all_others_in_order():
    for before, after in edit("insert", 0.3):
        assert len(after) == len(before) + round(0.3 * len(before))
        assert in_order(before, after)
        assert all(token > SEP for token in after)


def test_deletion_takes_tokens_out_and_closes_up():
    for before, after in edit("delete", 0.3):
        assert len(after) == len(before) - round(0.3 * len(before))
        assert in_order(after, before)


def test_replacement_changes_some_tokens_where_they_stand():
    changed = 0
    for before, after in edit("replace", 0.3):
        assert len(after) == len(before)
        differ = sum(a != b for a, b in zip(before, after, strict=True))
        assert differ <= round(0.3 * len(before))
        changed += differ
        assert all(token > SEP for token in after)
    assert changed > 150  # a token is replaced by itself once in hundreds of times


def test_a_swap_exchanges_tokens_two_by_two():
    for before, after in edit("swap", 0.3):
        assert Counter(before) == Counter(after)
        moved = [index for index in range(len(before)) if before[index] != after[index]]
        assert len(moved) == round(0.3 * len(before)) // 2 * 2
        for index in moved:
            assert after[before.index(after[index])] == before[index]


def test_a_crop_keeps_one_run_of_tokens():
    begins = set()
    for before, after in edit("crop", 0.6):
        assert len(after) == round(0.6 * len(before))
        begin = before.index(after[0])
        assert after == before[begin : begin + len(after)]
        begins.add(begin)
    assert len(begins) > 3


@pytest.mark.parametrize("name", list(EDITS))
def test_the_shortest_texts_survive(name):
    ids = torch.tensor([[CLS, 9, SEP], [CLS, SEP, PAD]])
    batch = {"input_ids": ids, "mask": ids != PAD}
    inner = ids > SEP
    view = EDITS[name][0](batch, inner, generator(0), 0.5, PAD)
    assert view["mask"].any(1).all()
    assert (view["input_ids"][0][view["mask"][0]] > SEP).any()


def test_edits_are_read_with_their_shares():
    edits = parse_edits("swap, delete:0.2")
    assert [(e.__name__, share) for e, share in edits] == [("swap", 0.1), ("delete", 0.2)]
    assert parse_edits("halves") is None
    with pytest.raises(HeadstartError, match="did you mean 'delete'"):
        parse_edits("swap,delet")
    for wrong in ("swap:2", "swap:x", "swap:0"):
        with pytest.raises(HeadstartError, match="share between 0 and 1"):
            parse_edits(wrong)


@pytest.fixture(scope="module")
def processor():
    texts = ["the quick brown fox jumps over the lazy dog and runs away from it all"] * 4
    return TextProcessor(fit_tokenizer(texts, kind="word", vocab_size=60))


def test_of_two_edits_each_makes_one_view_of_a_row(processor):
    batch = processor.collate_texts(
        ["the quick brown fox jumps over the lazy dog and runs"] * 40, 32
    )
    first, second = processor.views(batch, generator(0), "crop:0.5,swap")
    sizes = [view["mask"].sum(1) for view in (first, second)]
    whole = batch["mask"].sum(1)
    assert ((sizes[0] == whole) ^ (sizes[1] == whole)).all()
    assert 5 < (sizes[0] == whole).sum() < 35
    one = processor.views(batch, generator(0), "swap:0.5")
    assert not torch.equal(one[0]["input_ids"], one[1]["input_ids"])


def test_an_unknown_kind_of_views_is_told_all_kinds(processor):
    batch = processor.collate_texts(["the quick brown fox"], 32)
    with pytest.raises(HeadstartError, match="did you mean 'insert'"):
        processor.views(batch, generator(0), "insrt")


@pytest.mark.parametrize("name", ["simclr", "contrast", "vicreg"])
def test_any_objective_of_two_views_can_compare_edits(processor, name):
    encoder = create_encoder("light", {"width": 16}, processor, length=32, seed=0)
    objective = build_objective(
        {name: 1.0}, {name: {"views": "insert,delete,replace,swap,crop"}}, encoder, processor
    )
    batch = processor.collate_texts(
        ["the quick brown fox jumps", "the lazy dog runs away", "it all runs over the fox"], 32
    )
    loss = objective(objective.corrupt(batch, generator(0)))["loss"]
    loss.backward()
    assert encoder.token_embedding.weight.grad.any()
