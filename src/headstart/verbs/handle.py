"""A run with every verb that takes one as a method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.pages.markup import Markup, table, tag
from headstart.run import RunFolder
from headstart.verbs import (
    applying,
    compressing,
    delivering,
    describing,
    indexing,
    judging,
    learning,
    recommending,
    updating,
    watching,
)
from headstart.verbs.reading import Named, in_file
from headstart.verbs.wording import note_records, noting_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from headstart.deployment.compressing.report import Compressed
    from headstart.deployment.explain import Explanations
    from headstart.deployment.exporting.export import Exported
    from headstart.deployment.indexes.indexing import IndexReport
    from headstart.deployment.monitoring.report import DriftReport
    from headstart.deployment.updating.report import UpdateReport
    from headstart.evaluation.protocols import Answer
    from headstart.labeling.label import Labeling


class Run(RunFolder):
    """A run folder with the verbs that take a run; what ``pretrain`` and ``finetune`` return.

    It may stand wherever a path to a run may. Where data is expected, a method takes the name of a
    file or folder, or records in memory: lists, frames, arrays of pictures, data sets.

    Example::

        run = hs.Run("runs/reviews")
        print(run.evaluate(train="labeled.csv"))
        vectors = run.encode(["a good film", "so long"])  # (2,D)
    """

    def __fspath__(self) -> str:
        return str(self.folder)

    def _repr_html_(self) -> str:
        """Return the facts of the run for a notebook, with a link to its report."""
        facts = self.facts()
        rows = [[name.capitalize(), str(value)] for name, value in facts.items()]
        report = Markup("")
        if self.report_file.exists():
            report = tag("p", tag("a", "report", href=str(self.report_file)))
        return tag("div", tag("p", tag("strong", str(self.folder))), table([], {"": rows}), report)

    def facts(self) -> dict[str, str]:
        """Return the main facts of the run in words; `headstart info RUN` prints them."""
        return describing.facts(self)

    def encode(self, records: Sequence[Any]) -> np.ndarray:
        """Return the vectors (N,D) float32 of N records in memory, one row each, in order.

        Args:
            records: texts, pictures (Pillow or NumPy), or an array (N,H,W,C) of pictures.

        Raises:
            HeadstartError: a record cannot be encoded, such as a blank text.
        """
        import numpy as np

        records = [records] if isinstance(records, str) else records
        with noting_records():
            path = in_file(records)
            note_records(path, "records")
            vectors = applying.embed(self, path, quiet=True)
        assert not isinstance(vectors, Path)
        if missing := int(np.isnan(vectors).any(axis=1).sum()):
            raise HeadstartError(
                f"{missing:,} of {len(records):,} records have no vector: they are blank or cannot "
                "be read; leave them out, or take embed, which gives NaN there."
            )
        return vectors

    def evaluate(self, train: Any = "", **options: Any) -> Answer:
        """Same as :func:`headstart.evaluate` on this run."""
        return judging.evaluate(self, train=train, **options)

    def finetune(self, train: Any = "", **options: Any) -> Run:
        """Same as :func:`headstart.finetune` on this run."""
        return finetune(self, train=train, **options)

    def label(self, *unlabeled: Any, **options: Any) -> Labeling:
        """Same as :func:`headstart.label` on this run."""
        return judging.label(self, *unlabeled, **options)

    def embed(self, *inputs: Any, **options: Any) -> Path | np.ndarray:
        """Same as :func:`headstart.embed` on this run: vectors (N,D), or the path of ``out``."""
        return applying.embed(self, *inputs, **options)

    def predict(self, *inputs: Any, **options: Any) -> Sequence[dict[str, Any]]:
        """Same as :func:`headstart.predict` on this run."""
        return applying.predict(self, *inputs, **options)

    def search(self, *inputs: Any, query: Any, **options: Any) -> list[dict[str, Any]]:
        """Same as :func:`headstart.search` on this run."""
        return applying.search(self, *inputs, query=query, **options)

    def index(self, *inputs: Any, out: Named, **options: Any) -> IndexReport:
        """Same as :func:`headstart.index` on this run."""
        return indexing.index(self, *inputs, out=out, **options)

    def explain(self, *inputs: Any, **options: Any) -> Explanations:
        """Same as :func:`headstart.explain` on this run."""
        return applying.explain(self, *inputs, **options)

    def recommend(self, **options: Any) -> Any:
        """Same as :func:`headstart.recommend` on this run."""
        return recommending.recommend(self, **options)

    def export(self, *inputs: Any, **options: Any) -> Exported:
        """Same as :func:`headstart.export` on this run."""
        return delivering.export(self, *inputs, **options)

    def compress(self, *inputs: Any, **options: Any) -> Compressed:
        """Same as :func:`headstart.compress` on this run."""
        return compressing.compress(self, *inputs, **options)

    def monitor(self, **options: Any) -> DriftReport:
        """Same as :func:`headstart.monitor` on this run."""
        return watching.monitor(self, **options)

    def update(self, **options: Any) -> UpdateReport:
        """Same as :func:`headstart.update` on this run."""
        return updating.update(self, **options)

    def generate(self, prompt: str = "", **options: Any) -> str | Path:
        """Same as :func:`headstart.generate` on this run."""
        return applying.generate(self, prompt=prompt, **options)


def runs(folder: Named = "runs") -> list[Run]:
    """Return the runs in a folder, the newest first.

    Raises:
        HeadstartError: there is no such folder.

    Example::

        for run in hs.runs("runs"):
            print(run.folder, run.facts()["state"])
    """
    return [Run(found.folder) for found in describing.runs(Path(folder))]


def pretrain(
    *sources: Any, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> Run:
    """Pre-train an encoder on unlabeled data and return its run.

    Args:
        sources: files, folders or globs; or records in memory: a list of texts or pictures, an
            array (N,H,W,C), a frame, a ``datasets.Dataset``. They are kept in ``OUT.data``.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.PretrainConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        run = hs.pretrain("reviews/", out="runs/reviews", budget="30min")
        run = hs.pretrain(frame, out="runs/reviews", columns={"text": "body"})
    """
    return Run(learning.pretrain(*sources, config=config, settings=settings, **options).folder)


def finetune(
    run: Named | None = None,
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
        options: see :class:`headstart.config.FinetuneConfig`; records in memory are kept in
            ``OUT.data``.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        run = hs.finetune("runs/reviews", train="labeled.csv", out="runs/stars")
        run = hs.finetune("runs/reviews", train=(texts, labels), out="runs/stars")
    """
    return Run(learning.finetune(run, config=config, settings=settings, **options).folder)
