"""The routes: what they answer is what the verbs give, for every kind of data."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import headstart as hs


def encoded(seed: int = 0) -> bytes:
    """Return a PNG of noise."""
    values = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="PNG")
    return file.getvalue()


def form(*files: bytes, **fields: str) -> tuple[bytes, str]:
    """Return the body of an upload and its type."""
    parts = [
        f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts += [
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n' + file + b"\r\n"
        for file in files
    ]
    return b"".join(parts) + b"--x--\r\n", "multipart/form-data; boundary=x"


def test_embeddings_are_those_of_the_verb_in_openais_schema(served, runs) -> None:
    texts = ["a lovely film", "an awful song in the woods"]
    expected = hs.embed(runs / "words", texts, quiet=True)
    status, found = served.post("/v1/embeddings", model="words", input=texts)
    assert status == 200
    assert found["object"] == "list"
    assert [row["index"] for row in found["data"]] == [0, 1]
    assert found["usage"]["prompt_tokens"] > 2
    vectors = np.array([row["embedding"] for row in found["data"]])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)

    _, packed = served.post("/v1/embeddings", model="words", input=texts, encoding_format="base64")
    read = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in packed["data"]]
    np.testing.assert_array_equal(read, vectors.astype(np.float32))


def test_a_single_input_and_a_list_are_treated_alike(served) -> None:
    _, one = served.post("/v1/embeddings", model="words", input="a lovely film")
    _, several = served.post("/v1/embeddings", model="words", input=["a lovely film"])
    assert one == several


def test_ids_of_tokens_give_the_vector_of_their_text(served) -> None:
    from headstart.encoders.opening import OpenedEncoder

    text = "the old film was superb"
    processor = OpenedEncoder(served.server.service.models.get("words").folder).processor
    (ids,) = processor.encode_ids([text])
    _, of_text = served.post("/v1/embeddings", model="words", input=text)
    _, of_ids = served.post("/v1/embeddings", model="words", input=ids)
    _, of_lists = served.post("/v1/embeddings", model="words", input=[ids])
    assert of_text == of_ids == of_lists
    status, message = served.fault("/v1/embeddings", model="words", input=[1, 10**9])
    assert status == 422
    assert "ids from 0 to" in message


def test_dimensions_are_the_first_ones_at_length_one(served) -> None:
    _, whole = served.post("/v1/embeddings", model="words", input="a film")
    _, cut = served.post("/v1/embeddings", model="words", input="a film", dimensions=3)
    first = np.array(whole["data"][0]["embedding"][:3])
    found = np.array(cut["data"][0]["embedding"])
    np.testing.assert_allclose(found, first / np.linalg.norm(first), atol=1e-6)
    status, message = served.fault("/v1/embeddings", model="words", input="x", dimensions=9)
    assert (status, message) == (422, "'dimensions' must be at most 8, the width of 'words'.")


def test_similarity_ranks_records_by_their_cosine(served) -> None:
    texts = ["a lovely film", "the woods", "a superb film"]
    _, found = served.post("/similarity", model="words", query="a lovely film", documents=texts)
    best = found["results"]
    assert best[0]["index"] == 0
    assert best[0]["relevance_score"] == pytest.approx(1, abs=1e-5)
    assert sorted(row["index"] for row in best) == [0, 1, 2]
    _, one = served.post(
        "/similarity", model="words", query="a lovely film", documents=texts, top_n=1
    )
    assert one["results"] == best[:1]


def test_predictions_are_those_of_the_verb(served, runs) -> None:
    texts = ["the red book was superb in the city", "the sly song was awful in the city"]
    expected = hs.predict(runs / "labels", texts, quiet=True)
    status, found = served.post("/predict", model="labels", input=texts)
    assert status == 200
    for row, other in zip(found["predictions"], expected, strict=True):
        assert row["label"] == other["label"]
        assert row["scores"] == pytest.approx(other["scores"], abs=1e-5)


def test_explanations_name_parts_of_the_record_and_come_as_markup_too(served) -> None:
    text = "the sly song was awful in the city"
    status, found = served.post("/explain", model="labels", input=text, html=True, target="bad")
    assert status == 200
    assert found["explained"] == "bad"
    assert "awful" in [word["text"] for word in found["words"]]
    assert "awful" in found["html"]
    status, message = served.fault("/explain", model="labels", input=text, target="bda")
    assert status == 422
    assert "did you mean 'bad'" in message


def test_search_finds_in_the_stored_index_what_the_verb_finds(served, runs) -> None:
    expected = hs.search(runs / "words", query="a lovely film", count=3, quiet=True)
    status, found = served.post("/search", model="words", query=["a lovely film", "x"], count=3)
    assert status == 200
    rows = found["results"][0]["neighbours"]
    assert [row["id"] for row in rows] == [row["id"] for row in expected]
    assert len(found["results"][1]["neighbours"]) == 3


def test_a_text_is_written_piece_by_piece_and_is_that_of_the_verb(served, runs) -> None:
    asked = {"prompt": "the old film", "tokens": 6, "seed": 3}
    expected = hs.generate(runs / "writer", quiet=True, **asked)
    _, whole = served.post("/generate", model="writer", stream=False, **asked)
    assert "the old film" + whole["continuation"] == expected
    body = json.dumps({"model": "writer", **asked})
    status, headers, content = served.raw(
        "POST", "/generate", body, content_type="application/json"
    )
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    events = [event.removeprefix("data: ") for event in content.decode().split("\n\n")[:-1]]
    assert events[-1] == "[DONE]"
    assert (
        "".join(json.loads(event)["continuation"] for event in events[:-1]) == whole["continuation"]
    )


def test_pictures_come_as_base64_or_as_an_upload_and_give_the_same(served) -> None:
    pictures = [encoded(0), encoded(1)]
    texts = [base64.b64encode(each).decode() for each in pictures]
    status, packed = served.post("/v1/embeddings", model="pictures", input=texts)
    assert status == 200
    address = [f"data:image/png;base64,{text}" for text in texts]
    as_address = served.post("/v1/embeddings", model="pictures", input=address)[1]
    body, kind = form(*pictures, model="pictures")
    status, _, content = served.raw("POST", "/v1/embeddings", body, content_type=kind)
    assert status == 200
    # Requests may be computed in one batch or in two, which differ in the last bits.
    first, *others = (
        np.array([row["embedding"] for row in each["data"]])
        for each in (packed, as_address, json.loads(content))
    )
    for each in others:
        np.testing.assert_allclose(each, first, rtol=1e-5)


def test_what_a_run_cannot_do_is_one_sentence(served) -> None:
    assert served.fault("/predict", model="words", input="x") == (
        422,
        "'words' is a pre-training run and knows no labels; fine-tune it with `headstart "
        "finetune`, and serve the run that this makes.",
    )
    assert "no index to search" in served.fault("/search", model="labels", query="x")[1]
    assert "writes no text" in served.fault("/generate", model="words", prompt="x")[1]
    assert "nothing is recommended" in served.fault("/recommend", model="words", history=["1"])[1]
    assert "reads no ids" in served.fault("/v1/embeddings", model="pictures", input=[1])[1]
    status, message = served.fault("/predict", model="lables", input="x")
    assert status == 404
    assert "did you mean 'labels'" in message


def test_models_say_what_they_can_do(served) -> None:
    status, _, content = served.raw("GET", "/v1/models")
    able = {model["id"]: model["abilities"] for model in json.loads(content)["data"]}
    assert status == 200
    assert able == {
        "words": ["embed", "search"],
        "labels": ["embed", "predict", "explain"],
        "writer": ["embed", "generate"],
        "pictures": ["embed"],
    }


def test_health_metrics_and_pages_need_nothing_from_elsewhere(served) -> None:
    served.post("/v1/embeddings", model="words", input="x")
    assert json.loads(served.raw("GET", "/health/ready")[2])["status"] == "ready"
    metrics = served.raw("GET", "/metrics")[2].decode()
    assert 'headstart_requests_total{route="/v1/embeddings",status="200"}' in metrics
    for name in ("headstart_queue_items", "headstart_batch_items_sum", "headstart_queue_seconds"):
        assert name in metrics
    assert 'headstart_request_seconds_bucket{le="0.1",route="/v1/embeddings"}' in metrics
    for path in ("/", "/docs"):
        status, headers, content = served.raw("GET", path)
        text = content.decode()
        assert status == 200
        assert headers["x-content-type-options"] == "nosniff"
        assert "Content-Security-Policy" in text
        assert 'src="http' not in text
        assert "//cdn" not in text
    assert "/v1/embeddings" in text
    assert "limits" in text.lower()
