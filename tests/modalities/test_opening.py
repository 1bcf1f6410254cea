"""A kind of data is opened with its own options, and says what suits it in a few lines."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from headstart.config import Budget
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES, Defaults, Request
from headstart.modalities.opening import open_modality
from headstart.modalities.text.options import TextOptions


def test_options_are_those_that_were_set_and_defaults_elsewhere() -> None:
    opened = open_modality("text", {"text": {"tokenizer": {"vocab_size": 99}}})
    assert isinstance(opened.options, TextOptions)
    assert opened.options.tokenizer.vocab_size == 99
    assert opened.options.tokenizer.kind == "auto"
    assert open_modality("text").options == TextOptions()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("texts", {}, "unknown modality 'texts'; did you mean 'text'"),
        ("text", {"text": {"tokenizer": {"kid": "bpe"}}}, "did you mean 'tokenizer.kind'"),
        (
            "text",
            {"text": {"tokenizer": {"vocab_size": 1}}},
            "text.tokenizer.vocab_size' must be at least",
        ),
        ("image", {"image": {"side": 3}}, "modality 'image' has no option 'side'."),
        ("image", {"text": {"tokenizer": {}}}, "an option of text, and the records are pictures"),
    ],
)
def test_what_cannot_be_set_is_refused_in_a_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(HeadstartError, match=message) as caught:
        open_modality(name, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MODALITIES)
def test_options_rules_and_the_modality_itself_are_known_without_torch(name: str) -> None:
    code = f"""
import sys
from headstart.modalities import MODALITIES
kind = MODALITIES[{name!r}]
kind.Options(), kind.content.rules, kind.provides
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "datasets"} & {*done.stdout.split()}


def request(**options: Any) -> Request:
    named: dict[str, Any] = {"objectives": (), "encoder": None, "length": None, **options}
    lengths = {"gpt": 64, "bert": 128}
    return Request(**named, budget=Budget(1, "minutes"), records=None, longest=lengths.__getitem__)


def few_lines(request: Request) -> Defaults:
    """Return what the least that a new modality must write returns."""
    objectives, encoder = request.choose("clm", "gpt")
    return Defaults(objectives, encoder, request.length or request.longest(encoder))


@pytest.mark.parametrize(
    ("given", "objectives", "encoder", "length"),
    [
        ({}, ("clm",), "gpt", 64),
        ({"encoder": "bert"}, ("clm",), "bert", 128),
        ({"objectives": ("mlm", "sop")}, ("mlm", "sop"), "gpt", 64),
        ({"encoder": "runs/mine", "length": 7}, ("clm",), "runs/mine", 7),
    ],
)
def test_a_few_lines_say_what_suits_a_kind_of_data(
    given: dict[str, Any], objectives: tuple[str, ...], encoder: str, length: int
) -> None:
    found = few_lines(request(**given))
    assert (found.objectives, found.encoder, found.length) == (objectives, encoder, length)
    assert (found.most_epochs, found.objective_options, found.patient) == (None, {}, False)


def test_what_is_named_decides_what_is_not() -> None:
    better: dict[str, Any] = {"objective_for": {"bert": "mlm"}, "encoder_for": {"mlm": "bert"}}
    assert request(encoder="bert").choose("clm", "gpt", **better) == (("mlm",), "bert")
    assert request(objectives=("clm", "mlm")).choose("clm", "gpt", **better)[1] == "bert"
    both = request(objectives=("mlm",), encoder="gpt").choose("clm", "gpt", **better)
    assert both == (("mlm",), "gpt")
