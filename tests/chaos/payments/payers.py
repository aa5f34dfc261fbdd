"""Payers who pay, pay again, pay at once, change the card, walk away and want their money back."""

import asyncio
import random
from time import monotonic

from sqlalchemy.exc import DBAPIError

from app.core.db import SqlAway, is_conflict
from app.core.errors import Problem
from app.payments import records
from app.payments.providers.refusals import OtherCharge
from app.payments.providers.sandbox import AWAY, DECLINE, INSUFFICIENT, SLOW, SUCCESS, THREE_D
from app.payments.refunding import give_back
from tests.chaos.payments.shop import Shop
from tests.chaos.payments.till import Paid, Quote, Till

CARDS = (*(SUCCESS,) * 4, DECLINE, INSUFFICIENT, SLOW, THREE_D, AWAY)
LEAVES_FIRST, LEAVES_WHILE_PAYING = 0.1, 0.15
PAYS_AT_ONCE, TWO_PAYERS, PAYS_AGAIN = 0.15, 0.15, 0.15
WALKS_AWAY = 0.15
WANTS_BACK, WANTS_ALL_BACK = 0.45, 0.6
CONFIRMS, CONFIRMS_ON_PAGE = 0.8, 0.5
LOOKS_AT_RECEIPT = 0.2
# Those who try no more leave the rest to somebody else.
MOST_PAYMENTS = 6
_PATIENCE_S = 20.0


class Payer:
    """One client; its bookings come one after the other."""

    def __init__(self, number: int, shop: Shop, source: random.Random) -> None:
        self._number = number
        self._shop = shop
        self._source = source
        self._till = Till(shop, source)
        self._made = 0

    async def live(self, over: asyncio.Event) -> None:
        """Comes and goes until ``over``; what was begun then comes to its end."""
        while not over.is_set():
            await self._come_and_go()

    async def _come_and_go(self) -> None:
        self._made += 1
        entity = f"P{self._number}N{self._made}"
        booking = await self._till.reserve(entity, self._source.choice(self._shop.lots))
        if booking is None:
            await self._till.sleep()
            return
        leaves = self._chance(LEAVES_FIRST)
        if leaves:
            await self._till.unreserve(booking)
        for number in range(MOST_PAYMENTS):
            quote = await self._till.quote(booking.reservation)
            if quote is None:
                break
            if not leaves and self._chance(LEAVES_WHILE_PAYING):
                leaves = True
                await asyncio.gather(self._pay(quote), self._till.unreserve(booking))
            else:
                await self._pay(quote)
            if number < MOST_PAYMENTS - 1 and self._chance(WANTS_BACK):
                await self._want_back(quote)
        if not leaves:
            await self._till.unreserve(booking)
        self._shop.diary.did["bookings"] += 1

    async def _pay(self, quote: Quote) -> None:
        """In one of the ways in which people pay, and pay again."""
        card, chance = self._card(), self._source.random()
        if chance < PAYS_AT_ONCE:
            times = self._source.randint(2, 3)
            await asyncio.gather(*(self._until_told(quote, card) for _ in range(times)))
        elif chance < PAYS_AT_ONCE + TWO_PAYERS:
            await asyncio.gather(self._until_told(quote, card), self._other_payer(quote))
        else:
            await self._until_told(quote, card)
            if chance > 1 - PAYS_AGAIN:
                # Also with another card: told that it is paid, or asked to look at what is due now.
                await self._until_told(quote, self._source.choice((card, self._card())))

    async def _other_payer(self, quote: Quote) -> None:
        """Somebody else who has the same booking in front of them, with a quote of their own or the same."""
        if self._chance(0.5):
            await self._until_told(quote, self._card())
            return
        own = await self._till.quote(quote.reservation)
        if own is not None:
            await self._until_told(own, self._card())

    async def _until_told(self, quote: Quote, card: str) -> None:
        """Sends the same again until it is known what became of it, or until nobody waits for it any more."""
        until_s, confirmed = monotonic() + _PATIENCE_S, False
        while True:
            paid = await self._till.pay(quote, card)
            if paid.is_known and paid.status != 202:
                self._note(quote, paid)
                if paid.receipt and self._chance(LOOKS_AT_RECEIPT):
                    await self._look_at(paid.receipt)
                return
            if monotonic() > until_s:
                self._shop.diary.did["gave up"] += 1
                return
            if paid.status == 202:
                if paid.payment != quote.payment:
                    self._shop.diary.wrong("another's payment", f"{quote} is {paid}")
                if self._chance(WALKS_AWAY):
                    self._shop.diary.did["walked away"] += 1
                    return
                if paid.next_url and not confirmed:
                    confirmed = True
                    await self._confirm(quote, paid.next_url)
            await self._till.sleep()

    def _note(self, quote: Quote, paid: Paid) -> None:
        self._shop.diary.did[paid.refusal or f"{paid.status}"] += 1
        if paid.status not in (200, 402, 409):
            self._shop.diary.wrong("odd answer", f"{quote} is {paid}")
        if paid.status in (200, 402) and paid.payment != quote.payment:
            self._shop.diary.wrong("another's payment", f"{quote} is {paid}")

    async def _look_at(self, receipt: str) -> None:
        status = await self._till.page(receipt)
        self._shop.diary.did["receipts"] += status == 200
        if status not in (0, 200, 503):
            self._shop.diary.wrong("no receipt", f"{receipt}: {status}")

    async def _confirm(self, quote: Quote, next_url: str) -> None:
        """What the card's bank asks for: on its page, or where no process of ours knows of it."""
        says_yes = self._chance(CONFIRMS)
        if self._chance(CONFIRMS_ON_PAGE):
            status = await self._till.page(next_url, b"ok=1" if says_yes else b"no=1")
            if status not in (0, 303, 503):
                self._shop.diary.wrong("odd answer", f"{next_url}: {status}")
        else:
            await self._shop.sandbox.confirm(quote.payment, says_yes)

    async def _want_back(self, quote: Quote) -> None:
        """The whole or a part of it, asked for once or twice at once."""
        amount = quote.amount_minor
        if not self._chance(WANTS_ALL_BACK):
            amount = self._source.randint(1, quote.amount_minor)
        number = await self._refunds(quote.payment) + 1
        times = 2 if self._chance(0.3) else 1
        await asyncio.gather(*(self._give_back(quote.payment, amount, number) for _ in range(times)))

    async def _refunds(self, payment: str) -> int:
        while True:
            try:
                async with self._shop.desk.database.look() as connection:
                    return len(await records.refunds_of(connection, payment))
            except SqlAway:
                await self._till.sleep()

    async def _give_back(self, payment: str, amount_minor: int, number: int) -> None:
        while True:
            try:
                await give_back(
                    self._shop.cashier, payment, amount_minor, "wanted back", "an attendant", number=number
                )
            except Problem as problem:
                self._shop.diary.did[f"refund: {problem.type}"] += 1
                return
            except OtherCharge as error:
                self._shop.diary.wrong("refund impossible", f"{payment}: {error}")
                return
            except SqlAway:
                await self._till.sleep()
            except DBAPIError as error:
                if not is_conflict(error):
                    raise
                await self._till.sleep()
            else:
                self._shop.diary.did["refunds asked for"] += 1
                return

    def _card(self) -> str:
        return self._source.choice(CARDS)

    def _chance(self, share: float) -> bool:
        return self._source.random() < share
