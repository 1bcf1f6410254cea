"""Masked-LM tokens/s: headstart against the Transformers Trainer, each with its own defaults.

The same BERT (4 layers x 256, 16,384 entries, context 128) on IMDb. The Trainer gets what its
``run_mlm`` example gives it: one truncated text a row, ``DataCollatorForLanguageModeling``, fp32,
batches of 8. Both sides run in turn, real (not padding) tokens are counted, and the first steps
are left out. Needs ``pip install accelerate``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from setting import announce, apart, data

SIZE = {"layers": 4, "width": 256, "heads": 4}
VOCABULARY, LENGTH, WARM = 16384, 128, 4


def texts(count: int) -> list[str]:
    """Return the first texts of IMDb's unlabeled part."""
    with gzip.open(data("imdb", "unsup.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in islice(file, count)]


def ours(sample: list[str], steps: int, folder: Path, compiled: bool = False) -> tuple[float, Path]:
    """Return tokens/s of ``headstart pretrain --objective mlm --encoder bert`` and its run."""
    import headstart as hs

    source = folder / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": t}) + "\n" for t in sample), encoding="utf-8")
    run = hs.pretrain(
        str(source),
        out=str(folder / f"run{time.time_ns()}"),
        objective="mlm",
        encoder="bert",
        encoder_options=SIZE,
        length=LENGTH,
        modality_options={"text": {"tokenizer": {"vocab_size": VOCABULARY}}},
        budget=f"{steps}steps",
        compile=compiled,
    )
    rows = [row for row in run.metrics() if "loss" in row]
    begin, end = rows[WARM], rows[-1]
    seconds = end["clock"]["seconds"] - begin["clock"]["seconds"]
    batch = run.resolved["plan"]["batch_size"]
    return (end["step"] - begin["step"]) * batch * LENGTH / seconds, run.folder


def peer(sample: list[str], steps: int, tokenizers: Path, folder: Path) -> float:
    """Return tokens/s of the Trainer."""
    import transformers as hf

    tokenizer = hf.AutoTokenizer.from_pretrained(tokenizers)
    encoded = tokenizer(sample, truncation=True, max_length=LENGTH, return_special_tokens_mask=True)
    rows = [
        {name: encoded[name][i] for name in ("input_ids", "attention_mask", "special_tokens_mask")}
        for i in range(len(sample))
    ]
    config = hf.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=1024,
    )
    collator = hf.DataCollatorForLanguageModeling(tokenizer)
    counts: list[int] = []
    times: list[float] = []

    def collate(features: list[dict[str, Any]]) -> Any:
        batch = collator(features)
        counts.append(int(batch["attention_mask"].sum()))
        return batch

    class Clock(hf.TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            times.append(time.perf_counter())

    arguments = hf.TrainingArguments(
        output_dir=str(folder / "peer"),
        max_steps=steps,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    hf.Trainer(
        model=hf.BertForMaskedLM(config),
        args=arguments,
        train_dataset=rows,
        data_collator=collate,
        callbacks=[Clock()],
    ).train()
    return sum(counts[WARM + 1 : steps]) / (times[steps - 1] - times[WARM])


def main() -> None:
    """Run both sides in turn and print the ratio, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    announce("Masked LM, BERT 4 x 256, 16k vocabulary, context 128, IMDb: tokens/s")
    sample = texts(8000)
    ratios: dict[str, list[float]] = {"": [], "compiled": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for pair in range(options.pairs):
            plain, run = apart(ours, sample, options.steps, folder)
            theirs = apart(peer, sample, 5 * options.steps, run / "encoder", folder)
            compiled, _ = apart(ours, sample, options.steps, folder, True)
            ratios[""].append(plain / theirs)
            ratios["compiled"].append(compiled / theirs)
            print(
                f"pair {pair + 1}: headstart {plain:,.0f}, compiled {compiled:,.0f}, "
                f"Trainer {theirs:,.0f}: {plain / theirs:.2f}x, {compiled / theirs:.2f}x",
                flush=True,
            )
    for name, values in ratios.items():
        print(f"median ratio {name}: {statistics.median(values):.2f}x")


if __name__ == "__main__":
    main()
