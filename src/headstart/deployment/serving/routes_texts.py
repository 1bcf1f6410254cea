"""The route that writes: each piece of a text is sent as soon as it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from headstart.deployment.serving import bodies
from headstart.deployment.serving.errors import Refusal
from headstart.deployment.serving.limits import STREAMS
from headstart.deployment.serving.schemas import Generate, described
from headstart.deployment.serving.service import Service, answer


def routes(service: Service) -> APIRouter:
    """Return the routes of texts."""
    router = APIRouter(tags=["texts"])
    at_work = [0]

    async def pieces(asked: Generate) -> AsyncIterator[str]:
        """Yield what a run writes; between two tokens the queue serves others.

        It ends where the client goes away, as its task is cancelled then.
        """
        from headstart.deployment.writing import Sampling  # loads much that no other route needs

        served = service.models.get(asked.model)
        lane, stream = served.lane("generate"), served.stream
        assert stream is not None
        sampling = Sampling(asked.tokens, asked.temperature, asked.top_k, asked.seed)
        writing, is_let_in = stream(asked.prompt, sampling), False
        if at_work[0] >= STREAMS:
            raise Refusal(
                429,
                f"{STREAMS} texts are being generated already (limit `streams`); send the request "
                "again later.",
                "streams",
                retry_after=1,
            )
        at_work[0] += 1
        try:
            while True:
                if is_let_in:
                    (piece,) = await service.queue.submit(lane, [writing], admitted=True)
                else:
                    (piece,) = await service.compute(served, "generate", [writing], "prompt")
                is_let_in = True
                if piece is None:
                    return
                yield piece
        finally:
            at_work[0] -= 1

    @router.post("/generate", openapi_extra=described(Generate, "text/event-stream"))
    async def generate(request: Request) -> Response:
        """Continue a prompt, as server-sent events or as a whole."""
        asked, _ = await bodies.read(request, Generate, service.limits)
        if asked.tokens > service.limits.tokens:
            raise Refusal(
                422,
                f"'tokens' must be at most {service.limits.tokens:,} (limit `tokens`).",
                "tokens",
                "tokens",
            )
        name = service.models.get(asked.model).name
        found = pieces(asked)
        # What is at fault is told by the status, so before anything is sent.
        first = await anext(found, "")
        if not asked.stream:
            text = first + "".join([piece async for piece in found])
            return answer({"model": name, "continuation": text})

        async def events() -> AsyncIterator[bytes]:
            try:
                yield b"data: " + to_json({"model": name, "continuation": first}) + b"\n\n"
                async for piece in found:
                    if piece:
                        yield b"data: " + to_json({"continuation": piece}) + b"\n\n"
                yield b"data: [DONE]\n\n"
            finally:
                await found.aclose()  # type: ignore[attr-defined]

        return StreamingResponse(events(), media_type="text/event-stream")

    return router
