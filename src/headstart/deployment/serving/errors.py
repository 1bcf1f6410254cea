"""Refusals of a server: one sentence in the JSON form of OpenAI's API, with the right status."""

from __future__ import annotations

import math

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from headstart.config.loading import must_be
from headstart.errors import shown

#: Types of errors in OpenAI's API, by status; further ones of 4xx are of the request.
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request is not answered; the message is one sentence for the client.

    Args:
        status: of the HTTP answer.
        code: a name that programs can compare, such as that of the limit.
        param: the field of the request that is at fault.
        retry_after: seconds after which the same request may be answered.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(shown(message))
        self.status, self.code, self.param = status, code, param
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Return what the status asks for."""
        found = {}
        if self.retry_after is not None:
            found["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        if self.status == 401:  # a browser asks for the key, as the password
            found["www-authenticate"] = 'Basic realm="headstart: a key as the password"'
        return found

    def body(self) -> bytes:
        """Return ``{"error": {"message", "type", "param", "code"}}``."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {
            "message": str(self),
            "type": _TYPES.get(self.status, kind),
            "param": self.param,
            "code": self.code,
        }
        return to_json({"error": error})

    def response(self) -> Response:
        """Return the answer."""
        return Response(self.body(), self.status, self.headers(), "application/json")


class BadRecord(Exception):
    """One record of a request cannot be read; the others of a batch can.

    Args:
        reason: what is wrong with it, as part of a sentence.
        number: of the record in its request; the queue fills it in.
    """

    def __init__(self, reason: str, number: int = 0) -> None:
        super().__init__(reason)
        self.number = number

    def refusal(self, param: str) -> Refusal:
        """Return the answer to its request."""
        return Refusal(422, f"record {self.number} of {param!r}: {self}.", "bad_record", param)


def of_validation(error: ValidationError) -> Refusal:
    """Return the refusal of a body that does not fit its schema, in one sentence."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"][:1])
    if first["type"] == "json_invalid":
        reason = str(first.get("ctx", {}).get("error", "it cannot be read"))
        return Refusal(400, f"the body is no JSON: {reason}.", "invalid_json")
    if first["type"] == "missing":
        return Refusal(422, f"{name!r} is missing; see /docs.", "missing", name)
    if first["type"] == "extra_forbidden":
        return Refusal(422, f"there is no field {name!r}; see /docs.", "unknown_field", name)
    if not name:
        return Refusal(422, "the body must be a JSON object; see /docs.", "invalid_value")
    try:
        wanted = f"must be {must_be(dict(first))}"
    except KeyError:  # of a kind that no option has
        wanted = f"cannot be read: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return Refusal(422, f"{name!r} {wanted}.", "invalid_value", name)


def unavailable() -> Refusal:
    """Return the refusal of a server that is stopping."""
    return Refusal(
        503, "the server is stopping; send the request again.", "stopping", retry_after=1
    )
