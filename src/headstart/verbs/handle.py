"""A run with every verb that takes one as a method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.run import RunFolder
from headstart.verbs import applying, judging, learning

if TYPE_CHECKING:
    from headstart.deployment.explain import Explanations
    from headstart.evaluation.protocols import Answer
    from headstart.labeling.label import Labeling


class Run(RunFolder):
    """A run folder with the verbs that take a run; what ``pretrain`` and ``finetune`` return.

    Example::

        run = hs.Run("runs/reviews")
        print(run.evaluate(train="labeled.csv"))
    """

    def evaluate(self, train: str, **options: Any) -> Answer:
        """Same as :func:`headstart.evaluate` on this run."""
        return judging.evaluate(str(self.folder), train=train, **options)

    def finetune(self, train: str, **options: Any) -> Run:
        """Same as :func:`headstart.finetune` on this run."""
        return finetune(str(self.folder), train=train, **options)

    def label(self, *unlabeled: str, **options: Any) -> Labeling:
        """Same as :func:`headstart.label` on this run."""
        return judging.label(str(self.folder), *unlabeled, **options)

    def embed(self, *inputs: str, **options: Any) -> Path:
        """Same as :func:`headstart.embed` on this run."""
        return applying.embed(str(self.folder), *inputs, **options)

    def predict(self, *inputs: str, **options: Any) -> list[dict[str, Any]]:
        """Same as :func:`headstart.predict` on this run."""
        return applying.predict(str(self.folder), *inputs, **options)

    def search(self, *inputs: str, query: str, **options: Any) -> list[dict[str, Any]]:
        """Same as :func:`headstart.search` on this run."""
        return applying.search(str(self.folder), *inputs, query=query, **options)

    def explain(self, *inputs: str, **options: Any) -> Explanations:
        """Same as :func:`headstart.explain` on this run."""
        return applying.explain(str(self.folder), *inputs, **options)

    def generate(self, prompt: str = "", **options: Any) -> str | Path:
        """Same as :func:`headstart.generate` on this run."""
        return applying.generate(str(self.folder), prompt=prompt, **options)


def pretrain(
    *sources: str, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> Run:
    """Pre-train an encoder on unlabeled data and return its run.

    Args:
        sources: files, folders or globs.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.PretrainConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        run = hs.pretrain("reviews/", out="runs/reviews", budget="30min")
    """
    return Run(learning.pretrain(*sources, config=config, settings=settings, **options).folder)


def finetune(
    run: str | None = None,
    *,
    config: str | None = None,
    settings: list[str] | None = None,
    **options: Any,
) -> Run:
    """Fine-tune a pre-trained encoder on labels and return the new run.

    Args:
        run: a run folder, or any encoder folder; with ``resume`` it may be left out.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.FinetuneConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        run = hs.finetune("runs/reviews", train="labeled.csv", out="runs/stars")
    """
    return Run(learning.finetune(run, config=config, settings=settings, **options).folder)
