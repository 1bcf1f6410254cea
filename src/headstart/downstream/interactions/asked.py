"""Whom a list is for: a new user's items as typed, users of the run, or users of a file."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from headstart.data.audit import Audit, set_aside
from headstart.data.store import stream
from headstart.errors import HeadstartError, UnknownNameError, nearest
from headstart.modalities.interactions.content import USER_NAMES, names_in
from headstart.modalities.interactions.ids import likely, name_of
from headstart.modalities.interactions.processor import ItemProcessor

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import RecommendConfig
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities.interactions.item_table import ItemTable
    from headstart.modalities.interactions.options import InteractionOptions

#: Names that are shown of several.
_NAMED = 3
#: Largest file that may hold names of users, one in each line.
_LARGEST = 2**26


class User(NamedTuple):
    """Somebody to recommend to; the times of the items may not be known."""

    name: str
    items: list[str]
    times: list[float] | None = None


def check_asked(plan: RecommendConfig) -> None:
    """Refuse a plan that names nobody, or somebody in several ways.

    Raises:
        HeadstartError: the message says which.
    """
    given = [bool(plan.history), plan.user is not None, plan.users is not None]
    if sum(given) != 1:
        what = "no user is named" if not any(given) else "users are named in several ways"
        raise HeadstartError(
            f"{what}; give one of --history ITEMS for a new user, --user NAME or --users FILE."
        )


def asked(
    plan: RecommendConfig,
    opened: OpenedEncoder,
    sources: Callable[[], Dataset | None],
    notes: list[str],
) -> list[User]:
    """Return the users and their items.

    Raises:
        HeadstartError: a user is unknown, or no item of a typed history is known.
    """
    if plan.history:
        processor = cast(ItemProcessor, opened.processor)
        typed = typed_items(plan.history, processor.table, processor.ids)
        if not set(typed) & processor.ids.keys():
            raise HeadstartError(
                "none of the items of --history is in the catalogue of the run; write them as its "
                f"sources do, with commas between them{meant(typed, _callable(processor))}"
            )
        return [User("new user", typed)]
    if plan.user is not None:
        return _known([plan.user], sources, notes)
    assert plan.users is not None
    names = _names_of(plan.users)
    if names is None:
        return _of_file(plan.users, opened, plan, notes)
    return _known(names, sources, notes)


def typed_items(values: Sequence[str], table: ItemTable | None, known: Container[str]) -> list[str]:
    """Return the items of what was typed: ids or titles, one each or with commas between them.

    What is an id or a title as a whole is one item, commas and spaces included. What is neither is
    returned as it was typed.
    """

    def exact(text: str) -> str | None:
        name = name_of(text)
        if name is not None and (name in known or (table is not None and name in table)):
            return name
        titled = table.named.get(text.lower(), []) if table is not None else []
        # Of several items with this title one that has events, if there is one.
        return next(iter(sorted(titled, key=lambda each: each not in known)), None)

    found: list[str] = []
    for value in values:
        text = value.strip()
        if (one := exact(text)) is not None:
            found.append(one)
        elif text.startswith("["):
            found += names_in(text) or []
        else:
            found += _parts(text.split(","), exact)
    return found


def _parts(pieces: list[str], exact: Callable[[str], str | None]) -> Iterator[str]:
    """Yield items from pieces between commas; a title may have commas of its own."""
    at = 0
    while at < len(pieces):
        for end in range(len(pieces), at, -1):
            one = exact(",".join(pieces[at:end]).strip())
            if one is not None:
                yield one
                break
        else:
            end = at + 1
            several = names_in(pieces[at]) or []
            known = [exact(name) for name in several]
            if len(several) > 1 and any(known):  # such as 12 7 9
                both = zip(known, several, strict=True)
                yield from (name or typed for name, typed in both)
            elif pieces[at].strip():
                yield pieces[at].strip()
        at = end


def _known(
    wanted: Sequence[str], sources: Callable[[], Dataset | None], notes: list[str]
) -> list[User]:
    """Return users of the run's own sources, each with all items.

    Raises:
        HeadstartError: the sources cannot be read, or none of the users is in them.
    """
    records = sources()
    if records is None:
        why = notes[-1].partition(", so the simple")[0].rstrip(".")
        raise HeadstartError(f"{why}; name the items with --history instead.")
    names = list(stream(records, "id"))
    index = {name: row for row, name in enumerate(names)}
    # Of a run that reads sessions the latest of a user is the one that goes on.
    visits: dict[str, list[int]] = {}
    for name in names:
        user, mark, number = name.rpartition("#")
        if mark and number.isdecimal():
            visits.setdefault(user, []).append(int(number))
    rows, unknown, latest = [], list[str](), list[str]()
    for each in wanted:
        user = name_of(each) or ""
        if user not in index and user in visits:
            user = f"{user}#{max(visits[user])}"
            latest.append(user)
        if user in index:
            rows.append(index[user])
        else:
            unknown.append(user)
    if latest:
        notes.append(f"{listed(latest, 'session')} the latest of each user.")
    if not rows:
        raise UnknownNameError(
            f"no user {unknown[0]!r} is in the sources of the run; name the items of a new one "
            f"with --history ITEMS{meant(unknown, names)}"
        )
    if unknown:
        notes.append(f"{listed(unknown, 'user')} not in the sources of the run, and left out.")
    return _read(records.select(rows))


def _names_of(users: str) -> list[str] | None:
    """Return the users that a file names, one in each line; None where it holds more than that."""
    path = Path(users)
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or any(mark in line for line in lines for mark in ",;\t{[ "):
        return None
    if lines[0].lower() in USER_NAMES:
        lines = lines[1:]
    return [line.strip('"') for line in lines] or None


def _of_file(
    users: str, opened: OpenedEncoder, plan: RecommendConfig, notes: list[str]
) -> list[User]:
    """Return the users of a file with all their events, or the latest session of each.

    The thresholds of the run are for its training: an item that few of these users have is known.
    """
    options = cast("InteractionOptions", opened.modality.options)
    every = {"least_events": 1, "least_users": 1}
    audit = Audit()
    reader = type(opened.modality)(options.model_copy(update=every))
    found = _read(reader.read([users], plan, audit))
    if audit.reasons:
        notes.append(set_aside(audit.summary()))
    if not options.in_sessions:
        return found
    return list({each.name.rpartition("#")[0]: each for each in found}.values())


def _read(records: Dataset) -> list[User]:
    timed = "times" in records.column_names
    times = records["times"] if timed else [None] * len(records)
    return list(map(User, records["id"], records["items"], times))


def _callable(processor: ItemProcessor) -> Iterator[str]:
    """Yield what items may be called: their ids, and their titles."""
    yield from processor.names
    if processor.table is not None:
        yield from (row.title for row in processor.table.items.values() if row.title)


def meant(unknown: Sequence[str], known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name, with those that may be meant."""
    near = nearest(unknown[0], likely(unknown[0], known)) if unknown else []
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "."


def note_unknown(unknown: Sequence[str], processor: ItemProcessor, notes: list[str]) -> None:
    """Note items of histories that the run does not know."""
    if unknown:
        what = listed(unknown, "item", " of the histories")
        end = meant(unknown, _callable(processor))
        notes.append(f"{what} not in the catalogue of the run, and left out{end}")


def listed(names: Sequence[str], noun: str, of: str = "") -> str:
    """Return the subject of a sentence and its verb, such as ``2 users, 'a' and 'b', are``."""
    different = list(dict.fromkeys(names))
    shown = ", ".join(map(repr, different[:_NAMED]))
    more = ", ..." if len(different) > _NAMED else ""
    if len(names) == 1:
        return f"1 {noun}{of}, {shown}, is"
    return f"{len(names):,} {noun}s{of}, such as {shown}{more}, are"
