"""An operator's payments, refunds and closing, as pages: who may, what is said, and what is done once."""

import asyncio
import csv
import html
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient, Response
from sqlalchemy import insert

from app.accounts.models import Role
from app.bookings.desk import Desk
from app.core.clock import FixedClock
from app.core.ids import sign_id
from app.payments import records
from app.payments.listing import PAGE
from app.payments.models import Payment, PaymentState, RefundState
from app.payments.paying import Cashier, Order, pay, quote_for
from app.payments.providers.protocol import ProviderAway, Refunded, RefundOrder
from app.payments.quotes import payment_id
from app.payments.refunding import begin
from app.slots.layout import Layouts
from app.slots.models import Lot
from tests.integration.api.calls import RESERVE, UNRESERVE, problem, put_slots
from tests.integration.api.test_tariffs import sign_in, words_of
from tests.integration.payments.made_up import Books

PAYMENTS = "/operator/payments"
CLOSING = "/operator/closing"
CASH = Order("cash", by="Ann")
CARD = Order("sandbox-success")
HOUR = timedelta(hours=1)


def cashier_of(client: AsyncClient) -> Cashier:
    found: Cashier = client.app.state.parts.get(Cashier)  # type: ignore[attr-defined]
    return found


async def lot_id(client: AsyncClient, code: str = "here") -> int:
    desk: Desk = client.desk  # type: ignore[attr-defined]
    layout = await Layouts(desk.database).of_code(code)
    assert layout is not None
    return layout.lot_id


async def books_of(client: AsyncClient, **options: Any) -> Books:
    return Books(cashier_of(client).database, await lot_id(client), zone="UTC", **options)


async def paid(client: AsyncClient, plate: str = "A 1", order: Order = CARD) -> Payment:
    """A booking that runs since an hour, and that was paid for."""
    booked = await client.post(RESERVE, json={"entityIdentifier": plate, "lot": "here"})
    client.clock.advance(HOUR - timedelta(minutes=2))  # type: ignore[attr-defined]
    cashier = cashier_of(client)
    _, signed = await quote_for(cashier, booked.json()["reservation"])
    return await pay(cashier, signed, order)


@pytest_asyncio.fixture
async def operator(timed_client: AsyncClient, clock: FixedClock) -> AsyncClient:
    await put_slots(timed_client, 4)
    await sign_in(timed_client, "Ines", Role.OPERATOR)
    timed_client.clock = clock  # type: ignore[attr-defined]
    return timed_client


def form_of(shown: Response, css: str) -> dict[str, str]:
    """What a form on a page sends as it stands."""
    form = re.search(rf'<form class="{css}".*?</form>', shown.text, flags=re.DOTALL)
    assert form is not None, css
    tags = re.findall(r"<input[^>]*>", form[0])
    found = [(re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)) for tag in tags]
    return {name[1]: html.unescape(value[1]) if value else "" for name, value in found if name}


async def refunds_of(client: AsyncClient, payment: Payment) -> list[tuple[int, str, str]]:
    async with cashier_of(client).database.look() as connection:
        found = await records.refunds_of(connection, payment.id)
    return [(one.amount_minor, one.state, one.by) for one in found]


async def refund(client: AsyncClient, payment: Payment, **sent: str) -> Response:
    return await client.post(f"{PAYMENTS}/{payment.id}/refund", data=sent)


# The list


async def test_without_any_payment_the_list_says_what_will_stand_there(operator: AsyncClient) -> None:
    shown = await operator.get(PAYMENTS)
    assert shown.status_code == 200
    assert "No payment yet" in shown.text


async def test_the_newest_payments_come_first_and_pages_follow(operator: AsyncClient) -> None:
    books = await books_of(operator)
    for number in range(PAGE + 5):
        await books.paid(datetime(2026, 6, 1, 8, tzinfo=UTC) + timedelta(seconds=number), 100 + number)
    first = await operator.get(PAYMENTS)
    shown = re.findall(r'class="pay-amount">€([\d.]+)<', first.text)
    assert shown == [f"{(100 + number) / 100:.2f}" for number in reversed(range(5, PAGE + 5))]
    older = re.search(r'href="([^"]*)" id="older"', first.text)
    assert older is not None
    second = await operator.get(html.unescape(older[1]))
    assert re.findall(r'class="pay-amount">€([\d.]+)<', second.text) == [
        "1.04",
        "1.03",
        "1.02",
        "1.01",
        "1.00",
    ]
    assert 'id="older"' not in second.text
    assert 'id="newest"' in second.text


async def test_filters_show_what_was_asked_for(operator: AsyncClient) -> None:
    books = await books_of(operator)
    at = datetime(2026, 6, 1, 8, tzinfo=UTC)
    cash = await books.paid(at, 111)
    card = await books.paid(at - timedelta(days=1), 222, "sandbox-success")
    await books.payment(at, 333, "sandbox-decline", PaymentState.FAILED)
    await books.refunded(cash, at, 11)
    await books.refunded(card, at, 22, state=RefundState.PENDING)

    async def amounts(query: str) -> list[str]:
        shown = await operator.get(f"{PAYMENTS}?{query}")
        assert shown.status_code == 200
        return sorted(re.findall(r'class="pay-amount">€([\d.]+)<', shown.text))

    assert await amounts("") == ["1.11", "2.22", "3.33"]
    assert await amounts("state=failed") == ["3.33"]
    assert await amounts("provider=sandbox&state=paid") == ["2.22"]
    assert await amounts("day=2026-05-31") == ["2.22"]
    assert await amounts("lot=here&day=2026-06-01&state=&provider=&q=") == ["1.11", "3.33"]
    async with books.database.look() as connection:
        receipt = await records.receipt_of(connection, card.id)
    assert receipt is not None
    key = operator.desk.signing_key  # type: ignore[attr-defined]
    links = [f"http://x/receipts/{sign_id(key, card.id)}", f"/bookings/{sign_id(key, card.reservation_id)}"]
    for text in (f"{receipt.number:06}", str(receipt.number), card.id.upper(), card.reservation_id, *links):
        assert await amounts(f"q={text}") == ["2.22"], text
    words = words_of(await operator.get(PAYMENTS))
    assert "paid, €0.11 given back" in words
    assert "paid, €0.22 on its way back" in words
    assert "declined" in words
    assert "No such payment" in (await operator.get(f"{PAYMENTS}?state=expired")).text


async def test_every_wrong_filter_is_said_at_its_field(operator: AsyncClient) -> None:
    wrong = {"lot": "no<b>where", "day": "2026-02-30", "state": "lost", "provider": "beads", "q": "nonsense"}
    told = await operator.get(PAYMENTS, params=wrong | {"after": "x"})
    assert told.status_code == 422
    for name in wrong:
        tag = re.search(rf'<(?:input|select)[^>]* id="{name}"[^>]*>', told.text)
        assert tag is not None and 'aria-invalid="true"' in tag[0], name
        assert f'id="{name}-note"' in told.text
    assert "no<b>" not in told.text
    assert "begin with the newest" in told.text


async def test_a_day_without_a_lot_is_asked_for_where_clocks_differ(operator: AsyncClient) -> None:
    async with operator.desk.database.unit_of_work() as connection:  # type: ignore[attr-defined]
        far = Lot(id=99, code="far", name="Far", time_zone="Asia/Tokyo")
        await connection.execute(insert(Lot.__table__).values(**far.model_dump()))  # type: ignore[attr-defined]
    told = await operator.get(f"{PAYMENTS}?day=2026-06-01")
    assert told.status_code == 422
    assert "Choose a lot as well" in told.text
    assert (await operator.get(f"{PAYMENTS}?day=2026-06-01&lot=far")).status_code == 200


# Refunds


async def test_a_payment_shows_its_bill_its_books_and_who_did_what(operator: AsyncClient) -> None:
    payment = await paid(operator, order=CASH)
    answer = await operator.get(f"{PAYMENTS}/{payment.id}")
    shown = words_of(answer)
    assert payment.reservation_id in answer.text, "its link leads to all payments of the booking"
    for said in (
        "€2.00",
        "Taken by Ann",
        payment.id,
        "Till, desk €2.00",
        "Revenue, Here -€2.00",
    ):
        assert said in shown
    assert "Ann paid" in shown
    assert "3 × 30 min" in shown or "2 × 30 min" in shown
    problem(await operator.get(f"{PAYMENTS}/{payment_id('x', 1)}"), 404)


async def test_a_refund_is_asked_confirmed_and_done_once(operator: AsyncClient) -> None:
    payment = await paid(operator)
    first = await operator.get(f"{PAYMENTS}/{payment.id}")
    sent = form_of(first, "refund")
    assert (sent["amount"], sent["number"]) == ("2.00", "1")
    asked = await refund(
        operator, payment, **sent | {"amount": "0,50", "reason": " too  long a walk ", "step": "ask"}
    )
    assert asked.status_code == 200
    assert "Give back €0.50" in words_of(asked)
    assert await refunds_of(operator, payment) == []
    confirmed = form_of(asked, "refund") | {"step": "give"}
    many = await asyncio.gather(*(refund(operator, payment, **confirmed) for _ in range(4)))
    assert {(one.status_code, one.headers["location"]) for one in many} == {
        (303, f"{PAYMENTS}/{payment.id}?refunded=1")
    }
    assert await refunds_of(operator, payment) == [(50, "done", "Ines")]
    shown = await operator.get(many[0].headers["location"])
    assert "€0.50 given back." in words_of(shown)
    assert form_of(shown, "refund") | {"reason": ""} == {"amount": "1.50", "number": "2", "reason": ""}
    # Sent again, also after all of it is gone.
    rest = {"amount": "1.50", "reason": "all of it", "number": "2", "step": "give"}
    assert (await refund(operator, payment, **rest)).status_code == 303
    assert (await refund(operator, payment, **rest)).status_code == 303
    assert (await refund(operator, payment, **confirmed)).status_code == 303
    assert len(await refunds_of(operator, payment)) == 2
    assert "All of it is given back" in (await operator.get(f"{PAYMENTS}/{payment.id}")).text


async def test_every_wrong_field_of_a_refund_is_named(operator: AsyncClient) -> None:
    payment = await paid(operator)
    told = await refund(operator, payment, amount="much", reason=" ", number="x", step="give")
    assert told.status_code == 422
    for said in ("Give an amount, such as €1.00.", "Say why", "This form is not whole"):
        assert said in words_of(told)
    for amount, said in {
        "2.01": "No more than €2.00 is left",
        "0": "Give more than nothing",
        "-1": "Give an amount",
        "1.001": "no more than 2 digits",
        "1e3": "Give an amount",
        "": "Give an amount",
    }.items():
        told = await refund(operator, payment, amount=amount, reason="r", number="1", step="give")
        assert told.status_code == 422
        assert said in html.unescape(told.text), amount
    assert await refunds_of(operator, payment) == []


@pytest.mark.parametrize(
    ("currency", "amount", "said"),
    [
        ("JPY", "1.5", "JPY has no digits after the point."),
        ("KWD", "1.2345", "KWD has no more than 3 digits after the point."),
        ("JPY", "150", "Give back ¥150"),
        ("KWD", "1.234", "Give back KWD"),
    ],
)
async def test_an_amount_has_the_digits_of_its_currency(
    operator: AsyncClient, currency: str, amount: str, said: str
) -> None:
    books = await books_of(operator, currency=currency)
    payment = await books.paid(datetime(2026, 6, 1, 8, tzinfo=UTC), 5_000)
    left = {"JPY": "5000", "KWD": "5.000"}[currency]
    assert form_of(await operator.get(f"{PAYMENTS}/{payment.id}"), "refund")["amount"] == left
    told = await refund(operator, payment, amount=amount, reason="r", number="1", step="ask")
    assert said in words_of(told)


async def test_of_two_operators_one_refunds_and_the_other_is_told(operator: AsyncClient) -> None:
    payment = await paid(operator)
    sent = {"amount": "0.50", "reason": "mine", "number": "1", "step": "give"}
    assert (await refund(operator, payment, **sent)).status_code == 303
    await sign_in(operator, "Ben", Role.OPERATOR)
    told = await refund(operator, payment, **sent | {"amount": "1.00"})
    assert told.status_code == 409
    assert "Ines gave back €0.50 meanwhile" in words_of(told)
    assert await refunds_of(operator, payment) == [(50, "done", "Ines")]


async def test_while_a_booking_is_being_paid_nothing_is_given_back(operator: AsyncClient) -> None:
    payment = await paid(operator)
    operator.clock.advance(HOUR)  # type: ignore[attr-defined]
    cashier = cashier_of(operator)
    _, signed = await quote_for(cashier, payment.reservation_id)
    assert (await pay(cashier, signed, Order("sandbox-3d"))).state == PaymentState.PENDING
    told = await refund(operator, payment, amount="1", reason="r", number="1", step="give")
    assert told.status_code == 409
    assert "Somebody is paying for this booking" in told.text
    assert form_of(told, "refund")["amount"] == "1"
    assert await refunds_of(operator, payment) == []


async def test_where_the_provider_is_away_the_money_is_on_its_way(
    operator: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await paid(operator)

    async def away(order: RefundOrder) -> Refunded:
        raise ProviderAway("silent")

    monkeypatch.setattr(cashier_of(operator).providers["sandbox"], "refund", away)
    done = await refund(operator, payment, amount="1", reason="r", number="1", step="give")
    shown = words_of(await operator.get(done.headers["location"]))
    assert "€1.00 is on its way back." in shown
    assert "asked again by itself" in shown
    assert "€1.00 on its way back" in words_of(await operator.get(PAYMENTS))


async def test_nothing_is_begun_that_its_provider_can_not_do(operator: AsyncClient) -> None:
    books = await books_of(operator)
    at = datetime(2026, 6, 1, 8, tzinfo=UTC)
    elsewhere = await books.payment(at, 500, "pm_card", PaymentState.PAID, "stripe")
    failed = await books.payment(at, 500, "sandbox-decline", PaymentState.FAILED)
    for payment, said in ((elsewhere, "Stripe is not among those"), (failed, "Nothing was paid")):
        assert said in (await operator.get(f"{PAYMENTS}/{payment.id}")).text
        told = await refund(operator, payment, amount="1", reason="r", number="1", step="give")
        assert told.status_code == 409
        assert await refunds_of(operator, payment) == []


async def test_what_a_desk_took_beyond_the_fee_is_said_and_not_given_back_by_itself(
    operator: AsyncClient,
) -> None:
    """Paid when the next half hour was about to begin, and left before it did."""
    booked = await operator.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    operator.clock.advance(timedelta(minutes=29, seconds=30))  # type: ignore[attr-defined]
    cashier = cashier_of(operator)
    _, signed = await quote_for(cashier, booked.json()["reservation"])
    payment = await pay(cashier, signed, CASH)
    assert payment.amount_minor == 200
    assert "too much was paid" not in (await operator.get(f"{PAYMENTS}/{payment.id}")).text
    ended = await operator.post(UNRESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    assert ended.json()["amountMinor"] == 100
    shown = await operator.get(f"{PAYMENTS}/{payment.id}")
    assert "€1.00 too much was paid." in words_of(shown)
    link = re.search(r'href="([^"]*)" id="fill-surplus"', shown.text)
    assert link is not None
    filled = form_of(await operator.get(html.unescape(link[1])), "refund")
    assert (filled["amount"], filled["reason"]) == ("1.00", "Too much was paid")
    assert await refunds_of(operator, payment) == []
    await refund(operator, payment, **filled | {"step": "give"})
    assert await refunds_of(operator, payment) == [(100, "done", "Ines")]
    assert "too much was paid" not in (await operator.get(f"{PAYMENTS}/{payment.id}")).text


# What the desk has to give back


async def owed(client: AsyncClient) -> tuple[Payment, str]:
    payment = await paid(client, order=CASH)
    async with cashier_of(client).database.unit_of_work() as connection:
        now = await cashier_of(client).database.now(connection)
        done = await begin(connection, payment, 150, "paid twice", "journal", 1, now, by_hand=True)
    return payment, done.id


async def test_what_the_desk_owes_stays_until_somebody_has_handed_it_over(operator: AsyncClient) -> None:
    payment, owed_id = await owed(operator)
    for path in (PAYMENTS, f"{PAYMENTS}/{payment.id}", "/attendant/money", "/attendant/money?lot=here"):
        assert "€1.50" in (await operator.get(path)).text, path
        assert f"{owed_id}/given-back" in (await operator.get(path)).text, path
    done = await operator.post(f"{PAYMENTS}/refunds/{owed_id}/given-back", data={"back": ""})
    assert done.headers["location"] == f"{PAYMENTS}/{payment.id}?refunded=1"
    assert "€1.50 given back." in words_of(await operator.get(done.headers["location"]))
    again = await operator.post(f"{PAYMENTS}/refunds/{owed_id}/given-back", data={"back": "list"})
    assert again.headers["location"] == f"{PAYMENTS}?done=given-back"
    assert await refunds_of(operator, payment) == [(150, "done", "journal")]
    assert "given-back" not in (await operator.get("/attendant/money")).text
    sheet = words_of(await operator.get(f"{CLOSING}?lot=here"))
    assert "Ines €0.00 €1.50 1 refund -€1.50" in sheet
    problem(await operator.post(f"{PAYMENTS}/refunds/none/given-back", data={"back": ""}), 404)


async def test_an_attendant_hands_over_and_refunds_nothing(operator: AsyncClient) -> None:
    payment, owed_id = await owed(operator)
    card = await paid(operator, "B 2")
    await sign_in(operator, "Ann", Role.ATTENDANT)
    assert 'href="/attendant/money"' in (await operator.get("/attendant")).text
    shown = words_of(await operator.get("/attendant/money?lot=here"))
    assert "paid twice" in shown
    assert "s1 €2.00 Card paid" in shown
    for path in (PAYMENTS, f"{PAYMENTS}/{card.id}", CLOSING, f"{CLOSING}.csv"):
        problem(await operator.get(path), 403, "not-allowed")
    sent = {"amount": "1", "reason": "r", "number": "1", "step": "give"}
    problem(await refund(operator, card, **sent), 403, "not-allowed")
    problem(await operator.post(CLOSING, data={}), 403, "not-allowed")
    assert await refunds_of(operator, card) == []
    done = await operator.post(f"/attendant/money/{owed_id}/given-back", data={"lot": "here"})
    assert done.headers["location"] == "/attendant/money?lot=here&done=given-back"
    assert await refunds_of(operator, payment) == [(150, "done", "journal")]
    problem(await operator.get("/attendant/money?lot=nowhere"), 404)


# The closing


async def test_a_day_is_counted_closed_and_printed(operator: AsyncClient) -> None:
    await paid(operator, order=CASH)
    await paid(operator, "B 2")
    first = await operator.get(f"{CLOSING}?lot=here&day=2026-06-01")
    words = words_of(first)
    for said in (
        "Cash €2.00 1 payment",
        "Card, by sandbox €2.00",
        "Total, EUR €4.00",
        "Ann €2.00",
        "agrees with the ledger",
    ):
        assert said in words
    sent = form_of(first, "closing-form")
    for typed, said in (("", "Give an amount"), ("all", "Give an amount"), ("1.001", "2 digits")):
        told = await operator.post(CLOSING, data=sent | {"counted-EUR": typed})
        assert told.status_code == 422
        assert said in words_of(told)
    both = [operator.post(CLOSING, data=sent | {"counted-EUR": "1.90"}) for _ in range(2)]
    assert {one.status_code for one in await asyncio.gather(*both)} == {303}
    shown = await operator.get(f"{CLOSING}?lot=here&day=2026-06-01&done=closed")
    for said in ("The day is closed.", "Closed by Ines", "Difference €0.10 too little"):
        assert said in words_of(shown)
    assert 'id="close-day"' not in shown.text
    await sign_in(operator, "Ben", Role.OPERATOR)
    late = await operator.post(CLOSING, data=sent | {"counted-EUR": "2"})
    assert late.status_code == 409
    assert "Ines has closed it" in late.text
    await paid(operator, "C 3", CASH)
    assert "Posted after it was closed." in (await operator.get(f"{CLOSING}?lot=here")).text
    assert "Cash: €2.00 taken" in words_of(await operator.get(f"{CLOSING}?lot=here"))


async def test_money_that_comes_in_while_one_counts_is_not_closed_over(operator: AsyncClient) -> None:
    await paid(operator, order=CASH)
    sent = form_of(await operator.get(CLOSING), "closing-form") | {"counted-EUR": "2"}
    await paid(operator, "B 2", CASH)
    told = await operator.post(CLOSING, data=sent)
    assert told.status_code == 409
    assert "Money was posted meanwhile" in told.text
    kept = form_of(told, "closing-form")
    assert kept["counted-EUR"] == "2"
    assert (await operator.post(CLOSING, data=kept | {"counted-EUR": "4"})).status_code == 303


async def test_days_without_books_are_said_in_words(operator: AsyncClient) -> None:
    assert "Nothing was paid here yet" in (await operator.get(CLOSING)).text
    await paid(operator)
    for day, said in {
        "2026-06-02": "Tue 2 Jun 2026 is yet to come",
        "2026-05-31": "Nothing was paid by Sun 31 May 2026",
        "2000-01-01": "Nothing was paid by",
        "2999-12-31": "is yet to come",
    }.items():
        shown = await operator.get(f"{CLOSING}?lot=here&day={day}")
        assert shown.status_code == 200
        assert said in shown.text
        closed = {"lot": "here", "day": day, "seen": "x", "counted-EUR": "0"}
        assert (await operator.post(CLOSING, data=closed)).status_code == 409
        problem(await operator.get(f"{CLOSING}.csv?lot=here&day={day}"), 422)
    for query, said in (("lot=nowhere", "There is no lot nowhere."), ("day=june", "Write a day as")):
        told = await operator.get(f"{CLOSING}?{query}")
        assert told.status_code == 422
        assert said in told.text
    assert (await operator.post(CLOSING, data={"seen": ""})).status_code == 422


async def test_the_spreadsheet_says_the_same_and_reckons_nothing(operator: AsyncClient) -> None:
    books = await books_of(operator)
    at = datetime(2026, 6, 1, 8, tzinfo=UTC)
    await books.paid(at, 500, by="=HYPERLINK(1)")
    taken = await books.paid(at, 100, by='@Ann, "the" +1')
    await books.refunded(taken, at, 100, by="-Ben")
    answer = await operator.get(f"{CLOSING}.csv?lot=here&day=2026-06-01")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="closing-here-2026-06-01.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    told = {(row["kind"], row["name"]): row for row in rows}
    assert told["till", "cash"]["net"] == "5.00"
    assert (told["till", "cash"]["payments"], told["till", "cash"]["given_back"]) == ("2", "1.00")
    assert told["ledger", "agrees"]["net"] == "5.00"
    # A number may be negative; a name that would begin a formula is text.
    assert told["cash_of", "'-Ben"]["net"] == "-1.00"
    for row in rows:
        for column in ("lot", "time_zone", "kind", "name"):
            assert not row[column].startswith(("=", "+", "-", "@"))
    assert {"'=HYPERLINK(1)", '\'@Ann, "the" +1'} <= {name for _, name in told}


async def test_payments_are_found_by_the_plate(operator: AsyncClient) -> None:
    payment = await paid(operator, plate="HKR 4821")
    await paid(operator, plate="HKR 9999")
    # The lot of these slots compares what is typed as it stands.
    shown = await operator.get(PAYMENTS, params={"q": " HKR 4821 "})
    assert shown.status_code == 200
    assert shown.text.count('class="pay-row"') == 1 and payment.id in shown.text
    nobody = await operator.get(PAYMENTS, params={"q": "HKR 1"})
    assert nobody.status_code == 200 and "No such payment" in words_of(nobody)
