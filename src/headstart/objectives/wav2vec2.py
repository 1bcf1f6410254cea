"""wav2vec 2.0: masked frames must identify their own quantised latent among others.

Baevski et al. 2020, "wav2vec 2.0: A framework for self-supervised learning of speech
representations", https://arxiv.org/abs/2006.11477, section 3.2.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders.recordings import FrameEncoder
from headstart.modalities import Processor
from headstart.objectives import Objective
from headstart.objectives.frame_masks import (
    masked_spans,
    masked_vectors,
    short_recordings,
    span_of,
)
from headstart.objectives.losses import accuracy, full_precision, gather


class Wav2Vec2Options(Options):
    """The paper's values (sections 4.2 and B); the width of the comparison is half of it."""

    mask_ratio: float = Field(
        0.65, gt=0, lt=1, description="Share of the frames in spans, if these did not overlap."
    )
    span: int | None = Field(
        None, ge=2, le=200, description="Frames of a span; by default 10, or fewer in short pieces."
    )
    negatives: int = Field(
        100, ge=1, le=1000, description="Wrong answers: other masked frames of the same recording."
    )
    temperature: float = Field(0.1, gt=0, description="Divides the cosines.")
    groups: int = Field(2, ge=1, le=8, description="Code books whose entries are joined.")
    codes: int = Field(320, ge=2, le=8192, description="Entries of each code book.")
    output: int = Field(128, ge=8, description="Width in which frames are compared.")
    diversity: float = Field(0.1, ge=0, description="Weight of the equal use of all entries.")
    latent_gradient: float = Field(
        0.1, gt=0, le=1, description="Factor of the gradients of what makes the latents."
    )
    warmest: float = Field(2.0, gt=0, description="Gumbel temperature at the beginning.")
    coldest: float = Field(0.5, gt=0, description="Gumbel temperature at the end.")


class Quantizer(nn.Module):
    """A choice of one entry in each of several code books (section 2), by a Gumbel softmax.

    In evaluation the entry with the highest score is taken.
    """

    def __init__(self, width: int, groups: int, codes: int, size: int) -> None:
        super().__init__()
        self.groups, self.codes = groups, codes
        self.scores = nn.Linear(width, groups * codes)
        nn.init.normal_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)
        self.entries = nn.Parameter(torch.rand(groups, codes, size // groups))
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return quantised vectors (M,size), chosen entries (M,G) and probabilities (M,G,V)."""
        with torch.autocast(latents.device.type, enabled=False):
            scores = self.scores(latents.float()).unflatten(1, (self.groups, self.codes))
            if self.training:
                chosen = F.gumbel_softmax(scores, float(self.temperature), hard=True)
            else:
                best = scores.argmax(2, keepdim=True)
                chosen = torch.zeros_like(scores).scatter(2, best, 1.0)
            vectors = torch.einsum("mgv,gvd->mgd", chosen, self.entries).flatten(1)
        return vectors, chosen.argmax(2), scores.softmax(2)


class Wav2Vec2(Objective):
    """Contrast masked frames with the latents of others, and use all entries of the code books.

    The loss is the mean over all masked frames of the batch plus the diversity; of a recording with
    fewer than four frames none is masked. ``perplexity`` is how many joint entries are in use: one
    that falls to 1 says that the code book collapsed, and then the contrast is near 0 for nothing.
    """

    family = "masked prediction"
    needs = frozenset({"waveform", "frames"})
    Options = Wav2Vec2Options
    encoder: FrameEncoder

    def __init__(
        self, encoder: FrameEncoder, processor: Processor, options: Wav2Vec2Options
    ) -> None:
        super().__init__()
        self.encoder, self.options = encoder, options
        self.span = span_of("wav2vec2", options.span, encoder, processor)
        size = options.output - options.output % options.groups
        self.mask = nn.Parameter(torch.rand(encoder.frame_width))
        self.quantizer = Quantizer(encoder.latent_width, options.groups, options.codes, size)
        self.target = nn.Linear(size, options.output)
        self.predict = nn.Linear(encoder.channels, options.output)
        self.quantizer.temperature.fill_(options.warmest)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the recordings, where frames are ``masked`` (B,T), and ``negatives`` (B,T,K).

        A negative is the number of another masked frame of the same recording, in its order.
        """
        frames = self.encoder.frames(batch["lengths"])
        share, total = self.options.mask_ratio, int(frames.max())
        masked = masked_spans(frames, total, share, self.span, generator)
        size = (*masked.shape, self.options.negatives)
        draw = torch.rand(size, generator=generator, device=generator.device).to(masked.device)
        others = (masked.sum(1) - 1).clamp(min=1)[:, None, None]
        negatives = (draw * others).long().clamp(max=others - 1)
        own = (masked.cumsum(1) - 1)[:, :, None]
        return {**batch, "masked": masked, "negatives": negatives + (negatives >= own)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        options, masked = self.options, batch["masked"]
        latents, frames = self.encoder.latents(batch)
        scaled = latents * options.latent_gradient
        latents = scaled + latents.detach() * (1 - options.latent_gradient)
        vectors = masked_vectors(self.encoder.project(latents), masked, self.mask)
        context = self.encoder.contextualize(vectors, frames)
        predicted = self.predict(context[masked])
        quantised, chosen, probabilities = self.quantizer(latents[masked])
        # Where the masked frames of a recording begin among those of the batch.
        counts = masked.sum(1)
        offsets = (counts.cumsum(0) - counts)[:, None, None]
        negatives = (batch["negatives"] + offsets)[masked]
        result = identify(predicted, self.target(quantised), negatives, chosen, options.temperature)
        diversity, perplexity = unused(probabilities)
        return {
            "loss": result["contrast"] + options.diversity * diversity,
            **result,
            "diversity": diversity.detach(),
            "perplexity": perplexity.detach(),
        }

    def after_step(self, progress: float) -> None:
        """Cool the choice of entries, in proportion from the warmest to the coldest."""
        warm, cold = self.options.warmest, self.options.coldest
        self.quantizer.temperature.fill_(warm * (cold / warm) ** progress)

    def warning(self, batch: Batch) -> str | None:
        return short_recordings("wav2vec2", self.encoder, batch)


@full_precision
def identify(
    predicted: Tensor, targets: Tensor, negatives: Tensor, chosen: Tensor, temperature: float
) -> dict[str, Tensor]:
    """Return the contrast (equation 3), its accuracy and what guessing reaches.

    Args:
        predicted: (M,d), not normalised.
        targets: (M,d); row i is the positive of prediction i.
        negatives: (M,K) rows of ``targets``.
        chosen: (M,G) the entries that targets consist of; a negative of the same ones is left out.
    """
    count = len(predicted)
    if not count:
        nothing = predicted.sum() * 0.0 + targets.sum() * 0.0
        return {"contrast": nothing, "accuracy": nothing.detach()}
    scores = F.normalize(predicted, dim=1) @ F.normalize(targets, dim=1).T / temperature
    same = (chosen[negatives] == chosen[:, None]).all(2)  # (M,K)
    wrong = scores.gather(1, negatives).masked_fill(same, -torch.inf)
    logits = torch.cat([scores.diagonal()[:, None], wrong], 1)
    first = torch.zeros(count, dtype=torch.long, device=logits.device)
    return {
        "contrast": F.cross_entropy(logits, first),
        "accuracy": accuracy(logits, first),
        "accuracy_chance": (1 / logits.isfinite().sum(1)).mean().detach(),
    }


@full_precision
def unused(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Return the diversity loss (GV - sum of exp H) / GV, and the product of exp H.

    H is the entropy of the mean probability of a code book's entries over all frames, of all
    processes together (equation 4, in the form of the published code).

    Args:
        probabilities: (M,G,V).
    """
    groups, codes = probabilities.shape[1:]
    count = probabilities.new_tensor([len(probabilities)])
    every = gather(torch.cat([probabilities.sum(0).flatten(), count])[None]).sum(0)
    mean = (every[:-1] / every[-1].clamp(min=1)).unflatten(0, (groups, codes))
    entries = torch.special.entr(mean).sum(1).exp()  # (G,)
    return (groups * codes - entries.sum()) / (groups * codes), entries.prod()
