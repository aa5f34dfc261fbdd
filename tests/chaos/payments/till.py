"""The REST surface as payers use it, at whatever web process, however often it takes to be answered."""

import asyncio
import base64
import json
import random
from dataclasses import dataclass
from typing import Any

from app.accounts.access import COOKIE
from app.payments.quotes import payment_id
from tests.chaos.payments.diary import Diary
from tests.chaos.payments.facts import Accepted, Word
from tests.chaos.payments.shop import Shop
from tests.chaos.wire import WIRE_IS_CUT, Wire

PAY, CALCULATE = "/parking/payment?action=pay", "/parking/payment?action=calculate"
_RETRY_S = 0.2


@dataclass(frozen=True)
class Booking:
    """Who has which slot."""

    reservation: str
    slot: str
    entity: str


@dataclass(frozen=True)
class Quote:
    """``signed`` pays ``amount_minor`` for ``reservation``, as ``payment``."""

    signed: str
    payment: str
    reservation: str
    amount_minor: int


@dataclass(frozen=True)
class Paid:
    """What somebody was answered who pays. ``refusal``: the problem's type, or why nothing is known."""

    status: int
    refusal: str = ""
    payment: str = ""
    next_url: str = ""
    receipt: str = ""
    is_accepted: bool = False

    @property
    def is_known(self) -> bool:
        return 0 < self.status < 500


@dataclass(frozen=True)
class Attendant:
    """Somebody who is signed in."""

    name: str
    secret: str

    def headers(self, wire: Wire) -> dict[str, str]:
        """The cookie is named after the port."""
        return {"Cookie": f"{COOKIE}_{wire.host.rpartition(':')[2]}={self.secret}"}


class Till:
    """Where one client is served: each request at a process by chance."""

    def __init__(self, shop: Shop, source: random.Random) -> None:
        self._diary: Diary = shop.diary
        self._wires = shop.wires
        self._source = source

    async def reserve(self, entity: str, lot: str) -> Booking | None:
        """``None`` where the lot is full."""
        body = {"entityIdentifier": entity, "lot": lot}
        status, told = await self._until_known("/parking?action=reserve", body, f"reserve {entity}")
        return Booking(told["reservation"], told["slot"], entity) if status == 200 else None

    async def unreserve(self, booking: Booking) -> None:
        """The booking has ended when this returns."""
        body = {
            "entityIdentifier": booking.entity,
            "slot": booking.slot,
            "reservation": booking.reservation,
        }
        status, told = await self._until_known("/parking?action=unreserve", body, f"leave {booking.entity}")
        if status != 200:
            self._diary.wrong("not unreserved", f"{booking}: {status} {told}")

    async def quote(self, reservation: str) -> Quote | None:
        """What is to be paid now; ``None``: nothing."""
        status, told = await self._until_known(CALCULATE, {"reservation": reservation})
        if status != 200:
            self._diary.wrong("no quote", f"{reservation}: {status} {told}")
            return None
        return None if told["quote"] is None else read_quote(self._diary, told["quote"])

    async def pay(
        self, quote: Quote, method: str, by: Attendant | None = None, wire: Wire | None = None
    ) -> Paid:
        """One try, at this process or at any; its status is 0 where nobody answered."""
        wire = wire or self._source.choice(self._wires)
        headers = by.headers(wire) if by else {}
        status, told = await self._ask(wire, PAY, {"quote": quote.signed, "method": method}, headers)
        paid = Paid(
            status,
            told.get("type", "").removeprefix("/problems/"),
            told.get("payment", ""),
            told.get("next") or "",
            told.get("receipt") or "",
            told.get("status") == "accepted",
        )
        if status == 200 or paid.refusal == "already-paid":
            self._diary.tells(told["payment"], Word.PAID)
        elif status == 402:
            self._diary.tells(told["payment"], Word.DECLINED)
        elif paid.is_accepted:
            self._diary.did["accepted"] += 1
            self._diary.accepted.append(Accepted(quote.reservation, method, by.name if by else ""))
        return paid

    async def page(self, target: str, form: bytes = b"") -> int:
        """The status of a page, or of what a form is answered with; 0 where nobody answers."""
        method, headers = "GET", {}
        if form:
            method, headers = "POST", {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            status, _ = await self._source.choice(self._wires).send(method, target, form, headers)
        except WIRE_IS_CUT:
            status = 0
        self._diary.write(target, form=form.decode(), status=status)
        self._diary.hears(target, status)
        return status

    async def sleep(self) -> None:
        """Between two tries."""
        await asyncio.sleep(self._source.uniform(0, 2 * _RETRY_S))

    async def _until_known(
        self, target: str, body: dict[str, Any], key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": key} if key else {}
        while True:
            status, told = await self._ask(self._source.choice(self._wires), target, body, headers)
            if 0 < status < 500 and not told.get("type", "").endswith("request-in-flight"):
                return status, told
            await self.sleep()

    async def _ask(
        self, wire: Wire, target: str, body: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        action, told = target.rpartition("=")[2], {}
        try:
            status, text = await wire.send("POST", target, json.dumps(body).encode(), headers)
            told = json.loads(text)
        except WIRE_IS_CUT:
            status = 0
        self._diary.write(action, asked=body, wire=wire.host, status=status, told=told)
        self._diary.hears(f"{action} {body}", status)
        return status, told


def read_quote(diary: Diary, signed: str) -> Quote:
    """What a quote says to whoever looks into it."""
    text = signed.partition(".")[0]
    facts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    reservation = facts["reservation"]
    quote = Quote(signed, payment_id(reservation, facts["ordinal"]), reservation, facts["amount_minor"])
    diary.payments[quote.payment] = quote.reservation
    return quote
