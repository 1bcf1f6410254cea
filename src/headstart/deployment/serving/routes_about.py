"""Routes about the server: its runs, its health, its metrics and its two pages."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from headstart.deployment.serving.errors import unavailable
from headstart.deployment.serving.page.document import try_page
from headstart.deployment.serving.page.reference import reference_page
from headstart.deployment.serving.schemas import RESPONSES
from headstart.deployment.serving.service import Service, answer

#: What Prometheus is told of the format.
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


def routes(service: Service) -> APIRouter:
    """Return the routes about the server."""
    router = APIRouter(tags=["server"])

    @router.get("/v1/models")
    async def models() -> Response:
        """Return the runs, and what each can do."""
        data = [served.about for served in service.models.all.values()]
        return answer({"object": "list", "data": data})

    @router.get("/v1/models/{name}", responses=RESPONSES)
    async def model(name: str) -> Response:
        """Return one run, and what it can do."""
        return answer(service.models.get(name).about)

    @router.get("/health/live")
    async def live() -> Response:
        """Answer as long as the process does."""
        return answer({"status": "live"})

    @router.get("/health/ready", responses=RESPONSES)
    async def ready() -> Response:
        """Answer with 200 where requests are taken, and with 503 while the server stops."""
        if service.queue.is_closed:
            return unavailable().response()
        return answer({"status": "ready", "models": list(service.models.all)})

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return the metrics in the text format of Prometheus."""
        return Response(service.metrics.text(), media_type=_METRICS)

    @router.get("/docs", response_class=HTMLResponse)
    async def reference(request: Request) -> Response:
        """Return the reference of all routes as a page."""
        return HTMLResponse(reference_page(request.app.openapi(), service.limits))

    page = try_page()

    @router.get("/", response_class=HTMLResponse)
    async def index() -> Response:
        """Return the page on which the runs can be tried."""
        return HTMLResponse(page)

    return router
