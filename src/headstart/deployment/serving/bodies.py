"""From the body of a request to its checked fields and its records, as JSON or as an upload."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from headstart.deployment.serving.errors import Refusal, of_validation
from headstart.deployment.serving.limits import Limits
from headstart.deployment.serving.schemas import Body
from headstart.errors import first_line

Asked = TypeVar("Asked", bound=Body)

_JSON, _UPLOAD = "application/json", "multipart/form-data"
#: Fields of an upload beside its files.
_FIELDS = 32


async def read(request: Request, model: type[Asked], limits: Limits) -> tuple[Asked, list[Any]]:
    """Return the fields of a body, and its records: texts as they are, files as bytes.

    Raises:
        Refusal: it does not fit the schema, or has more records than the limit.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _JSON:
        try:
            content = from_json(await request.body(), allow_inf_nan=False)
        except ValueError as error:
            raise Refusal(
                400, f"the body is no JSON: {first_line(error)}.", "invalid_json"
            ) from None
        given = content.get(model.records) if isinstance(content, dict) else None
        if isinstance(given, list):  # before each of a million is looked at
            _check_count(len(given), limits, model.records)
        try:
            asked = model.model_validate(content)
        except ValidationError as error:
            raise of_validation(error) from None
        records = [given] if isinstance(given, str) else given or []
    elif kind == _UPLOAD and model.records:
        asked, records = await _uploaded(request, model, limits)
    else:
        takes = f"`content-type: {_JSON}`" + (f" or `{_UPLOAD}`" if model.records else "")
        raise Refusal(415, f"send the body as {takes}.", "content_type")
    return asked, records


def _check_count(count: int, limits: Limits, param: str | None) -> None:
    if count > limits.items:
        raise Refusal(
            413,
            f"{count:,} records are more than {limits.items:,} (limit `records`); send fewer at "
            "once.",
            "records",
            param,
        )
    if not count:
        raise Refusal(422, f"{param!r} has no records.", "invalid_value", param)


async def _uploaded(
    request: Request, model: type[Asked], limits: Limits
) -> tuple[Asked, list[bytes]]:
    """Return the fields of an upload, and the contents of its files named ``file``."""
    try:
        form = await request.form(
            max_files=limits.items + 1, max_fields=_FIELDS, max_part_size=limits.body
        )
    except HTTPException as error:
        reason = error.detail.rstrip(".")
        raise Refusal(400, f"the upload cannot be read: {reason}.", "invalid_form") from None
    files, fields = list[bytes](), dict[str, Any]()
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "file":
                    raise Refusal(422, "files of an upload are called 'file'.", "file", "file")
                files.append(await value.read())
            else:
                fields[name] = value
    finally:
        await form.close()
    assert model.records is not None
    _check_count(len(files), limits, "file")
    if model.records in fields:
        raise Refusal(
            422,
            f"an upload has its records as files, and not as {model.records!r}.",
            "invalid_value",
            model.records,
        )
    is_list = model.records == "documents"
    try:
        stands_for = ["-"] if is_list else "-"
        return model.model_validate({**fields, model.records: stands_for}), files
    except ValidationError as error:
        raise of_validation(error) from None
