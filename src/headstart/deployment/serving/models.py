"""The runs in a server: opened whole, asked what they can do, and exchanged while it serves."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import RecommendConfig, SearchConfig, ServeConfig
from headstart.config.loading import validated
from headstart.deployment.generators import STREAMS
from headstart.deployment.serving import work
from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.queue import Lane
from headstart.deployment.serving.values import Values
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities import TokenProcessor
from headstart.objectives.opening import described_head
from headstart.outputs import store_of
from headstart.run import RunFolder

if TYPE_CHECKING:
    from headstart.deployment.writing import Sampling

Say = Callable[[str], None]


@dataclass
class Served:
    """One run, opened for answers.

    Attributes:
        name: by which requests choose it.
        folder: as the user named it.
        lanes: what it can compute, by the name of the ability.
        missing: why it lacks an ability, as a sentence for clients, by the ability's name.
        labels: the classes that it predicts, if any.
        stream: yields pieces of a text, where it can write one.
        recommend: ranks what comes next for the options of a request, where it can.
        parts: finds the parts of records like one that a query names, where it has some.
    """

    name: str
    folder: str
    opened: OpenedEncoder
    values: Values
    lanes: dict[str, Lane]
    missing: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    stream: Callable[[str, Sampling], Iterator[str]] | None = None
    recommend: Callable[[RecommendConfig], Any] | None = None
    parts: Callable[[str, int], list[dict[str, Any]] | None] | None = None
    created: int = 0

    @cached_property
    def about(self) -> dict[str, Any]:
        """What ``/v1/models`` says of it."""
        abilities = [name for name in ABILITIES if name in self.lanes]
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "headstart",
            "abilities": abilities,
            "reads": self.opened.modality.content.noun,
            "as": "base64" if self.values.are_bytes else "typed",
            "length": self.opened.length,
            "width": self.opened.encoder.width,
            "labels": self.labels,
        }

    def lane(self, ability: str) -> Lane:
        """Return the lane of an ability.

        Raises:
            Refusal: the run lacks it; the message says why.
        """
        if ability not in self.lanes:
            raise Refusal(422, self.missing[ability], f"no_{ability}", "model")
        return self.lanes[ability]

    def asked(self, history: list[str], user: str | None, **options: Any) -> RecommendConfig:
        """Return the options of ``recommend`` for a client; none of them names a file.

        Raises:
            Refusal: the name of the user or of an item is empty, or can be none.
        """
        if user is not None and not user.strip():
            raise Refusal(422, "'user' must not be empty.", "invalid_value", "user")
        given = {"run": self.folder, "history": history, "user": user, "quiet": True, **options}
        try:
            return validated(RecommendConfig, given)
        except HeadstartError as error:
            param = "history" if user is None else "user"
            raise Refusal(422, self.public(str(error)), "invalid_value", param) from None

    def public(self, message: str) -> str:
        """Return a message for clients: without where the run and its sources lie."""
        places = {self.folder, os.path.abspath(self.folder), os.path.realpath(self.folder)}
        places |= {str(self.opened.folder)}
        for place in sorted(places, key=len, reverse=True):
            message = message.replace(place, self.name)
        for source in sorted(self._sources, key=len, reverse=True):
            message = message.replace(source, os.path.basename(source) or "a source")
        return message

    @cached_property
    def _sources(self) -> list[str]:
        """The paths that the run has learned from."""
        run = RunFolder(self.folder)
        found = run.sources()[0] if run.config_file.is_file() else []
        return [source for source in found if os.sep in source]


#: Abilities in the order in which they are listed.
ABILITIES = ("embed", "predict", "explain", "search", "recommend", "generate")


def open_run(name: str, folder: str, config: ServeConfig, say: Say) -> Served:
    """Open a run with everything that it can do.

    Raises:
        HeadstartError: its encoder cannot be opened.
    """
    opened = OpenedEncoder(folder)
    values = Values(opened.modality, opened.processor)
    lanes = {"embed": work.vectors(opened, values), "positions": work.positions(opened, values)}
    found = Served(name, folder, opened, values, lanes)
    if isinstance(opened.processor, TokenProcessor):
        lanes["ids"] = work.ids(opened)
    has_config = os.path.exists(Path(folder) / "config.yaml")
    run = RunFolder.open(folder) if has_config else None
    found.created = int(os.stat(opened.folder).st_mtime) if os.path.exists(opened.folder) else 0
    for ability, add in _ADDED.items():
        if run is None and ability != "search":
            found.missing[ability] = f"{name!r} is an encoder alone, and no run; it embeds only."
            continue
        try:
            add(found, run, config, say)
        except HeadstartError as error:
            found.missing[ability] = found.public(str(error))
    return found


def _predict(found: Served, run: RunFolder, config: ServeConfig, say: Say) -> None:
    if run.config()["verb"] != "finetune":
        raise HeadstartError(
            f"{found.name!r} is a pre-training run and knows no labels; fine-tune it with "
            "`headstart finetune`, and serve the run that this makes."
        )
    from headstart.downstream import Task
    from headstart.downstream.predict import Predictor

    predictor = Predictor(run, found.opened)
    head = predictor.head
    if type(head).read_inputs is not Task.read_inputs:
        raise HeadstartError(
            f"records of the task {head.name!r} are more than one value each, so that they cannot "
            "be sent in a request; use `headstart predict` with a file."
        )
    found.labels = [str(label) for label in head.labels]
    found.lanes["predict"] = work.predictions(predictor, found.values)


def _explain(found: Served, run: RunFolder, config: ServeConfig, say: Say) -> None:
    if "predict" not in found.lanes:
        raise HeadstartError(found.missing["predict"])
    from headstart.deployment.explain import Explainer

    explainer = Explainer(run, opened=found.opened)
    found.lanes["explain"] = work.explanations(explainer, found.values)


def _search(found: Served, run: RunFolder | None, config: ServeConfig, say: Say) -> None:
    opened, index = found.opened, None
    if config.index is not None:
        from headstart.deployment.index_sources import open_index

        asked = SearchConfig(run=found.folder, query="-", index=config.index)
        index = open_index(config.index, opened, asked, say)
    elif run is not None and RunFolder(store_of(run.folder)).indexes.is_dir():
        from headstart.deployment import search as searching

        sources, reading = run.sources()
        if sources:
            folder = searching.index_folder(opened, store_of(run.folder), sources, reading)
            if searching.is_current(folder, opened):
                index = searching.Index.of_records(folder, opened.modality)
    if index is not None:
        found.lanes["search"] = work.neighbours(opened, found.values, index)
        return
    if opened.modality.parts is not None:
        from headstart.deployment.parts import nearest_parts, parts_of

        parts = parts_of(opened)
        found.parts = lambda query, count: nearest_parts(parts, query, count)
        found.lanes["search"] = work.calls()
        return
    raise HeadstartError(
        f"{found.name!r} has no index to search; make one with `headstart search` once, or name "
        "one with --index."
    )


def _recommend(found: Served, run: RunFolder, config: ServeConfig, say: Say) -> None:
    opened = found.opened
    if opened.modality.recommender is None:
        raise HeadstartError(
            f"{found.name!r} reads {opened.modality.content.noun}, and nothing is recommended from "
            "them."
        )
    module, _, name = opened.modality.recommender.partition(":")
    plan = RecommendConfig(run=found.folder, quiet=True)
    recommender = getattr(import_module(module), name)(run, opened, plan)
    _ = recommender.ranker  # what it needs is read now, and not with the first request
    for note in recommender.notes:
        say(f"{found.name}: {note}")
    found.recommend = lambda asked: recommender(asked, lambda message: None)
    found.lanes["recommend"] = work.calls()


def _generate(found: Served, run: RunFolder, config: ServeConfig, say: Say) -> None:
    kind = described_head(run).get("generates")
    if kind is None or kind not in STREAMS or run.config()["verb"] == "finetune":
        raise HeadstartError(f"{found.name!r} writes no text: nothing in it was trained to.")
    found.stream = STREAMS[kind](run)
    found.lanes["generate"] = work.pieces()


_ADDED: dict[str, Callable[[Served, Any, ServeConfig, Say], None]] = {
    "predict": _predict,
    "explain": _explain,
    "search": _search,
    "recommend": _recommend,
    "generate": _generate,
}


class Models:
    """The runs of a server by name; :meth:`reopened` and :meth:`exchange` replace them at once.

    Requests keep the run that they began with, so that none is lost.

    Raises:
        HeadstartError: two runs have one name, or one cannot be opened.
    """

    def __init__(self, config: ServeConfig, say: Say) -> None:
        self._config, self._say = config, say
        self._places = named(config.runs)
        if config.index is not None and len(self._places) > 1:
            raise HeadstartError(
                "--index is of one run, and several are served; leave it out, and make an index in "
                "each with `headstart search`."
            )
        self.all = self.reopened()

    def reopened(self) -> dict[str, Served]:
        """Open all runs anew, as their folders are now; nothing is exchanged yet."""
        places = self._places.items()
        return {name: open_run(name, place, self._config, self._say) for name, place in places}

    def exchange(self, opened: dict[str, Served]) -> None:
        """Let requests from here on have these runs."""
        self.all = opened

    def get(self, name: str | None) -> Served:
        """Return a run by its name; the only one needs none.

        Raises:
            Refusal: there is no such run, or several to choose from.
        """
        if name is None:
            if len(self.all) == 1:
                return next(iter(self.all.values()))
            names = ", ".join(self.all)
            raise Refusal(422, f"'model' is missing; choose one of: {names}.", "missing", "model")
        if name not in self.all:
            hint = did_you_mean(name, self.all)
            raise Refusal(404, f"there is no model {name!r}{hint}", "model_not_found", "model")
        return self.all[name]


def named(places: Sequence[str]) -> dict[str, str]:
    """Return the names of runs and their folders, from ``FOLDER`` or ``NAME=FOLDER``.

    Raises:
        HeadstartError: two have one name.
    """
    found: dict[str, str] = {}
    for place in places:
        name, mark, folder = place.partition("=")
        if not mark or os.path.exists(place):
            folder = place
            name = Path(os.path.abspath(place)).name if os.path.exists(place) else place
        if name in found:
            raise HeadstartError(
                f"two runs are called {name!r}; give one another name, as in "
                f"{shlex.quote(f'other={folder}')}."
            )
        found[name] = folder
    return found
