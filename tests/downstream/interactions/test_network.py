"""The network as a ranker: what it reads, and what it scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import headstart as hs
from headstart.downstream.interactions.network import log_softmax_, network_of
from headstart.encoders.opening import OpenedEncoder
from headstart.encoders.visibility import causal, visibility
from headstart.errors import HeadstartError
from headstart.objectives.opening import open_token_head
from headstart.run import RunFolder


def ranker(run: Path):
    opened = OpenedEncoder(RunFolder.open(run).require_encoder())
    return network_of(RunFolder.open(run), opened.encoder, opened.processor, opened.length), opened


def test_scores_are_those_of_each_history_alone_at_its_last_item(run: Path) -> None:
    network, opened = ranker(run)
    histories = [np.array([3]), np.array([5, 6, 7, 8]), np.array([2, 9])]
    found = network.scores(histories)
    head = open_token_head(RunFolder.open(run), opened.encoder)
    for history, scores in zip(histories, found, strict=True):
        ids = torch.from_numpy(history + 3)[None]
        batch = {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}
        with torch.inference_mode():
            vectors = opened.encoder.embed(batch)
            tokens = opened.encoder.contextualize(vectors, causal(visibility(batch), batch))
            expected = head(tokens[0, -1])[3:33].log_softmax(0)
        np.testing.assert_allclose(scores, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-4)


def test_scores_do_not_depend_on_what_is_read_together(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    histories = [rng.integers(0, 5, int(rng.integers(0, 9))) for _ in range(11)]
    network, _ = ranker(run)
    every = network.scores(histories)
    monkeypatch.setattr("headstart.downstream.interactions.network._ROWS", 3)
    np.testing.assert_allclose(network.scores(histories), every, atol=1e-5)


def test_the_log_softmax_in_place_is_that_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.downstream.interactions.network._BLOCK", 4)
    logits = 30 * torch.randn(3, 11)
    wanted = logits.log_softmax(1)
    torch.testing.assert_close(log_softmax_(logits), wanted)
    torch.testing.assert_close(logits, wanted)


def test_a_new_user_without_items_has_scores_and_a_long_history_is_cut(run: Path) -> None:
    network, opened = ranker(run)
    assert np.isfinite(network.scores([np.array([], dtype=int)])).all()
    long = np.arange(500) % 30
    cut = network.scores([long, long[-opened.length :]])
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-5)


def test_it_has_learned_what_comes_next(run: Path) -> None:
    network, opened = ranker(run)
    names = opened.processor.names
    codes = {name: index for index, name in enumerate(names)}
    right = 0
    for item in range(30):
        history = np.array([codes[f"i{(item - back) % 30}"] for back in (2, 1, 0)])
        right += names[int(network.scores([history])[0].argmax())] == f"i{(item + 1) % 30}"
    assert right >= 24


def test_a_masked_run_predicts_at_an_appended_mask(bought: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked"
    options = {"width": 32, "layers": 1, "heads": 2}
    hs.pretrain(
        str(bought),
        out=str(out),
        budget="3steps",
        tracker="none",
        objective="mlm",
        encoder_options=options,
    )
    network, opened = ranker(out)
    history = np.array([4, 5, 6])
    ids = torch.tensor([[7, 8, 9, opened.processor.vocabulary.mask_id]])
    batch = {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}
    head = open_token_head(RunFolder.open(out), opened.encoder)
    with torch.inference_mode():
        tokens = opened.encoder.contextualize(opened.encoder.embed(batch), visibility(batch))
        expected = head(tokens[0, -1])[3:33].log_softmax(0)
    np.testing.assert_allclose(network.scores([history])[0], expected.numpy(), atol=1e-4)


def test_a_run_without_a_head_of_items_is_refused(bought: Path, tmp_path: Path) -> None:
    out = tmp_path / "contrast"
    hs.pretrain(
        str(bought),
        out=str(out),
        budget="2steps",
        tracker="none",
        objective="contrast",
        encoder="gpt",
        encoder_options={"width": 32, "layers": 1, "heads": 2},
    )
    with pytest.raises(HeadstartError, match="predicts no items"):
        ranker(out)
