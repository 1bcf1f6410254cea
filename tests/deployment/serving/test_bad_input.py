"""What clients get wrong: one clear sentence each, and nobody else is disturbed."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .test_routes import encoded, form


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"input": ""}, 422, "record 0 of 'input': it is blank."),
        ({"input": ["a", " \t"]}, 422, "record 1 of 'input': it is blank."),
        ({"input": ["a", "b\0c"]}, 422, "record 1 of 'input': it holds NUL bytes; remove them."),
        ({"input": []}, 422, "'input' has no records."),
        ({"input": ["a"] * 51}, 413, "51 records are more than 50 (limit `records`)"),
        ({"input": 7}, 422, "'input' must be"),
        ({"input": [[]]}, 422, "record 0 of 'input' must be ids from 0 to"),
        ({"input": ["a", 7]}, 422, "'input'"),
        ({}, 422, "'input' is missing; see /docs."),
        ({"input": "a", "file": "/etc/passwd"}, 422, "there is no field 'file'; see /docs."),
        ({"input": "a", "encoding_format": "hex"}, 422, "'encoding_format' must be"),
        ({"input": "a", "dimensions": 0}, 422, "'dimensions' must be"),
        ({"input": "a " * 99, "truncate": False}, 422, "longer than the 16 positions"),
        ({"input": ["a", "a " * 99], "truncate": False}, 422, "record 1 of 'input' is longer"),
    ],
)
def test_what_is_no_record_is_refused(
    served, body: dict[str, Any], status: int, message: str
) -> None:
    found, sentence = served.fault("/v1/embeddings", model="words", **body)
    assert found == status
    assert message in sentence
    assert len(sentence) <= 300


@pytest.mark.parametrize(
    ("sent", "kind", "status", "message"),
    [
        (b"", "application/json", 400, "the body is no JSON"),
        (b'{"input": "a"', "application/json", 400, "the body is no JSON"),
        (b'{"input": NaN}', "application/json", 400, "the body is no JSON"),
        (b"\xff\xfe", "application/json", 400, "the body is no JSON"),
        (b'{"input": "\\ud800"}', "application/json", 400, "the body is no JSON"),
        (b"[" * 100_000, "application/json", 400, "the body is no JSON"),
        (b"[1]", "application/json", 422, "the body must be a JSON object"),
        (b"input=a", "application/x-www-form-urlencoded", 415, "send the body as"),
        (b'{"input": "a"}', "text/plain", 415, "send the body as"),
        (b"--x\r\nnothing", "multipart/form-data; boundary=x", 422, "has no records"),
        (b"nothing", "multipart/form-data", 400, "the upload cannot be read"),
    ],
)
def test_bodies_that_are_none_are_refused(
    served, sent: bytes, kind: str, status: int, message: str
) -> None:
    found, _, content = served.raw("POST", "/v1/embeddings", sent, content_type=kind)
    assert found == status
    error = json.loads(content)["error"]
    assert message in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


def test_a_broken_picture_in_a_batch_of_good_ones_fails_alone(served) -> None:
    good, broken = encoded(), encoded()[:60]
    texts = [base64.b64encode(each).decode() for each in (good, broken)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: served.post("/v1/embeddings", model="pictures", input=texts[n % 8 == 3]),
                range(24),
            )
        )
    assert [status for status, _ in answers] == [422 if n % 8 == 3 else 200 for n in range(24)]
    status, message = served.fault("/v1/embeddings", model="pictures", input=[texts[0], texts[1]])
    assert status == 422
    assert message == "record 1 of 'input': it is cut short; copy or download it again."


def test_uploads_keep_the_caps_of_files(served, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.modalities.image import decode

    monkeypatch.setattr(decode, "PIXELS", 100)
    body, kind = form(encoded(5), model="pictures")
    status, _, content = served.raw("POST", "/v1/embeddings", body, content_type=kind)
    assert status == 422
    assert "million pixels" in json.loads(content)["error"]["message"]
    body, kind = form(b"no picture", model="pictures")
    assert served.raw("POST", "/v1/embeddings", body, content_type=kind)[0] == 422
    body, kind = form(*[encoded()] * 51, model="pictures")
    assert served.raw("POST", "/v1/embeddings", body, content_type=kind)[0] in (400, 413)


def test_a_text_may_be_uploaded_as_a_file_and_its_name_means_nothing(served) -> None:
    body, kind = form(b"a lovely film", model="words")
    status, _, content = served.raw("POST", "/v1/embeddings", body, content_type=kind)
    assert status == 200
    expected = served.post("/v1/embeddings", model="words", input="a lovely film")[1]
    assert json.loads(content) == expected
    body, kind = form(b"\xff\xfe", model="words")
    assert served.raw("POST", "/v1/embeddings", body, content_type=kind)[0] == 422


def test_the_limits_of_generation_are_kept(served) -> None:
    status, message = served.fault("/generate", model="writer", prompt="a", tokens=501)
    assert (status, message) == (422, "'tokens' must be at most 500 (limit `tokens`).")
    status, message = served.fault("/generate", model="writer", prompt="the old film " * 40)
    assert status == 422
    assert "shorten the prompt" in message
