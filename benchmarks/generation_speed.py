"""Tokens a second: ``headstart generate`` against Transformers' ``generate`` on the same folder.

Both write greedily after the same beginnings with a key-value cache, in one process, in turn, and
must write the same text. Opening the run is left out on both sides. The output layer of a run has a
bias that Transformers' network of this kind has no place for, so it is put into its output layer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from setting import announce, data


def theirs(writer: Any, folder: Path) -> Any:
    """Open the folder with Transformers, and give its output layer the run's bias."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    layer = torch.nn.Linear(model.config.hidden_size, model.config.vocab_size)
    layer.weight = model.get_input_embeddings().weight
    layer.bias.data.copy_(writer.head.decoder.bias.data)
    model.lm_head = layer
    return model


def continued_by(model: Any, writer: Any, prompt: str, tokens: int) -> str:
    """Return the prompt and what Transformers writes behind it."""
    processor = writer.processor
    ids = processor.encode_ids([prompt])[0]
    end = ids[-1] if processor.vocabulary.suffix else None
    ids = ids[: len(ids) - processor.vocabulary.suffix]
    special = [token for token in processor.vocabulary.special_ids if token != end]
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=tokens,
        do_sample=False,
        use_cache=True,
        suppress_tokens=[*special, *range(processor.vocabulary.size, model.config.vocab_size)],
        eos_token_id=end,
        pad_token_id=processor.vocabulary.pad_id,
    )
    seen = processor.tokenizer.decode(ids, skip_special_tokens=True)
    whole = processor.tokenizer.decode(out[0], skip_special_tokens=True)
    return prompt + whole[len(seen) :].rstrip("\ufffd")


def main() -> None:
    """Let both write after the same beginnings, in turn, and print the ratio of their speeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrain", default="60s", help="budget of the network that writes")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--run", help="a finished run of --objective clm --encoder gpt")
    options = parser.parse_args()
    announce(f"Generation, {options.tokens} tokens, {torch.get_num_threads()} threads")
    import headstart as hs
    from headstart.deployment.generate import Sampling, continued, open_writer
    from headstart.run import RunFolder

    source = data("tinyshakespeare", "input.txt")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.run or Path(scratch, "run"))
        if not options.run:
            hs.pretrain(
                str(source),
                out=str(folder),
                document="file",
                objective="clm",
                encoder="gpt",
                length=max(256, options.tokens + 32),
                budget=options.pretrain,
                tracker="none",
                settings=[f"encoder.width={options.width}", f"encoder.layers={options.layers}"],
            )
        writer = open_writer(RunFolder.open(folder))
        model = theirs(writer, folder / "encoder")
        prompts = ["First Citizen:\n", "To be, or not", "What say you, my lord", "KING"]
        sides = {
            "headstart": lambda prompt, n: continued(writer, prompt, Sampling(n, 0)),
            "Transformers": lambda prompt, n: continued_by(model, writer, prompt, n),
        }
        for side in sides.values():
            side(prompts[0], 8)
        speeds: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(options.turns):
            prompt = prompts[turn % len(prompts)]
            texts = {}
            for name, side in sides.items():
                began = time.perf_counter()
                texts[name] = side(prompt, options.tokens)
                seconds = time.perf_counter() - began
                count = len(writer.processor.encode_ids([texts[name]])[0])
                count -= len(writer.processor.encode_ids([prompt])[0])
                speeds[name].append(count / seconds)
            assert texts["headstart"] == texts["Transformers"], texts
            print(", ".join(f"{name} {speed[-1]:.0f} tokens/s" for name, speed in speeds.items()))
        ratios = [ours / other for ours, other in zip(*speeds.values(), strict=True)]
        print(f"\nthe same text each time; ratio {statistics.median(ratios):.2f} (median of turns)")


if __name__ == "__main__":
    main()
