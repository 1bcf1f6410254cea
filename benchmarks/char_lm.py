"""Character LM on tinyshakespeare: the validation loss that two minutes on two cores reach.

The first 90% of the text trains, the loss is the mean over every character of the last 10%, read
in windows that do not overlap. The reference is nanoGPT's published CPU setting (4 layers, 4
heads, 128 wide, context 64, batch 12, 2,000 steps), whose loss in 121 s on such a machine is
1.886. The whole run counts: reading, measuring, training, saving.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from setting import announce, data
from torch.nn import functional as F

SETTINGS = [
    "text.tokenizer.kind=char",
    "encoder.width=256",
    "encoder.layers=4",
    "encoder.ngrams=[2,3,4]",
    "clm.tie=false",
    "optimizer.name=muon",
    "optimizer.learning_rate=0.004",
    "optimizer.weight_decay=0.05",
    "optimizer.warmup=0.03",
]
LENGTH = 128


def validation_loss(run: Path, text: str) -> float:
    """Return nats a character over all of ``text``, in windows of the context."""
    from headstart.deployment.generate import open_token_head
    from headstart.encoders.opening import open_encoder, open_processor
    from headstart.run import RunFolder

    encoder: Any = open_encoder(run / "encoder").eval()
    head = open_token_head(RunFolder.open(run), encoder)
    processor: Any = open_processor(run / "encoder")
    tokenizer = processor.tokenizer
    ids = torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(ids) - 1, LENGTH):
            window = ids[start : start + LENGTH + 1][None]
            batch = {"input_ids": window[:, :-1], "mask": torch.ones_like(window[:, :-1]).bool()}
            logits = head(encoder(batch).tokens)[0]
            total += F.cross_entropy(logits, window[0, 1:], reduction="sum").item()
    return total / (len(ids) - 1)


def main() -> None:
    """Train once a seed and print the losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=121)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--encoder", default="gpt")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    announce(f"Character LM, tinyshakespeare, {options.seconds} s")
    import headstart as hs

    text = data("tinyshakespeare", "input.txt").read_text()
    cut = int(0.9 * len(text))
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "train.txt")
        source.write_text(text[:cut])
        for seed in range(options.seeds):
            started = time.perf_counter()
            run = hs.pretrain(
                str(source),
                out=str(Path(scratch, f"run{seed}")),
                document="file",
                objective="clm",
                encoder=options.encoder,
                length=LENGTH,
                batch_size=16,
                budget=f"{options.seconds - 6}s",
                validation_share=0,
                tracker="none",
                seed=seed,
                settings=SETTINGS + options.settings,
            )
            seconds = time.perf_counter() - started
            loss = validation_loss(run.folder, text[cut:])
            steps = run.resolved["steps"]
            print(f"seed {seed}: {loss:.4f} nats/character, {steps} steps, {seconds:.0f} s")


if __name__ == "__main__":
    main()
