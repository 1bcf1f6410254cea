"""What stands beside the encoder that is pre-trained: a published one, and simple features.

Neither learns. Both are copied into the run before training begins, so that going on needs nothing
else, and joined with the new encoder when it is written.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from headstart.batch import to_device
from headstart.data.audit import Audit
from headstart.encoders.features import features
from headstart.encoders.formats import joined_parts
from headstart.encoders.joined import OWN, JoinedEncoder, Part, origin_of, papers_of
from headstart.encoders.opening import (
    OpenedEncoder,
    encoder_folder,
    first_part,
    note_of,
    open_encoder,
    open_processor,
    read_note,
    save_encoder,
)
from headstart.encoders.published import Found, Published, described
from headstart.encoders.vectors import VectorEncoder
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import whole_folder
from headstart.modalities.joined import JoinedProcessor, Reader
from headstart.stored import check, opening, seal
from headstart.training.evaluation_mode import frozen

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Rows
    from headstart.config import PretrainConfig
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor
    from headstart.run import RunFolder

#: Records by whose vectors blocks are scaled, and by which the speed is measured.
SAMPLE = 256
#: Largest weights in MB of a start that is taken unasked.
LARGEST = 500
#: The folder of what stands beside, in the prepared one; the vectors of the sample in it.
FOLDER, VECTORS = "beside", "vectors.safetensors"
_AGAIN = "start the run again with --overwrite"


def of_first_parts(config: PretrainConfig) -> PretrainConfig:
    """Return the options with the pre-trained part in place of encoders that stand side by side.

    What is named is continued, or gives its token vectors; what stands beside it is not taken over.
    """
    named = {name: getattr(config, name) for name in ("encoder", "embeddings")}
    return config.model_copy(update={name: first_part(each) for name, each in named.items()})


def check_start(config: PretrainConfig, modality: Modality) -> None:
    """Refuse a start that was named and cannot be used, before any record is read.

    Raises:
        HeadstartError: it is unknown, not whole, needs code, or reads another kind of data.
    """
    if config.start not in ("auto", "none"):
        _named(config.start, modality)


def keep_beside(
    config: PretrainConfig,
    run: RunFolder,
    modality: Modality,
    records: Dataset,
    length: int,
    say: Callable[[str], None],
) -> None:
    """Copy the start into the run, and fit the simple features beside it; say so in one line.

    Nothing is kept where no start is asked for or found, unless the modality says that its simple
    features are worth it by themselves.

    Args:
        records: of the pre-training.
        length: of the new encoder.

    Raises:
        HeadstartError: a start that was named cannot be opened.
    """
    chosen = _chosen(config, modality, records, say)
    if chosen is None:
        if config.start == "auto" and modality.simple_alone and _all_auto(config):
            _keep_simple(config, run, modality, records, length, say)
        return
    try:
        start = OpenedEncoder(chosen.folder)
        encoder, reader = start.encoder, Reader(start.processor, start.length)
        sample = modality.usable(_sample(records), reader.processor, Audit())
        _vectors(encoder, reader, sample.select(range(min(4, len(sample)))))  # the first is slow
        begun = time.process_time()
        vectors = _vectors(encoder, reader, sample)
        # Time of processors, which does not depend on what else the machine does.
        speed = len(vectors) * torch.get_num_threads() / (time.process_time() - begun)
    except HeadstartError as error:
        if config.start != "auto":
            raise
        say(f"{chosen.name} cannot stand beside the new encoder: {str(error).splitlines()[0]}")
        return
    simple = modality.simple(records, length, config.seed)
    taken = {OWN} if simple is None else {OWN, _safe(simple.name)}
    parts = [Part(_safe(chosen.short, taken), encoder, "published", chosen.licence)]
    readers = [reader]
    if simple is not None:
        parts.append(Part(_safe(simple.name), VectorEncoder(simple.width), "simple"))
        readers.append(Reader(simple, length))
    known = {parts[0].name: vectors}
    _write(run, modality, sample, parts, readers, known, papers_of(chosen.folder))
    say(_told(chosen, parts, speed, modality.content.noun))


def _keep_simple(
    config: PretrainConfig,
    run: RunFolder,
    modality: Modality,
    records: Dataset,
    length: int,
    say: Callable[[str], None],
) -> None:
    """Keep simple features alone beside the new encoder."""
    simple = modality.simple(records, length, config.seed)
    sample = modality.usable(_sample(records), simple, Audit())
    if simple is None or not len(sample):
        return
    parts = [Part(_safe(simple.name), VectorEncoder(simple.width), "simple")]
    _write(run, modality, sample, parts, [Reader(simple, length)], {}, {})
    say(f"{simple.name} stand beside the new encoder; `--start none` makes the new encoder alone")


def _write(
    run: RunFolder,
    modality: Modality,
    sample: Dataset,
    parts: list[Part],
    readers: list[Reader],
    known: dict[str, Tensor],
    papers: Mapping[str, str],
) -> None:
    """Write what stands beside the encoder, with the vectors of a sample that scale it.

    Args:
        known: the vectors of parts that were computed already.
        papers: texts that belong to the first part, such as a licence, by the name of their file.
    """
    with whole_folder(run.prepared / FOLDER) as folder:
        for part, each in zip(parts, readers, strict=True):
            own = folder / part.name
            save_encoder(part.encoder, each.processor, own, note_of(modality, each.length))
            if part.name not in known:
                known[part.name] = _vectors(part.encoder, each, sample)
        for name, text in papers.items():
            (folder / parts[0].name / name).write_text(text, encoding="utf-8")
        save_file(known, folder / VECTORS)
        seal(folder)
    keys = ("name", "origin", "licence")
    run.resolve(beside=[{key: getattr(part, key) for key in keys} for part in parts])


def joined_beside(
    encoder: Encoder,
    processor: Processor,
    run: RunFolder,
    rows: Callable[[str, str], Rows],
    length: int,
) -> tuple[Encoder, Processor]:
    """Return the encoder and processor together with what stands beside them, if anything does.

    Args:
        rows: returns the rows of a part of the records, in a layout.
    """
    kept = run.resolved.get("beside")
    if not kept:
        return encoder, processor
    folder = run.prepared / FOLDER
    check(folder)
    with opening(folder, _AGAIN):
        parts, readers = [Part(OWN, encoder, "pre-trained")], {OWN: Reader(processor, length)}
        for each in kept:
            own = folder / each["name"]
            told = Part(
                each["name"], open_encoder(own), origin_of(each), each["licence"], papers_of(own)
            )
            parts.append(told)
            readers[each["name"]] = Reader(open_processor(own), int(read_note(own)["length"]))
        joined = JoinedEncoder(parts)
        for name, vectors in load_file(folder / VECTORS).items():
            joined.fit_scale(name, vectors)
    learned = rows("train", "documents")
    with frozen(encoder):
        batch = learned.batch(_spread(len(learned)), 0)
        joined.fit_scale(OWN, encoder.pool(to_device(batch, next(encoder.parameters()).device)))
    return joined, JoinedProcessor(readers)


def _chosen(
    config: PretrainConfig, modality: Modality, records: Dataset, say: Callable[[str], None]
) -> Published | None:
    """Return the start to take, if any; what suits and is left out is said."""
    if config.start == "none" or (config.start == "auto" and not _all_auto(config)):
        return None
    if config.start != "auto":
        start = _named(config.start, modality)
        for sentence in start.remarks(modality.languages(records), modality.content.noun):
            say(sentence)
        return start
    suited = Found.here().suited(modality, records)
    for each in suited.understood:
        # A network of tokens that was not made to embed records gives poor vectors.
        if not each.for_vectors and "vocabulary" in modality.provides:
            continue
        why = ""
        if each.is_restricted:
            why = f"its licence, {each.licence}, restricts its use"
        elif each.megabytes > LARGEST:
            why = f"its {each.megabytes:,.0f} MB make it slow"
        if not why:
            return each
        say(f"{each.name} is left out, as {why}: `--start {each.name}` takes it")
    if suited.foreign and not suited.understood:
        say(
            f"no published encoder on this machine knows the language of these "
            f"{modality.content.noun} ({', '.join(sorted(suited.spoken))})"
        )
    return None


def _all_auto(config: PretrainConfig) -> bool:
    """Return whether the user leaves encoder, objective and embeddings to the defaults."""
    return {config.encoder, config.objective, config.embeddings} == {"auto"}


def _named(name: str, modality: Modality) -> Published:
    """Return the published encoder of a name, or that in a folder."""
    if os.path.isdir(name):
        folder = Path(encoder_folder(name))
        if parts := joined_parts(folder):
            raise HeadstartError(
                f"--start {name}: encoders stand side by side there already; name one of them, "
                f"such as {folder / parts[0]['name']}."
            )
        try:
            start = described(Path(name).resolve().name, folder, "folder")
        except HeadstartError as error:
            raise HeadstartError(f"--start {name} cannot be used: {error}") from None
    else:
        found = Found.here()
        known = found.named(name)
        if known is None and name in found.unusable:
            raise HeadstartError(f"--start {name} cannot be used: {found.unusable[name]}")
        if known is None:
            of_kind = [each.name for each in found.encoders if each.modality == modality.name]
            raise HeadstartError(
                f"no published encoder {name!r} is on this machine{did_you_mean(name, of_kind)} "
                "`headstart list starts` shows those that are, and --start takes folders, too."
            )
        start = known
    if start.modality != modality.name:
        raise HeadstartError(
            f"--start {name}: that is an encoder of {start.modality}, and the records are "
            f"{modality.content.noun}; name another, or none."
        )
    return start


def _told(start: Published, parts: list[Part], speed: float, noun: str) -> str:
    """Return what stands beside the encoder, what that costs, and how to leave it out."""
    simple = [part.name for part in parts if part.origin == "simple"]
    beside = f" and {simple[0]} stand" if simple else " stands"
    about = f"{start.licence or 'licence not known'}, {start.megabytes:,.0f} MB"
    return (
        f"{start.name} ({about}){beside} beside the new encoder: the run reads about "
        f"{speed:,.0f} {noun} a second here; `--start none` makes the new encoder alone"
    )


def _safe(name: str, taken: Collection[str] = ()) -> str:
    """Return a name that can be one of a folder, and is not taken."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "start"
    return f"{safe}-start" if safe in taken else safe


def _sample(records: Dataset) -> Dataset:
    """Return records from all over the data set."""
    return records.select(_spread(len(records)))


def _spread(count: int) -> np.ndarray:
    """Return the indices (n,) of the sample: neighbours in a file are often of one class."""
    return np.unique(np.linspace(0, count - 1, SAMPLE).round().astype(np.int64))


def _vectors(encoder: Encoder, reader: Reader, records: Dataset) -> Tensor:
    """Return the pooled vectors (N,D) of records."""
    found = features(encoder, reader.processor, records, length=reader.length)
    return torch.from_numpy(found)
