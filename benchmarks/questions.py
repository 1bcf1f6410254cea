"""Extractive question answering on Chinese news, from names that people marked.

There is no SQuAD among the data, so questions are made by one rule from ``ner_zh`` (dh_msra): a
sentence with exactly one name of a kind (person, place, organisation) gets the question which one
it names, in one of three wordings, and the answer is the span that was marked by hand; of the pairs
of a sentence and a kind that it has no name of, as many are kept as make a third of all, and they
have no answer. Training takes the records of the split ``train``; the test is the split ``test``
without the sentences that also occur in ``train``.

Besides chance three rivals answer the same questions: a pre-trained network that is fine-tuned, the
same network from fresh weights with the same steps, and a list of names: the longest answer that a
training question of this kind had, if it occurs in the context. Exact match and F1 are SQuAD's
(percent), characters being words.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ner import Row, msra, pretrained, tuned, untrained, write
from setting import announce

WORDINGS = {
    "PER": ("句中提到了哪个人?", "这里说的是谁?", "文中的人名是什么?"),
    "LOC": ("句中提到了哪个地方?", "这里说的是哪里?", "文中的地名是什么?"),
    "ORG": ("句中提到了哪个机构?", "这里说的是什么单位?", "文中的机构名是什么?"),
}


def questions(rows: list[Row], seed: int) -> list[Row]:
    """Return questions in the Hugging Face form of SQuAD 2, by the rule of this file."""
    random = np.random.default_rng(seed)
    asked, empty = [], []
    for row in rows:
        text = "".join(row["tokens"])
        if len(text) != len(row["tokens"]):  # a token that is no single character
            continue
        for kind, wordings in WORDINGS.items():
            spans = [span for label, *span in names(row) if label == kind]
            question = wordings[random.integers(len(wordings))]
            record = {"context": text, "question": question, "kind": kind}
            if len(spans) == 1:
                start, end = spans[0]
                answers = {"text": [text[start:end]], "answer_start": [start]}
                asked.append({**record, "answers": answers})
            elif not spans:
                empty.append({**record, "answers": {"text": [], "answer_start": []}})
    kept = random.permutation(len(empty))[: len(asked) // 2]
    every = [*asked, *(empty[index] for index in kept)]
    return [every[index] for index in random.permutation(len(every))]


def names(row: Row) -> list[tuple[str, int, int]]:
    """Return label, first and last character (beyond) of each name; tokens are characters."""
    found: list[tuple[str, int, int]] = []
    for index, tag in enumerate(row["tags"]):
        if tag.startswith("B-"):
            found.append((tag[2:], index, index + 1))
        elif tag.startswith("I-") and found and found[-1][2] == index:
            found[-1] = (found[-1][0], found[-1][1], index + 1)
    return found


def by_chance(train: list[Row], test: list[Row]) -> list[str]:
    """Answer as often as training does, with a stretch anywhere as long as one of its answers."""
    random = np.random.default_rng(0)
    lengths = [len((record["answers"]["text"] or [""])[0]) for record in train]
    found = []
    for record in test:
        length = min(int(random.choice(lengths)), len(record["context"]))
        start = int(random.integers(len(record["context"]) - length + 1))
        found.append(record["context"][start : start + length])
    return found


def listed_names(train: list[Row], test: list[Row]) -> list[str]:
    """Answer with the longest training answer of this kind that occurs, else with nothing."""
    known: dict[str, list[str]] = {kind: [] for kind in WORDINGS}
    for record in train:
        known[record["kind"]] += record["answers"]["text"]
    ordered = {kind: sorted(set(some), key=len, reverse=True) for kind, some in known.items()}
    return [next((name for name in ordered[r["kind"]] if name in r["context"]), "") for r in test]


def answers(start: str, files: dict[str, Path], out: Path, **options: Any) -> list[str]:
    """Return the answers to the test questions of a network fine-tuned on the training ones."""
    import headstart as hs

    run = tuned(start, out, task="questions", train=str(files["train"]), **options)
    return [row["answer"] for row in hs.predict(str(run.folder), str(files["test"]))]


def main() -> None:
    """Pre-train, fine-tune at each size of the training data, and print all rivals' scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="a finished pre-training run; otherwise one is made")
    parser.add_argument("--budget", default="30min", help="of the pre-training, without --run")
    parser.add_argument("--encoder", default="modernbert")
    parser.add_argument("--set", action="append", default=[], help="options of the pre-training")
    parser.add_argument("--questions", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--test", type=int, default=3000, help="test questions, at most")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    announce("Extractive question answering: names in Chinese news")
    from headstart.downstream.text.spans import squad_scores

    train, test = (questions(rows, seed) for seed, rows in enumerate(msra()))
    test = test[: options.test]
    truths = [record["answers"]["text"] for record in test]
    print(f"{len(train):,} training questions, {len(test):,} test questions\n")

    def told(name: str, found: list[str]) -> None:
        scores = squad_scores(found, truths)
        said = ", ".join(f"{key} {100 * value:.1f}" for key, value in scores.items())
        print(f"{name:32}{said}", flush=True)

    told("always no answer", [""] * len(test))
    told("by chance", by_chance(train, test))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = {name: folder / f"{name}.jsonl" for name in ("train", "test")}
        write(files["test"], test)
        tested = {record["context"] for record in test}
        start = options.run or pretrained(folder / "start", tested, options)
        for count in options.questions:
            told(f"{count:,}: list of names", listed_names(train[:count], test))
            write(files["train"], train[:count])
            for seed in range(options.seeds):
                fresh = untrained(start, folder / "fresh", seed)
                for name, origin in (("pre-trained", start), ("from scratch", fresh)):
                    found = answers(
                        origin,
                        files,
                        folder / "tuned",
                        fresh=origin == fresh,
                        budget=f"{options.steps}steps",
                        validate_steps=max(20, options.steps // 8),
                        seed=seed,
                    )
                    told(f"{count:,}: {name}, seed {seed}", found)
                    shutil.rmtree(folder / "tuned")
                shutil.rmtree(fresh)


if __name__ == "__main__":
    main()
