"""Write the unlabeled records most worth labeling to a file, ready to be filled in.

The file has an empty column ``label``; once it is filled in, ``evaluate`` and ``finetune`` read it
as it is, and skip the rows left empty.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Progress
from headstart.data.columns import check_names
from headstart.data.comma_separated import csv_lines
from headstart.data.groups import grouping
from headstart.data.labels import spelling_notes
from headstart.data.store import stream
from headstart.encoders.features import features
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.evaluation.cache import cached, digest, digest_of_encoder, digests_of
from headstart.files import check_ending, clear_beside, reserve, scratch, whole_file
from headstart.labeling.choosing import choose
from headstart.labeling.pool import Pool
from headstart.labeling.rounds import following, together
from headstart.labeling.simulation import FEWEST, Simulation, simulate
from headstart.outputs import check_free, store_of
from headstart.pages.markup import listed
from headstart.pages.result import Result
from headstart.run import RunFolder
from headstart.seeding import numbers

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import LabelConfig
    from headstart.data.content import Content

#: Labels from which an evaluation is proposed.
ENOUGH = 40
#: Records whose vectors are in memory at once, and cached in one file.
CHUNK = 16_384
#: Bytes of the first line of a file that tell who wrote it.
_FIRST = 1 << 20
#: Most labeled records that a simulation uses, and fewest for one that was not requested.
MOST_SIMULATED, FEWEST_UNREQUESTED = 8000, 400


@dataclass(frozen=True)
class Labeling(Result):
    """What to label next.

    Attributes:
        rows: ``id``, the content's column, ``label`` (empty) and ``why``, the most valuable first.
        out: the file that holds them; None where nothing is left to label.
        notes: what was skipped, in plain sentences.
        run: the run whose encoder chose them.
        unlabeled: the sources that they are from.
        known: number of records that had a label already.
        labeled: files of earlier rounds.
        again: words of a next round that this one had as well: labeled files and columns.
        simulation: the value of choosing where labels are known; None where it was not tried.
    """

    rows: list[dict[str, Any]]
    out: Path | None
    notes: list[str] = field(default_factory=list)
    simulation: Simulation | None = None
    run: str = "RUN"
    unlabeled: list[str] = field(default_factory=list)
    known: int = 0
    labeled: list[str] = field(default_factory=list)
    again: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = []
        if self.out:
            lines += [
                f"{len(self.rows):,} records to label are in {self.out}; fill in its column "
                "`label`, then:",
                *(f"  {shlex.join(words)}  # {what}" for words, what in self._next(self.out)),
            ]
        if self.simulation:
            lines += [self.simulation.headline, *self.simulation.lines()]
        return "\n".join([*lines, *self.notes])

    def _next(self, out: Path) -> Iterator[tuple[list[str], str]]:
        """Yield what to do with so many labels: the words of a command, and what it does."""
        run, files = self.run, [*self.labeled, str(out)]
        train, told = together(files), "learns from them"
        if train is None:
            train, told = "FOLDER", f"learns from all: FOLDER holds {listed(files)}"
        tuned = f"{run.rstrip('/')}-tuned"
        yield ["headstart", "finetune", run, "--train", train, "--out", tuned], told
        if len(self.rows) + self.known < ENOUGH:
            more = ["headstart", "label", run, *self.again, "--labeled", str(out)]
            more += [word for source in self.unlabeled for word in ("--unlabeled", source)]
            more += ["--out", str(following(out))]
            yield more, f"more: a verdict needs some {ENOUGH} labels"
        else:
            # Every labeled record is tested, so that few labels are not divided once more.
            words = ["headstart", "evaluate", run, "--train", train, "--folds", "5"]
            yield [*words, "--labels", "all"], "whether pre-training helps with so many"

    def summary(self) -> dict[str, Any]:
        """Return plain values: the rows, their file, notes and the simulation."""
        return {
            "out": str(self.out) if self.out else None,
            "rows": self.rows,
            "notes": self.notes,
            "simulation": self.simulation.summary() if self.simulation else None,
        }


def label(
    config: LabelConfig,
    *,
    say: Callable[[str], None],
    progress: Progress | None = None,
) -> Labeling:
    """Choose the records most worth labeling, write them, and simulate the choice if requested.

    Args:
        say: called with messages about records that were quarantined.
        progress: called with the number of records that have vectors, and of all.

    Raises:
        HeadstartError: the file exists already, or there is no encoder, or nothing to choose from.
    """
    out = Path(config.out)
    check_ending(out, "records to label", (".csv", ".jsonl"))
    check_free(config)
    source = _Source(config, say, progress)
    content = source.content
    clear_beside(out, _files_beside(out, content))
    check_free(config, _files_beside(out, content))
    found = source.read(config.unlabeled, unlabeled=True)
    given = source.labeled() if config.labeled else found.select(range(0))
    notes: list[str] = []
    own = _known(found)
    if own.any():
        notes.append(f"{own.sum():,} of the unlabeled records have a label and count as labeled.")
    allowed = ~own & ~_repeated(content.digests(found), own, content.digests(given), notes)
    if len(given) and (empty := int((~_known(given)).sum())):
        notes.append(f"{empty:,} records of --labeled have no label; they are not named again.")
    trial = source.read([config.simulate]) if config.simulate else found
    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        vectors = source.vectors(found, Path(temporary, "pool.npy"))
        rng = numbers(config.seed, "label")
        simulation = None
        if config.simulate:
            indices = _sample(_known(trial), rng)
            if len(indices) < FEWEST:
                raise HeadstartError(
                    f"{config.simulate} has {len(indices)} labeled records, and a simulation needs "
                    f"{FEWEST} or more; name a larger file with --simulate."
                )
            known = trial.select(indices)
            tried = source.vectors(known, Path(temporary, "trial.npy"))
            simulation = _simulated(tried, known, content, config, config.simulate, notes)
        elif own.sum() >= FEWEST_UNREQUESTED:
            indices = _sample(own, rng)
            tried = np.asarray(vectors[indices])
            try:
                known = found.select(indices)
                simulation = _simulated(tried, known, content, config, "--unlabeled", notes)
            except HeadstartError as error:  # it was not requested
                notes.append(f"The value of choosing could not be simulated: {error}")
        if not allowed.any():
            if simulation is None:
                raise HeadstartError(
                    "every unlabeled record has a label already or repeats one that has; name "
                    "other sources with --unlabeled."
                )
            return Labeling(
                [], None, [*notes, "Every record has a label already."], simulation, config.run
            )
        labeled, labels = _labeled(source, given, found, vectors, own, Path(temporary, "given.npy"))
        notes += spelling_notes(labels, " and ".join(config.labeled or config.unlabeled))
        chosen = choose(
            Pool(vectors, allowed), labeled, labels, config.count, method=config.way, rng=rng
        )
    if config.group is not None and simulation is None:
        notes.append("--group matters to a simulation alone, and there is none: see --simulate.")
    if len(chosen.indices) < config.count:
        left = len(chosen.indices)
        notes.append(f"Only {left:,} record{' is' if left == 1 else 's are'} left to name.")
    rows = _write(found.select(chosen.indices), content, chosen.why, out)
    again = [word for source in config.labeled for word in ("--labeled", source)]
    again += [
        w for name, column in config.columns.items() for w in ("--column", f"{name}={column}")
    ]
    return Labeling(
        rows,
        out,
        notes,
        simulation,
        config.run,
        config.unlabeled,
        len(labels),
        config.labeled,
        tuple(again),
    )


class _Source:
    """Reads records and computes their vectors with a run's encoder."""

    def __init__(
        self, config: LabelConfig, say: Callable[[str], None], progress: Progress | None
    ) -> None:
        self._config, self._say, self._opened = config, say, OpenedEncoder(config.run)
        self._progress = progress
        self.content = self._opened.modality.content
        check_names(config.columns, self.content)
        self._encoder, self._processor = self._opened.encoder, self._opened.processor
        self._key = digest_of_encoder(self._encoder, self._processor, self._opened.length)
        self._digest_of = digests_of(self._opened.modality)
        run = RunFolder(config.run)
        is_run = run.config_file.is_file()
        self._store = RunFolder(store_of(run.folder)).features if is_run else None

    def read(self, sources: list[str], *, unlabeled: bool = False) -> Dataset:
        simulated = self._config.simulate
        # A record without a label would be quarantined where its column is named.
        options = self._config.without_label() if unlabeled else self._config
        if sources != ([simulated] if simulated else self._config.unlabeled):
            options = options.undivided()  # only the records of the simulation are split
        return self._opened.read(sources, options, self._say)

    def labeled(self) -> Dataset:
        """Read ``--labeled``; what this verb wrote has its own columns and encoding."""
        from datasets import concatenate_datasets

        own = [each for each in self._config.labeled if _is_own(each, self.content)]
        others = [each for each in self._config.labeled if each not in own]
        plain = self._config.undivided().model_copy(update={"columns": {}, "encoding": None})
        found = [self.read(others)] if others else []
        found += [self._opened.read(own, plain, self._say)] if own else []
        shared = [each for each in found[0].column_names if each in found[-1].column_names]
        first, *rest = (each.select_columns(shared) for each in found)
        return concatenate_datasets([first, *(each.cast(first.features) for each in rest)])

    def vectors(self, records: Dataset, path: Path) -> np.ndarray:
        """Return vectors (N,D), memory-mapped at ``path``."""
        if not len(records):
            return np.empty((0, self._encoder.width), dtype=np.float32)
        shape = (len(records), self._encoder.width)
        found = np.lib.format.open_memmap(str(path), mode="w+", dtype=np.float32, shape=shape)
        reserve(path)
        for start in range(0, len(records), CHUNK):
            chunk = records.select(range(start, min(start + CHUNK, len(records))))
            found[start : start + len(chunk)] = self._features(chunk, start, len(records))
            self._seen(start + len(chunk), len(records))
        return found

    def _seen(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)

    def _features(self, records: Dataset, before: int, total: int) -> np.ndarray:
        """Return the vectors of records; those of a run are cached in its folder."""

        def compute() -> np.ndarray:
            return features(
                self._encoder,
                self._processor,
                records,
                length=self._opened.length,
                progress=lambda done, _: self._seen(before + done, total),
            )

        if self._store is None:
            return compute()
        name = digest("features", self._key, self._digest_of(records))
        return np.asarray(cached(self._store, name, compute))


def _is_own(source: str, content: Content) -> bool:
    """Return whether a file is one that this verb wrote, whoever saved it since."""
    try:
        with open(source, encoding="utf-8-sig", errors="replace") as file:
            first = file.readline(_FIRST)
    except OSError:  # a folder or a pattern, or it is told when it is read
        return False
    return {"id", content.fields[0].name, "label", "why"} <= set(re.findall(r"\w+", first))


def _known(records: Dataset) -> np.ndarray:
    """Return which records (N,) have a label."""
    if "label" not in records.column_names:
        return np.zeros(len(records), dtype=bool)
    return np.array([name is not None for name in stream(records, "label")], dtype=bool)


def _repeated(
    digests: np.ndarray, own: np.ndarray, given: np.ndarray, notes: list[str]
) -> np.ndarray:
    """Return which records (N,) duplicate an earlier one, or one that was labeled or skipped.

    Args:
        digests: (N,) uint64 of the records.
        own: (N,) bool, which of them have a label.
        given: (L,) uint64 of the records of earlier rounds.
    """
    first = np.zeros(len(digests), dtype=bool)
    first[np.unique(digests, return_index=True)[1]] = True
    # A labeled record may follow its unlabeled duplicate.
    known = np.isin(digests, np.concatenate([given, digests[own]]))
    if (~first).any():
        notes.append(f"{(~first).sum():,} records repeat an earlier one and are not named.")
    return ~first | known


def _labeled(
    source: _Source,
    given: Dataset,
    found: Dataset,
    vectors: np.ndarray,
    own: np.ndarray,
    path: Path,
) -> tuple[np.ndarray, list[str]]:
    """Return the vectors (L,D) and labels of all labeled records of both sources."""
    indices = np.flatnonzero(own)
    labels = list(found.select(indices)["label"]) if len(indices) else []
    labeled = given.select(np.flatnonzero(_known(given)))
    labels += list(labeled["label"]) if len(labeled) else []
    return np.concatenate([np.asarray(vectors[indices]), source.vectors(labeled, path)]), labels


def _sample(known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(np.flatnonzero(known))[:MOST_SIMULATED])


def _simulated(
    vectors: np.ndarray,
    records: Dataset,
    content: Content,
    config: LabelConfig,
    where: str,
    notes: list[str],
) -> Simulation:
    groups = grouping(records, content, notes, where=where, column=config.group)
    try:
        return simulate(
            vectors,
            list(records["label"]),
            config.count,
            method=config.way,
            seeds=config.seeds,
            seed=config.seed,
            groups=groups,
        )
    except HeadstartError as error:
        raise HeadstartError(f"{where}: {error}") from None


# -- the file ------------------------------------------------------------------------------------


def _files_beside(out: Path, content: Content) -> Path:
    return out.with_name(f"{out.stem}_{content.noun}")


def _write(
    records: Dataset, content: Content, why: Sequence[str], out: Path
) -> list[dict[str, Any]]:
    """Write the rows; contents that are files go to a folder beside ``out``."""
    with whole_file(out) as partial:
        values = content.export(records, _files_beside(out, content))
        rows = [
            {"id": name, content.fields[0].name: value, "label": None, "why": reason}
            for name, value, reason in zip(records["id"], values, why, strict=True)
        ]
        if out.suffix.lower() == ".jsonl":
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            partial.write_text("".join(lines), encoding="utf-8")
        else:
            names = ["id", content.fields[0].name, "label", "why"]
            table = [names, *([row[name] for name in names] for row in rows)]
            # Spreadsheets recognise UTF-8 by its byte-order mark.
            partial.write_bytes("".join(csv_lines(table)).encode("utf-8-sig"))
    return rows
