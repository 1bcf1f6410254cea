"""Does pre-training without pairs help to translate, or to sum up? The same network from scratch.

``translation``: captions of Multi30k from English into German. Pre-trained on the captions of
either language by themselves, fine-tuned on 29,000 pairs, tested on test_2016_flickr.

``summary``: four captions of a picture are read and the fifth is written; the pictures are parted
into training, validation and test. The rival that needs no training is the first of the four.

Both sides have the same network, tokenizer, pairs, options and number of steps, and keep the
weights with the best validation loss; test texts are read once, at the end. Scores are sacrebleu's
BLEU and chrF and the F1 of ROUGE, with 95% bootstrap intervals over the test texts, and the
difference is tested on paired resamples.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from setting import announce, data

#: Multi30k's pictures, and how many of them are kept for validation and test of summaries.
SUFFIXES, KEPT = 29_000, 1000


def translation(folder: Path) -> dict[str, Any]:
    """Return the sources of English to German."""
    pairs = [json.loads(row) for row in _lines(data("multi30k", "train.jsonl.gz"))]
    more = [json.loads(row)["text"] for row in _lines(_captions())]
    alone = [pair[language] for pair in pairs for language in ("en", "de")] + more
    (folder / "alone.txt").write_text("\n".join(dict.fromkeys(alone)), encoding="utf-8")
    return {
        "alone": str(folder / "alone.txt"),
        "train": str(data("multi30k", "train.jsonl.gz")),
        "val": str(data("multi30k", "val.jsonl.gz")),
        "test": str(data("multi30k", "test_2016_flickr.jsonl.gz")),
        "columns": {"text": "en", "label": "de"},
    }


def summary(folder: Path) -> dict[str, Any]:
    """Return the sources of four captions to the fifth."""
    captions = [json.loads(row)["text"] for row in _lines(_captions())]
    rows = [
        {"document": " ".join(captions[n::SUFFIXES][:4]), "summary": captions[n::SUFFIXES][4]}
        for n in range(SUFFIXES)
    ]
    cuts = {"train": (2 * KEPT, SUFFIXES), "val": (KEPT, 2 * KEPT), "test": (0, KEPT)}
    for name, (start, stop) in cuts.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows[start:stop])
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    alone = [text for n in range(2 * KEPT, SUFFIXES) for text in captions[n::SUFFIXES]]
    (folder / "alone.txt").write_text("\n".join(alone), encoding="utf-8")
    found: dict[str, Any] = {name: str(folder / f"{name}.jsonl") for name in cuts}
    return {
        **found,
        "alone": str(folder / "alone.txt"),
        "columns": {"text": "document", "label": "summary"},
        "first": [rows[n]["document"].split(". ")[0] + "." for n in range(KEPT)],
    }


SETS = {"translation": translation, "summary": summary}


def _captions() -> Path:
    return data("multi30k", "task2_train_captions_en.jsonl.gz")


def _lines(file: Path) -> list[str]:
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as opened:
        return list(opened)


def untrained(run: Path, folder: Path, seed: int) -> Path:
    """Save the run's network with fresh weights, and return its folder."""
    from headstart.encoders.opening import open_encoder, open_processor, read_note, save_encoder
    from headstart.seeding import seeded

    encoder = run / "encoder"
    with seeded(seed, "scratch"):
        fresh = open_encoder(encoder).untrained()
    save_encoder(fresh, open_processor(encoder), folder, read_note(encoder))
    return folder


def main() -> None:
    """Pre-train, fine-tune both sides, and print their scores on the test texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=list(SETS), nargs="?", default="translation")
    parser.add_argument("--objective", default="span_corruption")
    parser.add_argument("--pretrain", default="20min", help="budget without pairs")
    parser.add_argument("--budget", default="auto", help="budget of either fine-tuning")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=0, help="fewer training pairs; 0 for all")
    parser.add_argument("--tested", type=int, default=0, help="fewer validation and test texts")
    parser.add_argument("--run", help="a finished pre-training to go on from")
    options = parser.parse_args()
    announce(f"{options.task}, {options.objective}, width {options.width}")
    import headstart as hs
    from headstart.evaluation.written import formatted, written_scores

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = SETS[options.task](folder)
        target = found["columns"]["label"]
        fewer = {"train": options.pairs, "val": options.tested, "test": options.tested}
        for name, most in fewer.items():
            if most:
                lines = _lines(Path(found[name]))[:most]
                found[name] = str(folder / f"fewer_{name}.jsonl")
                Path(found[name]).write_text("".join(lines), encoding="utf-8")
        references = [json.loads(row)[target] for row in _lines(Path(found["test"]))]
        pretrained = Path(options.run or folder / "pretrained")
        if not options.run:
            hs.pretrain(
                found["alone"],
                out=str(pretrained),
                objective=options.objective,
                encoder="t5",
                length=64 if options.task == "translation" else 128,
                budget=options.pretrain,
                tracker="none",
                seed=options.seed,
                settings=[
                    f"encoder.width={options.width}",
                    f"encoder.layers={options.layers}",
                    f"text.tokenizer.vocab_size={options.vocabulary}",
                ],
            )
        sides = {
            "pre-trained": pretrained,
            "from scratch": untrained(pretrained, folder / "untrained", options.seed),
        }
        written = {}
        for name, start in sides.items():
            began = time.perf_counter()
            run = hs.finetune(
                str(start),
                task="seq2seq",
                train=found["train"],
                val=found["val"],
                out=str(folder / name.replace(" ", "_")),
                budget=options.budget,
                dropout=options.dropout,
                length=64 if options.task == "translation" else 128,
                tracker="none",
                seed=options.seed,
                columns=found["columns"],
            )
            minutes = (time.perf_counter() - began) / 60
            told = ", ".join(f"{k} {v:.1f}" for k, v in run.resolved["scores"].items())
            print(f"{name}: {run.resolved['steps']} steps, {minutes:.0f} min; validation {told}")
            rows = hs.predict(str(run.folder), found["test"])
            written[name] = [row["generated"] for row in rows]
        if "first" in found:
            written["the first caption"] = found["first"][: len(references)]
        print(f"\n{len(references):,} test texts")
        for name, texts in written.items():
            print(f"{name:18} {formatted(written_scores(texts, references))}")
        paired(written["from scratch"], written["pre-trained"], references)
        for index in (0, len(references) // 2):
            print(f"\nwritten by people   {references[index]}")
            for name, texts in written.items():
                print(f"{name:18}  {texts[index]}")


def paired(one: list[str], other: list[str], references: list[str]) -> None:
    """Print the difference of two systems on the same texts, and the chance of it by luck."""
    from sacrebleu.metrics import BLEU, CHRF
    from sacrebleu.significance import PairedTest

    systems: list[tuple[str, Sequence[str]]] = [("from scratch", one), ("pre-trained", other)]
    metrics: dict[str, Any] = {"BLEU": BLEU(), "chrF2": CHRF()}
    test = PairedTest(systems, metrics, [references], test_type="bs", n_samples=1000)
    scores: dict[str, Any] = test()[1]
    for name in metrics:
        base, ours = scores[name]
        print(f"{name}: {ours.score - base.score:+.2f}, p = {ours.p_value:.4f} (paired bootstrap)")


if __name__ == "__main__":
    main()
