"""Token vectors that a new encoder begins with: from a run or counts, in the encoder's scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import headstart as hs
from headstart.config import PretrainConfig
from headstart.encoders.opening import create_encoder, open_encoder
from headstart.errors import HeadstartError
from headstart.training.embeddings import keep_counts, table, take_counts

SMALL = {
    "objective": "mlm",
    "budget": "1steps",
    "tracker": "none",
    "optimizer": {"learning_rate": 1e-9},
    "encoder_options": {"layers": 1, "width": 16, "heads": 2},
}
ANIMALS, METALS = "fox dog cat hen cow pig", "iron zinc gold lead tin steel"


def texts(path):
    draw = np.random.default_rng(0)
    lines = [" ".join(draw.choice((ANIMALS, METALS)[n % 2].split(), 8)) + "." for n in range(200)]
    path.write_text("\n".join(lines))
    return str(path)


def test_a_new_encoder_begins_with_what_stands_together(tmp_path):
    run = hs.pretrain(
        texts(tmp_path / "texts.txt"), out=str(tmp_path / "run"), embeddings="counts", **SMALL
    )
    encoder = open_encoder(run.encoder)
    vocabulary = _vocabulary(run)
    weight = encoder.token_embedding.weight.detach()
    indices = [vocabulary[word] for word in (ANIMALS + " " + METALS).split()]
    rows = torch.nn.functional.normalize(weight[indices], dim=1)
    alike = (rows @ rows.T).numpy()
    same = np.add.outer(np.arange(12) // 6, np.arange(12) // 6) % 2 == 0
    assert alike[same].mean() > alike[~same].mean() + 0.3


def _vocabulary(run):
    from headstart.encoders.opening import open_processor

    tokenizer = open_processor(run.encoder).tokenizer
    words = (ANIMALS + " " + METALS).split()
    found = {}
    for word in words:
        for text in (f" {word}", word):
            ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
            if len(ids) == 1:
                found[word] = ids[0]
                break
    assert len(found) == 12
    return found


def test_vectors_come_in_the_size_of_the_encoders_own_and_are_counted_once(
    tmp_path,
):
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.modalities.text.modality import TextModality
    from headstart.modalities.text.processor import TextProcessor
    from headstart.modalities.text.tokenizers import fit_tokenizer

    lines = ["the quick brown fox jumps over the lazy dog"] * 20
    text_processor = TextProcessor(fit_tokenizer([*lines, "zebra"], kind="word", vocab_size=50))
    records = Dataset.from_dict({"text": lines})
    TextModality().prepare(records, text_processor, tmp_path / "train", Audit(), learn=True)
    size = {"layers": 1, "width": 16, "heads": 2}
    encoder = create_encoder("modernbert", size, text_processor, length=32, seed=0)
    before = table(encoder).detach().clone()
    messages: list[str] = []
    config = PretrainConfig(sources=["a.txt"], out="run", budget="1steps")
    keep_counts(encoder, tmp_path, config, messages.append)
    keep_counts(encoder, tmp_path, config, messages.append)
    assert messages == ["counting which tokens stand together"]
    take_counts(encoder, tmp_path)
    after = table(encoder).detach()
    vectors = torch.from_numpy(np.load(tmp_path / "vectors.npy"))
    known, filled = vectors.any(1), vectors.any(0)
    assert 0 < known.sum() < len(known)
    moved = after[known][:, filled]
    torch.testing.assert_close(moved.std(), before.std(), rtol=0.02, atol=0)
    ratio = moved / vectors[known][:, filled]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
    assert torch.equal(after[~known], before[~known])
    assert torch.equal(after[:, ~filled], before[:, ~filled])


def test_encoders_without_tokens_are_refused(tmp_path):
    from sklearn.datasets import load_digits

    np.savez(tmp_path / "digits.npz", x_train=(load_digits().images[:80] * 15).astype(np.uint8))
    with pytest.raises(HeadstartError, match="have none, only text, interactions; leave it out"):
        hs.pretrain(
            f"{tmp_path / 'digits.npz'}#train",
            out=str(tmp_path / "run"),
            embeddings="counts",
            **{**SMALL, "encoder": "plain", "objective": "simclr", "encoder_options": {}},
        )
    assert not (tmp_path / "run" / "audit.json").exists(), "refused before anything was read"


def test_an_encoder_that_has_learned_keeps_its_vectors(tmp_path):
    source = texts(tmp_path / "texts.txt")
    first = hs.pretrain(source, out=str(tmp_path / "first"), **SMALL)
    given = {**SMALL, "encoder_options": {}, "encoder": str(first.folder)}
    with pytest.raises(HeadstartError, match="has its token vectors already"):
        hs.pretrain(source, out=str(tmp_path / "second"), embeddings="counts", **given)


def test_a_single_entry_that_is_known_leaves_numbers(tmp_path):
    """Of one value there is no deviation, and no division by it."""
    (tmp_path / "texts.txt").write_text("red fox\nlazy dog\n")
    run = hs.pretrain(str(tmp_path / "texts.txt"), out=str(tmp_path / "run"), **SMALL)
    encoder = open_encoder(run.encoder)
    vectors = np.zeros(tuple(table(encoder).shape), dtype=np.float32)
    vectors[4, 2] = 0.5
    np.save(tmp_path / "vectors.npy", vectors)
    take_counts(encoder, tmp_path)
    assert torch.isfinite(table(encoder)).all()
    assert 0 < float(table(encoder)[4, 2].detach()) < 1
