"""Contrast of two views: InfoNCE by hand, the parts it is made of, and several processes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributed as distributed
from digits import TinyConv, build, score, teach
from pair import in_two_processes

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.contrastive import SimCLR
from headstart.objectives.losses import info_nce, nt_xent, supervised_contrast
from headstart.seeding import generator


def naive_info_nce(queries: torch.Tensor, keys: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 1 of SimCSE, pair by pair, the positive in the denominator."""
    total = torch.zeros((), dtype=queries.dtype)
    for i in range(len(queries)):
        terms = [
            torch.exp((queries[i] @ keys[j]) / (queries[i].norm() * keys[j].norm()) / temperature)
            for j in range(len(keys))
        ]
        total = total - torch.log(terms[i] / torch.stack(terms).sum())
    return total / len(queries)


def naive_nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 1 of SimCLR for each of the 2N views, the view itself left out of the sum."""
    views, count = torch.cat([first, second]), len(first)
    total = torch.zeros((), dtype=first.dtype)
    for i in range(2 * count):
        terms = [
            torch.exp((views[i] @ views[k]) / (views[i].norm() * views[k].norm()) / temperature)
            for k in range(2 * count)
        ]
        rest = torch.stack([term for k, term in enumerate(terms) if k != i]).sum()
        total = total - torch.log(terms[(i + count) % (2 * count)] / rest)
    return total / (2 * count)


def naive_hard_info_nce(
    queries: torch.Tensor, keys: torch.Tensor, temperature: float, negatives: torch.Tensor
) -> torch.Tensor:
    """Equation 5 of SimCSE, pair by pair: the hard negatives of all rows are in each sum."""

    def term(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.exp((one @ other) / (one.norm() * other.norm()) / temperature)

    total = torch.zeros((), dtype=queries.dtype)
    for i in range(len(queries)):
        below = torch.zeros((), dtype=queries.dtype)
        for j in range(len(keys)):
            below = below + term(queries[i], keys[j]) + term(queries[i], negatives[j])
        total = total - torch.log(term(queries[i], keys[i]) / below)
    return total / len(queries)


CLASSES = torch.tensor([0, 1, 0, 0, 1, 2])


def naive_supervised(features: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 2 of SupCon, row by row; the row without another of its class is left out."""
    total, count = torch.zeros((), dtype=features.dtype), 0
    for i, own in enumerate(CLASSES):
        terms = [
            torch.exp((features[i] @ other) / (features[i].norm() * other.norm()) / temperature)
            for other in features
        ]
        below = torch.stack([term for k, term in enumerate(terms) if k != i]).sum()
        alike = [k for k, label in enumerate(CLASSES) if label == own and k != i]
        if alike:
            total = total - sum(torch.log(terms[k] / below) for k in alike) / len(alike)
            count += 1
    return total / count


def make_views(count=6, width=5):
    draw = torch.randn(2, count, width, generator=generator(0, "views"))
    return draw[0].requires_grad_(), draw[1].requires_grad_()


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("pair", [(info_nce, naive_info_nce), (nt_xent, naive_nt_xent)])
def test_loss_and_gradients_equal_the_definition_written_out(pair, temperature):
    queries, keys = make_views()
    ours = pair[0](queries, keys, temperature)["loss"]
    theirs = pair[1](queries, keys, temperature)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (queries, keys)),
        torch.autograd.grad(theirs, (queries, keys)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_supervised_contrast_and_its_gradient_equal_the_definition_written_out():
    features = make_views()[0]
    ours = supervised_contrast(features, CLASSES, 0.1)["loss"]
    theirs = naive_supervised(features, 0.1)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(loss, features)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    alone = supervised_contrast(features, torch.arange(6), 0.1)["loss"]
    assert alone == 0
    assert not torch.autograd.grad(alone, features)[0].any()


def make_negatives(count=6, width=5):
    return torch.randn(count, width, generator=generator(1, "negatives")).requires_grad_()


def test_hard_negatives_of_all_rows_are_in_the_sum():
    variables = (*make_views(), make_negatives())
    ours = info_nce(variables[0], variables[1], 0.05, variables[2])["loss"]
    theirs = naive_hard_info_nce(variables[0], variables[1], 0.05, variables[2])
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(ours, variables), torch.autograd.grad(theirs, variables), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        assert a.abs().sum() > 0


def test_hard_negatives_are_wrong_answers_for_both_kinds_of_views():
    same = torch.ones(8, 4)
    assert nt_xent(same, same, 0.5, same)["loss"].item() == pytest.approx(math.log(23))


def test_vectors_that_are_all_alike_give_the_logarithm_of_the_batch():
    same = torch.ones(8, 4)
    assert info_nce(same, same, 0.05)["loss"].item() == pytest.approx(math.log(8))
    assert nt_xent(same, same, 0.5)["loss"].item() == pytest.approx(math.log(15))


def test_the_length_of_a_vector_does_not_matter():
    queries, keys = make_views()
    torch.testing.assert_close(
        info_nce(queries, keys, 0.1)["loss"], info_nce(3 * queries, 0.1 * keys, 0.1)["loss"]
    )


def half_of_a_batch(loss, mine: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of some rows, and its gradient in a parameter that both views share."""
    queries, keys = make_views()
    scale = torch.ones((), requires_grad=True)
    value = loss(queries[mine] * scale, keys[mine] + scale * queries[mine], 0.1)["loss"]
    value.backward()
    return value.detach(), scale.grad


def hard(rows: slice):
    """Return the loss with hard negatives that belong to the rows of the batch."""

    def loss(queries, keys, temperature):
        return info_nce(queries, keys, temperature, make_negatives()[rows] + queries)

    return loss


def supervised(rows: slice):
    """Return the supervised loss of the rows; one process has fewer rows with a positive."""

    def loss(queries, keys, temperature):
        return supervised_contrast(queries + keys, CLASSES[rows], temperature)

    return loss


def _one_of_two(rank: int, folder: str) -> None:
    mine = slice(3 * rank, 3 * rank + 3)
    losses = (info_nce, nt_xent, hard(mine), supervised(mine))
    values = torch.stack([value for loss in losses for value in half_of_a_batch(loss, mine)])
    # What DistributedDataParallel does: the mean of loss and gradients over processes.
    distributed.all_reduce(values)
    with torch.no_grad():
        # In validation one process may have a batch more than the other, which must not wait.
        alone = nt_xent(*make_views(), 0.1)["loss"] if rank == 0 else torch.zeros(())
    if rank == 0:
        torch.save([values / 2, alone], f"{folder}/two.pt")


def test_two_processes_give_the_loss_and_gradient_of_one(tmp_path):
    every = slice(0, 6)
    losses = (info_nce, nt_xent, hard(every), supervised(every))
    one = torch.stack([value for loss in losses for value in half_of_a_batch(loss, every)])
    in_two_processes(_one_of_two, tmp_path)
    two, alone = torch.load(tmp_path / "two.pt", weights_only=True)
    torch.testing.assert_close(two, one)
    torch.testing.assert_close(alone, nt_xent(*make_views(), 0.1)["loss"].detach())


def make_batch(processor):
    return processor.collate_texts(
        ["the quick brown fox jumps over the lazy dog", "five dozen liquor jugs and a zebra"], 32
    )


def small_encoder(processor, name="modernbert", **options):
    size = {} if name == "light" else {"layers": 1, "heads": 2}
    return create_encoder(name, {"width": 16, **size, **options}, processor, length=32, seed=0)


def test_simcse_sees_the_same_text_twice_and_dropout_makes_the_difference(text_processor):
    encoder = small_encoder(text_processor, dropout=0.1)
    objective = build_objective({"simcse": 1.0}, {}, encoder, text_processor)
    batch = objective.corrupt(make_batch(text_processor), generator(0))
    assert torch.equal(batch["first/input_ids"], batch["second/input_ids"])
    objective.train()
    assert 0 < objective(batch)["positive_similarity"] < 1 - 1e-5
    objective.eval()
    assert objective(batch)["positive_similarity"].item() == pytest.approx(1, abs=1e-5)


def test_simcse_refuses_an_encoder_without_dropout_and_says_what_it_can_do(text_processor):
    with pytest.raises(HeadstartError, match=r"'simcse' needs dropout.*contrast"):
        build_objective({"simcse": 1.0}, {}, small_encoder(text_processor, "light"), text_processor)


def test_every_parameter_moves(text_processor):
    for name in ("light", "modernbert"):
        objective = build_objective(
            {"contrast": 1.0}, {}, small_encoder(text_processor, name), text_processor
        )
        objective(objective.corrupt(make_batch(text_processor), generator(0)))["loss"].backward()
        unused = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
        assert unused == []


def test_contrast_takes_the_modality_s_own_views(text_processor):
    objective = build_objective(
        {"contrast": 1.0}, {}, small_encoder(text_processor, "light"), text_processor
    )
    batch = make_batch(text_processor)
    named = build_objective(
        {"contrast": 1.0},
        {"contrast": {"views": "disjoint"}},
        small_encoder(text_processor, "light"),
        text_processor,
    )
    one, other = (o.corrupt(batch, generator(3)) for o in (objective, named))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_negatives_of_both_kinds_are_contrasted_in_both_directions(text_processor):
    with pytest.raises(HeadstartError, match="need both directions"):
        build_objective(
            {"contrast": 1.0},
            {"contrast": {"negatives": "all", "symmetric": False}},
            small_encoder(text_processor, "light"),
            text_processor,
        )


def paired_batch(processor, *, hard=True):
    batch = make_batch(processor)
    others = {"pair": ["a fast fox", "liquor in jugs"], "negative": ["the dog", "a zebra sleeps"]}
    for name, texts in list(others.items())[: 2 if hard else 1]:
        made = processor.collate_texts(texts, 32)
        batch |= {f"{name}/{key}": tensor for key, tensor in made.items()}
    return batch


@pytest.mark.parametrize("name", ["simcse", "contrast"])
def test_pairs_are_the_views_and_their_hard_negatives_go_with_them(text_processor, name):
    encoder = small_encoder(text_processor, dropout=0.1)
    options = {name: {"drop": 0.0}}
    objective = build_objective({name: 1.0}, options, encoder, text_processor).eval()
    batch = paired_batch(text_processor)
    corrupted = objective.corrupt(batch, generator(0))
    assert torch.equal(corrupted["first/input_ids"], batch["input_ids"])
    assert torch.equal(corrupted["second/input_ids"], batch["pair/input_ids"])
    assert not any(key.startswith(("first/pair", "first/negative")) for key in corrupted)
    with_hard = objective(corrupted)["loss"]
    without = objective(objective.corrupt(paired_batch(text_processor, hard=False), generator(0)))
    assert with_hard > without["loss"]


def test_a_kind_of_views_that_is_named_is_taken_though_there_are_pairs(text_processor):
    encoder = small_encoder(text_processor, dropout=0.1)
    options = {"simcse": {"views": "identity"}}
    objective = build_objective({"simcse": 1.0}, options, encoder, text_processor)
    corrupted = objective.corrupt(paired_batch(text_processor), generator(0))
    assert torch.equal(corrupted["first/input_ids"], corrupted["second/input_ids"])


def test_requested_pairs_that_are_missing_are_named_in_an_error(text_processor):
    options = {"contrast": {"views": "pairs"}}
    objective = build_objective(
        {"contrast": 1.0}, options, small_encoder(text_processor, "light"), text_processor
    )
    with pytest.raises(HeadstartError, match="--column pair=COLUMN, or two translators"):
        objective.corrupt(make_batch(text_processor), generator(0))


def test_simclr_on_digits_beats_the_untrained_network():
    objective = build(SimCLR)
    before = score(TinyConv())
    teach(objective, 80)
    after = score(objective.encoder)
    print(f"simclr: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + 0.1
