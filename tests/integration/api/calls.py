"""The calls of the REST surface, and what is true of each of its refusals."""

from typing import Any

from httpx2 import AsyncClient, Response

RESERVE = "/parking?action=reserve"
UNRESERVE = "/parking?action=unreserve"
PAY = "/parking/payment?action=pay"
CALCULATE = "/parking/payment?action=calculate"


async def put_slots(client: AsyncClient, count: int, **metadata: Any) -> list[str]:
    """New slots ``s0``, ``s1``, … in lot ``here``."""
    names = [f"s{number}" for number in range(count)]
    for name in names:
        answer = await client.put("/parking", json={"identifier": name, "lot": "here"} | metadata)
        assert answer.status_code == 201, answer.text
    return names


def problem(response: Response, status: int, kind: str | None = None) -> dict[str, Any]:
    """The body of a refusal, which is a problem document of that status (and kind)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["type"].startswith("/problems/")
    if kind is not None:
        assert body["type"] == f"/problems/{kind}"
    return body


def wrong_fields(response: Response) -> list[str]:
    """The fields that a 422 names."""
    return [one["field"] for one in problem(response, 422)["errors"]]
