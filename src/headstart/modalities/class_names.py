"""Class names as further examples: what a class is called says what its records are about."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.data.columns import listed
from headstart.errors import HeadstartError, did_you_mean

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
        HeadstartError: the kind of data cannot be typed, and a file was named; or none of its
            labels is known.
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
    known = set(labels)
    unknown = sorted(set(records["label"]) - known)
    if others or not unknown:
        return records
    if len(unknown) == len(set(records["label"])):
        raise HeadstartError(
            f"--names {given}: {unknown[0]!r} and all its other labels are none of the labeled "
            f"records{did_you_mean(unknown[0], known)}"
        )
    several = f"{len(unknown):,} labels" if len(unknown) > 1 else "one label"
    say(
        f"{given}: {several} that no labeled record has {'are' if len(unknown) > 1 else 'is'} left "
        f"out ({unknown[0]!r}{', ...' if len(unknown) > 1 else ''})."
    )
    return records.select([row for row, label in enumerate(records["label"]) if label in known])


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
        several = f"{len(codes):,} labels are" if len(codes) > 1 else "one label is"
        say(
            f"{several} no words ({codes[0]!r}{', ...' if len(codes) > 1 else ''}) and not used "
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
    audit = Audit()
    records = modality.read([given], SourceOptions(), audit)
    for sentence in audit.sentences():
        say(sentence)
    if "label" not in records.column_names or None in records["label"]:
        raise HeadstartError(
            f"--names {given}: each row needs a label and a name or description, and "
            f"{_missing(records)}; name its columns label and name."
        )
    content = modality.content.name
    spelled = [spoken(name) or name for name in records[content]]
    written = modality.inline(spelled)
    assert written is not None
    return _labeled(written, [str(label) for label in records["label"]])


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
