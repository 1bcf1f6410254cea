"""Routes that compute vectors: embeddings in OpenAI's schema, and similarity to a query."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from headstart.data.vectors import unit_length
from headstart.deployment.serving import bodies
from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.models import Served
from headstart.deployment.serving.schemas import Embeddings, Similarity, described
from headstart.deployment.serving.service import Service, answer
from headstart.deployment.serving.work import Vector


def routes(service: Service) -> APIRouter:
    """Return the routes of vectors."""
    router = APIRouter(tags=["vectors"])

    @router.post("/v1/embeddings", openapi_extra=described(Embeddings))
    async def embeddings(request: Request) -> Response:
        """Return the vectors of records."""
        asked, values = await bodies.read(request, Embeddings, service.limits)
        served = service.models.get(asked.model)
        if values and isinstance(values[0], int | list):
            found = await _of_ids(service, served, values, asked.truncate)
        else:
            found = await service.vectors(served, values, "input", truncate=asked.truncate)
        width, wanted = served.opened.encoder.width, asked.dimensions
        if wanted is not None and wanted > width:
            raise Refusal(
                422,
                f"'dimensions' must be at most {width}, the width of {served.name!r}.",
                "invalid_value",
                "dimensions",
            )
        rows = [_written(vector.values, wanted, asked.encoding_format) for vector in found]
        count = sum(vector.positions for vector in found)
        return answer(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": row}
                    for index, row in enumerate(rows)
                ],
                "model": served.name,
                "usage": {"prompt_tokens": count, "total_tokens": count},
            }
        )

    @router.post("/similarity", openapi_extra=described(Similarity))
    async def similarity(request: Request) -> Response:
        """Return the cosine of each record with the query, best first."""
        asked, values = await bodies.read(request, Similarity, service.limits)
        served = service.models.get(asked.model)
        query = await service.taken(served, [asked.query], "query", truncate=asked.truncate)
        records = await service.taken(served, values, "documents", truncate=asked.truncate)
        found = await service.compute(served, "embed", [*query, *records], "documents")
        matrix = unit_length(np.stack([vector.values for vector in found]))
        cosines = matrix[1:] @ matrix[0]
        best = np.argsort(-cosines, kind="stable")[: asked.top_n]
        rows = [{"index": int(index), "relevance_score": float(cosines[index])} for index in best]
        return answer({"model": served.name, "results": rows})

    return router


async def _of_ids(service: Service, served: Served, values: Any, truncate: bool) -> list[Vector]:
    """Return the vectors of records that came as ids of the run's vocabulary."""
    rows = values if isinstance(values[0], list) else [values]
    lane, vocabulary = "ids", served.opened.processor.vocabulary
    if lane not in served.lanes or vocabulary is None:
        raise Refusal(422, f"{served.name!r} reads no ids; send the records.", "no_ids", "input")
    for number, row in enumerate(rows):
        if not row or min(row) < 0 or max(row) >= vocabulary.size:
            raise Refusal(
                422,
                f"record {number} of 'input' must be ids from 0 to {vocabulary.size - 1}, one or "
                "more.",
                "bad_record",
                "input",
            )
    length = served.opened.length
    if not truncate:
        service.refuse_long([len(row) > length for row in rows], length, "input")
    found: list[Vector] = await service.compute(served, lane, rows, "input")
    return found


def _written(vector: np.ndarray, dimensions: int | None, form: str) -> Any:
    """Return a vector (D,) as JSON holds it."""
    if dimensions is not None:
        vector = unit_length(vector[None, :dimensions])[0]
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
