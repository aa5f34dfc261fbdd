"""Every answer that the description lists does occur, and none occurs that it does not list."""

from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx2 import AsyncClient

from app.core.db import Database, SqlAway
from tests.integration.api.calls import CALCULATE, PAY, RESERVE, UNRESERVE, problem


def gone(*_: Any) -> Any:
    raise SqlAway("away")


async def test_documented_answers_and_only_those_occur(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = (await client.get("/openapi.json")).json()
    documented = {
        (path, method): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)

    async def call(method: str, address: str, **sent: Any) -> Any:
        answer = await client.request(method, address, **sent)
        seen[urlsplit(address).path, method.lower()].add(str(answer.status_code))
        described = document["paths"][urlsplit(address).path][method.lower()]["responses"]
        kinds = described[str(answer.status_code)]["content"]
        assert answer.headers["content-type"].split(";")[0] in kinds
        schema = kinds[answer.headers["content-type"].split(";")[0]]["schema"]
        assert any(fits(answer.json(), one, document) for one in schema.get("oneOf", [schema])), answer.text
        return answer

    who = {"entityIdentifier": "A 1"}
    times = {"startTime": 0, "endTime": 60}
    huge = b" " * 1_100_000
    await call("PUT", "/parking", json={"identifier": "s"})
    await call("PUT", "/parking", json={"identifier": "s"})
    await call("PUT", "/parking", json={"identifier": "s"}, headers={"If-Match": '"1"'})
    await call("PUT", "/parking", json={})
    booked = await call("POST", RESERVE, json=who)
    await call("PUT", "/parking", json={"identifier": "s", "premium": True})
    await call("POST", RESERVE, json=who | {"slot": "s"})
    await call("POST", RESERVE, json={"entityIdentifier": "B 2"})
    await call("POST", RESERVE, json={})
    await call("POST", CALCULATE, json=times | {"slotIdentifier": "s"})
    mine = {"reservation": booked.json()["reservation"]}
    for method in ("cash", "sandbox-decline", "sandbox-slow", "sandbox-success"):
        quote = (await call("POST", CALCULATE, json=mine)).json()["quote"]
        await call("POST", PAY, json={"quote": quote, "method": method})
    await call("POST", CALCULATE, json=times | {"slotIdentifier": "none"})
    await call("POST", CALCULATE, json={})
    await call("GET", "/parking")
    await call("GET", "/parking?limit=0")
    await call("GET", "/parking?slot=none")
    await call("POST", UNRESERVE, json=who | {"slot": "s"})
    for method, address in (("PUT", "/parking"), ("POST", RESERVE), ("POST", CALCULATE)):
        await call(method, address, content=b"")
        await call(method, address, content=huge)
    monkeypatch.setattr(Database, "unit_of_work", gone)
    monkeypatch.setattr(Database, "look", gone)
    for method, address, body in (
        ("PUT", "/parking", {"identifier": "s"}),
        ("POST", RESERVE, who),
        ("POST", UNRESERVE, who | {"slot": "s"}),
        ("POST", CALCULATE, times | {"slotIdentifier": "s"}),
        ("GET", "/parking", None),
    ):
        answer = await call(method, address, json=body)
        problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert seen == documented


async def test_the_documented_actions_are_the_known_ones(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path in ("/parking", "/parking/payment"):
        parameters = document["paths"][path]["post"]["parameters"]
        actions = next(one["schema"]["enum"] for one in parameters if one["name"] == "action")
        told = problem(await client.post(f"{path}?action=none", json={}), 400)
        assert told["detail"] == f"Say ?action={' or '.join(actions)}."
        for action in actions:
            problem(await client.post(f"{path}?action={action}", json={}), 422)


async def test_the_page_of_the_surface_is_shown(client: AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    for word in ("entityIdentifier", "slotIdentifier", "Idempotency-Key", "/parking/payment"):
        assert word in page.text


def fits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether a value is what a schema says, as far as these schemas say anything."""
    if "$ref" in schema:
        return fits(value, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    if not all(fits(value, one, document) for one in schema.get("allOf", [])):
        return False
    if "enum" in schema:
        return value in schema["enum"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_kind(value, kind) for kind in kinds):
        return False
    if isinstance(value, list):
        return all(fits(one, schema.get("items", {}), document) for one in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return set(schema.get("required", [])) <= set(value) and all(
            fits(value[name], one, document) for name, one in known.items() if name in value
        )
    return True


def is_kind(value: Any, kind: str) -> bool:
    types: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "null": type(None),
    }
    return isinstance(value, types[kind]) and (kind in ("boolean", "null") or not isinstance(value, bool))
