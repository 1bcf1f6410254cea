"""Routes that rank: the nearest records of an index, and the items that may come next."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from headstart.deployment.serving import bodies
from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.schemas import Recommend, Search, described
from headstart.deployment.serving.service import Service, answer
from headstart.deployment.serving.work import Question


def routes(service: Service) -> APIRouter:
    """Return the routes of lists."""
    router = APIRouter(tags=["lists"])

    @router.post("/search", openapi_extra=described(Search))
    async def search(request: Request) -> Response:
        """Return the nearest records of each query, the nearest first."""
        asked, values = await bodies.read(request, Search, service.limits)
        served = service.models.get(asked.model)
        served.lane("search")
        records = await service.taken(served, values, "query")
        parts, count = served.parts, asked.count
        if parts is None:
            questions = [Question(record, most=count) for record in records]
            found = await service.compute(served, "search", questions, "query")
        else:
            calls = [partial(parts, record, count) for record in records]
            found = await service.compute(served, "search", calls, "query")
            if None in found:
                raise Refusal(
                    422,
                    f"{served.name!r} finds what is like one part of a record, and several were "
                    "named; name one.",
                    "bad_record",
                    "query",
                )
        rows = [{"query": number, "neighbours": each} for number, each in enumerate(found)]
        return answer({"model": served.name, "results": rows})

    @router.post("/recommend", openapi_extra=described(Recommend))
    async def recommend(request: Request) -> Response:
        """Return the best items for whoever has this history, or for a user of the run."""
        asked, _ = await bodies.read(request, Recommend, service.limits)
        if bool(asked.history) == (asked.user is not None):
            raise Refusal(422, "give one of 'history' and 'user'.", "invalid_value", "history")
        served = service.models.get(asked.model)
        served.lane("recommend")
        ranks = served.recommend
        assert ranks is not None
        plan = served.asked(
            [str(item) for item in asked.history],
            None if asked.user is None else str(asked.user),
            count=asked.count,
            seen=asked.seen,
            reasons=asked.reasons,
            diversity=asked.diversity,
        )
        param = "history" if asked.user is None else "user"
        (found,) = await service.compute(served, "recommend", [lambda: ranks(plan)], param)
        rows = [{name: row[name] for name in row if name != "user"} for row in found.rows]
        return answer({"model": served.name, "recommendations": rows, "notes": found.notes})

    return router
