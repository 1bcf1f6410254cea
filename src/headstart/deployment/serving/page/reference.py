"""The page ``/docs``: every route with its fields and the limits, from the OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headstart.deployment.serving.limits import Limits
from headstart.deployment.serving.page.document import document
from headstart.pages.markup import Markup, coded, join, table, tag


def reference_page(openapi: Mapping[str, Any], limits: Limits) -> str:
    """Return the page.

    Args:
        openapi: of the application.
    """
    header = tag(
        "header",
        tag("p", "headstart serve", class_="question"),
        tag("h1", "Routes and limits"),
        tag(
            "p",
            *coded(
                "Bodies are JSON; records may also be uploaded as the files `file` of a form. A "
                'refusal is `{"error": {"message": ...}}`. Where the server has keys, send '
                "`Authorization: Bearer KEY`. For programs: "
            ),
            tag("a", "/openapi.json", href="/openapi.json"),
            class_="small",
        ),
    )
    routes = [
        _route(path, method, about)
        for path, methods in openapi["paths"].items()
        for method, about in methods.items()
    ]
    rows = [
        [each.name, each.value, each.meaning, str(each.status), each.option]
        for each in limits.table()
    ]
    head = ["Limit", "Value", "What is limited", "Status", "Option"]
    return document(
        "headstart: routes",
        header,
        *routes,
        tag("section", tag("h2", "Limits"), table(head, {"": rows})),
        tag("p", tag("a", "Try the runs", href="/"), class_="small"),
    )


def _route(path: str, method: str, about: Mapping[str, Any]) -> Markup:
    title = tag("h3", tag("span", method.upper(), class_="method"), tag("code", path))
    words = tag("p", about.get("description", about.get("summary", "")))
    content = about.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return tag("section", title, words, class_="route")
    rows = [_field(name, field, schema) for name, field in schema["properties"].items()]
    example = {
        name: _example(field)
        for name, field in schema["properties"].items()
        if name in schema.get("required", [])
    }
    call = (
        f"curl http://localhost:8000{path} -H 'content-type: application/json' "
        f"-d '{json.dumps(example)}'"
    )
    fields = table(["Field", "Value", "Meaning"], {"": rows})
    return tag("section", title, words, fields, tag("pre", tag("code", call)), class_="route")


def _field(name: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    needed = name in schema.get("required", [])
    default = field.get("default")
    value = _type(field)
    if needed:
        value = f"{value}; needed"
    elif default not in (None, ""):
        value = f"{value}; {json.dumps(default)} by default"
    return [tag("code", name), value, join(*coded(field.get("description", "")))]


def _type(field: Mapping[str, Any]) -> str:
    """Return the type of a field in words."""
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"] if each.get("type") != "null")
    if "enum" in field:
        return " or ".join(json.dumps(each) for each in field["enum"])
    if field.get("type") == "array":
        elements = next(each for each in field.values() if isinstance(each, Mapping))
        return f"list of {_type(elements)}"
    bounds = [
        f"{sign} {field[name]:g}"
        for name, sign in (("minimum", "from"), ("maximum", "to"))
        if name in field
    ]
    return " ".join([str(field.get("type", "value")), *bounds])


def _example(field: Mapping[str, Any]) -> Any:
    first = field.get("anyOf", [field])[0]
    return ["..."] if first.get("type") == "array" else "..."
