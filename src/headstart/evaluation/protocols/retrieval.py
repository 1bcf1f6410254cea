"""Retrieval: of all records, are those that belong to a query the nearest to it?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from headstart.batch import Progress
from headstart.config import EvaluateConfig
from headstart.data.pairs import is_pairs
from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.reading import read
from headstart.evaluation.protocols.resampling import averaged
from headstart.evaluation.protocols.scoring import outcome_of
from headstart.modalities.text.exact import normalise
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

METRIC = Metric("nDCG@10", percent=True)
CUTS = (1, 5, 10)
_CHUNK = 256


@dataclass(frozen=True)
class Search:
    """What is asked for, among what, and what is right.

    Attributes:
        queries: places (Q,) of the queries among the query features.
        documents: places (C,) among the document features, in the order in which ties are broken.
        relevant: (Q,K) bool, and ``group`` (C,) the column that tells of each document.
        own: (Q,) the place in ``documents`` of the query itself, which is no answer; -1 where it
            is not among them.
        exact: whether recall counts the share of the relevant, or whether any was found.
    """

    queries: np.ndarray
    documents: np.ndarray
    relevant: np.ndarray
    group: np.ndarray
    own: np.ndarray
    exact: bool


def measure(
    candidates: list[Candidate],
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    progress: Progress | None = None,
) -> Results:
    """Search by cosine; score recall@1, 5 and 10, MRR and nDCG@10.

    With pairs every first record asks for its second among all seconds. With labels every tested
    record asks for those of its label: among the training records, or among all others where
    there is one file only. Nothing is fitted.

    recall@k is the share of the relevant records among the first k where there are pairs. With
    labels hundreds may be relevant, and it is the share of queries with a relevant record among
    the first k, as in metric learning (Jegou et al. 2011; Oh Song et al. 2016). MRR takes the
    first relevant record wherever it is; nDCG has gains of 1 (Jarvelin and Kekalainen 2002).
    Ties are broken by chance, the same for all candidates.

    Raises:
        HeadstartError: no query has a relevant record to be found.
    """
    search = _by_pairs(train, test, config) if is_pairs(train) else _by_label(train, test, config)
    if not len(search.queries):
        raise HeadstartError(
            f"{config.test or config.train}: no record has another that is relevant to it; "
            "name a file in which labels or documents occur more than once."
        )
    outcomes = []
    for index, candidate in enumerate(candidates, 1):
        asked = candidate.train if test is None else candidate.test
        among = asked if is_pairs(train) else candidate.train
        if asked is not None and among is not None:
            sampled = {
                name: averaged(values[None], config.seed)
                for name, values in _found(asked, among, search).items()
            }
            outcomes.append(outcome_of(candidate, "cosine", METRIC, sampled))
        if progress:
            progress(index, len(candidates))
    return Results(
        task="retrieval",
        metric=METRIC,
        truth=search.queries,
        notes=_notes(search),
        training=len(train),
        outcomes=outcomes,
        unit="queries",
    )


PROTOCOL = Protocol(
    "Are the records that belong to a query the nearest to it?",
    measure,
    read=partial(read, task="retrieval"),
    split=False,
)


def _notes(search: Search) -> list[str]:
    queries, documents = len(search.queries), len(search.documents)
    return [f"{queries:,} queries were searched for among {documents:,} records."]


def _by_pairs(train: Dataset, test: Dataset | None, config: EvaluateConfig) -> Search:
    """Every different first record is a query, every different second record a document."""
    content = "text" if "text" in train.column_names else "image"
    pairs = train if test is None else test
    half = len(pairs) // 2
    if content == "text":
        keys = [normalise(text) for text in pairs[content]]
    else:
        keys = [str(value["path"] or value["bytes"]) for value in pairs[content]]
    _, queries, asking = np.unique(keys[:half], return_index=True, return_inverse=True)
    _, documents, answering = np.unique(keys[half:], return_index=True, return_inverse=True)
    relevant = np.zeros((len(queries), len(documents)), dtype=bool)
    relevant[asking, answering] = True
    order = _shuffled(len(documents), config.seed)
    return Search(
        queries,
        half + documents[order],
        relevant,
        order,
        np.full(len(queries), -1, dtype=np.int64),
        exact=True,
    )


def _by_label(train: Dataset, test: Dataset | None, config: EvaluateConfig) -> Search:
    names, codes = np.unique(np.asarray(train["label"], dtype=str), return_inverse=True)
    order = _shuffled(len(codes), config.seed)
    if test is None:
        asked, sizes = codes, np.bincount(codes) - 1
        own = np.argsort(order)
    else:
        labels = np.asarray(test["label"], dtype=str)
        indices = np.minimum(np.searchsorted(names, labels), len(names) - 1)
        asked = np.where(names[indices] == labels, indices, len(names))
        sizes, own = np.append(np.bincount(codes), 0), np.full(len(labels), -1)
    queries = np.flatnonzero(sizes[asked] > 0)
    relevant = np.eye(len(names) + 1, len(names), dtype=bool)[asked[queries]]
    return Search(queries, order, relevant, codes[order], own[queries], exact=False)


def _shuffled(count: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(derive(seed, "ties"))).permutation(count)


def _found(asked: Matrix, among: Matrix, search: Search) -> dict[str, np.ndarray]:
    """Return each score of each query, (Q,)."""
    queries = unit_length(asked)[search.queries]
    documents = unit_length(among)[search.documents]
    parts = []
    for start in range(0, len(search.queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        product = queries[rows] @ documents.T
        cosine = product.toarray() if sparse.issparse(product) else np.asarray(product)
        # Cosines of equal records differ in the last bits, which must not break ties.
        cosine = cosine.round(6)
        relevant = search.relevant[rows][:, search.group]
        own = search.own[rows]
        known = np.flatnonzero(own >= 0)
        cosine[known, own[known]] = -np.inf
        relevant[known, own[known]] = False
        parts.append(rank_scores(cosine, relevant, exact=search.exact))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rank_scores(
    similarity: np.ndarray, relevant: np.ndarray, *, exact: bool = True
) -> dict[str, np.ndarray]:
    """Return recall@1, 5 and 10, MRR and nDCG@10 (Q,) of each query.

    torchmetrics has these for one query at a time; all at once they take seconds instead of
    minutes. Equal similarities are ranked in the order of the documents.

    Args:
        similarity: (Q,C) of each query and document.
        relevant: (Q,C) bool; every query has one at least.
        exact: recall is the share of the relevant documents; else whether there is any.
    """
    count = similarity.shape[1]
    deep = min(CUTS[-1], count)
    # A stable order of the best few: all that are as near as the last of them are sorted.
    edge = np.partition(similarity, count - deep, axis=1)[:, count - deep]
    top = np.empty((len(similarity), deep), dtype=np.int64)
    for row, (values, least) in enumerate(zip(similarity, edge, strict=True)):
        near = np.flatnonzero(values >= least)
        top[row] = near[np.argsort(-values[near], kind="stable")[:deep]]
    hits = np.take_along_axis(relevant, top, 1)
    total = relevant.sum(1)
    scores = {}
    for cut in CUTS:
        found = hits[:, :cut].sum(1)
        scores[f"recall@{cut}"] = found / total if exact else (found > 0).astype(np.float64)
    best = np.where(relevant, similarity, -np.inf).max(1, keepdims=True)
    first = (relevant & (similarity == best)).argmax(1)[:, None]
    ahead = (similarity > best).sum(1) + ((similarity == best) & (np.arange(count) < first)).sum(1)
    scores["MRR"] = 1 / (1 + ahead)
    discounts = 1 / np.log2(np.arange(2, deep + 2))
    ideal = np.append(0, np.cumsum(discounts))[np.minimum(total, deep)]
    scores["nDCG@10"] = (hits * discounts).sum(1) / ideal
    return scores
