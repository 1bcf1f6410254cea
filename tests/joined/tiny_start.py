"""A tiny published encoder, and the texts that it is published for."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from headstart.seeding import seeded

WORDS = {"fruit": "apple pear plum fig", "tool": "saw axe drill file"}
CARD = "---\nlanguage: en\nlicense: mit\n---\nA tiny encoder.\n"


def text_of(number: int) -> tuple[str, str]:
    """Return the text and the label of a number."""
    label = ("fruit", "tool")[number % 2]
    words = WORDS[label].split()
    parts = f"the {words[number % 4]} lies on table {number} beside the {words[number // 2 % 4]}"
    return parts, label


def write_texts(file: Path, numbers: range) -> str:
    """Write labeled texts of these numbers, and return the path."""
    rows = [dict(zip(("text", "label"), text_of(number), strict=True)) for number in numbers]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def publish(folder: Path, card: str = CARD) -> Path:
    """Write a BERT of 16 dimensions with a card, as sentence-transformers lays it out."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = sorted({word for label in WORDS for word in WORDS[label].split()})
    words = ["[PAD]", "[UNK]", "the", "lies", "on", "table", "beside", *words]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    with seeded(7, "published"):
        model = BertModel(
            BertConfig(
                vocab_size=len(words),
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=32,
            ),
            add_pooling_layer=False,
        )
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16}))
    (folder / "README.md").write_text(card)
    return folder
