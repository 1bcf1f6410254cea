"""Contrast of two views: InfoNCE by hand, the parts it is made of, and several processes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as processes

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.losses import info_nce
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


def make_views(count=6, width=5):
    draw = torch.randn(2, count, width, generator=generator(0, "views"))
    return draw[0].requires_grad_(), draw[1].requires_grad_()


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_loss_and_gradients_equal_the_definition_written_out(temperature):
    queries, keys = make_views()
    ours = info_nce(queries, keys, temperature)["loss"]
    theirs = naive_info_nce(queries, keys, temperature)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (queries, keys)),
        torch.autograd.grad(theirs, (queries, keys)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_vectors_that_are_all_alike_give_the_logarithm_of_the_batch():
    same = torch.ones(8, 4)
    assert info_nce(same, same, 0.05)["loss"].item() == pytest.approx(math.log(8))


def test_the_length_of_a_vector_does_not_matter():
    queries, keys = make_views()
    torch.testing.assert_close(
        info_nce(queries, keys, 0.1)["loss"], info_nce(3 * queries, 0.1 * keys, 0.1)["loss"]
    )


def _one_of_two(rank: int, port: int, folder: str) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    queries, keys = make_views()
    scale = torch.ones((), requires_grad=True)
    mine = slice(3 * rank, 3 * rank + 3)
    loss = info_nce(queries[mine] * scale, keys[mine] + scale * queries[mine], 0.1)["loss"]
    loss.backward()
    # What DistributedDataParallel does: the mean of loss and gradients over processes.
    values = torch.stack([loss.detach(), scale.grad])
    distributed.all_reduce(values)
    if rank == 0:
        torch.save(values / 2, f"{folder}/two.pt")
    distributed.destroy_process_group()


def test_two_processes_give_the_loss_and_gradient_of_one(tmp_path, free_port):
    queries, keys = make_views()
    scale = torch.ones((), requires_grad=True)
    loss = info_nce(queries * scale, keys + scale * queries, 0.1)["loss"]
    loss.backward()
    processes.spawn(_one_of_two, args=(free_port, str(tmp_path)), nprocs=2)
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    torch.testing.assert_close(two, torch.stack([loss.detach(), scale.grad]))


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        still = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
        assert still == []
