"""Those who hold a quote when SQL goes away, and attendants who take their money."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic

from app.payments.providers.sandbox import AWAY, DECLINE, SLOW, SUCCESS
from tests.chaos.payments.facts import Taken
from tests.chaos.payments.shop import Shop
from tests.chaos.payments.till import Attendant, Booking, Quote, Till
from tests.chaos.wire import Wire

CARDS = (SUCCESS, SUCCESS, SUCCESS, DECLINE, SLOW, AWAY)
DECLINED_BEFORE, SENDS_AGAIN_LATER = 0.15, 0.3


class Customer:
    """One booking and its quote. ``begins``: the share of the outage after which it is paid."""

    def __init__(self, shop: Shop, source: random.Random, attendants: Sequence[Attendant]) -> None:
        self._shop = shop
        self._source = source
        self._attendants = attendants
        self._till = Till(shop, source)
        self._quote: Quote | None = None
        self._paid_with: tuple[str, Attendant | None] | None = None
        self.begins = source.random()

    async def prepare(self, name: str) -> Booking | None:
        """Books, and asks what it costs; some have tried a card that was declined."""
        booking = await self._till.reserve(name, self._source.choice(self._shop.lots))
        if booking is None:
            return None
        self._quote = await self._till.quote(booking.reservation)
        if self._quote is not None and self._source.random() < DECLINED_BEFORE:
            await self._pay(self._quote, DECLINE, None)
        return booking

    async def pay(self, until_s: float) -> None:
        """In one of the ways in which one booking is paid by one or by several; no longer than until then."""
        quote = self._quote
        if quote is None:
            return
        ways = (
            self._once_by_card,
            self._by_card_at_two_processes,
            self._by_two_cards,
            self._in_cash,
            self._in_cash_at_two_processes,
            self._in_cash_and_by_card,
            self._in_cash_by_two_attendants,
        )
        async with asyncio.timeout(max(0.0, until_s - monotonic())):
            await self._source.choice(ways)(quote)

    async def pay_again(self) -> None:
        """Some who were answered send the same again when SQL is back."""
        if self._quote is not None and self._paid_with is not None:
            method, by = self._paid_with
            if self._source.random() < SENDS_AGAIN_LATER:
                await self._pay(self._quote, method, by)

    async def _once_by_card(self, quote: Quote) -> None:
        await self._pay(quote, self._card(), None)

    async def _by_card_at_two_processes(self, quote: Quote) -> None:
        card = self._card()
        await asyncio.gather(*(self._pay(quote, card, None, wire) for wire in self._two()))

    async def _by_two_cards(self, quote: Quote) -> None:
        await asyncio.gather(*(self._pay(quote, self._card(), None, wire) for wire in self._two()))

    async def _in_cash(self, quote: Quote) -> None:
        await self._take(quote, self._source.choice(self._attendants), [None])

    async def _in_cash_at_two_processes(self, quote: Quote) -> None:
        await self._take(quote, self._source.choice(self._attendants), self._two())

    async def _in_cash_and_by_card(self, quote: Quote) -> None:
        one, other = self._two()
        taking = self._take(quote, self._source.choice(self._attendants), [one, None])
        await asyncio.gather(taking, self._pay(quote, self._card(), None, other))

    async def _in_cash_by_two_attendants(self, quote: Quote) -> None:
        both = zip(self._attendants, self._two(), strict=True)
        await asyncio.gather(*(self._take(quote, who, [wire]) for who, wire in both))

    async def _take(self, quote: Quote, who: Attendant, wires: Sequence[Wire | None]) -> None:
        """An attendant has the money in hand, and gives it back where all that they hear is a refusal."""
        means = self._source.choice(("cash", "terminal"))
        heard: list[bool | None] = await asyncio.gather(
            *(self._pay(quote, means, who, wire) for wire in wires)
        )
        if any(heard):
            self._note(quote, means, who, certain=True)
        elif None in heard:
            self._note(quote, means, who, certain=False)

    def _note(self, quote: Quote, means: str, who: Attendant, *, certain: bool) -> None:
        taken = Taken(quote.reservation, means, who.name, quote.amount_minor, certain)
        self._shop.diary.taken.append(taken)

    async def _pay(
        self, quote: Quote, method: str, by: Attendant | None, wire: Wire | None = None
    ) -> bool | None:
        """Sends it until it is known: whether it was taken, or ``None``: a refusal came after silence."""
        is_sure = True
        while True:
            paid = await self._till.pay(quote, method, by, wire)
            if paid.status in (200, 202):
                self._paid_with = method, by
                return True
            if paid.is_known:
                if paid.status not in (402, 409):
                    self._shop.diary.wrong("odd answer", f"{quote} by {by and by.name}: {paid}")
                self._shop.diary.did[paid.refusal] += 1
                return False if is_sure else None
            is_sure, wire = False, None
            await self._till.sleep()

    def _two(self) -> Sequence[Wire]:
        """Two processes, where there are so many."""
        wires = self._shop.wires
        return self._source.sample(wires, 2) if len(wires) > 1 else (wires[0], wires[0])

    def _card(self) -> str:
        return self._source.choice(CARDS)
