"""Whatever is sent, the answer is 4xx with a problem document: never 5xx, on either database."""

import asyncio
import json
from typing import Any

import pytest
from httpx2 import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, problem, put_slots, wrong_fields

CALLS = [("POST", RESERVE), ("POST", UNRESERVE), ("POST", CALCULATE), ("PUT", "/parking")]
IDS = ["reserve", "unreserve", "calculate", "put"]
DEEPEST = 2_000


def refused(answer: Any) -> None:
    assert 400 <= answer.status_code < 500, answer.text[:500]
    problem(answer, answer.status_code)


CHECK_IN = "/parking?action=check-in"

UNREADABLE = [
    (b"", 400, "body-missing"),
    (b" \r\n\t", 400, "body-missing"),
    (b"nonsense", 400, "body-not-json"),
    (b'{"slot": "a"', 400, "body-not-json"),
    (b'{"slot": NaN}', 400, "body-not-json"),
    (b'{"slot": -Infinity}', 400, "body-not-json"),
    (b'{"slot": "\xff\xfe"}', 400, "body-not-json"),
    (b'{"slot": ' + b"9" * 5_000 + b"}", 400, "body-not-json"),
    (b"[" * 100_000, 400, "body-not-json"),
    (b"[]", 400, "body-not-an-object"),
    (b"null", 400, "body-not-an-object"),
    (b'"text"', 400, "body-not-an-object"),
    (b"1", 400, "body-not-an-object"),
    (b'{"slot": "' + b"x" * 2_000_000 + b'"}', 413, "body-too-large"),
]


async def test_a_body_that_is_no_json_object(client: AsyncClient) -> None:
    for method, address in CALLS:
        for body, status, kind in UNREADABLE:
            problem(await client.request(method, address, content=body), status, kind)


@pytest.mark.parametrize("link", ["http://[x", "//[", "http://a]b/bookings/x", "x" * 400, "%00", "/"])
async def test_a_code_that_is_no_link(client: AsyncClient, link: str) -> None:
    problem(await client.post(CHECK_IN, json={"booking": link}), 404, "no-such-booking")


@pytest.mark.parametrize(
    "start", ["0001-01-01T00:00Z", "0001-01-01T00:00", "1970-01-01T00:00", "9999-12-31T23:59"]
)
async def test_a_form_with_a_start_that_no_clock_shows(client: AsyncClient, start: str) -> None:
    await put_slots(client, 1)
    sent = {"entity": "A 1", "start": "later", "start_at": start}
    for address in ("/lots/here/slots/s0/price", "/lots/here/slots/s0"):
        answer = await client.post(address, data=sent, headers={"Accept": "text/html"})
        assert answer.status_code in (200, 422)
        assert "Lies in the past." in answer.text or "At most a day ahead." in answer.text


@pytest.mark.parametrize(("method", "address"), CALLS, ids=IDS)
async def test_fields_that_no_database_could_keep(client: AsyncClient, method: str, address: str) -> None:
    await put_slots(client, 1)
    strange = ["a\x00b", "\x1b[0m", "x" * 121, "", 1e308, 10**400, -(10**18), True, [], {}, [[["x"]]], None]
    for value in strange:
        for key in ("slot", "entityIdentifier", "time", "startTime", "reservation", "lot", "area", "until"):
            refused(await client.request(method, address, json={key: value}))
    for raw in (rb'"\ud800"', rb'"\udfff\ud800"', rb'"\u0000"', rb"1e999", rb"-0.0"):
        for key in (b"slot", b"identifier", b"entityIdentifier", b"area", b"name", b"time"):
            body = b'{"' + key + b'": ' + raw + b"}"
            refused(await client.request(method, address, content=body))


@pytest.mark.parametrize(("method", "address"), CALLS, ids=IDS)
async def test_names_of_fields_are_as_strange_as_their_values(
    client: AsyncClient, method: str, address: str
) -> None:
    for key in (rb"\ud800", rb"\u0000", rb"", b"x" * 100_000, "ü".encode(), rb"\u202e"):
        answer = await client.request(method, address, content=b'{"' + key + b'": 1}')
        refused(answer)
        assert len(answer.content) < 20_000
    many = await client.request(method, address, json={f"f{number}": 1 for number in range(20_000)})
    refused(many)
    assert len(many.content) < 20_000


async def test_a_location_is_kept_or_refused_however_deep_it_is(client: AsyncClient) -> None:
    kept = 0
    for depth in (1, 8, 20, 33, 100, 300, *range(400, 1_010, 15), DEEPEST):
        body = b'{"identifier": "s", "location": ' + b"[" * depth + b"]" * depth + b"}"
        answer = await client.put("/parking", content=body)
        if answer.status_code >= 400:
            refused(answer)
        else:
            kept += 1
            assert (await client.get("/parking")).status_code == 200
    assert kept >= 3


async def test_a_location_is_shown_as_it_was_given(client: AsyncClient) -> None:
    for number, location in enumerate(
        (
            "level 2",
            [13.4, 52.5],
            {"type": "Point", "coordinates": [13.4, 52.5]},
            {"ü": ["\u2028", 1e300, 2**60]},
        )
    ):
        put = await client.put("/parking", json={"identifier": f"s{number}", "location": location})
        assert put.json()["location"] == location
    for raw in (b'"\\u0000"', b'{"a": ["\\ud800"]}', b"[1e999]", b"7", b"true", b'"' + b"x" * 20_001 + b'"'):
        answer = await client.put("/parking", content=b'{"identifier": "s", "location": ' + raw + b"}")
        assert wrong_fields(answer) == ["location"]


async def test_an_entity_may_be_written_in_any_script_but_must_fit_when_it_is_compared(
    client: AsyncClient,
) -> None:
    """NFKC makes 18 letters of one: what is stored would be longer than its column."""
    await put_slots(client, 4)
    for number, entity in enumerate(("京都 330 あ 12-34", "АВ 123", "ß" * 60)):
        booked = await client.post(RESERVE, json={"entityIdentifier": entity, "slot": f"s{number}"})
        assert booked.status_code == 200, booked.text
    for entity in ("\ufdfa" * 20, "\ufdfa" * 120, "ŉ" * 119):
        answer = await client.post(RESERVE, json={"entityIdentifier": entity})
        assert wrong_fields(answer) == ["entityIdentifier"]


async def test_an_unknown_action_is_400_and_names_the_known_ones(client: AsyncClient) -> None:
    for address, known in (("/parking", "reserve or unreserve"), ("/parking/payment", "calculate")):
        for query in ("", "?action=", "?action=steal", "?ACTION=reserve", "?action=%00"):
            answer = await client.post(address + query, json={})
            assert 400 <= answer.status_code < 500
            body = problem(answer, 400)
            if "%00" not in query:
                assert body["type"] == "/problems/unknown-action"
                assert known in body["detail"]


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("DELETE", "/parking"),
        ("PATCH", "/parking"),
        ("GET", "/parking/payment"),
        ("PUT", "/parking/payment"),
        ("POST", "/openapi.json"),
        ("DELETE", "/healthz"),
    ],
)
async def test_a_wrong_method_is_405(client: AsyncClient, method: str, address: str) -> None:
    answer = await client.request(method, address)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


async def test_an_unknown_address_is_404(client: AsyncClient) -> None:
    for address in ("/parkin", "/parking/payment/x", "/problems/none", "/static/x/none.css"):
        problem(await client.get(address), 404, "no-such-address")


async def test_nul_bytes_are_refused_wherever_they_stand(client: AsyncClient) -> None:
    await put_slots(client, 1)
    for address in (
        "/lots/%00",
        "/lots/here/slots/%00",
        "/lots/%00/nearest",
        "/display/a%00b",
        "/?q=%00",
        "/lots?q=a%00",
        "/bookings/%00",
        "/sign-in/%00",
        "/parking?slot=%00",
        "/parking?lot=%00",
        "/parking?cursor=%00",
        "/parking?%00=1",
    ):
        refused(await client.get(address))


async def test_headers_that_make_no_sense_change_nothing_or_are_refused(client: AsyncClient) -> None:
    body = {"entityIdentifier": "A 1"}
    for name, value in (
        ("Origin", "http://["),
        ("Origin", "null"),
        ("Origin", "\xff"),
        ("If-Match", '"'),
        ("Cookie", "lotline_session=\xff; ;=;"),
        ("Content-Type", "nonsense; charset=none"),
        ("Accept", "*;q=x"),
        ("Idempotency-Key", "\xff\xfe"),
        ("Sec-Fetch-Site", "nonsense"),
        ("Content-Length", "7"),
    ):
        headers = {name.encode(): value.encode("latin-1")}
        refused(await client.post(RESERVE, json=body, headers=headers))
        assert (await client.get("/", headers=headers)).status_code == 200


# Values of every kind that JSON has, and those that are nearly right.
near_texts = st.sampled_from(
    ["s0", "s1", "here", "A", "A 1", "car", "van", "now", "2026-06-01T00:00Z", "1e5", "-1"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(1_780_000_000, 1_800_000_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.text(st.characters(), max_size=130)
    | near_texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
KEYS = (
    "slot slotIdentifer slotIdentifier identifier Identier entityIdentifier entityIdentier time until lot "
    "size premium accessible charging reservation startTime endTime location Location name outline"
).split()
bodies = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), values, max_size=8)


@pytest.mark.parametrize(("method", "address"), CALLS, ids=IDS)
async def test_random_bodies_never_bring_the_server_down(
    client: AsyncClient, method: str, address: str
) -> None:
    await put_slots(client, 2)

    @settings(
        max_examples=120,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(body=bodies, good=st.booleans(), key=st.none() | st.text(max_size=10))
    async def one(body: dict[str, Any], good: bool, key: str | None) -> None:
        whole = (
            {"slot": "s0", "entityIdentifier": "A 1", "startTime": 0, "endTime": 9} if good else {}
        ) | body
        if method == "PUT" and good:
            whole = {"identifier": "s1"} | body
        content = json.dumps(whole).encode()
        headers = {} if key is None else {b"Idempotency-Key": key.encode("utf-8", "replace")}
        answer = await client.request(method, address, content=content, headers=headers)
        assert answer.status_code < 500, content
        if answer.status_code >= 400:
            problem(answer, answer.status_code)

    await run(one)


async def test_random_queries_never_bring_the_server_down(client: AsyncClient) -> None:
    await put_slots(client, 2)
    names = st.sampled_from("slot status lot area size premium start limit cursor".split()) | st.text(
        max_size=4
    )
    texts = near_texts | st.text(max_size=30) | st.integers().map(str) | st.floats().map(str)

    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(query=st.dictionaries(names, texts, max_size=4))
    async def one(query: dict[str, str]) -> None:
        answer = await client.get("/parking", params=query)
        assert answer.status_code < 500, query
        if answer.status_code >= 400:
            problem(answer, answer.status_code)

    await run(one)


async def run(test: Any) -> None:
    """Runs a Hypothesis test whose inner function is asynchronous, in the loop of this test."""
    loop = asyncio.get_running_loop()
    inner = test.hypothesis.inner_test

    def in_this_loop(*arguments: Any, **named: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(*arguments, **named), loop).result()

    test.hypothesis.inner_test = in_this_loop
    await asyncio.to_thread(test)
