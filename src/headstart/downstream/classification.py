"""One label a record: a linear head on the pooled features, with a wide half where it helps."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, normalize

from headstart.downstream import Task
from headstart.downstream.alternatives import Alternative, classified
from headstart.downstream.classes import (
    balanced_weights,
    checked_classes,
    class_indices,
    class_predictions,
    count_classes,
    hold_out_of_each,
)
from headstart.downstream.familiar import Familiar
from headstart.downstream.frozen import Pooler, Standardisation, frozen_features
from headstart.downstream.frozen_head import FrozenHead
from headstart.downstream.fused import Fused
from headstart.downstream.head import zero_linear
from headstart.downstream.portable import PortableHead, of_classes
from headstart.downstream.rows import TargetRows, batches
from headstart.downstream.wide import WIDE_RATE, Wide, is_wide
from headstart.errors import HeadstartError
from headstart.evaluation.heads.familiarity import familiarity

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.content import Content
    from headstart.encoders import Encoder
    from headstart.evaluation.heads.chosen import Chosen

_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
#: Beside a wide half the linear layer starts small: what it explains from the start, the wide half
#: can no longer learn (measured on IMDb; see ``docs/log.md``).
_WIDE_STRENGTHS = (0.0001,)
_SCALES = (0.0, 0.03, 0.1, 0.3, 1.0)


class Classification(Task):
    """Dropout and one linear layer (D -> classes) on ``pooled`` (B,D), with cross-entropy.

    With enough records the scores of :class:`headstart.downstream.wide.Wide` are added.

    Args:
        width: D, the size of the features.
        labels: the classes, in the order of the outputs.
        weights: (classes,) what an error on each class costs; all the same by default.
        dropout: share of the features that is hidden while training.
        widen: whether the warm start adds the wide half: ``auto``, ``on`` or ``off``.
        unit: whether features are scaled to unit length first.
    """

    name: ClassVar[str] = "classification"
    classifies: ClassVar[bool] = True

    def __init__(
        self,
        width: int,
        labels: list[str],
        *,
        dropout: float = 0.0,
        weights: Tensor | None = None,
        widen: str = "off",
        unit: bool = False,
    ) -> None:
        super().__init__()
        self.labels, self.widen, self.unit = labels, widen, unit
        self.dropout = nn.Dropout(dropout)
        self.linear = zero_linear(width, len(labels))
        self.wide: Wide | None = None
        self.fused: Fused | None = None
        self.familiar: Familiar | None = None
        self._refuses = False
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head on the pooled features of an encoder; see :meth:`from_records`."""
        return cls.from_records(encoder.width, records, config)

    @classmethod
    def from_records(cls, width: int, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the labels that occur in ``records``.

        Raises:
            HeadstartError: there is no label column, a label is missing, or all are the same.
        """
        counts = count_classes(records)
        weights = balanced_weights(list(counts.values()))
        return cls(
            width,
            list(counts),
            dropout=config.dropout,
            weights=weights if config.class_weights else None,
            widen=config.wide,
        )

    @classmethod
    def checked(
        cls, records: Dataset, validation: Dataset | None, config: FinetuneConfig, notes: list[str]
    ) -> Dataset | None:
        """Leave out validation records of a class that no training record has."""
        return checked_classes(records, validation, config, notes)

    def targets(self, records: Dataset) -> Tensor:
        """Return the class of each record (N,).

        Raises:
            HeadstartError: a label that no training record has.
        """
        return class_indices(records, self.labels)

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split each class by the same ``share``; a class of one record is trained on."""
        return hold_out_of_each(records, share, seed)

    def warm_start(self, encoder: Pooler, train: TargetRows, validation: TargetRows) -> None:
        """Set the head to a logistic regression on the frozen features.

        A random head first distorts the features that it will be judged by; one that is right
        from the start does not (LP-FT, Kumar et al. 2022, section 3,
        https://arxiv.org/abs/2202.10054). The strength of the L2 penalty and the weight of naive
        Bayes are those with the lowest validation loss.
        """
        wide = is_wide(self.widen, encoder, train)
        features, targets = frozen_features(encoder, train)
        held, held_targets = frozen_features(encoder, validation)
        best = float("inf")
        for strength in _WIDE_STRENGTHS if wide else _STRENGTHS:
            linear = logistic_regression(
                features, targets, strength=strength, balanced=self.weights is not None
            )
            loss = float(cross_entropy(linear(held), held_targets, self.weights))
            if loss < best:
                best = loss
                self.linear.load_state_dict(linear.state_dict())
        if wide:
            self.wide = Wide.fit(train, len(self.labels))
            self._set_scale(encoder, validation)

    @torch.no_grad()
    def _set_scale(self, encoder: Pooler, validation: TargetRows) -> None:
        """Give all tokens and runs the scale with the lowest validation loss."""
        assert self.wide is not None
        self.eval()
        self.wide.scale.fill_(1.0)
        deep, wide, targets = [], [], []
        for batch in batches(validation, self.eval_batch_size):
            deep.append(self.linear(encoder.pool(batch).float()))
            wide.append(self.wide(batch))
            targets.append(batch["labels"])
        losses = [
            cross_entropy(
                torch.cat(deep) + scale * torch.cat(wide), torch.cat(targets), self.weights
            ).item()
            for scale in _SCALES
        ]
        self.wide.scale.fill_(_SCALES[int(np.argmin(losses))])

    def frozen_head(
        self,
        encoder: Encoder,
        train: TargetRows,
        held: TargetRows,
        config: FinetuneConfig,
        names: TargetRows | None = None,
    ) -> FrozenHead | None:
        """Return what is best on the frozen features, to be taken if the network is not better.

        None where the user asked for what it has not: weights of classes, or a wide half.
        """
        if config.class_weights or config.wide == "on":
            return None
        seen = config.loss == "contrast"
        return FrozenHead(encoder, self, train, held, config.seed, names=names, seen=seen)

    def remember(
        self,
        chosen: Chosen,
        features: np.ndarray,
        records: Dataset,
        content: Content,
        others: np.ndarray | None = None,
    ) -> None:
        """Keep what says which records are unlike the labeled ones, where labels were held out."""
        found = familiarity(chosen, features, others) if len(features) == len(records) else None
        self.familiar = None if found is None else Familiar.of(found, records, content.name)

    def configure(self, options: PredictConfig) -> None:
        """Refuse records unlike the labeled ones, if the options ask for it.

        Raises:
            HeadstartError: the head does not know which these are.
        """
        if options.abstain is None:
            return
        if self.familiar is None:
            raise HeadstartError(
                "--abstain needs a head that was chosen on frozen features, with labels that could "
                "be held out (two a class); this run has a fine-tuned network, too few labels, or "
                "was made by an earlier version: fine-tune again, with more labels or --unlabeled."
            )
        self.familiar.refuse(options.abstain)
        self._refuses = True

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return parameters and their rates: the scales are many, small and far from right."""
        groups = [{"params": list(self.linear.parameters()), "lr": learning_rate}]
        if self.wide is not None:
            groups.append({"params": list(self.wide.parameters()), "lr": WIDE_RATE})
        return groups

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and ``accuracy`` of features against ``labels`` (B,).

        Rows whose class is not sure have ``probabilities`` (B,classes), which the loss uses.
        """
        logits, targets = self.logits(features, batch), batch["labels"]
        return {
            "loss": cross_entropy(logits, batch.get("probabilities", targets), self.weights),
            "accuracy": (logits.argmax(1) == targets).float().mean(),
        }

    def logits(self, features: Tensor, batch: Batch) -> Tensor:
        """Return scores (B,classes) before the softmax."""
        deep = self.deep(self.dropout(features))
        return deep if self.wide is None else deep + self.wide(batch)

    def deep(self, features: Tensor) -> Tensor:
        """Return the scores (B,classes) of the features alone."""
        if self.fused is not None:
            found: Tensor = self.fused(features)
            return found
        scores: Tensor = self.linear(normalize(features.float()) if self.unit else features)
        return scores.float()

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return logistic regression on the strongest simple features of the kind of data."""
        return classified(self, train, val)

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``label``, its probability ``score``, and ``scores`` of all labels by name."""
        logs = log_softmax(self.logits(features, batch), dim=1)
        rows = class_predictions(self.labels, logs)
        if self.familiar is None or not self._refuses:
            return rows
        return self.familiar.judged(rows, logs, features)

    def portable(self) -> PortableHead:
        """Return the probabilities; vectors of a pool that labels spread over are part of it.

        Raises:
            HeadstartError: it also counts sequences of tokens, which no network of tensors does.
        """
        if self.wide is not None:
            raise HeadstartError(
                "this head also counts sequences of tokens (its wide half), which only headstart "
                "does; fine-tune with --wide off, or export the encoder alone with --head off."
            )
        limits: list[str] = []
        if self.fused is not None and self.fused.keeps_records:
            limits.append("the head holds the vectors of training records, from which it predicts.")
        if self.familiar is not None:
            limits.append("records unlike the labeled ones are not refused, as --abstain does.")
        temperature = 1.0 if self.fused is None else self.fused.temperature
        return of_classes(
            self.name, self.labels, self.deep, self, temperature=temperature, limits=tuple(limits)
        )

    def arguments(self) -> dict[str, Any]:
        """Return labels, sizes, dropout, scaling, and which further parts there are."""
        return {
            "labels": self.labels,
            "width": self.linear.in_features,
            "dropout": self.dropout.p,
            "unit": self.unit,
            "wide": self.wide is not None,
            "fused": None if self.fused is None else self.fused.described(),
            "known": None if self.familiar is None else self.familiar.known,
        }

    @classmethod
    def restored(cls, arguments: dict[str, Any], state: dict[str, Tensor]) -> Self:
        """Return a head with the further parts that it was saved with."""
        arguments = dict(arguments)
        wide, fused = arguments.pop("wide"), arguments.pop("fused", None)
        known = arguments.pop("known", None)
        if arguments.pop("spread", False):
            raise HeadstartError(
                "this head was made by an earlier version, and what its labels spread to cannot "
                "be read any more; fine-tune again."
            )
        head = cls(**arguments)
        if wide:
            head.wide = Wide(state["wide.known"], state["wide.ratios"])
        if fused:
            head.fused = Fused.restored(fused, _part(state, "fused"))
        if known is not None:
            head.familiar = Familiar(_part(state, "familiar"), known)
        return head


def _part(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the weights of a part of a head."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}


def logistic_regression(
    features: Tensor, targets: Tensor, *, strength: float, balanced: bool = False
) -> nn.Linear:
    """Fit scikit-learn's logistic regression on standardised features (N,D), as a linear layer.

    The layer takes the features as they are: the standardisation is folded into its weights.

    Args:
        targets: (N,) classes, each of which occurs.
        strength: scikit-learn's ``C``, the inverse of the L2 penalty.
        balanced: weigh classes by inverse frequency.
    """
    from sklearn.linear_model import LogisticRegression

    features = features.double()
    standard = Standardisation.of(features)
    model = LogisticRegression(
        C=strength, max_iter=1000, class_weight="balanced" if balanced else None
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")  # few labels are usual
        model.fit(standard(features).numpy(), targets.numpy())
    weight, bias = standard.folded(
        torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
    )
    if len(weight) == 1:  # two classes: one score, half of it for the one, half against the other
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    linear = nn.Linear(weight.shape[1], weight.shape[0]).requires_grad_(False)
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)
    return linear
