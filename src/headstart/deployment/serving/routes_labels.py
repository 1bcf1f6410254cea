"""Routes of fine-tuned runs: what the head says of records, and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from headstart.deployment.serving import bodies
from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.schemas import Explain, Predict, described
from headstart.deployment.serving.service import Service, answer
from headstart.deployment.serving.work import Question
from headstart.errors import did_you_mean


def routes(service: Service) -> APIRouter:
    """Return the routes of predictions."""
    router = APIRouter(tags=["predictions"])

    @router.post("/predict", openapi_extra=described(Predict))
    async def predict(request: Request) -> Response:
        """Return a prediction for each record, in order."""
        asked, values = await bodies.read(request, Predict, service.limits)
        served = service.models.get(asked.model)
        served.lane("predict")  # refused before the records are looked at
        records = await service.taken(served, values, "input", truncate=asked.truncate)
        rows = await service.compute(served, "predict", records, "input")
        return answer({"model": served.name, "predictions": rows})

    @router.post("/explain", openapi_extra=described(Explain))
    async def explain(request: Request) -> Response:
        """Return the parts of a record that speak for a class, and against it."""
        asked, values = await bodies.read(request, Explain, service.limits)
        if len(values) != 1:
            raise Refusal(422, "one record is explained at a time.", "invalid_value", "input")
        served = service.models.get(asked.model)
        served.lane("explain")
        if asked.target is not None and asked.target not in served.labels:
            raise Refusal(
                422,
                f"{served.name!r} knows no class {asked.target!r}"
                f"{did_you_mean(asked.target, served.labels)}",
                "invalid_value",
                "target",
            )
        (record,) = await service.taken(served, values, "input")
        question = Question(record, target=asked.target)
        (found,) = await service.compute(served, "explain", [question], "input")
        content: dict[str, Any] = {"model": served.name, **found.summary()}
        del content["id"]
        if asked.html:
            content["html"] = str(found.evidence.html())
        return answer(content)

    return router
