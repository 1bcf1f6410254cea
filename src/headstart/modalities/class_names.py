"""Class names as further examples: what a class is called says what its records are about."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.data.columns import listed
from headstart.data.ledger import Ledger
from headstart.errors import HeadstartError, did_you_mean, several, shown

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

#: Options that are no file.
AUTO, OFF = "auto", "off"
#: Words that number classes instead of naming them.
_GENERIC = frozenset({"label", "class", "category", "cat", "cls", "type", "group", "cluster", "id"})
#: The end of a word in camel case: ``cardArrival``, ``HTTPError``.
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def spoken(label: str) -> str | None:
    """Return the words of a label, or None if it is a number or a code.

    Example::

        spoken("card_arrival"), spoken("cardArrival")  # "card arrival", "card arrival"
        spoken("LABEL_3"), spoken("a1b2"), spoken("17")  # None, None, None
    """
    humps = _HUMPS.sub(" ", label)
    words = [word for word in re.split(r"[\W_]+", humps) if word]
    if not any(map(_is_word, words)):
        return None
    is_written = len(words) == len(label.split())  # as it is said, with its punctuation
    return label if is_written else " ".join(words).lower()


def _is_word(word: str) -> bool:
    if not word.isalpha() or word.lower() in _GENERIC:
        return False
    return not word.isascii() or (len(word) > 1 and re.search("[aeiouy]", word.lower()) is not None)


def class_names(
    given: str,
    labels: Collection[str],
    modality: Modality,
    say: Callable[[str], None],
    *,
    others: bool = False,
) -> Dataset | None:
    """Return records with the names of classes, ``label`` being what each is the name of.

    Args:
        given: ``auto`` (the labels themselves, where they are words), ``off``, or a file with a
            column of labels and one of names or descriptions.
        labels: of the labeled records.
        say: called with sentences on what is not used.
        others: whether names of further classes are kept.

    Returns:
        Records that read like all others; None if there are no names.

    Raises:
        HeadstartError: the kind of data cannot be typed, and a file was named; none of its
            labels is known; or it has a row without a name, or two names of one class.
    """
    if given == OFF:
        return None
    is_typed = _reads_words(modality)
    if given == AUTO:
        return _of_labels(sorted(labels), modality, say) if is_typed else None
    if not is_typed:
        raise HeadstartError(
            f"--names {given}: names can be read where a record can be typed, and "
            f"{modality.content.noun} cannot; leave it out."
        )
    records = _of_file(given, modality, say)
    known, named = set(labels), set(records["label"])
    unknown = sorted(named - known)
    if not others and len(unknown) == len(named):
        raise HeadstartError(
            f"--names {given}: {unknown[0]!r} and all its other labels are none of the labeled "
            f"records{did_you_mean(unknown[0], known)}"
        )
    if unnamed := sorted(known - named):
        has = "1 class has" if len(unnamed) == 1 else f"{len(unnamed):,} classes have"
        say(f"--names {given}: {has} no name there ({_some(unnamed)}).")
    if not unknown or not known:
        return records
    one = len(unknown) == 1
    names = "1 name is of a class" if one else f"{len(unknown):,} names are of classes"
    pronoun, is_ = ("it", "is") if one else ("they", "are")
    fate = f"{pronoun} can be predicted by name alone" if others else f"{pronoun} {is_} left out"
    say(f"--names {given}: {names} that no labeled record has ({_some(unknown)}); {fate}.")
    if others:
        return records
    return records.select([row for row, label in enumerate(records["label"]) if label in known])


def _some(labels: Sequence[str]) -> str:
    return several([repr(label) for label in labels], most=3)


def _reads_words(modality: Modality) -> bool:
    """Return whether a name is a record: what can be typed may be numbers alone."""
    try:
        return modality.inline(["a name"]) is not None
    except HeadstartError:
        return False


def _of_labels(
    labels: Sequence[str], modality: Modality, say: Callable[[str], None]
) -> Dataset | None:
    names = {label: spoken(label) for label in labels}
    codes = [label for label, name in names.items() if name is None]
    if codes:
        count = f"{len(codes):,} labels are" if len(codes) > 1 else "one label is"
        say(
            f"{count} no words ({codes[0]!r}{', ...' if len(codes) > 1 else ''}) and not used "
            "as class names; --names FILE gives names."
        )
    words = {label: name for label, name in names.items() if name is not None}
    if not words:
        return None
    records = modality.inline(list(words.values()))
    return None if records is None else _labeled(records, list(words))


def _of_file(given: str, modality: Modality, say: Callable[[str], None]) -> Dataset:
    if not os.path.exists(os.path.expanduser(given)):
        raise HeadstartError(
            f"--names {given}: there is no such file; write auto, off, or a file with the columns "
            "label and name."
        )
    ledger = Ledger()
    audit = Audit(ledger=ledger)
    try:
        records = modality.read([given], SourceOptions(), audit)
    except HeadstartError as error:
        if "--column" not in str(error):
            raise
        raise HeadstartError(
            f"--names {given}: no column is found to be one of names; it needs a column label and "
            "a column name or description, with a text in each row."
        ) from None
    ledger.settle(records, audit.reason_of())
    _refuse_unnamed(given, ledger)
    for sentence in audit.sentences():
        say(sentence)
    if "label" not in records.column_names or None in records["label"]:
        raise HeadstartError(
            f"--names {given}: each row needs a label and a name or description, and "
            f"{_missing(records)}; name its columns label and name."
        )
    content = modality.content.name
    names: dict[str, str] = {}
    for label, name in zip(map(str, records["label"]), records[content], strict=True):
        if names.setdefault(label, name) != name:
            both = " and ".join(shown(repr(each), 40) for each in (names[label], name))
            raise HeadstartError(
                f"--names {given}: the class {label!r} has two names, {both}; write one row for "
                "each class."
            )
    counts = Counter(names.values())
    if shared := [label for label, name in names.items() if counts[name] > 1]:
        say(f"--names {given}: the same name does not tell these classes apart: {_some(shared)}.")
    written = modality.inline([spoken(name) or name for name in names.values()])
    assert written is not None
    return _labeled(written, list(names))


def _refuse_unnamed(given: str, ledger: Ledger) -> None:
    """Raise an error for the first row that names nothing; rows without any value may stand."""
    for row in ledger:
        held = [str(value) for value in row.columns.values() if value is not None]
        if row.reason and (held := [text for text in held if text.strip()]):
            raise HeadstartError(
                f"--names {given}: the row {row.id!r} ({', '.join(held)}) has no name; write one, "
                "or leave the row out."
            )


def _missing(records: Dataset) -> str:
    if "label" not in records.column_names:
        columns = [each for each in records.column_names if each != "id"]
        return f"no column is one of labels ({listed(columns)})"
    return f"the row {records['id'][list(records['label']).index(None)]!r} has no label"


def _labeled(records: Dataset, labels: list[str]) -> Dataset:
    """Return records with labels, and ids that say what they are."""
    kept = records.remove_columns("id")
    ids = [f"the name of {label}" for label in labels]
    return kept.add_column("id", ids).add_column("label", labels)
