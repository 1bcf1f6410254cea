"""Under bf16 autocast losses and figures are those of float32: only networks are rounded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import paired
import pretext
import pytest
import spoken
import torch
from digits import DigitsProcessor, TinyConv
from torch import Tensor, nn

from headstart.encoders.opening import create_encoder, save_encoder
from headstart.modalities.text.defaults import ENCODER_FOR
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives import OBJECTIVES, Objective
from headstart.objectives.adversarial import two_players
from headstart.objectives.dino import DINOHead, dino_loss
from headstart.objectives.losses import (
    cosine_regression,
    info_nce,
    nt_xent,
    queue_nce,
    supervised_contrast,
    token_loss,
)
from headstart.objectives.predictive import among_all
from headstart.objectives.redundancy import barlow_twins, vicreg
from headstart.objectives.replaced import detection
from headstart.objectives.variational import kl_from_standard
from headstart.seeding import generator

TEXTS = [
    "the quick brown fox jumps over the lazy dog. it was never seen again.",
    "pack my box with five dozen liquor jugs. be quick about it!",
    "how vexingly quick daft zebras jump. the lazy fox looks on.",
    "a wizard's job is to vex chumps quickly in fog. so said the dog.",
] * 4
#: Networks on which the objectives of texts are small; the others take the default's.
SMALL = {"layers": 1, "width": 32, "heads": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "moco": {"queue": 32},
    "dino": {"prototypes": 32, "local": 0},
    "jigsaw": {"permutations": 8, "hidden": 16},
    "colorization": {"channels": 8},
    "inpainting": {"channels": 16, "critic_channels": 4},
    "mae": {"depth": 1},
    "cpc": {"layers": 1},
    "wav2vec2": {"negatives": 8, "codes": 16, "output": 16},
    "hubert": {"clusters": 8, "output": 16},
    "best_rq": {"codes": 32},
    "apc": {"hidden": 16},
    "frame_cpc": {"hidden": 16},
    "gan": {"channels": 8},
    "bigan": {"channels": 8},
    "vae": {"channels": 8},
    "autoencoder": {"channels": 8},
    "denoising": {"channels": 8},
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


def autocast() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


# -- each loss on numbers that eight bits cannot hold ------------------------------------------

#: Vectors that differ by a hundredth of their length, and slightly different views of them.
ALIKE = random(1, 128) + 0.03 * random(64, 128, seed=1)
VIEW = ALIKE + 0.001 * random(64, 128, seed=2)
#: Standard deviations of a hundredth, and means of ten.
FLAT = 10 + 0.01 * random(64, 16, seed=3)
FLAT_VIEW = FLAT + 0.001 * random(64, 16, seed=4)
LARGE = random(64, 16, seed=5) * torch.linspace(0.1, 30, 64)[:, None]
PICK = torch.arange(64)


def scored(points: Tensor) -> dict[str, Tensor]:
    """Return DINO's loss of points (B,D) and of their scores."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = DINOHead(128, 32, 16, 64, batch_norm=False)
    head.layers = nn.Identity()
    head.prototypes = nn.Parameter(ALIKE)
    scores = head(points)
    return {"loss": dino_loss([scores, scores + 1], [scores], scores.mean(0), 0.1, 0.001)}


LOSSES: dict[str, Callable[[], dict[str, Tensor]]] = {
    "info_nce": lambda: info_nce(ALIKE, VIEW, 0.05),
    "info_nce with hard negatives": lambda: info_nce(ALIKE, VIEW, 0.05, VIEW + 0.01),
    "nt_xent": lambda: nt_xent(ALIKE, VIEW, 0.05),
    "queue_nce": lambda: queue_nce(ALIKE, VIEW, nn.functional.normalize(ALIKE + 0.01), 0.05),
    "supervised": lambda: supervised_contrast(ALIKE, torch.arange(len(ALIKE)) // 2, 0.05),
    "cosine_regression": lambda: {"loss": cosine_regression(ALIKE, VIEW)},
    "barlow_twins": lambda: barlow_twins(FLAT, FLAT_VIEW, 0.0051),
    "vicreg": lambda: vicreg(FLAT, FLAT_VIEW, 25, 25, 1),
    "dino": lambda: scored(ALIKE),
    "cpc": lambda: among_all(10 * ALIKE[:, :32], 10 * ALIKE[:, :32], PICK),
    "vae": lambda: {"loss": kl_from_standard(LARGE, FLAT - 10).sum()},
    "electra": lambda: detection(LARGE, LARGE > 1, torch.ones_like(LARGE, dtype=torch.bool)),
    "gan": lambda: two_players(LARGE, -LARGE, LARGE, -LARGE),
    "tokens": lambda: token_loss(LARGE + 100, PICK % 16),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_under_autocast_is_that_of_float32(name: str) -> None:
    expected = LOSSES[name]()
    with autocast():
        found = LOSSES[name]()
    for figure, value in expected.items():
        assert found[figure].dtype == torch.float32
        torch.testing.assert_close(found[figure], value, rtol=1e-6, atol=1e-7, msg=figure)


# -- every objective: with the networks in float32 the rest is the loss -------------------------


@cache
def texts() -> TextProcessor:
    tokenizer = fit_tokenizer(TEXTS, kind="wordpiece", vocab_size=120, lowercase=True, sentinels=20)
    processor = TextProcessor(tokenizer)
    processor.configure(frozenset({"sentences"}))
    return processor


class Pictures(pretext.PixelStub, DigitsProcessor):
    """Plain augmentation for the tasks of one view, crops for those of two."""

    provides = DigitsProcessor.provides


def built(name: str, folder: Any) -> tuple[Objective, dict[str, Tensor]]:
    """Return an objective on a small network, and a batch for it."""
    kind = OBJECTIVES[name]
    options = dict(OPTIONS.get(name, {}))
    if name == "distill" or name in ENCODER_FOR:
        size = {"width": 16} if name == "distill" else SMALL
        encoder: Any = create_encoder(
            ENCODER_FOR.get(name, "light"), size, texts(), length=32, seed=0
        )
        if name == "distill":
            save_encoder(encoder, texts(), folder, {"modality": "text", "length": 32})
            options["teacher"] = str(folder)
        processor: Any = texts()
        batch = processor.collate_texts(TEXTS, 32)
        batch["word_starts"] = batch["sentence_starts"] = batch["input_ids"] % 3 == 0
    elif "towers" in kind.needs:
        encoder, processor = paired.towers(is_published=name == "lit"), paired.processor()
        batch = paired.batch()
    elif "waveform" in kind.needs:
        voices = "voices" in kind.needs
        encoder = spoken.separator() if voices else spoken.network()
        processor = spoken.PROCESSOR
        batch = spoken.batch(spoken.words(32, 0)[0], np.arange(32))
    else:
        encoder = pretext.TinyViT(32) if "patches" in kind.needs else TinyConv()
        processor, batch = Pictures(16), {"pixels": pretext.images(16)[:32]}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        objective = kind(encoder, processor, kind.Options(**options))
    known = {id(weight) for weight in encoder.parameters()}
    with torch.no_grad():
        for weight in objective.parameters():
            if id(weight) not in known and weight.ndim > 1:
                weight *= 3  # large scores
    return objective, batch


#: What objectives call of networks.
METHODS = (
    *("forward", "pool", "embed", "contextualize", "query", "write", "score", "mel", "map_of"),
    *("latents", "project", "separate", "of_first", "of_second"),
)


def in_float32(objective: Objective) -> None:
    """Let all networks leave autocast: what objectives compute with their outputs stays in it."""

    def leave(function: Callable[..., Any]) -> Callable[..., Any]:
        def outside(*arguments: Any, **named: Any) -> Any:
            with torch.autocast("cpu", enabled=False):
                return function(*arguments, **named)

        return outside

    for module in objective.modules():
        if type(module).__module__.startswith("headstart.objectives"):
            continue
        for name in METHODS:
            method = getattr(module, name, None)
            if method is not None and not isinstance(method, nn.Module):
                setattr(module, name, leave(method))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_what_an_objective_computes_of_its_networks_outputs_is_in_float32(
    name: str, tmp_path: Any
) -> None:
    objective, batch = built(name, tmp_path)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        objective.train()
        objective(objective.corrupt(batch, generator(0)))  # fills queues
        objective.after_step(0.5)
        objective.eval()
        in_float32(objective)
        corrupted = objective.corrupt(batch, generator(1))
        expected = objective(corrupted)
        with autocast():
            found = objective(corrupted)
    assert {value.dtype for value in found.values()} == {torch.float32}
    for figure, value in expected.items():
        torch.testing.assert_close(found[figure], value, rtol=2e-6, atol=1e-6, msg=figure)
