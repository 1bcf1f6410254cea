"""Self-distillation without labels: a student matches its own moving average (DINO)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.distributed as distributed
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders import Encoder
from headstart.modalities import Processor
from headstart.objectives import Objective
from headstart.objectives.losses import accuracy, full_precision
from headstart.objectives.momentum import (
    BatchNorm,
    MomentumSchedule,
    ema_update,
    eval_except_batch_norm,
    momentum_copy,
)
from headstart.objectives.views import VIEWS, ViewOptions, draw_views, part


class DINOOptions(ViewOptions):
    """DINO's values (Caron et al. 2021, section 3 and appendix), with a smaller head.

    The paper's 65,536 prototypes are for a million images. Here there should be no more prototypes
    than records, and they would be most of the cost of a small network. With the paper's bottleneck
    of 256 the early teacher's scores are so even that in a short run they all become equal.
    """

    local: int = Field(
        6, ge=0, description="Small crops in addition to the two views, if the data have them."
    )
    prototypes: int = Field(4096, ge=2, description="Outputs of the head.")
    hidden: int = Field(
        0, ge=0, description="Width inside the head; 0 is four times the encoder's (paper: 2,048)."
    )
    bottleneck: int = Field(64, ge=1, description="Width before the last layer (paper: 256).")
    student_temperature: float = Field(0.1, gt=0, description="Divides the student's scores.")
    teacher_temperature: float = Field(0.07, gt=0, description="Divides the teacher's scores.")
    first_temperature: float = Field(0.04, gt=0, description="The teacher's at the beginning.")
    warm: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the run in which the teacher's temperature climbs; in the paper the "
        "first 30 epochs on ImageNet, which are longer than most runs.",
    )
    centre_momentum: float = Field(0.9, ge=0, lt=1, description="Of the centre of the scores.")
    momentum: float = Field(
        0.996, ge=0, lt=1, description="Of the teacher at first; it climbs to 1."
    )
    memory: float = Field(
        0.2, gt=0, description="Share of the run that the teacher remembers at most at first."
    )
    frozen: float = Field(
        0.01, ge=0, le=1, description="Share of the run in which the last layer stands still."
    )


class DINOHead(nn.Module):
    """An MLP to an L2-normalised bottleneck, and its cosines with K prototypes.

    The prototypes are the weight-normalised last layer of the original with its gains fixed at 1.
    """

    def __init__(
        self, width: int, hidden: int, bottleneck: int, prototypes: int, *, batch_norm: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in (width, hidden):
            layers.append(nn.Linear(size, hidden, bias=not batch_norm))
            layers += [nn.BatchNorm1d(hidden), nn.GELU()] if batch_norm else [nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, bottleneck))
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        nn.init.trunc_normal_(self.prototypes, std=0.02)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, vectors: Tensor, *, frozen: bool = False) -> Tensor:
        """Return scores (B,K) for vectors (B,D); ``frozen`` gives the prototypes no gradient."""
        prototypes = self.prototypes.detach() if frozen else self.prototypes
        return _cosines(self.layers(vectors), prototypes)


@full_precision
def _cosines(points: Tensor, prototypes: Tensor) -> Tensor:
    return F.linear(F.normalize(points, dim=1), F.normalize(prototypes, dim=1))


@full_precision
def dino_loss(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    centre: Tensor,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Cross-entropy from teacher to student over pairs of different views (DINO, algorithm 1).

    The mean over rows and pairs of ``-sum_k softmax((t - c)/T_t)_k log softmax(s/T_s)_k``.

    Args:
        student: scores (B,K) of each view, the teacher's views first.
        teacher: scores (B,K) of the first views; no gradient flows into them.
        centre: (1,K) or (K,), subtracted from the teacher's scores.
    """
    predicted = [F.log_softmax(scores / student_temperature, dim=1) for scores in student]
    targets = [
        F.softmax((scores.detach() - centre) / teacher_temperature, dim=1) for scores in teacher
    ]
    losses = [
        -(target * log_probability).sum(1).mean()
        for index, target in enumerate(targets)
        for other, log_probability in enumerate(predicted)
        if index != other
    ]
    return torch.stack(losses).mean()


class DINO(Objective):
    """A student on all crops matches its moving average on the two large ones.

    The teacher is saved, as in the paper: ``encoder`` is the moving average, and ``student`` the
    copy that gradients update. Modalities without multi-crop use the two views alone. See Caron et
    al. 2021, https://arxiv.org/abs/2104.14294.
    """

    family = "agreement of two views"
    needs = frozenset({"two_views"})
    Options = DINOOptions
    #: The saved network gets no gradient, so no other objective can train it as well.
    alone = True

    def __init__(self, encoder: Encoder, processor: Processor, options: DINOOptions) -> None:
        super().__init__()
        self.processor, self.options = processor, options
        self.student_encoder = copy.deepcopy(encoder)
        self.encoder = encoder.requires_grad_(False)
        hidden = options.hidden or 4 * encoder.width
        # Networks with batch norm have it in the head too; ViTs do not (section 3.2).
        normed = any(isinstance(module, BatchNorm) for module in encoder.modules())
        self.head = DINOHead(
            encoder.width, hidden, options.bottleneck, options.prototypes, batch_norm=normed
        )
        self.teacher_head = momentum_copy(self.head)
        self.schedule = MomentumSchedule(options.momentum, options.memory, rising=True)
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(options.prototypes))

    @property
    def student(self) -> Encoder:
        """The copy that gradients update."""
        return self.student_encoder

    def train(self, mode: bool = True) -> DINO:
        super().train(mode)
        if mode:
            eval_except_batch_norm(self.encoder)
            eval_except_batch_norm(self.teacher_head)
        return self

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the two views, and the small crops concatenated in ``local/...``."""
        local = self.options.local if "multi_crop" in self.processor.provides else 0
        return draw_views(self.processor, batch, generator, self.options, local=local)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        options, progress = self.options, float(self.schedule.progress)
        views = [part(batch, name) for name in VIEWS]
        with torch.no_grad():
            teacher = [self.teacher_head(self.encoder.pool(view)) for view in views]
        frozen = progress < options.frozen
        student = [self.head(self.student.pool(view), frozen=frozen) for view in views]
        if crops := part(batch, "local"):
            scores = self.head(self.student.pool(crops), frozen=frozen)
            student.extend(scores.chunk(len(scores) // len(student[0])))
        temperature = self._teacher_temperature(progress)
        loss = dino_loss(student, teacher, self.centre, options.student_temperature, temperature)
        confidence = F.softmax((teacher[0] - self.centre) / temperature, dim=1)
        if self.training:
            self._move_centre(torch.cat(teacher))
        return {
            "loss": loss,
            "agreement": accuracy(student[1], confidence.argmax(1)),
            "agreement_chance": loss.new_tensor(1 / options.prototypes),
            "teacher_entropy": -(confidence * confidence.clamp_min(1e-12).log()).sum(1).mean(),
        }

    def _teacher_temperature(self, progress: float) -> float:
        first, last, warm = (
            self.options.first_temperature,
            self.options.teacher_temperature,
            self.options.warm,
        )
        return last if progress >= warm else first + (last - first) * progress / warm

    @torch.no_grad()
    def _move_centre(self, scores: Tensor) -> None:
        """Update the centre with the mean score over the rows of all processes (equation 4)."""
        mean = scores.mean(0)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(mean)
            mean = mean / distributed.get_world_size()
        self.centre.lerp_(mean, 1 - self.options.centre_momentum)

    def after_step(self, progress: float) -> None:
        """Update the teacher with the student (exponential moving average)."""
        momentum = self.schedule.advance(progress)
        ema_update(self.encoder, self.student, momentum)
        ema_update(self.teacher_head, self.head, momentum)
