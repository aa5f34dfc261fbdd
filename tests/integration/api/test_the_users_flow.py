"""The requirements' own flow, word for word, in their spelling."""

from datetime import timedelta

from httpx2 import AsyncClient

from app.core.clock import FixedClock
from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, problem


async def test_the_flow_of_the_requirements(timed_client: AsyncClient, clock: FixedClock) -> None:
    client, begin = timed_client, int(clock.now().timestamp())
    slot = {"Identier": "B75", "Location": "Level 2, next to the lift", "size": "car", "premium": False}
    put = await client.put("/parking", json=slot)
    assert put.status_code == 201
    shown = {key: put.json()[key] for key in ("identifier", "location", "size", "premium", "status")}
    assert shown == {
        "identifier": "B75",
        "location": "Level 2, next to the lift",
        "size": "car",
        "premium": False,
        "status": "free",
    }

    reserved = await client.post(RESERVE, json={"time": begin, "entityIdentifier": "HKR 4821"})
    assert reserved.status_code == 200
    assert reserved.json()["slot"] == "B75"
    assert reserved.json()["startTime"] == begin

    full = await client.post(RESERVE, json={"entityIdentifier": "ABC 1"})
    problem(full, 404, "all-taken")

    listed = await client.get("/parking", params={"slot": "B75", "status": "reserved"})
    assert listed.json() == {
        "_links": {"self": "/parking?slot=B75&status=reserved", "next": None, "prev": None},
        "slotDetails": [listed.json()["slotDetails"][0]],
        "start": 0,
        "limit": 10,
    }
    details = listed.json()["slotDetails"][0]
    assert {"name", "location", "size", "status"} <= details.keys()
    assert (details["name"], details["status"]) == ("B75", "reserved")

    clock.advance(timedelta(minutes=30))
    end = int(clock.now().timestamp())
    times = {"startTime": begin, "endTime": end, "slotIdentifer": "B75"}
    preview = await client.post(CALCULATE, json=times)
    assert preview.status_code == 200
    assert (preview.json()["amount"], preview.json()["currency"]) == ("1.00", "EUR")

    left = {"slot": "B75", "time": end, "entityIdentifier": "HKR 4821"}
    ended = await client.post(UNRESERVE, json=left)
    assert ended.status_code == 200
    assert (ended.json()["amount"], ended.json()["currency"]) == ("1.00", "EUR")

    again = await client.post(RESERVE, json={"entityIdentifier": "ABC 1"})
    assert again.json()["slot"] == "B75"


async def test_every_spelling_and_case_of_the_requirements_is_taken(client: AsyncClient) -> None:
    for number, key in enumerate(("Identier", "Identifier", "identifer", "IDENTIFIER", "identifier")):
        put = await client.put("/parking", json={key: f"s{number}", "Size": "car", "PREMIUM": False})
        assert put.status_code == 201, put.text
    for number, key in enumerate(
        ("entityIdentifier", "entityIdentier", "EntityIdentifer", "ENTITYIDENTIFIER")
    ):
        body = {key: f"plate {number}", "slotIdentifer": f"s{number}"}
        assert (await client.post(RESERVE, json=body)).json()["slot"] == f"s{number}"
    for key in ("slotIdentifer", "slotIdentifier", "slot", "SlotIdentifer", "identifier"):
        body = {"startTime": 0, "endTime": 1800, key: "s0"}
        assert (await client.post(CALCULATE, json=body)).status_code == 200, key


async def test_times_are_taken_as_unix_seconds_as_their_text_and_as_iso_8601(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    await timed_client.put("/parking", json={"identifier": "s"})
    seconds = int(clock.now().timestamp())
    for start in (seconds, str(seconds), "2026-06-01T11:50:00Z", "2026-06-01T13:50:00+02:00"):
        body = {"slot": "s", "startTime": start, "endTime": "2026-06-01T12:50:00.000+00:00"}
        answer = await timed_client.post(CALCULATE, json=body)
        assert answer.json()["amountMinor"] == 200, answer.text
