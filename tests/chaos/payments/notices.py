"""What the provider says of its own accord, delivered as badly as it gets; and what others say in its name.

Forged ones change nothing, and are refused.
"""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

from app.core.clock import SystemClock
from app.payments.providers.sandbox import Sandbox
from app.payments.providers.signatures import WINDOW_S
from tests.chaos.payments.shop import Shop
from tests.chaos.wire import WIRE_IS_CUT

TARGET = "/payments/webhooks/sandbox"
PAUSE_S = 0.02
# More than that, and nobody has time to pay.
ROUNDS_PER_PAYMENT = 1.5
FORGED, REPLAYED, OF_DECLINED = 0.3, 0.2, 0.5
MOST_TIMES = 3
_OTHER_SECRET = "whsec_of_somebody_else"
# What is replayed long after is still within the window: what is older is refused, and told with the forged.
_KEPT = 400

Notice = tuple[dict[str, str], bytes]


class Postman:
    """Delivers for as long as it runs; ``shop.diary.payments`` are those that there is news of."""

    def __init__(self, shop: Shop, seed: str) -> None:
        self._shop = shop
        self._source = random.Random(f"{seed} notices")
        self._sent: list[tuple[Notice, datetime]] = []
        self._forger = Sandbox(shop.books, [_OTHER_SECRET], SystemClock())

    async def run(self) -> None:
        """Until it is cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(self._source.uniform(0, 2 * PAUSE_S))
            payment = self._some_payment()
            if payment is None or rounds > ROUNDS_PER_PAYMENT * len(self._shop.diary.payments):
                continue
            rounds += 1
            chance = self._source.random()
            if chance < FORGED:
                await self._forge(payment)
            elif chance < FORGED + REPLAYED and self._sent:
                await self._replay()
            else:
                await self._tell(payment)

    def _some_payment(self) -> str | None:
        """Mostly one of the newest, at times an old one."""
        payments = [*self._shop.diary.payments]
        if not payments:
            return None
        recent = payments[-60:] if self._source.random() < 0.8 else payments
        return self._source.choice(recent)

    async def _tell(self, payment: str) -> None:
        try:
            notice = await self._shop.sandbox.webhook_of(payment)
        except LookupError:
            return
        self._sent.append((notice, datetime.now(UTC)))
        del self._sent[:-_KEPT]
        if self._source.random() < 0.3:
            # Held back: it comes as a replay, after those that follow it.
            return
        times = self._source.randint(1, MOST_TIMES)
        await asyncio.gather(*(self._deliver(*notice) for _ in range(times)))

    async def _replay(self) -> None:
        notice, sent_at = self._source.choice(self._sent)
        if datetime.now(UTC) - sent_at < timedelta(seconds=WINDOW_S - 30):
            self._shop.diary.did["webhooks replayed"] += 1
            await self._deliver(*notice)

    async def _deliver(self, headers: dict[str, str], body: bytes) -> None:
        status = await self._post(headers, body)
        self._shop.diary.did["webhooks"] += 1
        if status not in (0, 204, 503):
            self._shop.diary.wrong("webhook refused", f"{body.decode()}: {status}")

    async def _forge(self, payment: str) -> None:
        """Says that it is paid, or that another amount is, in the provider's name."""
        shop, source, now = self._shop, self._source, SystemClock().now()
        if shop.diary.declined and source.random() < OF_DECLINED:
            # There it would be worth most.
            payment = source.choice(shop.diary.declined)
        try:
            headers, body = await shop.sandbox.webhook_of(payment)
        except LookupError:
            facts = {
                "event": f"forged.{payment}",
                "payment": payment,
                "charge": "forged",
                "fate": "paid",
                "reason": "",
                "next_url": "",
                "amount_minor": 100,
                "currency": "EUR",
            }
            headers = {}
        else:
            facts = json.loads(body)
        lie = facts | {"event": f"forged.{source.randrange(10**9)}", "fate": "paid", "charge": "forged"}
        how = source.choice(("by another secret", "other amount", "other payment", "too old", "not signed"))
        if how == "other amount":
            lie = {**facts, "amount_minor": facts["amount_minor"] + 1}
        elif how == "other payment":
            lie["payment"] = source.choice([*shop.diary.payments])
        body = json.dumps(lie, separators=(",", ":")).encode()
        if how == "by another secret":
            headers = self._forger.sign(body, now)
        elif how == "too old":
            headers = shop.sandbox.sign(body, now - timedelta(seconds=WINDOW_S + source.randint(5, 500)))
        elif how == "not signed":
            headers = {"Content-Type": "application/json"}
        status = await self._post(headers, body)
        shop.diary.did["webhooks forged"] += 1
        if status not in (0, 400, 503):
            shop.diary.wrong("forged webhook taken", f"{how}: {body.decode()}: {status}")

    async def _post(self, headers: dict[str, str], body: bytes) -> int:
        wire = self._source.choice(self._shop.wires)
        try:
            status, _ = await wire.send("POST", TARGET, body, headers)
        except WIRE_IS_CUT:
            status = 0
        self._shop.diary.hears("webhook", status)
        self._shop.diary.write("webhook", wire=wire.host, status=status, body=body.decode())
        return status
