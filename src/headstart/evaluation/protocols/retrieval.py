"""Retrieval: are the records relevant to a query the nearest to it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from headstart.config import EvaluateConfig
from headstart.data.pairs import is_pairs
from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.reading import read_searches
from headstart.evaluation.protocols.resampling import Sampled, averaged
from headstart.seeding import derive

METRIC = Metric("nDCG@10", percent=True)
CUTS = (1, 5, 10)
SCORES = (*(f"recall@{cut}" for cut in CUTS), "MRR", METRIC.name)
_CHUNK = 256


@dataclass(frozen=True)
class Search:
    """Queries, documents and their relevance.

    Attributes:
        queries: indices (Q,) of the queries among the query features.
        documents: indices (C,) among the document features, in the order in which ties are broken.
        relevant: (Q,K) bool, relevance of each group of documents.
        group: (C,) the group of each document.
        own: (Q,) the position in ``documents`` of the query itself, which is excluded; -1 where it
            is not among them.
        exact: whether recall is the share of relevant documents found, or whether any was found.
    """

    queries: np.ndarray
    documents: np.ndarray
    relevant: np.ndarray
    group: np.ndarray
    own: np.ndarray
    exact: bool


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Search by cosine; score recall@1, 5 and 10, MRR and nDCG@10.

    With pairs, each first record is a query for its second record among all second ones. With
    labels, each test record is a query for records of its label: among the training records, or
    among all other records if there is one file only. Nothing is fitted.

    With pairs, recall@k is the share of the relevant records among the first k. With labels
    hundreds may be relevant, and it is the share of queries with a relevant record among the first
    k, as in metric learning (Jegou et al. 2011; Oh Song et al. 2016). MRR uses the first relevant
    record at any rank; nDCG has binary gains (Jarvelin and Kekalainen 2002). Ties are broken at
    random, the same for all candidates.

    Raises:
        HeadstartError: no query has a relevant record.
    """
    paired = is_pairs(data.train)
    search = (_by_pairs if paired else _by_label)(data, config)
    if not len(search.queries):
        raise HeadstartError(
            f"{config.test or config.train}: no record has another that is relevant to it; "
            "name a file in which labels or documents occur more than once."
        )

    def probes(candidate: Candidate) -> dict[str, Predict]:
        query_features = data.features(candidate)
        document_features = query_features if paired else candidate.train
        if query_features is None or document_features is None:
            return {}
        return {
            "cosine": lambda drawn, seed: Prediction(
                _found(query_features, document_features, search)
            )
        }

    def sampled(rows: np.ndarray) -> dict[str, Sampled]:
        return {name: averaged(rows[..., k], config.seed) for k, name in enumerate(SCORES)}

    return Measurement(
        results=Results(
            task="retrieval",
            metric=METRIC,
            truth=search.queries,
            notes=_notes(search, len(data.tested), paired),
            training=len(data.train),
            unit="queries",
        ),
        probes=probes,
        score=one_by_one(METRIC, sampled, predictions=False),
        seeds={0: [config.seed]},
    )


PROTOCOL = Protocol(
    "Are the records that belong to a query the nearest to it?",
    measure,
    read=read_searches,
    split=None,
    how="Nothing is fitted: records are ranked by the cosine with the query.",
)


def _notes(search: Search, asked: int, paired: bool) -> list[str]:
    queries, documents = len(search.queries), len(search.documents)
    notes = [f"{queries:,} queries were searched for among {documents:,} records."]
    if not paired and queries < asked:
        notes.append(
            f"{asked - queries:,} of {asked:,} records were no queries, as no other record has "
            "their label."
        )
    return notes


def _by_pairs(data: LabeledData, config: EvaluateConfig) -> Search:
    """Return the distinct first records as queries, the distinct second ones as documents."""
    keys = data.content.digests(data.tested)
    half = len(keys) // 2
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


def _by_label(data: LabeledData, config: EvaluateConfig) -> Search:
    names, codes = np.unique(np.asarray(data.train["label"], dtype=str), return_inverse=True)
    order = _shuffled(len(codes), config.seed)
    if data.test is None:
        query_codes, sizes = codes, np.bincount(codes) - 1
        own = np.argsort(order)
    else:
        labels = np.asarray(data.test["label"], dtype=str)
        indices = np.minimum(np.searchsorted(names, labels), len(names) - 1)
        query_codes = np.where(names[indices] == labels, indices, len(names))
        sizes, own = np.append(np.bincount(codes), 0), np.full(len(labels), -1)
    queries = np.flatnonzero(sizes[query_codes] > 0)
    relevant = np.eye(len(names) + 1, len(names), dtype=bool)[query_codes[queries]]
    return Search(queries, order, relevant, codes[order], own[queries], exact=False)


def _shuffled(count: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(derive(seed, "ties"))).permutation(count)


def _found(query_features: Matrix, document_features: Matrix, search: Search) -> np.ndarray:
    """Return the :data:`SCORES` of each query, (Q,K)."""
    queries = unit_length(query_features)[search.queries]
    documents = unit_length(document_features)[search.documents]
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
    return np.stack([np.concatenate([part[name] for part in parts]) for name in SCORES], axis=1)


def rank_scores(
    similarity: np.ndarray, relevant: np.ndarray, *, exact: bool = True
) -> dict[str, np.ndarray]:
    """Return recall@1, 5 and 10, MRR and nDCG@10 (Q,) of each query.

    torchmetrics computes these for one query at a time; all at once take seconds instead of
    minutes. Equal similarities are ranked in the order of the documents.

    Args:
        similarity: (Q,C) of each query and document.
        relevant: (Q,C) bool; every query has at least one.
        exact: recall is the share of relevant documents found; else whether any was found.
    """
    count = similarity.shape[1]
    deep = min(CUTS[-1], count)
    # A stable order of the best few: candidates tied with the last of them are sorted, too.
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
