"""What an index consists of at one moment: one small file that names all others.

A change writes new files beside the old ones, and then replaces this file, which is one step for
the file system: whatever kills the process, a reader finds the index as it was or as it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.stored import opening, read_json

#: The file that says what is valid, and the version of its form.
CURRENT, FORM = "current.json", 1


@dataclass(frozen=True)
class Lists:
    """An approximate index of the vectors of one segment.

    Attributes:
        name: of its folder.
        segment: whose vectors they are.
        probes: lists that a search looks into.
        recall: share of the true nearest ten that it finds, measured on the index's own vectors.
    """

    name: str
    segment: int
    probes: int
    recall: float


@dataclass(frozen=True)
class Vectors:
    """The vectors of one encoder.

    Attributes:
        weights: digest of the encoder's weights.
        length: tokens or pixels that it reads.
        width: D.
        segments: numbers of the segments that it has vectors of.
        lists: the approximate index, where there is one.
    """

    weights: str
    length: int
    width: int
    segments: tuple[int, ...] = ()
    lists: Lists | None = None

    def folder(self, segment: int) -> str:
        """Return the name of the folder of the vectors of a segment."""
        return f"{segment:06d}-{self.weights}-{self.length}"


@dataclass(frozen=True)
class State:
    """What an index consists of.

    Attributes:
        version: counts the changes.
        modality: the kind of data.
        segments: the number and the rows of each, in their order.
        vectors: by encoder, the latest used last.
        deleted: the file with the rows that do not count any longer, or empty.
        gone: number of those rows.
    """

    version: int
    modality: str
    segments: tuple[tuple[int, int], ...] = ()
    vectors: tuple[Vectors, ...] = ()
    deleted: str = ""
    gone: int = 0
    form: int = field(default=FORM)

    @property
    def rows(self) -> int:
        """Rows of all segments, deleted ones included."""
        return sum(rows for _, rows in self.segments)

    def of(self, weights: str, length: int) -> Vectors | None:
        """Return the vectors of an encoder, if the index has any."""
        for each in self.vectors:
            if (each.weights, each.length) == (weights, length):
                return each
        return None


def read_state(folder: Path) -> State:
    """Return the state of an index.

    Raises:
        HeadstartError: there is no index in the folder, or this file is damaged.
    """
    file = folder / CURRENT
    if not file.is_file():
        raise HeadstartError(
            f"{folder} holds no index; make one with `headstart index RUN INPUT... --out INDEX`."
        )
    found = read_json(file, version=int, modality=str, segments=list, vectors=list)
    if found.get("form") != FORM:
        raise HeadstartError(
            f"{file} is of another version of headstart; make the index again with --overwrite."
        )
    with opening(file):
        return _state(found)


def write_state(folder: Path, state: State) -> None:
    """Make a state the valid one, in one step."""
    write_json(folder / CURRENT, asdict(state))


def _state(found: dict[str, Any]) -> State:
    vectors = [
        Vectors(
            **{
                **each,
                "segments": tuple(map(int, each["segments"])),
                "lists": Lists(**each["lists"]) if each["lists"] else None,
            }
        )
        for each in found["vectors"]
    ]
    segments = tuple((int(number), int(rows)) for number, rows in found["segments"])
    names = [found["deleted"], *(each.lists.name for each in vectors if each.lists)]
    names += [each.weights for each in vectors]
    if any(name != Path(name).name for name in names if name):
        raise ValueError("it names a file outside of the index")
    return State(**{**found, "segments": segments, "vectors": tuple(vectors)})
