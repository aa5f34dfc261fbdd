"""A stand-in for what Stripe does and localstripe does not: keys that replay, declines, 3-D, and all faults.

It answers as Stripe's documents have it, over HTTP, and refuses what it was not told to take. The name of a
PaymentMethod says what becomes of it.
"""

import asyncio
import contextlib
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tests.integration.payments import plain_http
from tests.integration.payments.plain_http import Request

KEY = "sk_test_of_the_stub"
GOOD = "pm_good"
THREE_D = "pm_three_d"
PROCESSING = "pm_processing"
MISSING = "pm_missing"
INSUFFICIENT = "pm_insufficient_funds"
STOLEN = "pm_stolen_card"
AT_BANK = "https://bank.example/3d"

_CREATE = {
    "amount",
    "currency",
    "description",
    "statement_descriptor_suffix",
    "allowed_payment_method_types[0]",
    "metadata[payment]",
}
_LINE = "line_items[0]"
_PRICE = f"{_LINE}[price_data]"
_SESSION = {
    "mode",
    "allowed_payment_method_types[0]",
    f"{_LINE}[quantity]",
    f"{_PRICE}[currency]",
    f"{_PRICE}[unit_amount]",
    f"{_PRICE}[product_data][name]",
    "client_reference_id",
    "metadata[payment]",
    "payment_intent_data[metadata][payment]",
    "payment_intent_data[metadata][way]",
    "success_url",
    "cancel_url",
}
_CONFIRM = {"payment_method", "return_url"}
_REFUND = {"payment_intent", "amount", "metadata[refund]", "metadata[payment]"}


@dataclass
class Fault:
    """What goes wrong with the next request whose path ends like this.

    ``after``: only when what was asked has been done. ``status``: answered so, with ``body`` if it is given;
    0: the connection ends instead; -1: nothing is answered, ever; -2: a byte now and then. ``is_kept``: it
    is answered again under the same key.
    """

    path: str
    status: int = 0
    after: bool = False
    body: bytes | None = None
    is_kept: bool = False
    method: str = ""

    def is_of(self, request: Request) -> bool:
        return request.path.endswith(self.path) and self.method in ("", request.method)


class Refused(Exception):
    def __init__(self, status: int, kind: str, code: str = "", **more: Any) -> None:
        super().__init__(kind)
        self.status = status
        self.body = {"error": {"type": kind, "code": code, "message": "as Stripe says", **more}}


@dataclass
class StripeStub:
    """``paid``: how often money was taken for each payment. Search is behind while ``search_is_late``."""

    url: str = ""
    seen: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    # What a refund is at first: "pending" where the account's balance is too low.
    refunds_are: str = "succeeded"
    kept: dict[str, tuple[Any, int, Any]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    search_is_late: bool = True
    has_search: bool = True
    delay_s: float = 0.0

    def paths(self) -> list[str]:
        """What was asked for, without the names of intents."""
        return [f"{one.method} {one.path.rsplit('/', 1)[-1][:7]}" for one in self.seen]

    def a_day_passes(self) -> None:
        self.kept.clear()
        self.search_is_late = False

    def bank_says(self, payment: str, ok: bool) -> None:
        """What becomes of an intent that waits for the payer, or for Stripe."""
        intent = next(one for one in self.intents.values() if one["metadata"]["payment"] == payment)
        if intent["status"] not in ("requires_action", "processing"):
            return
        intent["next_action"] = None
        if ok:
            self._succeed(intent)
        else:
            self._fail(intent, {"code": "payment_intent_authentication_failure"})

    def pays_on_page(self, payment: str, ok: bool) -> None:
        """The payer types a card on Stripe's page; one that is declined ends nothing."""
        session = next(one for one in self.sessions.values() if one["metadata"]["payment"] == payment)
        if session["status"] != "open":
            return
        if session["payment_intent"] is None:
            intent = self._made(session["amount_total"], session["currency"], session["intent_metadata"])
            session["payment_intent"] = intent["id"]
        intent = self.intents[session["payment_intent"]]
        if not ok:
            self._fail(intent, {"code": "card_declined"})
            return
        self._succeed(intent)
        session.update(status="complete", payment_status="paid", url=None)

    # What is asked.

    def answer(self, request: Request) -> tuple[int, Any]:
        try:
            if request.headers.get("authorization") != f"Bearer {KEY}":
                raise Refused(401, "invalid_request_error")
            return 200, self._done(request)
        except Refused as refused:
            return refused.status, refused.body

    def _done(self, request: Request) -> Any:
        match request.method, request.path.strip("/").split("/")[1:]:
            case "POST", ["payment_intents"]:
                return self._create(request.params)
            case "GET", ["payment_intents", "search"]:
                return self._search(request.params)
            case "GET", ["payment_intents", name]:
                return self._intent(name)
            case "POST", ["payment_intents", name, "confirm"]:
                return self._confirm(self._intent(name), request.params)
            case "POST", ["payment_intents", name, "cancel"]:
                return self._cancel(self._intent(name))
            case "POST", ["checkout", "sessions"]:
                return self._session(request.params)
            case "GET", ["checkout", "sessions", name]:
                return self._known_session(name)
            case "POST", ["checkout", "sessions", name, "expire"]:
                return self._expire(self._known_session(name))
            case "GET", ["refunds"]:
                of = [
                    one for one in self.refunds if one["payment_intent"] == request.params["payment_intent"]
                ]
                return {"object": "list", "url": "/v1/refunds", "has_more": False, "data": of}
            case "POST", ["refunds"]:
                return self._refund(request.params)
        raise Refused(404, "invalid_request_error", "url_invalid")

    def _create(self, params: dict[str, str]) -> Any:
        _takes(params, _CREATE)
        return self._made(int(params["amount"]), params["currency"], {"payment": params["metadata[payment]"]})

    def _made(self, amount: int, currency: str, metadata: dict[str, str]) -> dict[str, Any]:
        if amount < 50:
            raise Refused(400, "invalid_request_error", "amount_too_small", param="amount")
        name = f"pi_{secrets.token_hex(8)}"
        self.intents[name] = {
            "id": name,
            "object": "payment_intent",
            "status": "requires_payment_method",
            "amount": amount,
            "amount_received": 0,
            "currency": currency,
            "metadata": metadata,
            "next_action": None,
            "last_payment_error": None,
        }
        return self.intents[name]

    def _session(self, params: dict[str, str]) -> Any:
        _takes(params, _SESSION)
        if int(params[f"{_PRICE}[unit_amount]"]) < 50:
            raise Refused(400, "invalid_request_error", "amount_too_small", param="line_items")
        name = f"cs_test_{secrets.token_hex(8)}"
        of_intent = "payment_intent_data[metadata]"
        self.sessions[name] = {
            "id": name,
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(params[f"{_PRICE}[unit_amount]"]),
            "currency": params[f"{_PRICE}[currency]"],
            "metadata": {"payment": params["metadata[payment]"]},
            "intent_metadata": {
                "payment": params[f"{of_intent}[payment]"],
                "way": params[f"{of_intent}[way]"],
            },
            "payment_intent": None,
            "url": f"https://checkout.stripe.example/{name}",
            "success_url": params["success_url"],
        }
        return self.sessions[name]

    def _known_session(self, name: str) -> dict[str, Any]:
        if name not in self.sessions:
            raise Refused(404, "invalid_request_error", "resource_missing", param="session")
        return self.sessions[name]

    @staticmethod
    def _expire(session: dict[str, Any]) -> Any:
        if session["status"] != "open":
            raise Refused(400, "invalid_request_error", "session_not_open")
        return _set(session, status="expired", url=None)

    def _search(self, params: dict[str, str]) -> Any:
        if not self.has_search:
            raise Refused(400, "invalid_request_error", "search_not_supported")
        found = [
            one
            for one in self.intents.values()
            if params["query"] == f"metadata['payment']:'{one['metadata']['payment']}'"
        ]
        if self.search_is_late:
            found = []
        # What search shows is out of date, too.
        stale = [one | {"status": "requires_payment_method", "last_payment_error": None} for one in found]
        return {"object": "search_result", "url": "/v1/search", "has_more": False, "data": stale}

    def _intent(self, name: str) -> dict[str, Any]:
        if name not in self.intents:
            raise Refused(404, "invalid_request_error", "resource_missing", param="intent")
        return self.intents[name]

    def _confirm(self, intent: dict[str, Any], params: dict[str, str]) -> Any:
        _takes(params, _CONFIRM)
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise Refused(400, "invalid_request_error", "payment_intent_unexpected_state")
        method = params["payment_method"]
        if method == MISSING:
            raise Refused(400, "invalid_request_error", "resource_missing", param="payment_method")
        if method == GOOD:
            return self._succeed(intent)
        if method == THREE_D:
            redirect = {"url": AT_BANK, "return_url": params.get("return_url")}
            return _set(
                intent,
                status="requires_action",
                next_action={"type": "redirect_to_url", "redirect_to_url": redirect},
            )
        if method == PROCESSING:
            return _set(intent, status="processing")
        error = {"code": "card_declined", "decline_code": method.removeprefix("pm_")}
        self._fail(intent, error)
        raise Refused(402, "card_error", payment_intent=dict(intent), **error)

    def _cancel(self, intent: dict[str, Any]) -> Any:
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise Refused(400, "invalid_request_error", "payment_intent_unexpected_state")
        return _set(intent, status="canceled", next_action=None)

    def _refund(self, params: dict[str, str]) -> Any:
        _takes(params, _REFUND)
        intent, amount = self._intent(params["payment_intent"]), int(params["amount"])
        back = sum(one["amount"] for one in self.refunds if one["payment_intent"] == intent["id"])
        if intent["status"] != "succeeded" or back + amount > intent["amount"]:
            raise Refused(400, "invalid_request_error", "charge_already_refunded")
        made = {
            "id": f"re_{secrets.token_hex(8)}",
            "object": "refund",
            "status": self.refunds_are,
            "amount": amount,
            "payment_intent": intent["id"],
            "metadata": {"refund": params["metadata[refund]"], "payment": params["metadata[payment]"]},
        }
        self.refunds.append(made)
        return made

    def _succeed(self, intent: dict[str, Any]) -> Any:
        self.paid[intent["metadata"]["payment"]] += 1
        return _set(intent, status="succeeded", amount_received=intent["amount"])

    @staticmethod
    def _fail(intent: dict[str, Any], error: dict[str, str]) -> None:
        _set(intent, status="requires_payment_method", last_payment_error=error)

    # How it is asked.

    async def handle(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        self.seen.append(request)
        await asyncio.sleep(self.delay_s)
        fault = next((one for one in self.faults if one.is_of(request)), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault.after:
                self._replayed(request)
            elif fault.is_kept:
                asked = (request.path, request.params)
                self.kept[request.key] = asked, fault.status, Refused(fault.status, "api_error").body
            return await _wrong(writer, fault)
        status, body, is_old = self._replayed(request)
        more = {"Idempotent-Replayed": "true"} if is_old else {}
        await plain_http.answer(writer, status, json.dumps(body).encode(), more)
        return True

    def _replayed(self, request: Request) -> tuple[int, Any, bool]:
        asked = (request.path, request.params)
        if request.key in self.kept:
            before, status, body = self.kept[request.key]
            if before != asked:
                return 400, Refused(400, "idempotency_error").body, False
            return status, body, True
        status, body = self.answer(request)
        body = json.loads(json.dumps(body))
        code = body.get("error", {}).get("code", "") if status == 400 else ""
        # What is refused before anything is begun is not kept.
        if request.key and not code.startswith(("amount_", "parameter_")) and status != 401:
            self.kept[request.key] = asked, status, body
        return status, body, False


def _takes(params: dict[str, str], known: set[str]) -> None:
    if unknown := params.keys() - known:
        raise Refused(400, "invalid_request_error", "parameter_unknown", param=min(unknown))


def _set(intent: dict[str, Any], **facts: Any) -> dict[str, Any]:
    intent.update(facts)
    return intent


async def _wrong(writer: asyncio.StreamWriter, fault: Fault) -> bool:
    if fault.status > 0:
        error = Refused(fault.status, "api_error").body
        body = json.dumps(error).encode() if fault.body is None else fault.body
        await plain_http.answer(writer, fault.status, body)
        return True
    if fault.status == -1:
        await asyncio.Event().wait()
    if fault.status == -2:
        writer.write(b"HTTP/1.1 200 Said\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)
    return False


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[StripeStub]:
    """A stub on a free port of the loopback."""
    stub = StripeStub()
    async with plain_http.served(stub.handle) as stub.url:
        yield stub
