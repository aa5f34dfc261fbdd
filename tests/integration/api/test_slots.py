"""``PUT`` and ``GET /parking``."""

import asyncio
from typing import Any

from httpx2 import AsyncClient

from app.bookings.attend import close_slot
from tests.integration.api.calls import RESERVE, problem, put_slots, wrong_fields
from tests.integration.lots import lot_plan, open_lot


async def listed(client: AsyncClient, **query: Any) -> list[str]:
    answer = await client.get("/parking", params=query)
    assert answer.status_code == 200, answer.text
    return [one["identifier"] for one in answer.json()["slotDetails"]]


async def test_a_new_slot_is_201_and_a_replaced_one_200(client: AsyncClient) -> None:
    first = await client.put("/parking", json={"identifier": "s", "size": "car"})
    again = await client.put("/parking", json={"identifier": "s", "size": "van"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["size"] == "van"


async def test_what_a_replacement_does_not_say_stays(client: AsyncClient) -> None:
    whole = {"identifier": "s", "location": [1.5, 2.5], "premium": True, "charging": True, "area": "B"}
    await client.put("/parking", json=whole)
    again = await client.put("/parking", json={"identifier": "s", "name": "S 1"})
    for key, value in (whole | {"name": "S 1"}).items():
        assert again.json()[key] == value
    cleared = await client.put("/parking", json={"identifier": "s", "location": None})
    assert cleared.json()["location"] is None


async def test_a_slot_goes_into_main_and_a_named_lot_is_made(client: AsyncClient) -> None:
    for body, lot in (({}, "main"), ({"lot": "north-1"}, "north-1")):
        put = await client.put("/parking", json={"identifier": f"in {lot}"} | body)
        assert (put.json()["lot"], put.json()["area"]) == (lot, "A")
        booked = await client.post(RESERVE, json={"entityIdentifier": lot, "lot": lot})
        assert booked.json()["slot"] == f"in {lot}"


async def test_if_match_lets_through_only_who_saw_the_newest(client: AsyncClient) -> None:
    none = await client.put("/parking", json={"identifier": "s"}, headers={"If-Match": "*"})
    problem(none, 412, "precondition-failed")
    first = await client.put("/parking", json={"identifier": "s"})
    tag = first.headers["etag"]
    second = await client.put("/parking", json={"identifier": "s"}, headers={"If-Match": tag})
    assert second.status_code == 200
    assert second.headers["etag"] != tag
    stale = await client.put("/parking", json={"identifier": "s"}, headers={"If-Match": tag})
    problem(stale, 412, "precondition-failed")
    some = await client.put("/parking", json={"identifier": "s"}, headers={"If-Match": "*"})
    assert some.status_code == 200


async def test_a_taken_slot_keeps_its_kind_but_may_get_another_name(client: AsyncClient) -> None:
    await put_slots(client, 1)
    await client.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    for change in (
        {"premium": True},
        {"size": "van"},
        {"area": "Z"},
        {"accessible": True},
        {"charging": True},
    ):
        refused = await client.put("/parking", json={"identifier": "s0"} | change)
        problem(refused, 409, "slot-taken")
    renamed = await client.put("/parking", json={"identifier": "s0", "name": "Best", "location": "there"})
    assert renamed.status_code == 200
    assert (await listed(client, area="A")) == ["s0"]


async def test_names_are_unique_in_a_lot_and_slots_stay_in_theirs(client: AsyncClient) -> None:
    await put_slots(client, 2)
    problem(await client.put("/parking", json={"identifier": "s1", "name": "s0"}), 409, "name-used")
    problem(
        await client.put("/parking", json={"identifier": "n", "lot": "here", "name": "s0"}), 409, "name-used"
    )
    moved = await client.put("/parking", json={"identifier": "s1", "lot": "elsewhere"})
    problem(moved, 409, "slot-in-another-lot")


async def test_every_wrong_field_of_a_slot_is_named_at_once(client: AsyncClient) -> None:
    body = {
        "size": "whale",
        "premium": "yes",
        "lot": "no spaces",
        "area": "",
        "name": "n" * 65,
        "outline": [[0, 0]],
        "location": 5,
        "colour": "red",
    }
    expected = {"identifier", "size", "premium", "lot", "area", "name", "outline", "location", "colour"}
    assert set(wrong_fields(await client.put("/parking", json=body))) == expected


async def test_a_changed_kind_is_proposed_as_what_it_is_now(client: AsyncClient) -> None:
    await put_slots(client, 2)
    await client.put("/parking", json={"identifier": "s0", "accessible": True})
    asked = {"entityIdentifier": "A 1", "lot": "here"}
    assert (await client.post(RESERVE, json=asked)).json()["slot"] == "s1"
    other = {"entityIdentifier": "A 2", "lot": "here", "accessible": True}
    assert (await client.post(RESERVE, json=other)).json()["slot"] == "s0"


async def test_many_slots_of_a_new_lot_at_once_are_all_made(client: AsyncClient) -> None:
    """On PostgreSQL each goes about it at the same time: who loses to another one is simply run again."""
    bodies = [{"identifier": f"n{number}", "lot": "new", "area": "N"} for number in range(12)]
    answers = await asyncio.gather(*(client.put("/parking", json=body) for body in bodies))
    assert [one.status_code for one in answers] == [201] * 12
    assert sorted(await listed(client, lot="new", limit=50)) == sorted(one["identifier"] for one in bodies)


async def test_the_same_slot_many_times_at_once_is_made_once(client: AsyncClient) -> None:
    body = {"identifier": "s", "lot": "here"}
    answers = await asyncio.gather(*(client.put("/parking", json=body) for _ in range(8)))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [201]


async def test_the_list_is_filtered_by_everything_that_it_offers(client: AsyncClient) -> None:
    await put_slots(client, 4)
    await client.put("/parking", json={"identifier": "van", "lot": "there", "area": "V", "size": "van"})
    await client.put("/parking", json={"identifier": "best", "lot": "there", "premium": True})
    await client.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s1"})
    desk = client.desk  # type: ignore[attr-defined]
    closed = (await desk.layouts.of_code("here")).by_name["s3"]
    await close_slot(desk, closed.id, 1)
    assert await listed(client) == ["s0", "s1", "s2", "s3", "van", "best"]
    assert await listed(client, slot="s2") == ["s2"]
    assert await listed(client, slotIdentifer="s2") == ["s2"]
    assert await listed(client, status="free") == ["s0", "s2", "van", "best"]
    assert await listed(client, status="reserved") == ["s1"]
    assert await listed(client, status="occupied") == []
    assert await listed(client, status="closed") == ["s3"]
    assert await listed(client, lot="there") == ["van", "best"]
    assert await listed(client, area="V") == ["van"]
    assert await listed(client, size="van") == ["van"]
    assert await listed(client, premium="true") == ["best"]
    assert await listed(client, premium="false", lot="there") == ["van"]
    assert await listed(client, start=4) == ["van", "best"]
    assert await listed(client, start=1, limit=2) == ["s1", "s2"]
    assert await listed(client, start=99) == []


SENSELESS = [
    ("limit", "0"),
    ("limit", "1001"),
    ("limit", "ten"),
    ("limit", "9" * 400),
    ("start", "-1"),
    ("start", "9" * 30),
    ("start", "1.5"),
    ("status", "held"),
    ("status", "taken"),
    ("size", "whale"),
    ("premium", "maybe"),
    ("lot", "no spaces"),
    ("slot", ""),
    ("slot", "a\x01b"),
    ("area", "x" * 33),
    ("cursor", "nonsense"),
    ("cursor", "bnVsbA=="),
    ("cursor", "WzEsdHJ1ZV0"),
    ("cursor", "WzllOTksIHRydWVd"),
    ("cursor", "x" * 101),
    ("colour", "red"),
]


async def test_a_query_that_makes_no_sense_is_422_and_names_the_field(client: AsyncClient) -> None:
    for name, value in SENSELESS:
        assert wrong_fields(await client.get("/parking", params={name: value})) == [name], value


async def test_several_wrong_fields_of_a_query_are_named_together(client: AsyncClient) -> None:
    query = {"limit": "0", "start": "-1", "status": "x"}
    assert sorted(wrong_fields(await client.get("/parking", params=query))) == ["limit", "start", "status"]


async def test_walking_the_links_shows_each_slot_once_in_both_directions(client: AsyncClient) -> None:
    count, limit = 2_503, 500
    await open_lot(client.desk, lot_plan(slots=count))  # type: ignore[attr-defined]
    pages, link = [], f"/parking?lot=here&limit={limit}"
    while link:
        body = (await client.get(link)).json()
        assert body["limit"] == limit
        pages.append([one["identifier"] for one in body["slotDetails"]])
        last, link = link, body["_links"]["next"]
    forth = [one for page in pages for one in page]
    assert forth == [f"here-A{number}" for number in range(1, count + 1)]
    assert [len(page) for page in pages] == [500] * 5 + [3]

    back: list[list[str]] = []
    link = last
    while link:
        body = (await client.get(link)).json()
        back.insert(0, [one["identifier"] for one in body["slotDetails"]])
        link = body["_links"]["prev"]
    assert [one for page in back for one in page] == forth
    assert body["_links"]["next"] is not None


async def test_slots_that_are_added_during_a_walk_shift_nothing(client: AsyncClient) -> None:
    await put_slots(client, 6)
    first = (await client.get("/parking?limit=4")).json()
    await client.put("/parking", json={"identifier": "late", "lot": "here"})
    second = (await client.get(first["_links"]["next"])).json()
    assert [one["identifier"] for one in second["slotDetails"]] == ["s4", "s5", "late"]
    assert second["_links"]["next"] is None
    before = (await client.get(second["_links"]["prev"])).json()
    assert before["slotDetails"] == first["slotDetails"]
    assert before["_links"]["prev"] is None
