"""How well are movies ranked that no event of the training has, by their titles and genres?

MovieLens 100K. In each draw a tenth of the movies is taken out of all events; a network is trained
on the rest, with everything by default but the budget. Each user who took movies that were taken
out has these ranked among themselves, after the user's other events. NDCG@10, all that the
user took being right, with a bootstrap over users (95%; a user's draws are averaged).

    python benchmarks/cold_items.py --draws 5 --budget 5min

The alternatives:

- random: the expectation over orders is what any list has to beat;
- popularity of genres: the mean number of events of the movies of each genre, averaged over the
  genres of a movie; the same list for all;
- content kNN: the cosine with the mean content (TF-IDF, genres) of the user's movies;
- map to factors: the same map, to the vectors of a truncated SVD of who took what, and no network;
  a user is the sum of the vectors of the movies taken. Of four sizes, with new vectors as they are
  or of length 1, the best *on the test* counts, so that it is flattered.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds
from setting import announce, data

import headstart as hs
from headstart.data.vectors import unit_length
from headstart.downstream.interactions.cold import WithNew, map_features, map_to_items
from headstart.downstream.interactions.item_features import Reader, features_of
from headstart.downstream.interactions.item_readers import item_reader
from headstart.downstream.interactions.network import network_of
from headstart.encoders.opening import OpenedEncoder
from headstart.modalities.interactions.item_table import Item, ItemTable
from headstart.modalities.interactions.processor import FIRST, ItemProcessor
from headstart.run import RunFolder

CUT, HELD = 10, 0.1
SIZES = (8, 16, 32, 64)


def movies() -> ItemTable:
    """Return titles and genres by the number of a movie."""
    text = Path(data("ml-100k", "u.genre")).read_text()
    genres = [line.partition("|")[0] for line in text.splitlines() if line]
    rows = Path(data("ml-100k", "u.item")).read_text(encoding="latin-1").splitlines()
    cells = [row.split("|") for row in rows]
    return ItemTable(
        Item(
            row[0],
            row[1],
            "",
            tuple(g for g, has in zip(genres, row[5:], strict=True) if has == "1"),
        )
        for row in cells
    )


def events() -> np.ndarray:
    """Return (N,3) user, item and time, each user's in the order of time."""
    rows = np.loadtxt(data("ml-100k", "u.data"), dtype=np.int64)[:, [0, 1, 3]]
    found: np.ndarray = rows[np.lexsort((np.arange(len(rows)), rows[:, 2], rows[:, 0]))]
    return found


def by_user(rows: np.ndarray) -> dict[int, list[str]]:
    """Return the items of each user, in the order of the rows."""
    found: dict[int, list[str]] = {}
    for user, item, _ in rows.tolist():
        found.setdefault(user, []).append(str(item))
    return found


def ndcg(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the NDCG@10 (B,) of scores (B,C), where several items are right (B,C)."""
    rng = np.random.default_rng(0)
    noise = rng.random(scores.shape)  # ties are broken at random
    order = np.lexsort((noise, -scores), axis=1)[:, :CUT]
    discounts = 1 / np.log2(np.arange(2, CUT + 2))
    gained = (np.take_along_axis(right, order, 1) * discounts[: order.shape[1]]).sum(1)
    best = np.cumsum(discounts)[np.minimum(right.sum(1), CUT) - 1]
    return np.asarray(gained / best)


def draw(
    number: int, budget: str, table: ItemTable, rows: np.ndarray, reader: Reader | None
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Return the tested users of one draw, and the NDCG@10 of every candidate for each."""
    rng = np.random.default_rng(number)
    every = np.unique(rows[:, 1])
    chosen = rng.choice(every, size=round(HELD * len(every)), replace=False)
    is_held, held = np.isin(rows[:, 1], chosen), list(map(str, chosen.tolist()))
    known = rows[~is_held]
    with tempfile.TemporaryDirectory() as folder:
        table.save(Path(folder))
        out = Path(folder) / "run"
        names = ("user_id", "item_id", "timestamp")
        hs.pretrain(
            {name: known[:, column] for column, name in enumerate(names)},
            out=str(out),
            budget=budget,
            tracker="none",
            seed=number,
            modality_options={
                "interactions": {
                    "item_table": str(Path(folder) / "item_table.parquet"),
                    "hold_out": "none",
                }
            },
        )
        run = RunFolder.open(str(out))  # all is read before the folder is gone
        opened = OpenedEncoder(run.require_encoder())
        processor = opened.processor
        assert isinstance(processor, ItemProcessor)
        network = network_of(run, opened.encoder, processor, opened.length)
        found = map_to_items(network.vectors(), processor, table, held)
        ranker = WithNew(network, network.vectors(), found)
    taken, latest = by_user(rows[is_held]), by_user(known)
    users = sorted(taken.keys() & latest.keys())
    histories = [
        np.array([code for code in processor.encode(latest[user]) if code >= FIRST]) - FIRST
        for user in users
    ]
    right = np.array([[item in taken[user] for item in held] for user in users])
    count = len(processor.names)
    scores = ranker.scores(histories)
    top = np.argsort(-_unseen(scores, histories), axis=1)[:, :CUT]
    shown = [right[row, each[each >= count] - count] for row, each in enumerate(top)]
    print(
        f"draw {number}: {len(users)} users, {len(held)} movies; the map explains "
        f"{found.explained:.1%}; of the first ten of all movies {np.mean(top >= count):.1%} are "
        f"new, and of the events {is_held.mean():.1%}; {np.concatenate(shown).mean():.1%} of those "
        f"shown were taken, and of all new ones {right.mean():.1%}",
        flush=True,
    )
    also = {}
    if reader is not None:
        found = map_to_items(network.vectors(), processor, table, held, [reader])
        both = WithNew(network, network.vectors(), found)
        also["network, mapped with the encoder"] = both.scores(histories)[:, count:]
    candidates: dict[str, np.ndarray] = {
        "network, mapped": scores[:, count:],
        **also,
        **_simple(known, histories, processor, table, held, right),
    }
    return users, {name: ndcg(np.asarray(each), right) for name, each in candidates.items()}


def _unseen(scores: np.ndarray, histories: list[np.ndarray]) -> np.ndarray:
    found = scores.copy()
    for row, history in zip(found, histories, strict=True):
        row[history] = -np.inf
    return found


def _simple(
    known: np.ndarray,
    histories: list[np.ndarray],
    processor: ItemProcessor,
    table: ItemTable,
    held: list[str],
    right: np.ndarray,
) -> Mapping[str, np.ndarray]:
    """Return the scores (B,C) of the alternatives."""
    names = processor.names
    rows = [table.items[name] for name in [*names, *held]]
    fitted = np.arange(len(rows)) < len(names)
    features = features_of(rows, fitted)
    own, new = features[: len(names)], features[len(names) :]
    counts = np.bincount(known[:, 1])
    popular: dict[str, list[int]] = {}
    for name in names:
        for genre in table.items[name].categories:
            popular.setdefault(genre, []).append(int(counts[int(name)]))
    mean = {genre: float(np.mean(each)) for genre, each in popular.items()}
    genres = [np.mean([mean.get(g, 0.0) for g in table.items[i].categories] or [0]) for i in held]
    profile = np.stack([unit_length(own)[history].mean(0) for history in histories])
    found = {
        "random": np.zeros(right.shape),
        "popularity of genres": np.broadcast_to(genres, right.shape),
        "content kNN": profile @ unit_length(new).T,
    }
    rows_, columns = (
        np.repeat(np.arange(len(histories)), [len(each) for each in histories]),
        np.concatenate(histories),
    )
    matrix = sparse.csr_matrix(
        (np.ones(len(columns)), (rows_, columns)), shape=(len(histories), len(names))
    )
    weights = np.asarray(matrix.sum(0)).ravel()
    tried = {}
    for size in SIZES:
        _, values, axes = svds(matrix, k=size, random_state=0)
        vectors = axes.T * values  # (I,k)
        mapped = map_features(own, vectors, weights, new)
        users = np.stack([axes.T[history].sum(0) for history in histories])
        tried[f"{size}"] = users @ mapped.T
        tried[f"{size}, length 1"] = users @ unit_length(mapped).T
    best = max(tried, key=lambda name: float(ndcg(tried[name], right).mean()))
    return {**found, "map to factors": tried[best]}


def main() -> None:
    """Print the figures of each candidate, and the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--budget", default="5min", help="for each network")
    parser.add_argument("--items-encoder", help="of texts, which is measured beside TF-IDF alone")
    options = parser.parse_args()
    reader = None if options.items_encoder is None else item_reader(options.items_encoder, print)
    announce("New items by their titles and genres")
    table, rows = movies(), events()
    found: dict[str, dict[int, list[float]]] = {}
    for number in range(options.draws):
        drawn, figures = draw(number, options.budget, table, rows, reader)
        for name, each in figures.items():
            for user, value in zip(drawn, each.tolist(), strict=True):
                found.setdefault(name, {}).setdefault(user, []).append(value)
    users = {
        name: np.array([np.mean(values) for _, values in sorted(each.items())])
        for name, each in found.items()
    }
    ours = users["network, mapped"]
    rng = np.random.default_rng(0)
    picks = rng.integers(len(ours), size=(2000, len(ours)))
    print(f"\n{len(ours)} users\n\n| NDCG@10 | | the network's gain |\n|---|---|---|")
    for name, scores in sorted(users.items(), key=lambda pair: -float(pair[1].mean())):
        low, high = np.quantile(scores[picks].mean(1), (0.025, 0.975))
        worse, better = np.quantile((ours - scores)[picks].mean(1), (0.025, 0.975))
        gain = f"{(ours - scores).mean():+.4f} [{worse:+.4f}, {better:+.4f}]"
        print(f"| {name} | {scores.mean():.4f} [{low:.4f}, {high:.4f}] | {gain} |")


if __name__ == "__main__":
    main()
