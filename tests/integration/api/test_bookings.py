"""``POST /parking`` and ``POST /parking/payment``: each answer that they promise."""

from datetime import timedelta

from httpx2 import AsyncClient

from app.bookings.attend import close_slot
from app.core.clock import FixedClock
from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, problem, put_slots, wrong_fields


async def test_a_full_lot_is_404_also_where_another_lot_has_slots(client: AsyncClient) -> None:
    await put_slots(client, 1)
    await client.put("/parking", json={"identifier": "t0", "lot": "there"})
    await client.post(RESERVE, json={"entityIdentifier": "A 1", "lot": "here"})
    problem(await client.post(RESERVE, json={"entityIdentifier": "A 2", "lot": "here"}), 404, "all-taken")
    anywhere = await client.post(RESERVE, json={"entityIdentifier": "A 2"})
    assert anywhere.json()["slot"] == "t0"
    problem(await client.post(RESERVE, json={"entityIdentifier": "A 3"}), 404, "all-taken")


async def test_an_empty_installation_has_nothing_to_give(client: AsyncClient) -> None:
    problem(await client.post(RESERVE, json={"entityIdentifier": "A 1"}), 404, "all-taken")
    assert (await client.get("/parking")).json()["slotDetails"] == []


async def test_what_does_not_exist_is_404_with_a_type_of_its_own(client: AsyncClient) -> None:
    await put_slots(client, 1)
    who = {"entityIdentifier": "A 1"}
    problem(await client.post(RESERVE, json=who | {"lot": "nowhere"}), 404, "no-such-lot")
    problem(await client.post(RESERVE, json=who | {"slot": "none"}), 404, "no-such-slot")
    problem(await client.post(RESERVE, json=who | {"slot": "s0", "lot": "other"}), 404, "no-such-slot")
    problem(await client.post(UNRESERVE, json=who | {"slot": "none"}), 404, "no-such-slot")
    problem(await client.get("/parking?slot=none"), 404, "no-such-slot")
    problem(await client.get("/parking?lot=none&status=free"), 404, "no-such-lot")
    assert (await client.get("/parking?slot=s0&status=occupied")).json()["slotDetails"] == []
    problem(await client.post(UNRESERVE, json=who | {"slot": "s0"}), 404, "no-such-reservation")
    times = {"startTime": 0, "endTime": 60}
    problem(await client.post(CALCULATE, json=times | {"slot": "none"}), 404, "no-such-slot")
    problem(await client.post(CALCULATE, json={"reservation": "none"}), 404, "no-such-reservation")


async def test_a_taken_slot_is_409_and_names_the_nearest_like_it(client: AsyncClient) -> None:
    await put_slots(client, 3)
    await client.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    refused = await client.post(RESERVE, json={"entityIdentifier": "A 2", "slot": "s0"})
    assert problem(refused, 409, "slot-taken")["nearest"] == "s1"


async def test_a_closed_slot_is_409(client: AsyncClient) -> None:
    await put_slots(client, 1)
    desk = client.desk  # type: ignore[attr-defined]
    await close_slot(desk, (await desk.layouts.of_code("here")).by_name["s0"].id, 1)
    refused = await client.post(RESERVE, json={"entityIdentifier": "A 2", "slot": "s0"})
    assert problem(refused, 409, "slot-closed")["nearest"] is None


async def test_an_entity_with_a_booking_is_409_and_is_told_which(client: AsyncClient) -> None:
    await put_slots(client, 2)
    first = (await client.post(RESERVE, json={"entityIdentifier": "A 1"})).json()
    told = problem(
        await client.post(RESERVE, json={"entityIdentifier": "A 1"}), 409, "entity-has-reservation"
    )
    assert (told["slot"], told["reservation"]) == (first["slot"], first["reservation"])


async def test_every_wrong_field_of_a_booking_is_named_at_once(client: AsyncClient) -> None:
    body = {
        "entityIdentifier": 7,
        "time": "noon",
        "until": True,
        "lot": "",
        "size": 3,
        "premium": 0,
        "accessible": "no",
        "charging": None,
        "colour": "red",
    }
    assert set(wrong_fields(await client.post(RESERVE, json=body))) == set(body)
    assert wrong_fields(await client.post(UNRESERVE, json={})) == ["slot", "entityIdentifier"]
    assert set(wrong_fields(await client.post(CALCULATE, json={}))) == {
        "slotIdentifier",
        "startTime",
        "endTime",
    }


async def test_times_that_cannot_be_are_named(timed_client: AsyncClient, clock: FixedClock) -> None:
    await put_slots(timed_client, 1)
    now = int(clock.now().timestamp())
    who = {"entityIdentifier": "A 1"}
    for body, fields in (
        ({"time": now - 61}, ["time"]),
        ({"time": now + 86_401}, ["time"]),
        ({"until": now}, ["until"]),
        ({"time": now + 600, "until": now + 600}, ["until"]),
        ({"until": now + 367 * 86_400}, ["until"]),
        (
            {"time": now - 999, "until": now - 1000, "entityIdentifier": " - "},
            ["entityIdentifier", "time", "until"],
        ),
    ):
        assert wrong_fields(await timed_client.post(RESERVE, json=who | body)) == fields
    assert wrong_fields(
        await timed_client.post(CALCULATE, json={"slot": "s0", "startTime": now, "endTime": now - 1})
    ) == ["endTime"]
    allowed = {"time": now - 60, "until": now + 60}
    assert (await timed_client.post(RESERVE, json=who | allowed)).status_code == 200
    gone = {"slot": "s0", "time": now - 61}
    assert wrong_fields(await timed_client.post(UNRESERVE, json=who | gone)) == ["time"]
    ahead = {"slot": "s0", "time": now + 61}
    assert wrong_fields(await timed_client.post(UNRESERVE, json=who | ahead)) == ["time"]


async def test_a_booking_ahead_is_billed_from_its_start_or_after_half_an_hour(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    await put_slots(timed_client, 2)
    now = int(clock.now().timestamp())
    soon = {"entityIdentifier": "A 1", "time": now + 600}
    assert (await timed_client.post(RESERVE, json=soon)).json()["startTime"] == now + 600
    late = {"entityIdentifier": "A 2", "time": now + 7200}
    assert (await timed_client.post(RESERVE, json=late)).json()["startTime"] == now + 1800
    clock.advance(timedelta(minutes=9))
    gone = await timed_client.post(UNRESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    assert (gone.json()["amount"], gone.json()["paymentStatus"]) == ("0.00", "nothing due")


async def test_a_repeated_unreserve_answers_as_the_first_one_did(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    await put_slots(timed_client, 1)
    await timed_client.post(RESERVE, json={"entityIdentifier": "A 1"})
    clock.advance(timedelta(minutes=31))
    body = {"entityIdentifier": "A 1", "slot": "s0", "time": int(clock.now().timestamp())}
    first = await timed_client.post(UNRESERVE, json=body)
    assert first.json()["amount"] == "2.00"
    clock.advance(timedelta(hours=3))
    again = await timed_client.post(UNRESERVE, json=body)
    assert again.json() == first.json()
    # The same entity books the same slot again: the old request is still the old one.
    await timed_client.post(RESERVE, json={"entityIdentifier": "A 1"})
    assert (await timed_client.post(UNRESERVE, json=body)).json() == first.json()
    by_name = {"entityIdentifier": "A 1", "slot": "s0", "reservation": first.json()["reservation"]}
    assert (await timed_client.post(UNRESERVE, json=by_name)).json() == first.json()
    running = await timed_client.get("/parking?status=reserved")
    assert len(running.json()["slotDetails"]) == 1


async def test_bookings_that_end_in_the_same_second_end_each(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    """Clients tell the time in whole seconds: the second one is no repetition of the first."""
    await put_slots(timed_client, 1)
    ended = set()
    for _ in range(3):
        clock.advance(timedelta(milliseconds=200))
        await timed_client.post(RESERVE, json={"entityIdentifier": "A 1"})
        body = {"entityIdentifier": "A 1", "slot": "s0", "time": int(clock.now().timestamp())}
        ended.add((await timed_client.post(UNRESERVE, json=body)).json()["reservation"])
    assert len(ended) == 3
    assert (await timed_client.get("/parking?status=reserved")).json()["slotDetails"] == []


async def test_who_names_the_slot_that_it_holds_is_told_of_its_booking(client: AsyncClient) -> None:
    await put_slots(client, 2)
    body = {"entityIdentifier": "A 1", "slot": "s0"}
    first = (await client.post(RESERVE, json=body)).json()
    told = problem(await client.post(RESERVE, json=body), 409, "entity-has-reservation")
    assert (told["slot"], told["reservation"]) == (first["slot"], first["reservation"])


async def test_calculate_is_a_preview_or_says_what_a_booking_costs(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    await put_slots(timed_client, 1, premium=True)
    preview = await timed_client.post(CALCULATE, json={"slot": "s0", "startTime": 0, "endTime": 1801})
    assert preview.json() == {
        "amount": "3.00",
        "amountMinor": 300,
        "currency": "EUR",
        "lines": [
            {
                "rule": "premium, per started increment",
                "quantity": 2,
                "unit": "30 min",
                "amount": "3.00",
                "amountMinor": 300,
            }
        ],
    }
    booked = (await timed_client.post(RESERVE, json={"entityIdentifier": "A 1"})).json()
    clock.advance(timedelta(minutes=61))
    so_far = await timed_client.post(CALCULATE, json={"reservation": booked["reservation"]})
    assert so_far.json()["amount"] == "4.50"
    ended = await timed_client.post(UNRESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    clock.advance(timedelta(days=2))
    after = await timed_client.post(CALCULATE, json={"reservation": booked["reservation"]})
    assert after.json()["amountMinor"] == ended.json()["amountMinor"] == 450
    assert after.json()["lines"] == ended.json()["lines"]


async def test_an_idempotency_key_gets_the_first_answer_and_refuses_another_request(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    await put_slots(timed_client, 3)
    key = {"Idempotency-Key": "one"}
    body = {"entityIdentifier": "A 1", "lot": "here"}
    first = await timed_client.post(RESERVE, json=body, headers=key)
    again = await timed_client.post(RESERVE, json=body, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    other = await timed_client.post(RESERVE, json=body | {"entityIdentifier": "B"}, headers=key)
    problem(other, 422, "idempotency-key-reused")
    leave = {"entityIdentifier": "A 1", "slot": first.json()["slot"]}
    clock.advance(timedelta(minutes=3))
    ended = await timed_client.post(UNRESERVE, json=leave, headers=key)
    clock.advance(timedelta(hours=3))
    assert (await timed_client.post(UNRESERVE, json=leave, headers=key)).json() == ended.json()
    # The booking has ended; its request still gets the answer that it got.
    assert (await timed_client.post(RESERVE, json=body, headers=key)).json() == first.json()


async def test_only_a_success_is_kept_under_a_key(client: AsyncClient) -> None:
    key, body = {"Idempotency-Key": "one"}, {"entityIdentifier": "A 1", "lot": "here"}
    problem(await client.post(RESERVE, json=body, headers=key), 404)
    await put_slots(client, 1)
    assert (await client.post(RESERVE, json=body, headers=key)).status_code == 200


async def test_a_key_that_cannot_be_kept_is_named(client: AsyncClient) -> None:
    await put_slots(client, 1)
    for key in ("", "k" * 256, "a\x01b"):
        body = {"entityIdentifier": "A 1"}
        answer = await client.post(RESERVE, json=body, headers={b"Idempotency-Key": key.encode()})
        assert wrong_fields(answer) == ["Idempotency-Key"]
