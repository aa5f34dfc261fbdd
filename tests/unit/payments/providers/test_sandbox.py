"""The test cards of the sandbox, one by one."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import FixedClock
from app.payments.providers import sandbox_file
from app.payments.providers.protocol import BadWebhook, Charged, Fate, Provider, ProviderAway
from app.payments.providers.refusals import OddAmount, OtherCharge
from app.payments.providers.sandbox import (
    AWAY,
    DECLINE,
    INSUFFICIENT,
    SIGNATURE_HEADER,
    SLOW,
    SUCCESS,
    THREE_D,
    Sandbox,
)
from app.payments.providers.signatures import WINDOW_S
from tests.unit.payments.providers.orders import NOON, OLDER_SECRET, SECRET, given_back, ordered


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def sandbox(tmp_path: Path, clock: FixedClock) -> AsyncIterator[Sandbox]:
    opened = Sandbox(tmp_path / "sandbox.db", [SECRET, OLDER_SECRET], clock, slow_s=30)
    yield opened
    await opened.aclose()


async def test_it_is_a_provider_whose_cards_name_four_digits_at_most(sandbox: Sandbox) -> None:
    provider: Provider = sandbox
    assert not provider.by_attendant
    for words in provider.means.values():
        assert max(len(word) for word in "".join(c if c.isdigit() else " " for c in words).split()) == 4


async def test_a_card_that_succeeds_is_charged_once(sandbox: Sandbox) -> None:
    paid = await sandbox.charge(ordered(means=SUCCESS))
    assert (paid.fate, paid.amount_minor, paid.currency) == (Fate.PAID, 450, "EUR")
    assert await sandbox.charge(ordered(means=SUCCESS)) == paid == await sandbox.ask(ordered(means=SUCCESS))


@pytest.mark.parametrize("means", [DECLINE, INSUFFICIENT, "sandbox-no-such", ""])
async def test_a_card_that_is_declined_stays_so(sandbox: Sandbox, means: str) -> None:
    declined = await sandbox.charge(ordered(means=means))
    assert declined.fate is Fate.DECLINED
    assert declined.reason
    assert await sandbox.ask(ordered(means=means)) == declined
    assert await sandbox.charge(ordered(means=SUCCESS)) == declined
    assert await sandbox.cancel(ordered(means=means)) == declined


async def test_nobody_has_heard_of_what_was_not_ordered(sandbox: Sandbox) -> None:
    assert await sandbox.ask(ordered()) == Charged(Fate.UNKNOWN)
    assert await sandbox.confirm("p-1", True) == Charged(Fate.UNKNOWN)
    assert await sandbox.asked_of_payer("p-1") is None
    with pytest.raises(LookupError):
        await sandbox.webhook_of("p-1")


async def test_the_slow_card_is_paid_when_its_time_has_come(sandbox: Sandbox, clock: FixedClock) -> None:
    assert (await sandbox.charge(ordered(means=SLOW))).fate is Fate.WAITING
    clock.advance(timedelta(seconds=29))
    assert (await sandbox.ask(ordered(means=SLOW))).fate is Fate.WAITING
    assert (await sandbox.confirm("p-1", False)).fate is Fate.WAITING
    clock.advance(timedelta(seconds=1))
    assert (await sandbox.ask(ordered(means=SLOW))).fate is Fate.PAID
    # A clock that goes back takes nothing back.
    clock.advance(timedelta(seconds=-20))
    assert (await sandbox.cancel(ordered(means=SLOW))).fate is Fate.PAID


async def test_a_payer_is_sent_to_a_page_that_asks(sandbox: Sandbox) -> None:
    waiting = await sandbox.charge(ordered("p/1?", THREE_D))
    assert waiting.fate is Fate.WAITING
    assert waiting.next_url == "/payments/sandbox/p%2F1%3F"
    asked = await sandbox.asked_of_payer("p/1?")
    assert asked is not None
    assert (asked.amount_minor, asked.currency, asked.words) == (450, "EUR", "Lotline P1")
    assert (asked.return_url, asked.charged) == ("https://parking.example/paid", waiting)


@pytest.mark.parametrize(("ok", "fate"), [(True, Fate.PAID), (False, Fate.DECLINED)])
async def test_what_the_payer_says_first_holds(sandbox: Sandbox, ok: bool, fate: Fate) -> None:
    await sandbox.charge(ordered(means=THREE_D))
    said = await sandbox.confirm("p-1", ok)
    assert (said.fate, said.next_url) == (fate, "")
    assert await sandbox.confirm("p-1", not ok) == said == await sandbox.ask(ordered(means=THREE_D))


async def test_a_lost_answer_was_a_charge(sandbox: Sandbox) -> None:
    with pytest.raises(ProviderAway):
        await sandbox.charge(ordered(means=AWAY))
    paid = await sandbox.ask(ordered(means=AWAY))
    assert paid.fate is Fate.PAID
    assert await sandbox.charge(ordered(means=AWAY)) == paid


@pytest.mark.parametrize("means", [SLOW, THREE_D])
async def test_what_waits_can_be_cancelled_and_is_never_charged_then(
    sandbox: Sandbox, clock: FixedClock, means: str
) -> None:
    await sandbox.charge(ordered(means=means))
    cancelled = await sandbox.cancel(ordered(means=means))
    assert cancelled.fate is Fate.CANCELLED
    clock.advance(timedelta(hours=1))
    for again in (sandbox.cancel, sandbox.ask, sandbox.charge):
        assert await again(ordered(means=means)) == cancelled
    assert await sandbox.confirm("p-1", True) == cancelled


async def test_an_order_that_comes_after_it_was_cancelled_is_not_carried_out(sandbox: Sandbox) -> None:
    assert (await sandbox.cancel(ordered(means=SUCCESS))).fate is Fate.CANCELLED
    assert (await sandbox.charge(ordered(means=SUCCESS))).fate is Fate.CANCELLED


async def test_what_is_paid_can_not_be_cancelled(sandbox: Sandbox) -> None:
    paid = await sandbox.charge(ordered(means=SUCCESS))
    assert await sandbox.cancel(ordered(means=SUCCESS)) == paid


async def test_one_identifier_stands_for_one_amount(sandbox: Sandbox) -> None:
    paid = await sandbox.charge(ordered(means=SUCCESS))
    for other in (ordered(means=SUCCESS, amount_minor=451), ordered(means=SUCCESS, currency="USD")):
        for call in (sandbox.charge, sandbox.ask, sandbox.cancel):
            with pytest.raises(OtherCharge):
                await call(other)
    assert await sandbox.ask(ordered()) == paid


@pytest.mark.parametrize("amount_minor", [0, -1])
async def test_less_than_something_is_neither_charged_nor_given_back(
    sandbox: Sandbox, amount_minor: int
) -> None:
    with pytest.raises(OddAmount):
        await sandbox.charge(ordered(means=SUCCESS, amount_minor=amount_minor))
    with pytest.raises(OddAmount):
        await sandbox.cancel(ordered(means=SUCCESS, amount_minor=amount_minor))
    with pytest.raises(OddAmount):
        await sandbox.refund(given_back(amount_minor=amount_minor))


async def test_a_refund_is_made_once(sandbox: Sandbox) -> None:
    paid = await sandbox.charge(ordered(means=SUCCESS))
    part = given_back(charge=paid.charge, amount_minor=300)
    back = await sandbox.refund(part)
    assert back.fate is Fate.PAID
    assert await sandbox.refund(part) == back
    too_much = await sandbox.refund(replace(part, refund="r-2", amount_minor=151))
    assert too_much.fate is Fate.DECLINED
    assert "more than is left" in too_much.reason
    assert (await sandbox.refund(replace(part, refund="r-3", amount_minor=150))).fate is Fate.PAID
    assert await sandbox.refund(replace(part, refund="r-2", amount_minor=151)) == too_much


async def test_a_refund_of_something_else_is_refused(sandbox: Sandbox) -> None:
    paid = await sandbox.charge(ordered(means=SUCCESS))
    part = given_back(charge=paid.charge, amount_minor=100)
    await sandbox.refund(part)
    for other in (
        replace(part, amount_minor=101),
        replace(part, payment="p-2"),
        replace(part, currency="USD"),
        replace(part, refund="r-2", currency="USD"),
        replace(part, refund="r-2", charge="sandbox_other"),
    ):
        with pytest.raises(OtherCharge):
            await sandbox.refund(other)


@pytest.mark.parametrize("means", [DECLINE, THREE_D])
async def test_what_was_not_paid_is_not_given_back(sandbox: Sandbox, means: str) -> None:
    assert (await sandbox.refund(given_back("r-0"))).fate is Fate.DECLINED
    await sandbox.charge(ordered(means=means))
    assert (await sandbox.refund(given_back())).fate is Fate.DECLINED


async def test_it_remembers_when_it_is_opened_again(tmp_path: Path, clock: FixedClock) -> None:
    fates = []
    for _ in range(2):
        opened = Sandbox(tmp_path / "sandbox.db", [SECRET], clock)
        fates.append(await opened.charge(ordered(means=SUCCESS)))
        await opened.aclose()
    assert fates[0] == fates[1]


async def test_a_file_that_can_not_be_used_is_a_provider_that_is_away(
    tmp_path: Path, clock: FixedClock
) -> None:
    place = tmp_path / "later"
    opened = Sandbox(place / "sandbox.db", [SECRET], clock)
    with pytest.raises(ProviderAway):
        await opened.charge(ordered(means=SUCCESS))
    place.mkdir()
    assert (await opened.charge(ordered(means=SUCCESS))).fate is Fate.PAID
    await opened.aclose()
    (tmp_path / "text").write_text("This is no database. " * 100)
    spoiled = Sandbox(tmp_path / "text", [SECRET], clock)
    with pytest.raises(ProviderAway):
        await spoiled.ask(ordered())
    await spoiled.aclose()


async def test_who_opens_a_new_file_while_another_does_waits_for_it(
    tmp_path: Path, clock: FixedClock
) -> None:
    """To turn a file to WAL is the one thing for which SQLite itself does not always wait."""
    for number in range(20):
        file = tmp_path / f"{number}.db"
        together = [Sandbox(file, [SECRET], clock) for _ in range(6)]
        told = await asyncio.gather(*(one.charge(ordered(means=SUCCESS)) for one in together))
        assert len(set(told)) == 1
        await asyncio.gather(*(one.aclose() for one in together))


async def test_a_file_that_stays_locked_is_a_provider_that_is_away(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_file, "BUSY_TIMEOUT_S", 0.2)
    with closing(sqlite3.connect(tmp_path / "sandbox.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ProviderAway):
            await sandbox.charge(ordered(means=SUCCESS))
        holder.execute("COMMIT")
        paid = await sandbox.charge(ordered(means=SUCCESS))
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ProviderAway):
            await sandbox.charge(ordered("p-2", SUCCESS))
        holder.execute("COMMIT")
    assert await sandbox.ask(ordered()) == paid
    assert (await sandbox.ask(ordered("p-2"))).fate is Fate.UNKNOWN


async def test_it_tells_what_became_of_a_charge(sandbox: Sandbox, clock: FixedClock) -> None:
    waiting = await sandbox.charge(ordered(means=THREE_D))
    first = sandbox.read_webhook(*await sandbox.webhook_of("p-1"), clock.now())
    assert first is not None
    assert (first.payment, first.charged) == ("p-1", waiting)
    paid = await sandbox.confirm("p-1", True)
    headers, body = await sandbox.webhook_of("p-1")
    second = sandbox.read_webhook(headers, body, clock.now())
    assert second is not None
    assert (second.payment, second.charged) == ("p-1", paid)
    assert second.event != first.event
    # Delivered again, it is the same event, though it is signed at another instant.
    clock.advance(timedelta(seconds=9))
    again_headers, again = await sandbox.webhook_of("p-1")
    assert again_headers != headers
    assert sandbox.read_webhook(again_headers, again, clock.now()) == second


async def test_its_webhooks_are_signed_by_the_newest_secret(
    sandbox: Sandbox, clock: FixedClock, tmp_path: Path
) -> None:
    await sandbox.charge(ordered(means=SUCCESS))
    headers, body = await sandbox.webhook_of("p-1")
    for secrets, is_believed in (
        ([SECRET], True),
        (["whsec_of_tomorrow", SECRET], True),
        ([OLDER_SECRET], False),
        (["whsec_of_tomorrow"], False),
    ):
        other = Sandbox(tmp_path / "other.db", secrets, clock)
        if is_believed:
            assert other.read_webhook(headers, body, clock.now()) is not None
        else:
            with pytest.raises(BadWebhook):
                other.read_webhook(headers, body, clock.now())
        await other.aclose()
    with pytest.raises(BadWebhook):
        sandbox.read_webhook(headers, body, clock.now() + timedelta(seconds=WINDOW_S + 1))
    with pytest.raises(BadWebhook):
        sandbox.read_webhook({}, body, clock.now())


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"event":1}', b"\xff", b"{" * 5000])
async def test_a_signed_body_that_can_not_be_read_is_refused(
    sandbox: Sandbox, clock: FixedClock, body: bytes
) -> None:
    with pytest.raises(BadWebhook):
        sandbox.read_webhook(sandbox.sign(body, clock.now()), body, clock.now())


async def test_a_signed_body_with_a_fate_that_is_none_is_refused(sandbox: Sandbox, clock: FixedClock) -> None:
    await sandbox.charge(ordered(means=SUCCESS))
    _, body = await sandbox.webhook_of("p-1")
    other = body.replace(b'"paid"', b'"lost"')
    headers = sandbox.sign(other, clock.now())
    assert headers[SIGNATURE_HEADER] != ""
    with pytest.raises(BadWebhook):
        sandbox.read_webhook(headers, other, clock.now())


def test_it_needs_a_secret(tmp_path: Path, clock: FixedClock) -> None:
    with pytest.raises(ValueError, match="no secret"):
        Sandbox(tmp_path / "sandbox.db", [], clock)
