"""What the routes share: the runs, the queue and the limits of one server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from headstart.deployment.serving.errors import BadRecord, Refusal
from headstart.deployment.serving.limits import Limits
from headstart.deployment.serving.metrics import Metrics
from headstart.deployment.serving.models import Models, Served
from headstart.deployment.serving.queue import Queue
from headstart.deployment.serving.work import Vector
from headstart.errors import HeadstartError, UnknownNameError


@dataclass
class Service:
    """The parts of a server that answer requests."""

    models: Models
    queue: Queue
    limits: Limits
    metrics: Metrics

    async def compute(self, served: Served, ability: str, items: Sequence[Any], param: str) -> Any:
        """Return a result of a run for each item, once it is their turn.

        Raises:
            Refusal: the run lacks the ability, an item is at fault, or the queue is full.
        """
        lane = served.lane(ability)
        try:
            return await self.queue.submit(lane, items)
        except BadRecord as error:
            raise error.refusal(param) from None
        except UnknownNameError:  # whose message may hint at the names of others
            raise Refusal(
                422, f"{served.name!r} does not know this {param!r}.", "unknown", param
            ) from None
        except HeadstartError as error:
            message = served.public(str(error))
            raise Refusal(422, message, "invalid_value", param) from None

    async def taken(
        self, served: Served, values: Sequence[Any], param: str, *, truncate: bool = True
    ) -> list[Any]:
        """Return records as the lanes take them, checked.

        Raises:
            Refusal: one is no record, or too long where none may be cut.
        """
        found = served.values.taken(values, param)
        if not truncate:
            self.refuse_long(
                await self.compute(served, "positions", found, param), served.opened.length, param
            )
        return found

    async def vectors(
        self, served: Served, values: Sequence[Any], param: str, *, truncate: bool = True
    ) -> list[Vector]:
        """Return the vectors of records."""
        found = await self.taken(served, values, param, truncate=truncate)
        vectors: list[Vector] = await self.compute(served, "embed", found, param)
        return vectors

    @staticmethod
    def refuse_long(are_long: Sequence[bool], length: int, param: str) -> None:
        """Refuse records that are longer than a run reads.

        Raises:
            Refusal: one is.
        """
        if True in are_long:
            number = list(are_long).index(True)
            raise Refusal(
                422,
                f"record {number} of {param!r} is longer than the {length:,} positions that the "
                "run reads (limit `record`); shorten it, or leave out 'truncate'.",
                "record",
                param,
            )


def answer(content: Any) -> Response:
    """Return plain values as JSON."""
    return Response(to_json(content), media_type="application/json")
