"""Back-translation: paraphrases by translating there and back (Sennrich et al. 2016; UDA).

Any two sequence-to-sequence networks of Transformers can be used. Texts are translated once, before
training, by greedy decoding, so that the result is deterministic. Results are appended to a file,
and an interrupted run continues after its last complete line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, refused
from headstart.files import write_text
from headstart.modalities.text.sentences import split_sentences

if TYPE_CHECKING:
    from datasets import Dataset

#: Texts between two writes, and sentences that are translated together.
CHUNK, TOGETHER = 64, 32
#: Most tokens of a sentence, and how much longer its translation may be.
LONGEST, LONGER = 256, 1.5


def back_translated(
    records: Dataset, there: str, back: str, file: Path, *, say: Callable[[str], None]
) -> list[str]:
    """Return for each record its text translated by ``there`` and then by ``back``.

    Sentences are translated one by one. A text with an empty translation is unchanged.

    Args:
        records: with ``id`` and ``text``.
        there, back: folders of networks that ``AutoModelForSeq2SeqLM`` opens, or runs.
        file: of the results: a line that names the networks, then ``{"id": ..., "of": ...,
            "text": ...}`` per line, with a digest of the text that was translated.

    Raises:
        HeadstartError: a folder holds no such network, or the file was made by others.
    """
    stored = _stored(file, {"there": there, "back": back})
    keys = list(zip(records["id"], map(_digest, records["text"]), strict=True))
    indices = [index for index, key in enumerate(keys) if key not in stored]
    if indices:
        say(f"translating {len(indices):,} texts there and back; they are kept in {file}")
        translators = [_Translator(there), _Translator(back)]
        with open(file, "a", encoding="utf-8") as stream:
            for start in range(0, len(indices), CHUNK):
                rows: Any = records.select(indices[start : start + CHUNK])[:]
                texts = rows["text"]
                for translate in translators:
                    texts = translate(texts)
                made = [new or old for new, old in zip(texts, rows["text"], strict=True)]
                for name, old, text in zip(rows["id"], rows["text"], made, strict=True):
                    row = {"id": name, "of": _digest(old), "text": text}
                    stored[name, row["of"]] = text
                    stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
    return [stored[key] for key in keys]


def _digest(text: str) -> str:
    """Return what tells a text from the one that had its place before the source was changed."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _stored(file: Path, header: dict[str, str]) -> dict[tuple[str, str], str]:
    """Return the stored texts by id and digest, and cut off an incomplete last line."""
    named = json.dumps(header, ensure_ascii=False)
    content = file.read_bytes() if file.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        write_text(file, f"{named}\n")
        return {}
    first, *lines = whole.decode("utf-8").rstrip("\n").split("\n")
    if first != named:
        raise HeadstartError(
            f"{file} holds translations by other networks; delete it, or name those networks."
        )
    if len(whole) < len(content):
        with open(file, "r+b") as stream:
            stream.truncate(len(whole))
    rows = [json.loads(line) for line in lines]
    return {(row["id"], row.get("of", "")): row["text"] for row in rows}


class _Translator:
    """A network that translates one language into another."""

    def __init__(self, name: str) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        from headstart.weights import load_strictly

        own = Path(name) / "encoder"  # of a run
        folder = own if own.is_dir() else name
        hint = (
            "give a folder that AutoModelForSeq2SeqLM of Transformers opens, or a run fine-tuned "
            "to translate"
        )
        with refused(f"{name} holds no network that reads and writes", hint):
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.model = load_strictly(AutoModelForSeq2SeqLM, folder, hint).eval()

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Return the translation of each text, its sentences one by one."""
        parts = [split_sentences(text) for text in texts]
        flat = [sentence for sentences in parts for sentence in sentences]
        # Similar lengths together: little padding.
        order = sorted(range(len(flat)), key=lambda index: -len(flat[index]))
        found = [""] * len(flat)
        for start in range(0, len(order), TOGETHER):
            indices = order[start : start + TOGETHER]
            written = self._write([flat[index] for index in indices])
            for index, text in zip(indices, written, strict=True):
                found[index] = text
        rest = iter(found)
        return [" ".join(filter(None, (next(rest) for _ in sentences))) for sentences in parts]

    def _write(self, sentences: list[str]) -> list[str]:
        import torch

        inputs = self.tokenizer(
            sentences, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        inputs.pop("token_type_ids", None)
        most = min(LONGEST, int(inputs["input_ids"].shape[1] * LONGER) + 8)
        with torch.inference_mode():
            ids = self.model.generate(
                **inputs, do_sample=False, num_beams=1, max_new_tokens=most, max_length=None
            )
        written = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in written]
