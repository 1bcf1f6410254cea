"""Two views without negatives or predictors: batch statistics prevent collapse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders import Encoder
from headstart.modalities import Processor
from headstart.objectives.heads import projection
from headstart.objectives.losses import full_precision, gather
from headstart.objectives.views import TwoViews, ViewOptions, pooled

_WIDTH = "of the projections; 0 is four times the encoder's, as the paper's 8,192 to 2,048."


@full_precision
def barlow_twins(
    first: Tensor, second: Tensor, redundancy: float, epsilon: float = 1e-5
) -> dict[str, Tensor]:
    """Barlow Twins (Zbontar et al. 2021, equation 1): ``sum (1 - C_ii)^2 + w sum C_ij^2``.

    C is the cross-correlation over the batches of all processes, gathered with their gradients.
    Each dimension is standardised over the batch, as by batch norm without scale or shift.

    Args:
        first: (B,D) projections of one view.
        second: (B,D) of the other, row by row.
        redundancy: weight w of the off-diagonal terms.
    """
    normed = []
    for view in (first, second):
        view = gather(view)
        variance = view.var(dim=0, correction=0)
        normed.append((view - view.mean(dim=0)) * (variance + epsilon).rsqrt())
    correlation = normed[0].T @ normed[1] / len(normed[0])
    invariance = (1 - correlation.diagonal()).square().sum()
    redundant = _off_diagonal(correlation)
    return {
        "loss": invariance + redundancy * redundant,
        "invariance": invariance.detach(),
        "redundancy": redundant.detach(),
    }


@full_precision
def vicreg(
    first: Tensor, second: Tensor, invariance: float, variance: float, covariance: float
) -> dict[str, Tensor]:
    """VICReg (Bardes et al. 2022, equations 1 to 6), in the reading of the original code.

    ``invariance MSE + variance/2 sum_views mean relu(1 - sqrt(var + 1e-4)) + covariance sum_views
    sum_offdiagonal cov^2 / D``. The mean squared error is over rows and dimensions, and the hinge
    of the two views is averaged, where the paper prints sums. Variances and covariances divide by
    N - 1 and are over the batches of all processes.

    Args:
        first: (B,D) projections of one view.
        second: (B,D) of the other, row by row.
        invariance, variance, covariance: the weights of the three terms.
    """
    error = F.mse_loss(first, second)
    hinge = correlated = error.new_zeros(())
    for view in (first, second):
        view = gather(view)
        view = view - view.mean(dim=0)
        squares = view.T @ view / max(1, len(view) - 1)
        hinge = hinge + F.relu(1 - (squares.diagonal() + 1e-4).sqrt()).mean() / 2
        correlated = correlated + _off_diagonal(squares) / view.shape[1]
    return {
        "loss": invariance * error + variance * hinge + covariance * correlated,
        "invariance": error.detach(),
        "variance": hinge.detach(),
        "covariance": correlated.detach(),
    }


def _off_diagonal(matrix: Tensor) -> Tensor:
    """Return the sum of the squared off-diagonal entries."""
    return (matrix - matrix.diagonal().diag()).square().sum()


class BarlowOptions(ViewOptions):
    """Barlow Twins' values (Zbontar et al. 2021, section 2.2)."""

    redundancy: float = Field(
        0.0051, gt=0, description="Weight of the correlations off the diagonal."
    )
    width: int = Field(0, ge=0, description=f"Width {_WIDTH}")


class VICRegOptions(ViewOptions):
    """VICReg's values (Bardes et al. 2022, section 4.2)."""

    invariance: float = Field(25.0, ge=0, description="Weight of the distance between the views.")
    variance: float = Field(25.0, ge=0, description="Weight of deviations that are below 1.")
    covariance: float = Field(1.0, ge=0, description="Weight of the covariances.")
    width: int = Field(0, ge=0, description=f"Width {_WIDTH}")


class ExpandedViews(TwoViews):
    """Two views through the encoder and a three-layer MLP, which is not saved.

    In both papers the MLP is four times as wide as the encoder's vectors. ``loss`` maps two
    projections (B,D) to named scalars.
    """

    def __init__(
        self,
        encoder: Encoder,
        processor: Processor,
        options: BarlowOptions | VICRegOptions,
        loss: Callable[..., dict[str, Tensor]],
    ) -> None:
        super().__init__(encoder, processor, options)
        self.loss = loss
        wide = options.width or 4 * encoder.width
        self.projection = projection([encoder.width, wide, wide, wide], bias=False)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.loss(*(self.projection(vectors) for vectors in pooled(self.encoder, batch)))


class BarlowTwins(ExpandedViews):
    """Correlated views and decorrelated dimensions (Zbontar et al. 2021).

    See https://arxiv.org/abs/2103.03230.
    """

    family = "agreement of two views"
    Options = BarlowOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: BarlowOptions) -> None:
        loss = partial(barlow_twins, redundancy=options.redundancy)
        super().__init__(encoder, processor, options, loss)


class VICReg(ExpandedViews):
    """Variance, invariance and covariance regularisation (Bardes et al. 2022).

    See https://arxiv.org/abs/2105.04906.
    """

    family = "agreement of two views"
    Options = VICRegOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: VICRegOptions) -> None:
        weights = options.model_dump(include={"invariance", "variance", "covariance"})
        super().__init__(encoder, processor, options, partial(vicreg, **weights))
