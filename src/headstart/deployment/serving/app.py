"""The application: all routes, and the guard before them."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from headstart.deployment.serving import (
    routes_about,
    routes_labels,
    routes_lists,
    routes_texts,
    routes_vectors,
)
from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.service import Service
from headstart.version import __version__

#: Sentences for what no route answers.
_NOT_FOUND = "there is no such route; /docs has all."
_NOT_ALLOWED = "the route takes another method; /docs has all."


def application(service: Service) -> FastAPI:
    """Return the application, without the guard.

    Its documents are pages of our own, as those of FastAPI load their script from elsewhere.
    """
    app = FastAPI(
        title="headstart",
        version=__version__,
        description="Answers of runs that were trained with headstart.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        exception_handlers={
            Refusal: _refused,
            HTTPException: _of_framework,
            Exception: _failed,
        },
    )
    # Routes are looked for in this order, so that the busiest stand first.
    for module in (routes_vectors, routes_labels, routes_lists, routes_texts, routes_about):
        app.include_router(module.routes(service))
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {404: _NOT_FOUND, 405: _NOT_ALLOWED}.get(error.status_code, f"{error.detail}.")
    answer = Refusal(error.status_code, message, "http").response()
    answer.headers.update(error.headers or {})  # such as the methods that a route does take
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    message = "the server failed at this request; its log says where."
    return Refusal(500, message, "internal").response()
