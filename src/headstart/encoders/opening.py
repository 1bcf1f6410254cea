"""Create, open and save encoders of any supported format."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import SourceOptions, check_options
from headstart.data.audit import Audit
from headstart.data.columns import check_names
from headstart.encoders import ENCODERS, Encoder, EncoderKind, TokenEncoder
from headstart.encoders.formats import format_of, highest_token, joined_parts
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.modalities import MODALITIES, Modality, Processor
from headstart.modalities.guess import telling_kinds
from headstart.modalities.joined import JoinedProcessor, Reader
from headstart.modalities.opening import modality_giving, open_modality
from headstart.run import RunFolder, runs_beside
from headstart.seeding import seeded
from headstart.stored import check, opening, read_json

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.ledger import Ledger

NOTE = "headstart.json"

#: Characters of the longest name on the hub.
_LONGEST_NAME = 96
#: The form of names of timm.
_ARCHITECTURE = re.compile(r"(timm/)?\w+(\.\w+)?")


class OpenedEncoder:
    """An encoder with all that reads records for it; each part is opened when it is first used.

    Args:
        folder: a run, an encoder folder of any library, or a hub name.

    Attributes:
        folder: the encoder folder, or the hub name.

    Raises:
        HeadstartError: a path that does not exist; the parts raise the errors of
            :func:`open_encoder` and :func:`open_modality_of`.

    Example::

        opened = OpenedEncoder("runs/reviews")
        batch = opened.processor.collate(records, opened.length)
        vectors = opened.encoder(batch).pooled
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = encoder_folder(folder)

    @cached_property
    def note(self) -> dict[str, Any]:
        return read_note(self.folder)

    @property
    def length(self) -> int:
        """Tokens after which a record is cut, or pixels a side."""
        return int(self.note["length"])

    @cached_property
    def modality(self) -> Modality:
        return open_modality_of(self.folder)

    @cached_property
    def processor(self) -> Processor:
        return open_processor(self.folder)

    @cached_property
    def encoder(self) -> Encoder:
        return open_encoder(self.folder)

    def read(
        self,
        sources: list[str],
        options: SourceOptions,
        say: Callable[[str], None],
        read: Callable[[Modality, Audit], Dataset] | None = None,
        ledger: Ledger | None = None,
    ) -> Dataset:
        """Return the records of the sources that can be decoded, and say what was set aside.

        Args:
            read: replaces the modality's own reading and the check of the columns.
            ledger: gets every row of the sources, those without a record included.

        Raises:
            HeadstartError: an unknown column, or nothing can be read.
        """
        audit = Audit() if ledger is None else Audit(sys.maxsize, ledger)
        with telling_kinds(sources, self.modality.content, "this run"):
            if read is None:
                check_names(options.columns, self.modality.content)
                records = self.modality.read(sources, options, audit)
            else:
                records = read(self.modality, audit)
        records = self.modality.usable(records, self.processor, audit)
        if ledger is not None:
            ledger.settle(records, audit.reason_of())
        # A ledger says itself which of its rows have no record.
        is_told = ledger is not None and ledger.kept is not None
        for sentence in audit.notes if is_told else audit.sentences():
            say(sentence)
        return records


def kind_of(name: str) -> EncoderKind | None:
    """Return how to create the encoder ``name``; None for a folder or hub name to open.

    A name is one of :data:`ENCODERS`, or an architecture of timm, with a tag for published weights
    (``resnet18``, ``resnet18.a1_in1k``).

    Raises:
        HeadstartError: a misspelled name.
    """
    if name in ENCODERS:
        kind: EncoderKind = ENCODERS[name]
        return kind
    if not _ARCHITECTURE.fullmatch(name) or os.path.exists(name):
        return None
    if "/" not in name and not find_spec("timm"):
        return None
    from headstart.encoders.timm_names import near_timm, timm_kind

    found = timm_kind(name)
    near = near_timm(name) if found is None else None
    if near:
        raise HeadstartError(f"unknown encoder {name!r}; did you mean {near!r}?")
    return found


def create_encoder(
    name: str, options: dict[str, Any], processor: Processor | None, *, length: int, seed: int
) -> Encoder:
    """Create an encoder by name; the same seed gives the same weights.

    It is freshly initialised, unless the name has a tag of published weights, which need no
    processor.

    Raises:
        HeadstartError: an unknown name or option, or a value out of bounds.

    Example::

        create_encoder("modernbert", {"layers": 2}, processor, length=128, seed=0)
    """
    kind = kind_of(name) or ENCODERS[name]
    checked = check_options(kind.Options, options, f"encoder {name!r}", "encoder")
    with seeded(seed, "encoder"):
        return kind.create(checked, processor, length)


def open_encoder(folder: str | Path, *, length: int | None = None) -> Encoder:
    """Open a trained encoder by its folder or name.

    That is a run, a folder or hub name of Transformers, a folder of timm, a name of timm with
    published weights, or a ``StaticEmbedding``.

    Args:
        length: pixels per side of the images, or tokens per row, that it will read; by default as
            saved.

    Raises:
        HeadstartError: no encoder can be opened, it has fewer positions than ``length``, or fewer
            tokens than its tokenizer.

    Example::

        encoder = open_encoder("runs/reviews")
    """
    path = encoder_folder(folder)
    if isinstance(path, str) and (kind := kind_of(path)) is not None:
        if "." not in path:
            raise HeadstartError(
                f"the encoder {path!r} has learned nothing yet; name a run, a folder, or "
                f"published weights such as 'resnet18.a1_in1k'."
            )
        return create_encoder(path, {}, None, length=length or kind.length, seed=0)
    if length is None and (Path(path) / NOTE).is_file():
        length = int(read_note(path)["length"])
    with opening(Path(path)):
        encoder = format_of(path).load(path, length)
    if isinstance(encoder, TokenEncoder):
        _check_tokens(encoder, path, length)
    return encoder


def _check_tokens(encoder: TokenEncoder, folder: str | Path, length: int | None) -> None:
    """Refuse rows with more positions, or a tokenizer with more tokens, than the network has."""
    if encoder.limit is not None and length is not None and length > encoder.limit:
        raise HeadstartError(
            f"the network in {folder} has {encoder.limit} positions, fewer than the {length} "
            f"tokens asked for; set --length {encoder.limit} or less, or choose another encoder."
        )
    highest, known = highest_token(folder), encoder.token_embedding.num_embeddings
    if highest is not None and highest >= known:
        raise HeadstartError(
            f"the tokenizer in {folder} has ids up to {highest}, and the network's table has "
            f"{known:,} tokens; use the tokenizer that belongs to the network."
        )


def open_processor(folder: str | Path) -> Processor:
    """Open the processor of an encoder folder, ours or a foreign one."""
    names = [each["name"] for each in joined_parts(folder)]
    if names:
        parts = [Path(folder) / name for name in names]
        readers = [Reader(open_processor(part), int(read_note(part)["length"])) for part in parts]
        return JoinedProcessor(dict(zip(names, readers, strict=True)))
    modality = open_modality_of(folder)
    with opening(Path(folder)):
        return modality.load(folder)


def open_modality_of(folder: str | Path) -> Modality:
    """Open the modality of an encoder folder, with the options that it was pre-trained with.

    Raises:
        HeadstartError: a package that is not installed brings the modality or the encoder.
    """
    note = read_note(folder)
    name = note["modality"]
    if name not in MODALITIES:
        format_of(folder)  # refuses an encoder that is missing, too
        raise HeadstartError(
            f"{folder} holds an encoder of the kind of data {name!r}, which no installed package "
            "brings; install the one that it was made with."
        )
    found = open_modality(name, note.get("modality_options"))
    found.folder = Path(folder)
    return found


def encoder_folder(folder: str | Path) -> str | Path:
    """Return the location of an encoder: a run's ``encoder``, the folder itself, or a hub name.

    Raises:
        HeadstartError: a path that does not exist, a run that has not finished, or a file that is
            missing or was altered since it was written.
    """
    path = Path(folder)
    # Encoders side by side lie in folders of their names, of which one may be "encoder".
    if os.path.isdir(path / "encoder") and not joined_parts(path):
        path = path / "encoder"
    elif os.path.exists(path / "config.yaml") and not os.path.exists(path / "config.json"):
        path = RunFolder(path).require_encoder()  # refuses it
    if os.path.exists(path):
        if not _may_hold_encoder(path):
            raise HeadstartError(
                f"{folder} is no run and holds no encoder; name a run, or a folder with "
                "config.json and its weights."
            )
        check(path)
        return path
    is_name = len(path.parts) < 3 and len(str(folder)) <= _LONGEST_NAME
    in_folder = len(path.parts) == 2 and os.path.isdir(path.parent)
    if path.is_absolute() or not is_name or in_folder or str(folder).startswith((".", "~")):
        raise HeadstartError(
            f"no encoder can be opened from {str(folder)!r}: there is no such folder"
            f"{runs_beside(path)}"
        )
    return str(folder)


def _may_hold_encoder(path: Path) -> bool:
    """Return whether a path is a folder with settings or weights, whole or not."""
    return path.is_dir() and any(
        name.endswith((".json", ".safetensors", ".bin")) for name in os.listdir(path)
    )


def first_part(folder: str | Path) -> str:
    """Return the folder of the pre-trained part where encoders stand side by side, else ``folder``.

    It is what training goes on from, and what generates.
    """
    if folder in ENCODERS or not os.path.isdir(folder):
        return str(folder)
    found = encoder_folder(folder)
    parts = joined_parts(found)
    return str(Path(found) / parts[0]["name"]) if parts else str(folder)


def save_encoder(
    encoder: Encoder, processor: Processor, folder: Path, note: dict[str, Any]
) -> None:
    """Write encoder and processor to one folder, with a note for this library.

    Args:
        note: at least ``modality`` and ``length``, and ``modality_options`` where some differ
            from the defaults; written to ``headstart.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder.save(folder)
    processor.save(folder)
    if isinstance(processor, JoinedProcessor):
        for name, part in encoder.joined.items():
            own = {**note, "length": processor.parts[name].length}
            _write_note(part, folder / name, own)
    _write_note(encoder, folder, note)


def _write_note(encoder: Encoder, folder: Path, note: dict[str, Any]) -> None:
    write_json(folder / NOTE, {**note, "is_causal": encoder.is_causal, "width": encoder.width})


def note_of(modality: Modality, length: int) -> dict[str, Any]:
    """Return the note of :func:`save_encoder` for an encoder that reads records at a length."""
    options = modality.options.model_dump(mode="json", exclude_defaults=True)
    named = {"modality_options": {modality.name: options}} if options else {}
    return {"modality": modality.name, "length": length, **named}


def read_note(folder: str | Path) -> dict[str, Any]:
    """Return the note of an encoder folder, or an equivalent for a foreign one or a name."""
    note = Path(folder) / NOTE
    if note.is_file():
        return read_json(note, modality=str, length=int)
    kind = None if os.path.exists(folder) else kind_of(str(folder))
    if kind is not None:
        return {"modality": modality_giving(kind.reads, folder), "length": kind.length}
    with opening(Path(folder)):
        found = format_of(folder)
    return {"modality": modality_giving(found.reads, folder), "length": found.length(folder)}


def reads_of(encoder: str) -> str:
    """Return the input tensor of an encoder, by name, folder or run, without opening it.

    Raises:
        HeadstartError: a path that does not exist, or a misspelled name.
    """
    kind = kind_of(encoder)
    if kind is not None:
        return kind.reads
    return open_modality_of(encoder_folder(encoder)).gives
