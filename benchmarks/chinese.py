"""Few labels in Chinese: pre-trained on shop reviews and news, judged on hotel reviews.

Without labels: ``online_shopping_10_cats`` (its hotel category too) and ``zh_corpus``. Texts that
also stand among the tested hotel reviews are left out of the pre-training, exact and near copies
(``--remove-overlap``). Judged with 50 labels and with all, against TF-IDF on characters (with pairs
of neighbours) and on words (cut by jieba, likewise), and against LSA and word vectors.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from few_labels import lines
from judging import Judge, change, score, show
from setting import announce, data

CHARACTERS, WORDS = "TF-IDF, characters", "TF-IDF, words"


def files(folder: Path, most: int | None) -> dict[str, Any]:
    """Return the unlabeled sources, and the hotel reviews parted by their ``split`` field.

    Args:
        folder: where parts of the data are written.
        most: lines of each source at most.
    """
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for line in lines(data("chnsenticorp_htl", "all.jsonl.gz")):
        parts["test" if json.loads(line)["split"] == "test" else "train"].append(line)
    for name, rows in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")
    corpora = [
        data("online_shopping_10_cats", "all.jsonl.gz"),
        *sorted(data("zh_corpus").glob("*.jsonl.gz")),
    ]
    if most:
        for index, corpus in enumerate(corpora):
            corpora[index] = folder / corpus.name.removesuffix(".gz")
            # From the end: there the shop reviews are of hotels.
            corpora[index].write_text("".join(list(lines(corpus))[-most:]), encoding="utf-8")
    return {
        "sources": [str(file) for file in corpora],
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
    }


def by_words(background: Any, train: Any, test: Any) -> list[Any]:
    """Return TF-IDF on the words that jieba finds, and pairs of them, as a candidate."""
    import jieba

    from headstart.evaluation.outcomes import Candidate
    from headstart.modalities.text.baselines import TfIdf
    from headstart.modalities.text.lexicon import Corpus

    jieba.setLogLevel(logging.ERROR)
    ids: dict[str, int] = {}

    def cut(records: Any) -> Corpus:
        found = [
            [ids.setdefault(word, len(ids)) for word in jieba.cut(text) if word.isalnum()]
            for text in records["text"]
        ]
        lengths = [len(words) for words in found]
        flat = np.fromiter(chain.from_iterable(found), np.int64, sum(lengths))
        return Corpus(flat, np.repeat(np.arange(len(found)), lengths), len(found))

    unlabeled, labeled, tested = (cut(records) for records in (background, train, test))
    both = Corpus(
        np.concatenate([unlabeled.ids, labeled.ids]),
        np.concatenate([unlabeled.owner, labeled.owner + unlabeled.documents]),
        unlabeled.documents + labeled.documents,
    )
    tfidf = TfIdf(both, len(ids))
    return [Candidate(WORDS, "baseline", tfidf.transform(labeled), tfidf.transform(tested))]


def main() -> None:
    """Pre-train, judge, and print the table and both verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="15min")
    parser.add_argument("--objective", default="auto")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--labels", nargs="+", default=["50", "all"])
    parser.add_argument("--records", type=int, help="of each source at most, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    announce(f"Few labels in Chinese, {options.budget}, seed {options.seed}")
    import headstart as hs

    with tempfile.TemporaryDirectory() as scratch:
        parts = files(Path(scratch), options.records)
        run = hs.pretrain(
            *parts["sources"],
            out=str(Path(scratch, "run")),
            budget=options.budget,
            objective=options.objective,
            encoder=options.encoder,
            remove_overlap=[parts["test"]],
            tracker="none",
            seed=options.seed,
        )
        plan, steps = run.resolved["plan"], run.resolved["steps"]
        print(f"{'+'.join(plan['objectives'])} on {plan['encoder']}, {steps:,} steps")
        found = json.loads(run.audit_file.read_text(encoding="utf-8"))["overlap_removed"]
        print(
            f"left out {found['pretraining']:,} unlabeled texts: {found['exact']:,} of the "
            f"{found['tested']:,} tested stood among them as they are, {found['near']:,} nearly\n"
        )
        results = Judge(
            **parts,
            labels=options.labels,
            seed=options.seed,
            remove_overlap=True,
            more=by_words,
        )(run)
    report(results)


def report(results: Any) -> None:
    """Print every candidate at each number of labels, and what the whole is worth."""
    from headstart.evaluation.verdict import details, gains, headline

    # Chinese has no spaces, so to the library's own TF-IDF each character is a word.
    told = {"TF-IDF": CHARACTERS}
    named = [replace(o, candidate=told.get(o.candidate, o.candidate)) for o in results.outcomes]
    results = replace(results, outcomes=named)
    names = ["pre-trained", CHARACTERS, WORDS, "LSA", "word vectors", "untrained"]
    show("labels", *names, *(f"gain over {name}" for name in (CHARACTERS, WORDS)))
    print(f"|{'---|' * (3 + len(names))}")
    for count, label in results.counts.items():
        means = [f"{100 * score(results, name, count).mean:.1f}" for name in names]
        show(label, *means, *(change(results, count, name) for name in (CHARACTERS, WORDS)))
    candidates = {"pre-trained", "untrained", CHARACTERS, WORDS}
    some = [o for o in results.outcomes if o.candidate in candidates]
    for against, found in (
        ("TF-IDF on characters and on words", replace(results, outcomes=some)),
        ("all of them", results),
    ):
        print(f"\nAgainst {against}: {headline(gains(found))}")
        for line in details(gains(found)):
            print(f"  {line}")


if __name__ == "__main__":
    main()
