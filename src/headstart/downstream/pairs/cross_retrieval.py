"""The protocol of pictures and captions: does each find what it belongs to, among all others?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.config import EvaluateConfig
from headstart.data.audit import Audit
from headstart.downstream.pairs.alternatives import TextSpace, alternatives
from headstart.downstream.pairs.page import Sample, write_page
from headstart.downstream.pairs.ranks import ranks_of
from headstart.downstream.pairs.retrieved import CAPTIONS, NETWORK, PICTURES, CrossRetrieval, Found
from headstart.downstream.pairs.tested import Tested, asked_of, only_new, whole
from headstart.downstream.pairs.vectors import caption_vectors, picture_vectors
from headstart.encoders.towers import TowersEncoder
from headstart.errors import HeadstartError
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.protocols import OpenedRun, Protocol
from headstart.evaluation.report.reproduce import command, versions
from headstart.files import write_json
from headstart.outputs import store_of
from headstart.run import RunFolder
from headstart.seeding import seeded

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.vectors import Matrix
    from headstart.encoders import Encoder

#: Tested pictures on the page, captions that are shown of each, and side of a thumbnail.
SHOWN, LISTED, SIDE = 12, 5, 96
#: Fewest pictures from which figures say something.
FEWEST = 30


def run(opened: OpenedRun, config: EvaluateConfig) -> CrossRetrieval:
    """Rank all tested captions for each tested picture, and all pictures for each caption.

    Raises:
        HeadstartError: no tested pairs are named, or training saw all of them.
    """
    source = config.test or config.train
    if not source:
        raise HeadstartError(
            "which caption belongs to which picture is asked of pairs that training did not see; "
            "name them with --test FILE."
        )
    notes: list[str] = []
    audit, failed = Audit(), list[str]()
    # As training reads: every record with a picture and captions, whose column its values tell.
    reading = type(opened.modality)(opened.modality.options)
    records = reading.read([source], config.without_label(), audit)
    records = opened.modality.readable(records, opened.processor, audit)
    train = pretraining_records(opened.run, reading, failed)
    train = None if train is None else _readable(opened, whole(train))
    if train is None or not len(train):
        train = None
        notes.append(
            "The pictures and captions of the pre-training cannot be read any more, so that no "
            "alternative is fitted, and nothing tells which tested pairs training saw."
        )
    tested = asked_of(records, train, source, notes)
    if len(tested.records) < FEWEST:
        notes.append(
            f"Only {len(tested.records):,} pictures are tested, so that the figures say little."
        )
    opened.say(
        f"ranking {len(tested.texts):,} captions for {len(tested.records):,} pictures, and back"
    )
    placed = list(_candidates(opened, train, tested, config.seed))
    result = _measured(tested, placed, config.seed)
    fresh = only_new(tested)
    if fresh is not None:
        chosen = _parts(tested, fresh)
        again = [(*each[:3], each[3][chosen[0]], each[4][chosen[1]]) for each in placed]
        result = replace(result, new=_measured(fresh, again, config.seed))
    result = replace(
        result,
        notes=notes,
        samples=_samples(opened, tested, placed[0][3], placed[0][4]),
        about={
            "run": str(opened.run.folder),
            "date": date.today().isoformat(),
            "tested": f"{len(tested.records):,} pictures and {len(tested.texts):,} distinct "
            f"captions of {source}",
            "right": "a caption of the picture, or one equal to it but for case and spaces; of "
            "several right ones the best counts",
            "alternatives": "fitted on the records of the pre-training, settings chosen on a tenth "
            "of them",
            **versions(),
        },
    )
    out = Path(config.out) if config.out else RunFolder(store_of(opened.run.folder)).report_file
    audits = {**opened.run.audits(), "tested": audit.summary()}
    write_page(result, out, opened.run, command("evaluate", config, ["run"]), audits)
    write_json(out.with_suffix(".json"), result.summary())
    opened.say(f"the report is in {out}, and its figures beside it")
    return result


def _readable(opened: OpenedRun, records: Dataset) -> Dataset:
    return opened.modality.readable(records, opened.processor, Audit())


#: Name, kind, settings, and the vectors of pictures (N,D) and of captions (M,D).
_Candidate = tuple[str, str, dict[str, float], "Matrix", "Matrix"]


def _candidates(
    opened: OpenedRun, train: Dataset | None, tested: Tested, seed: int
) -> Iterator[_Candidate]:
    """Yield the network, its untrained towers, and the alternatives, each with its vectors."""
    encoder = opened.encoder

    def of(encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
        network = (encoder, opened.processor)
        return (
            picture_vectors(*network, tested.records, opened.length),
            caption_vectors(*network, tested.texts),
        )

    yield NETWORK, "network", {}, *of(encoder)
    with seeded(seed, "untrained"):
        yield "untrained towers", "untrained", {}, *of(encoder.untrained())
    if train is None:
        return
    for each in alternatives(train, tested.records, tested.texts, _spaces(opened, train), seed):
        yield each.name, "alternative", each.settings, each.pictures, each.captions


def _spaces(opened: OpenedRun, train: Dataset) -> list[TextSpace]:
    """Return the published text encoder on this machine that suits the captions best, if any."""
    from headstart.encoders.opening import OpenedEncoder
    from headstart.encoders.published import Found as Starts
    from headstart.modalities.pairs.modality import as_texts
    from headstart.modalities.text.modality import TextModality

    assert isinstance(opened.encoder, TowersEncoder)
    sample = as_texts(train.select(range(min(1000, len(train)))))
    known = Starts.here().suited(TextModality(), sample).understood
    found = next((each for each in known if each.for_vectors), None)
    if found is None:
        return []
    network = OpenedEncoder(found.folder)

    def encode(texts: list[str]) -> np.ndarray:
        from datasets import Dataset

        from headstart.data.vectors import unit_length
        from headstart.encoders.features import features

        records = Dataset.from_dict({"id": list(map(str, range(len(texts)))), "text": texts})
        vectors = features(network.encoder, network.processor, records, length=64)
        unit: np.ndarray = unit_length(vectors)
        return unit

    return [(found.short, encode)]


def _measured(tested: Tested, placed: Sequence[_Candidate], seed: int) -> CrossRetrieval:
    answers = tested.answers
    candidates = [
        Found(
            name,
            kind,
            {
                CAPTIONS: ranks_of(pictures, captions, answers),
                PICTURES: ranks_of(captions, pictures, answers.turned),
            },
            settings,
        )
        for name, kind, settings, pictures, captions in placed
    ]
    # A caption is resampled with its pictures, and with all that share a caption with them.
    of_caption = np.zeros(answers.shape[1], dtype=np.int64)
    of_caption[answers.captions] = tested.groups[answers.pictures]
    return CrossRetrieval(
        candidates, answers, {CAPTIONS: tested.groups, PICTURES: of_caption}, seed
    )


def _parts(tested: Tested, fresh: Tested) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the pictures and captions of a part."""
    rows = {name: index for index, name in enumerate(tested.records["id"])}
    texts = {text: index for index, text in enumerate(tested.texts)}
    return (
        np.array([rows[name] for name in fresh.records["id"]]),
        np.array([texts[text] for text in fresh.texts]),
    )


def _samples(
    opened: OpenedRun, tested: Tested, pictures: np.ndarray, captions: np.ndarray
) -> list[Sample]:
    """Return some tested pictures with the captions nearest to them."""
    chosen = np.unique(np.linspace(0, len(tested.records) - 1, SHOWN).round().astype(int))
    previews = opened.modality.preview(tested.records.select(chosen), SIDE)
    found = []
    for index, preview in zip(chosen.tolist(), previews, strict=True):
        scores = pictures[index] @ captions.T
        right = tested.answers.of(index, index + 1)[0]
        best = np.argsort(-scores, kind="stable")[:LISTED]
        listed = [(tested.texts[at], float(scores[at]), bool(right[at])) for at in best]
        found.append(Sample(preview, listed))
    return found


PROTOCOL = Protocol(
    "Does each picture find its caption, and each caption its picture, among all others?",
    run=run,
    needs=frozenset({"towers"}),
    unlabeled=True,
)
