"""Two views without negatives: each predicts the other, which gets no gradient."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders import Encoder
from headstart.modalities import Processor
from headstart.objectives.heads import projection
from headstart.objectives.losses import cosine_regression
from headstart.objectives.momentum import (
    MomentumSchedule,
    ema_update,
    eval_except_batch_norm,
    momentum_copy,
)
from headstart.objectives.views import TwoViews, ViewOptions, pooled


class BYOLOptions(ViewOptions):
    """BYOL's values (Grill et al. 2020, section 3.3); widths keep their ratio to the encoder's."""

    hidden: int = Field(
        0,
        ge=0,
        description="Width inside both MLPs; 0 is twice the encoder's, as 4,096 to 2,048, and 512 "
        "at least.",
    )
    output: int = Field(256, ge=2, description="Width of the projections.")
    momentum: float = Field(
        0.99, ge=0, lt=1, description="Of the target at first; it climbs to 1 (0.996 if long)."
    )
    memory: float = Field(
        0.1, gt=0, description="Share of the run that the target remembers at most at first."
    )


class BYOL(TwoViews):
    """Predict the projection of the other view by a moving average of the network.

    ``2 - 2 cos(q(z), sg(z'))``, summed over both directions. The target network is not saved; its
    batch norms use the statistics of its batch, as published, and it has no dropout. See Grill et
    al. 2020, https://arxiv.org/abs/2006.07733.
    """

    family = "agreement of two views"
    Options = BYOLOptions
    options: BYOLOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: BYOLOptions) -> None:
        super().__init__(encoder, processor, options)
        hidden = options.hidden or max(512, 2 * encoder.width)
        self.projection = projection([encoder.width, hidden, options.output])
        self.predictor = projection([options.output, hidden, options.output])
        self.target_encoder = momentum_copy(encoder)
        self.target_projection = momentum_copy(self.projection)
        self.schedule = MomentumSchedule(options.momentum, options.memory, rising=True)

    def train(self, mode: bool = True) -> BYOL:
        super().train(mode)
        if mode:
            eval_except_batch_norm(self.target_encoder)
            eval_except_batch_norm(self.target_projection)
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        online = [self.projection(vectors) for vectors in pooled(self.encoder, batch)]
        with torch.no_grad():
            vectors = pooled(self.target_encoder, batch)
            targets = [self.target_projection(vector) for vector in vectors]
        return _predict(self.predictor, online, targets)

    def after_step(self, progress: float) -> None:
        """Update the target network: ``tau = 1 - (1 - tau0)(cos(pi k/K) + 1)/2``."""
        momentum = self.schedule.advance(progress)
        ema_update(self.target_encoder, self.encoder, momentum)
        ema_update(self.target_projection, self.projection, momentum)


class SimSiamOptions(ViewOptions):
    """SimSiam's values (Chen & He 2021, section 4); widths keep their ratio to the encoder's."""

    width: int = Field(
        0,
        ge=0,
        description="Of the projections; 0 is the encoder's own, as 2,048 to 2,048, and 256 at "
        "least.",
    )
    bottleneck: int = Field(
        0, ge=0, description="Width inside the predictor; 0 is a quarter of the projections'."
    )


class SimSiam(TwoViews):
    """Predict the other view's projection, which gets no gradient (Chen & He 2021, algorithm 1).

    ``2 - 2 cos(p, sg(z'))``, mean of both directions: the paper's ``-cos`` times 2 plus 2, so that
    the optimum is 0. See https://arxiv.org/abs/2011.10566.
    """

    family = "agreement of two views"
    Options = SimSiamOptions
    options: SimSiamOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: SimSiamOptions) -> None:
        super().__init__(encoder, processor, options)
        width = options.width or max(256, encoder.width)
        bottleneck = options.bottleneck or max(1, width // 4)
        self.projection = projection([encoder.width, width, width, width], normed_output=True)
        self.predictor = projection([width, bottleneck, width])

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        projections = [self.projection(vectors) for vectors in pooled(self.encoder, batch)]
        results = _predict(self.predictor, projections, projections)
        return {**results, "loss": results["loss"] / 2}


def _predict(
    predictor: nn.Module, projections: list[Tensor], targets: list[Tensor]
) -> dict[str, Tensor]:
    """Return the loss of both directions, and the spread of the projections.

    The spread is the mean standard deviation per dimension of the unit vectors, times sqrt(D): near
    1 without collapse, 0 if all rows are equal (Chen & He 2021, section 4.1).
    """
    forth, back = (
        cosine_regression(predictor(projections[a]), targets[b]) for a, b in ((0, 1), (1, 0))
    )
    with torch.no_grad():
        unit = F.normalize(projections[0].float(), dim=1)
        spread = unit.std(dim=0, unbiased=False).mean() * math.sqrt(unit.shape[1])
    similarity = 1 - (forth + back).detach() / 4
    return {"loss": forth + back, "positive_similarity": similarity, "projection_spread": spread}
