"""Objectives on frames of recordings against plain loops, and what padding and processes change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lesson import pure, same_gradients
from pair import in_two_processes
from spoken import PROCESSOR, RATE, batch, network, words
from torch import Tensor, distributed
from torch.nn import functional as F

from headstart.encoders.conformer import Conformer, ConformerOptions
from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.modalities.spectra import log_mel
from headstart.objectives import OBJECTIVES
from headstart.objectives.frame_targets import cepstral_values
from headstart.objectives.wav2vec2 import identify, unused
from headstart.seeding import generator

SIZES = {
    "wav2vec2": {"negatives": 7, "codes": 12, "output": 16},
    "hubert": {"clusters": 9, "output": 16},
    "best_rq": {"codes": 32, "size": 4},
}
FOLLOWING = {"apc": {"hidden": 12}, "frame_cpc": {"hidden": 12, "steps": 3, "targets": 8}}
WORDS = words(6, 0)[0]


class Rows:
    """Made-up words as rows."""

    def __init__(self, count: int) -> None:
        self.found = words(count, 5)[0]

    def __len__(self) -> int:
        return len(self.found)

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        return batch(self.found, indices)


def build(name: str, encoder=None, **options):
    kind = OBJECTIVES[name]
    torch.manual_seed(1)
    chosen = encoder or network()
    return kind(chosen, PROCESSOR, kind.Options(**{**SIZES, **FOLLOWING}[name], **options))


def in_context(encoder, given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the vectors of frames (B,T,D) of which none is masked, and the real ones."""
    latents, frames = encoder.latents(given)
    return encoder.contextualize(encoder.project(latents), frames), frames


def small_conformer() -> Conformer:
    torch.manual_seed(0)
    return Conformer(ConformerOptions(width=16, layers=1, heads=2), RATE)


@pytest.mark.parametrize("name", list(SIZES))
def test_corruption_is_a_function_of_batch_and_generator(name: str) -> None:
    corrupted = pure(build(name), batch(WORDS, np.arange(6)))
    assert corrupted["masked"].any(1).all()


def test_the_contrast_is_that_of_a_plain_loop() -> None:
    objective = build("wav2vec2").eval()
    given = objective.corrupt(batch(WORDS, np.arange(4)), generator(3))
    masked = given["masked"]
    latents, frames = objective.encoder.latents(given)
    vectors = latents.clone()
    vectors[masked] = objective.mask
    context = objective.encoder.contextualize(vectors, frames)
    losses, used = [], []
    for row in range(4):
        at = masked[row].nonzero()[:, 0].tolist()
        quantised, codes = [], []
        for t in at:
            scores = objective.quantizer.scores(latents[row, t]).view(2, 12)
            used.append(scores.softmax(1))
            best = scores.argmax(1)
            codes.append(best.tolist())
            both = [objective.quantizer.entries[g, best[g]] for g in range(2)]
            quantised.append(objective.target(torch.cat(both)))
        for number, t in enumerate(at):
            predicted = objective.predict(context[row, t])
            others = given["negatives"][row, t].tolist()
            assert number not in others
            assert set(others) <= set(range(len(at)))
            terms = [F.cosine_similarity(predicted, quantised[number], dim=0) / 0.1]
            for other in others:
                if codes[other] != codes[number]:
                    terms.append(F.cosine_similarity(predicted, quantised[other], dim=0) / 0.1)
            losses.append(torch.logsumexp(torch.stack(terms), 0) - terms[0])
    mean = torch.stack(used).mean(0)
    entries = torch.stack([-(part * part.log()).sum() for part in mean]).exp()
    diversity = (24 - entries.sum()) / 24
    expected = torch.stack(losses).mean() + 0.1 * diversity
    found = objective(given)
    same_gradients(found["loss"], expected, objective, at_least=8, atol=1e-5)
    torch.testing.assert_close(found["perplexity"], entries.prod())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(objective(given)["loss"], expected, rtol=0.05, atol=0.05)


def test_a_code_book_that_collapsed_is_seen() -> None:
    """Where all targets are alike the contrast is 0 for nothing, and one entry is in use."""
    targets, chosen = torch.ones(5, 8), torch.zeros(5, 2, dtype=torch.long)
    negatives = (torch.arange(5)[:, None] + torch.arange(1, 4)) % 5
    assert float(identify(torch.randn(5, 8), targets, negatives, chosen, 0.1)["contrast"]) == 0
    alone = F.one_hot(chosen, 12).float()
    diversity, perplexity = unused(alone)
    assert (float(diversity), float(perplexity)) == (pytest.approx(22 / 24), pytest.approx(1))
    diversity, perplexity = unused(torch.full((5, 2, 12), 1 / 12))
    assert (float(diversity), float(perplexity)) == (pytest.approx(0, abs=1e-6), pytest.approx(144))


def test_gumbel_choices_cool_and_evaluation_takes_the_best() -> None:
    objective = build("wav2vec2")
    objective.after_step(0.5)
    assert float(objective.quantizer.temperature) == pytest.approx(1.0)
    objective.after_step(1.0)
    assert float(objective.quantizer.temperature) == pytest.approx(0.5)
    latents = torch.randn(20, objective.encoder.latent_width)
    first, chosen, probabilities = objective.quantizer.eval()(latents)
    assert torch.equal(chosen, probabilities.argmax(2))
    torch.testing.assert_close(first, objective.quantizer(latents)[0])
    assert not torch.equal(chosen, objective.quantizer.train()(latents)[1])


@pytest.mark.parametrize("name", ["hubert", "best_rq"])
def test_the_loss_is_the_mean_over_masked_frames(name: str) -> None:
    objective = build(name).eval()
    objective.begin(Rows(40), 0)
    given = objective.corrupt(batch(WORDS, np.arange(4)), generator(3))
    latents, frames = objective.encoder.latents(given)
    vectors = latents.clone()
    masked = given["masked"]
    vectors[masked] = objective.mask if name == "hubert" else given["noise"][masked]
    context = objective.encoder.contextualize(vectors, frames)
    values, _ = objective.values(given)
    losses = []
    for row, t in masked.nonzero().tolist():
        value = (values[row, t] - objective.mean) / objective.spread
        drawn = objective.predict(context[row, t])
        if name == "hubert":
            target = int((objective.centres - value).square().sum(1).argmin())
            scores = F.cosine_similarity(drawn[None], objective.embeddings, dim=1) / 0.1
        else:
            projected = F.normalize(value @ objective.projection, dim=0)
            target = int((objective.entries - projected).square().sum(1).argmin())
            scores = drawn
        losses.append(-scores.log_softmax(0)[target])
    found = objective(given)
    same_gradients(found["loss"], torch.stack(losses).mean(), objective, at_least=5, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = objective(given)["loss"]
    torch.testing.assert_close(rounded, found["loss"], rtol=0.05, atol=0.05)


def test_units_are_of_cepstra_with_slopes_and_alike_wherever_they_are_fitted() -> None:
    first, second = build("hubert"), build("hubert")
    first.begin(Rows(40), 0)
    second.begin(Rows(40), 0)
    assert torch.equal(first.centres, second.centres)
    values, frames = cepstral_values(batch(WORDS, np.arange(2)), first.encoder)
    assert values.shape[1:] == (int(frames.max()), 39)
    used = first.units((values[0] - first.mean) / first.spread).unique()
    assert len(used) >= 3


def test_a_second_iteration_clusters_a_block_of_the_first(tmp_path) -> None:
    first = small_conformer().eval()
    first.save(tmp_path)
    objective = build("hubert", teacher=str(tmp_path), layer=1)
    objective.begin(Rows(20), 0)
    given = batch(WORDS, np.arange(2))
    values, frames = objective.values(given)
    assert values.shape == (2, int(frames.max()), 16)
    with torch.no_grad():  # it has one block, which is the last
        tokens = first(given).tokens
    torch.testing.assert_close(values[0, : frames[0]], tokens[0, : frames[0]])
    assert not [name for name, _ in objective.named_parameters() if "earlier" in name]
    with pytest.raises(HeadstartError, match=r"hubert\.layer=2 is none of the blocks"):
        build("hubert", teacher=str(tmp_path), layer=2)
    other = network()
    other.rate = 16000
    with pytest.raises(HeadstartError, match="8,000 samples a second and the new one 16,000"):
        build("hubert", other, teacher=str(tmp_path))


def test_of_few_frames_there_are_as_few_units() -> None:
    objective = build("hubert", span=2)

    class One(Rows):
        def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
            return batch([found[: RATE // 10] for found in self.found], indices)

    objective.begin(One(1), 0)
    kept = objective.centres.isfinite().all(1)
    assert 1 < int(kept.sum()) < 9
    assert objective.units(torch.randn(50, 39)).max() < int(kept.sum())


def test_a_spectrogram_ahead_is_predicted_from_what_is_left_of_it() -> None:
    objective = build("apc").eval()
    given = objective.corrupt(batch(WORDS, np.arange(3)), generator(0))
    vectors, frames = in_context(objective.encoder, given)
    mel = objective.encoder.mel(given)[0]
    terms = []
    for row in range(3):
        seen, _ = objective.recurrent(vectors[row : row + 1, : frames[row]])
        for t in range(int(frames[row]) - objective.ahead):
            drawn = objective.predict(seen[0, t])
            for part in range(2):
                at = min(2 * (t + objective.ahead) + part, int(given["lengths"][row]) // 80 - 1)
                terms.append((drawn[40 * part : 40 * part + 40] - mel[row, :, at]).abs())
    expected = torch.cat(terms).mean()
    same_gradients(objective(given)["loss"], expected, objective, at_least=6, atol=1e-5)


def recognised(objective, given: dict[str, Tensor], rows: list[int]) -> Tensor:
    """Return the loss of some recordings, whose frames are recognised among those of all."""
    vectors, frames = in_context(objective.encoder, given)
    every = [objective.target(each[:count]) for each, count in zip(vectors, frames, strict=True)]
    starts = [0, *frames.cumsum(0).tolist()]
    losses = []
    for step, predict in enumerate(objective.predict, objective.encoder.near + 1):
        terms = []
        for row in rows:
            seen, _ = objective.recurrent(vectors[row : row + 1, : frames[row]])
            for t in range(int(frames[row]) - step):
                scores = torch.cat(every) @ predict(seen[0, t]) * 8**-0.5
                terms.append(scores.logsumexp(0) - scores[starts[row] + t + step])
        losses += [torch.stack(terms).mean()] if terms else []
    return torch.stack(losses).mean() if losses else torch.zeros(())


def test_vectors_ahead_are_recognised_among_those_of_the_batch() -> None:
    objective = build("frame_cpc").eval()
    given = objective.corrupt(batch(WORDS, np.arange(3)), generator(0))
    expected = recognised(objective, given, [0, 1, 2])
    same_gradients(objective(given)["loss"], expected, objective, at_least=6, atol=1e-5)


#: Recordings of two processes; that of the second one has nothing ahead.
DIVIDED = [[0, 1], [2]]
UNLIKE = [*WORDS[:2], WORDS[2][:400]]


def weighed(loss: Tensor, objective) -> Tensor:
    """Return a loss and its gradients in the targets and the first prediction, as one vector."""
    loss.backward()
    parts = (objective.target, objective.predict[0])
    return torch.cat([loss.detach()[None], *(part.weight.grad.flatten() for part in parts)])


def _unlike(rank: int, folder: str) -> None:
    objective = build("frame_cpc").eval()
    for part in (objective.target, objective.predict[0]):
        part.weight.grad = torch.zeros_like(part.weight)
    values = weighed(objective(batch(UNLIKE, np.array(DIVIDED[rank])))["loss"], objective)
    distributed.all_reduce(values)
    torch.save(values, f"{folder}/{rank}.pt")


def test_processes_may_have_recordings_of_unlike_length(tmp_path) -> None:
    objective = build("frame_cpc").eval()
    given = batch(UNLIKE, np.arange(3))
    expected = sum(recognised(objective, given, rows) for rows in DIVIDED)
    in_two_processes(_unlike, tmp_path)
    found = torch.load(tmp_path / "0.pt", weights_only=True)
    torch.testing.assert_close(found, weighed(expected, objective), rtol=1e-4, atol=1e-5)


def test_a_vector_does_not_see_farther_than_it_says() -> None:
    encoder = network().eval()
    given = batch(WORDS, np.arange(1))
    latents, frames = encoder.latents(given)
    changed = latents.clone()
    at = int(frames[0]) // 2
    changed[:, at:] += 1.0
    apart = encoder.contextualize(latents, frames) - encoder.contextualize(changed, frames)
    first = int(apart.abs().sum(2)[0].gt(1e-6).nonzero()[0])
    assert at - encoder.near <= first < at


@pytest.mark.parametrize("name", list(FOLLOWING))
def test_pieces_that_have_nothing_ahead_are_refused(name: str) -> None:
    kind = OBJECTIVES[name]
    with pytest.raises(HeadstartError, match=rf"{name} predicts what lies .* these pieces have 5"):
        kind(network(), AudioProcessor(Reading(RATE), 10), kind.Options())


@pytest.mark.parametrize("name", list(FOLLOWING))
def test_padding_does_not_enter_what_follows(name: str) -> None:
    objective = build(name).eval()
    given = objective.corrupt(batch(WORDS, np.arange(3)), generator(0))
    longer = {**given, "waveform": F.pad(given["waveform"], (0, 2000))}
    same_gradients(objective(given)["loss"], objective(longer)["loss"], objective, 5, atol=1e-4)
    short = batch([found[:400] for found in WORDS], np.arange(3))
    objective(short)["loss"].backward()


@pytest.mark.parametrize("name", list(SIZES))
@pytest.mark.parametrize("kind", ["mel_conv", "conformer", "wav2vec2"])
def test_padding_changes_neither_loss_nor_gradients(name: str, kind: str) -> None:
    encoder = {
        "mel_conv": network,
        "conformer": small_conformer,
        "wav2vec2": lambda: create_encoder(
            "wav2vec2",
            {"width": 16, "layers": 1, "heads": 2, "channels": 8},
            PROCESSOR,
            length=50,
            seed=0,
        ),
    }[kind]()
    objective = build(name, encoder).eval()
    given = objective.corrupt(batch(WORDS, np.arange(3)), generator(0))
    longer = {**given, "waveform": F.pad(given["waveform"], (0, 2000))}
    same_gradients(objective(given)["loss"], objective(longer)["loss"], objective, 5, atol=1e-4)


def test_a_batch_of_recordings_that_are_too_short_is_harmless() -> None:
    for name in SIZES:
        objective = build(name)
        short = batch([found[:400] for found in WORDS], np.arange(3))
        found = objective(objective.corrupt(short, generator(0)))["loss"]
        found.backward()
        assert math.isfinite(float(found))


def diversities(rows: slice) -> Tensor:
    """Return the diversity of some frames, and its gradient in a parameter that all share."""
    scores = torch.randn(8, 2, 6, generator=generator(0))
    scale = torch.ones((), requires_grad=True)
    value, _ = unused((scores[rows] * scale).softmax(2))
    value.backward()
    return torch.stack([value.detach(), scale.grad])


def _one_of_two(rank: int, folder: str) -> None:
    values = diversities(slice(4 * rank, 4 * rank + 4))
    distributed.all_reduce(values)
    torch.save(values / 2, f"{folder}/{rank}.pt")


def test_the_use_of_the_code_book_is_that_of_all_processes(tmp_path) -> None:
    in_two_processes(_one_of_two, tmp_path)
    one = torch.load(tmp_path / "0.pt", weights_only=True)
    torch.testing.assert_close(one, diversities(slice(0, 8)), rtol=1e-4, atol=1e-5)


def test_what_is_silent_behind_a_recording_is_no_unit() -> None:
    objective = build("best_rq")
    found = torch.cat(list(objective._real_values(Rows(5), np.arange(5))))
    counts = [int(objective.encoder.frames(torch.tensor([len(each)]))) for each in words(5, 5)[0]]
    assert len(found) == sum(counts)
    silence = log_mel(torch.zeros(1, 800), RATE)[0, :, 5].repeat(2)
    assert not torch.isclose(found, silence, atol=1e-3).all(1).any()
