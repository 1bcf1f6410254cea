"""An XLNet that someone else saved is opened as one, by folder or by name, and reads as it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from transformers import XLNetConfig, XLNetLMHeadModel, XLNetModel
from transformers.utils import hub

from headstart.encoders.opening import open_encoder, read_note
from headstart.encoders.xlnet import XLNetEncoder
from headstart.errors import HeadstartError

SIZE = {"vocab_size": 60, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}
#: Rows that end at different positions.
IDS = torch.arange(3, 30).view(3, 9)
MASK = torch.arange(9) < torch.tensor([[9], [5], [7]])


def saved(folder: Path, **options: Any) -> XLNetModel:
    """Write a network with its output layer, as it is published, and return it without."""
    torch.manual_seed(0)
    whole = XLNetLMHeadModel(XLNetConfig(**SIZE, **options)).eval()
    for parameter in whole.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    whole.save_pretrained(folder)
    return whole.transformer


def assert_reads_like(encoder: object, model: XLNetModel) -> None:
    assert isinstance(encoder, XLNetEncoder)
    features = encoder.eval()({"input_ids": IDS, "mask": MASK})
    for row, mask in enumerate(MASK):
        alone = model(input_ids=IDS[row : row + 1, : mask.sum()]).last_hidden_state[0]
        found = features.tokens[row, : mask.sum()]
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(features.pooled[row], alone.mean(0), rtol=1e-4, atol=1e-5)


def test_a_folder_reads_as_in_transformers(tmp_path: Path) -> None:
    model = saved(tmp_path)
    encoder = open_encoder(tmp_path)
    assert_reads_like(encoder, model)
    assert {"bidirectional", "two_streams"} <= encoder.provides


def test_a_hub_name_reads_as_in_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local cache of the hub, without network."""
    repository = tmp_path / "models--someone--xlnet-tiny"
    model = saved(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert_reads_like(open_encoder("someone/xlnet-tiny"), model)
    assert read_note("someone/xlnet-tiny")["modality"] == "text"


def test_one_that_looks_to_the_left_only_is_causal_and_stays_so(tmp_path: Path) -> None:
    model = saved(tmp_path, attn_type="uni")
    encoder = open_encoder(tmp_path)
    assert_reads_like(encoder, model)
    assert "causal" in encoder.provides
    encoder.save(tmp_path / "again")
    assert_reads_like(open_encoder(tmp_path / "again"), model)
    assert "causal" in encoder.untrained().provides


def test_a_network_whose_vectors_cannot_be_given_again_is_refused(tmp_path: Path) -> None:
    """Each half of a batch is read in another direction."""
    saved(tmp_path, bi_data=True)
    with pytest.raises(HeadstartError, match=r"'xlnet' .* cannot be an encoder here"):
        open_encoder(tmp_path)
