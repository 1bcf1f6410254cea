"""Near duplicates of texts: what is found, what it costs, and whether a slow exact way agrees.

Among IMDb's reviews (the first ``--texts`` of the unlabeled and the training ones) copies of a
thousand are planted, each edited in one way. Recall is the share of the planted copies that are
found. What else is found is checked against the exact Jaccard similarity, and on a sample of the
texts all pairs are compared exactly, so that misses are known, too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import time
from itertools import islice

import numpy as np
from datasets import Dataset
from scipy import sparse
from setting import announce, data

from headstart.modalities.text.near import SIMILAR, matches, repeats
from headstart.modalities.text.shingles import jaccard, shingles

EDITS = ("typos", "punctuation", "sentence dropped", "words replaced", "line added")


def reviews(*parts: str) -> list[str]:
    """Return the texts of some parts of IMDb."""
    texts = []
    for part in parts:
        with gzip.open(data("imdb", f"{part}.jsonl.gz"), "rt") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    return texts


def edited(text: str, how: str, chance: random.Random) -> str:
    """Return a copy that differs as ``how`` says, in one word of fifty or so."""
    words = text.split()
    if how == "typos":
        letters = list(text)
        for index in chance.sample(range(len(letters)), max(1, len(letters) // 250)):
            letters[index] = chance.choice("abcdefghijklmnopqrstuvwxyz")
        return "".join(letters)
    if how == "punctuation":
        return " ".join(word.strip(".,!?").upper() for word in words) + "..."
    if how == "sentence dropped":
        start = chance.randrange(max(1, len(words) - 12))
        return " ".join(words[:start] + words[start + 12 :])
    if how == "words replaced":
        for index in chance.sample(range(len(words)), max(1, len(words) // 50)):
            words[index] = "something"
        return " ".join(words)
    return "From a site with reviews of all kinds of films: " + text


def similarity(one: str, other: str) -> float:
    """Return the exact Jaccard similarity of the shingles of two texts."""
    hashes, offsets = shingles([one, other])
    return jaccard(hashes[: offsets[1]], hashes[offsets[1] :])


def all_pairs(texts: list[str]) -> set[tuple[int, int]]:
    """Return all pairs (later, earlier) that are similar enough, by comparing all with all."""
    hashes, offsets = shingles(texts)
    owners = np.repeat(np.arange(len(texts)), np.diff(offsets))
    _, columns = np.unique(hashes, return_inverse=True)
    table = sparse.csr_matrix((np.ones(len(owners), np.float32), (owners, columns)))
    table.data[:] = 1  # a set, not a bag
    sizes = np.asarray(table.sum(1)).ravel()
    found = set()
    for start in range(0, len(texts), 200):
        both = (table[start : start + 200] @ table.T).toarray()
        rows, others = np.nonzero(
            both >= SIMILAR * (sizes[start : start + 200, None] + sizes[None] - both) - 1e-6
        )
        found |= {
            (start + int(a), int(b)) for a, b in zip(rows, others, strict=True) if start + a > b
        }
    return found


def held(texts: list[str]) -> Dataset:
    """Return texts as records."""
    return Dataset.from_dict({"id": [str(n) for n in range(len(texts))], "text": texts})


def main() -> None:
    """Plant, find, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=75_000)
    parser.add_argument("--sample", type=int, default=5000)
    options = parser.parse_args()
    announce("Near duplicates of texts")
    chance = random.Random(0)
    texts = list(islice(reviews("unsup", "train"), options.texts))
    planted: dict[str, list[int]] = {how: [] for how in EDITS}
    whole = list(texts)
    wanted: list[float] = []
    for number, source in enumerate(chance.sample(range(len(texts)), min(1000, len(texts)))):
        how = EDITS[number % len(EDITS)]
        planted[how].append(len(whole))
        whole.append(edited(texts[source], how, chance))
        wanted.append(similarity(texts[source], whole[-1]))

    records = held(whole)
    started = time.process_time(), time.perf_counter()
    exact, pairs = repeats(records)
    spent, passed = time.process_time() - started[0], time.perf_counter() - started[1]
    size = sum(map(len, whole))
    print(f"{len(whole):,} texts, {size / 1e6:,.0f} million characters: {spent:.1f} s of processor")
    print(f"time ({passed:.1f} s passed), peak memory {peak():,.0f} MB in all")
    found = {index for index, _ in pairs} | set(np.flatnonzero(exact).tolist())
    for how, indices in planted.items():
        near = [index for index in indices if wanted[index - len(texts)] >= SIMILAR]
        print(
            f"  {how:17} {np.mean([p in found for p in indices]):7.1%} of {len(indices)} found; "
            f"{np.mean([p in found for p in near]):7.1%} of the {len(near)} with similarity >= "
            f"{SIMILAR}"
        )
    true = sum(similarity(whole[a], whole[b]) >= SIMILAR for a, b in pairs)
    print(f"  precision against exact Jaccard: {true:,} of {len(pairs):,}")

    some = list(dict.fromkeys(whole[-options.sample :]))
    started = time.process_time(), 0.0
    truth = {later for later, _ in all_pairs(some)}
    slow = time.process_time() - started[0]
    started = time.process_time(), 0.0
    quick = {later for later, _ in repeats(held(some))[1]}
    print(
        f"all pairs of {len(some):,} texts: {len(truth)} repeat an earlier one, {len(quick)} found "
        f"({len(quick & truth)} of both), {slow:.1f} s against "
        f"{time.process_time() - started[0]:.1f} s"
    )

    tested = held(reviews("test"))
    started = time.process_time(), time.perf_counter()
    shared = {twin for _, twin, _ in matches(records, tested, [])}
    print(
        f"overlap with {len(tested):,} test texts: {len(shared):,} different ones, "
        f"{time.process_time() - started[0]:.1f} s ({time.perf_counter() - started[1]:.1f} s "
        "passed)"
    )


def peak() -> float:
    """Return the most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
