"""The bodies of requests, as they are checked and as the OpenAPI description shows them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, TypeAdapter

from headstart.deployment.serving.limits import COUNT

_MODEL = "Name of a run; may be left out where a single one is served."
_RECORDS = "A record or a list of them: what is typed, such as a text, or base64 where it is bytes."
_FIRST = "Cut a record that is longer than the run reads; otherwise refuse it."


class Body(BaseModel):
    """A body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())
    #: The field with the records, which an upload has as its files; None where there is none.
    records: ClassVar[str | None] = None

    model: StrictStr | None = Field(None, description=_MODEL)


class Embeddings(Body):
    """Vectors of records, in the schema of OpenAI's API."""

    records: ClassVar[str | None] = "input"

    input: StrictStr | list[StrictStr] | list[StrictInt] | list[list[StrictInt]] = Field(
        description=f"{_RECORDS} Or the ids of its tokens, or a list of those."
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or base64 of little-endian float32."
    )
    dimensions: int | None = Field(
        None, ge=1, description="Only so many numbers, the first ones, scaled to length 1."
    )
    truncate: bool = Field(True, description=_FIRST)
    user: str | None = Field(None, description="Ignored.")


class Similarity(Body):
    """How similar records are to a query, best first."""

    records: ClassVar[str | None] = "documents"

    query: StrictStr = Field(description="A record.")
    documents: list[StrictStr] = Field(min_length=1, description="The records to compare with it.")
    top_n: int | None = Field(None, ge=1, description="Return the best so many.")
    truncate: bool = Field(True, description=_FIRST)


class Predict(Body):
    """What the head of a fine-tuned run says of records."""

    records: ClassVar[str | None] = "input"

    input: StrictStr | list[StrictStr] = Field(description=_RECORDS)
    truncate: bool = Field(True, description=_FIRST)


class Explain(Body):
    """Why a record is classified as it is."""

    records: ClassVar[str | None] = "input"

    input: StrictStr = Field(description="A record.")
    target: StrictStr | None = Field(None, description="A class; the predicted one by default.")
    html: bool = Field(False, description="Also return the explanation as markup.")


class Search(Body):
    """The nearest records of the run's index."""

    records: ClassVar[str | None] = "query"

    query: StrictStr | list[StrictStr] = Field(description=_RECORDS)
    count: int = Field(10, ge=1, le=COUNT, description="Nearest records of each.")


class Recommend(Body):
    """What comes next after the items of a history, or of a user whom the run knows."""

    history: list[StrictStr | StrictInt] = Field(
        default_factory=list, max_length=10_000, description="Items, the latest one last."
    )
    user: StrictStr | StrictInt | None = Field(
        None, description="A user of the run's own sources, instead of a history."
    )
    count: int = Field(10, ge=1, le=COUNT, description="Number of items.")
    seen: Literal["auto", "remove", "keep"] = Field(
        "auto", description="Items of the history: auto does as the run's options say."
    )
    reasons: bool = Field(False, description="Also name the items that mattered most for each.")
    diversity: float = Field(0.0, ge=0, le=1, description="Towards 1 items differ more.")


class Generate(Body):
    """The continuation of a prompt."""

    prompt: StrictStr = Field("", description="Text to continue, or with [MASK] where it has gaps.")
    tokens: int = Field(200, ge=1, description="Most tokens to write.")
    temperature: float = Field(0.8, ge=0, le=100, description="0 takes the most probable token.")
    top_k: int = Field(0, ge=0, description="Sample among this many tokens; 0 means all.")
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="Everything random follows from this number."
    )
    stream: bool = Field(True, description="Send each piece as an event as soon as it is written.")


#: A refusal, as :class:`headstart.deployment.serving.errors.Refusal` writes it.
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
#: What routes answer beside what they are for.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused, in one sentence; `code` is the limit or what is wrong.",
        "content": {"application/json": {"schema": _ERROR}},
    }
}


def described(model: type[Body], *also: str) -> dict[str, Any]:
    """Return the description of a body for OpenAPI; one with records may also be an upload.

    Args:
        also: types of content that are answered beside JSON.
    """
    schema = model.model_json_schema()
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if model.records is not None:
        fields = {
            name: _of_form(field)
            for name, field in schema["properties"].items()
            if name != model.records
        }
        most = None if _takes_list(schema, model.records) else 1
        files = Annotated[list[bytes], Field(min_length=1, max_length=most)]
        file = TypeAdapter(files).json_schema()
        needed = [name for name in schema.get("required", []) if name != model.records]
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {**fields, "file": file},
                "required": ["file", *needed],
            }
        }
    answers: dict[str, Any] = {"200": {"content": {kind: {} for kind in also}}} if also else {}
    body = {"required": True, "content": content}
    return {"requestBody": body, "responses": {**answers, **RESPONSES}}


def _of_form(field: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a field as a form has it, where nothing stands for null."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind.get("type") != "null"]
    others = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    if not kinds:
        return field
    return {**others, **kinds[0]} if len(kinds) == 1 else {**others, "anyOf": kinds}


def _takes_list(schema: dict[str, Any], name: str) -> bool:
    """Return whether a field may be a list."""
    field = schema["properties"][name]
    return any(kind.get("type") == "array" for kind in (field, *field.get("anyOf", ())))
