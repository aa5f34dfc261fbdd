"""The surface's description: valid in itself, and true of the routes."""

from collections.abc import Iterator
from typing import Any

from app.accounts.access import GuardedRoute
from app.api import documentation, models
from app.main import routes

DOCUMENT = documentation.openapi()
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_has_what_openapi_3_1_demands() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    for path, method, operation in operations():
        assert path.startswith("/")
        assert method in METHODS
        assert operation["responses"]
        for code, response in operation["responses"].items():
            assert len(code) == 3
            assert code.isdigit()
            assert response["description"]
            assert set(response["content"]) <= {"application/json", "application/problem+json"}
            assert ("application/problem+json" in response["content"]) == (int(code) >= 400)
        for parameter in operation.get("parameters", []):
            assert parameter.keys() >= {"name", "in", "schema"}
            assert parameter["in"] in ("query", "header", "path", "cookie")
        seen = [(one["name"], one["in"]) for one in operation.get("parameters", [])]
        assert len(seen) == len(set(seen))


def test_names_of_operations_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    count = 0
    for node in nodes(DOCUMENT):
        if isinstance(node, dict) and "$ref" in node:
            count += 1
            start, *steps = node["$ref"].split("/")
            assert start == "#"
            found = DOCUMENT
            for step in steps:
                found = found[step]
            assert isinstance(found, dict)
    assert count > 20


def test_every_schema_is_used() -> None:
    used = {
        node["$ref"].rsplit("/", 1)[1]
        for node in nodes(DOCUMENT)
        if isinstance(node, dict) and "$ref" in node
    }
    assert used == set(DOCUMENT["components"]["schemas"])


def test_required_fields_exist_and_types_are_those_of_json() -> None:
    kinds = {"object", "array", "string", "integer", "number", "boolean", "null"}
    for node in nodes(DOCUMENT["components"]["schemas"]):
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("required"), list) and "properties" in node:
            assert set(node["required"]) <= set(node["properties"])
        if isinstance(node.get("type"), str | list):
            assert set([node["type"]] if isinstance(node["type"], str) else node["type"]) <= kinds


def test_every_route_of_the_surface_and_no_other_is_described() -> None:
    described = {(path, method.upper()) for path, method, _ in operations()}
    served = {
        (route.path, method)
        for route in routes()
        if isinstance(route, GuardedRoute) and route.path.startswith("/parking")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == served


def test_every_field_of_a_body_is_described_in_its_canonical_spelling() -> None:
    for model in (models.Reserve, models.Unreserve, models.Calculate, models.Put):
        properties = DOCUMENT["components"]["schemas"][model.__name__]["properties"]
        for name in properties:
            assert models.canonical({name: 1}) in ({name: 1}, {"slotIdentifier": 1}, {"identifier": 1})
        assert DOCUMENT["components"]["schemas"][model.__name__]["additionalProperties"] is False


def test_the_page_shows_every_operation() -> None:
    shown = {(one["path"], one["method"].lower()) for one in documentation.operations()}
    assert shown == {(path, method) for path, method, _ in operations()}
