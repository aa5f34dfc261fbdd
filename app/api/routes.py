"""The REST surface: reads, hands on, answers. It has no rules of its own."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.accounts.access import SigningKey, who
from app.accounts.service import SignedIn
from app.api import answers, models
from app.bookings import calculate, opening, problems
from app.bookings.codes import Giving, give_code
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.jobs import Arriving, Extending
from app.bookings.reserve import reserve
from app.bookings.results import Released
from app.bookings.stay import arrive, extend
from app.bookings.unreserve import unreserve
from app.core import metrics
from app.core.clock import steady_s
from app.core.db import Database, SqlAway
from app.core.errors import FieldError, InvalidInput, Problem
from app.core.forms import fit_text, read_json_object, validated
from app.core.ids import read_signed_id, sign_id
from app.core.parts import part
from app.core.web import origin_of
from app.payments import records
from app.payments.journal import Entry
from app.payments.models import PaymentState
from app.payments.paying import Cashier, Order, as_problem, pay, quote_for
from app.payments.refunding import give_back_surplus
from app.payments.webhooks import take_up
from app.slots import queries
from app.slots.forms import SlotForm
from app.slots.layout import Wish
from app.slots.memory import Memory
from app.slots.models import State

LONGEST_KEY = 255
Action = Callable[[Request, dict[str, Any]], Awaitable[Response]]


async def post_parking(request: Request) -> Response:
    """``POST /parking?action=reserve``, ``unreserve``, ``extend``, ``check-in`` and ``validate``."""
    action = _action(
        request,
        {
            "reserve": _reserve,
            "unreserve": _unreserve,
            "extend": _extend,
            "check-in": _check_in,
            "validate": _validate,
        },
    )
    return await action(request, await read_json_object(request))


async def post_payment(request: Request) -> Response:
    """``POST /parking/payment?action=calculate`` and ``pay``."""
    action = _action(request, {"calculate": _calculate, "pay": _pay})
    return await action(request, await read_json_object(request))


async def get_parking(request: Request) -> Response:
    """``GET /parking``: slots with their status, from the truth; while SQL is away from memory, dated."""
    given = models.canonical(dict(request.query_params), "slot")
    query = validated(models.ListQuery, given)
    wanted = queries.Filter(
        slot=query.slot,
        status=State(query.status) if query.status else None,
        lot=query.lot,
        area=query.area,
        size=query.size,
        premium=query.premium,
    )
    cursor = None
    if query.cursor is not None:
        try:
            cursor = queries.Cursor.read(query.cursor)
        except ValueError as error:
            raise InvalidInput([FieldError("cursor", str(error))]) from None

    try:
        async with part(request, Database).look() as connection:
            page = await queries.slot_page(connection, wanted, query.start, query.limit, cursor)
        if not page.slots:
            await _refuse_unknown(request, wanted)
    except SqlAway:
        held = await part(request, Memory).page(wanted, query.start, query.limit, cursor)
        metrics.FROM_MEMORY.labels("parking").inc()
        body = answers.slot_list(held.page, given, query.start, query.limit)
        age_s = max(0, int(steady_s() - held.as_of))
        return JSONResponse(body | answers.from_memory(held), headers={"Age": str(age_s)})
    return JSONResponse(answers.slot_list(page, given, query.start, query.limit))


async def put_parking(request: Request) -> Response:
    """``PUT /parking``: creates a slot (201) or replaces it (200)."""
    body = validated(models.Put, models.canonical(await read_json_object(request), "identifier"))
    form = SlotForm(
        identifier=body.identifier,
        location=body.location,
        size=body.size,
        premium=body.premium,
        lot=body.lot,
        area=body.area,
        name=body.name,
        accessible=body.accessible,
        charging=body.charging,
        outline=body.outline,
        if_match=_if_match(request),
        given=frozenset(body.model_fields_set),
    )
    put = await opening.put_slot(part(request, Desk), form)

    async def look() -> queries.SlotDetails | None:
        async with part(request, Database).look() as connection:
            return await queries.slot_details(connection, body.identifier)

    details = await run_again_on_conflict(look)
    return JSONResponse(
        answers.slot(details), 201 if put.created else 200, headers={"ETag": f'"{details.revision}"'}
    )


async def _reserve(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.Reserve, models.canonical(body, "slot"))
    wish = Wish(
        size=asked.size,
        premium=asked.premium,
        accessible=asked.accessible,
        charging=asked.charging,
        area=asked.area,
    )
    done = await reserve(
        part(request, Desk),
        ReserveRequest(
            entity=asked.entity_identifier,
            lot=asked.lot,
            slot=asked.slot,
            wish=wish,
            start=asked.time,
            until=asked.until,
            codes=tuple(asked.codes),
            idempotency=_idempotency_key(request, body),
        ),
    )
    return JSONResponse(answers.reserved(done))


async def _unreserve(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.Unreserve, models.canonical(body, "slot"))
    done = await unreserve(
        part(request, Desk),
        UnreserveRequest(
            entity=asked.entity_identifier,
            slot=asked.slot,
            reservation=asked.reservation,
            time=asked.time,
            idempotency=_idempotency_key(request, body),
        ),
    )
    await give_back_surplus(part(request, Cashier), done.reservation)
    return JSONResponse(answers.released(done, await _is_paid(request, done)))


async def _is_paid(request: Request, done: Released) -> bool:
    """Whether what a booking cost has been paid; where SQL can't say so by now, it counts as due."""
    try:
        async with part(request, Database).look() as connection:
            standing = await records.standing(connection, done.reservation)
    except SqlAway:
        return False
    return standing.settled_minor >= done.fee.amount_minor


async def _extend(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.Extend, models.canonical(body, "slot"))
    extending = Extending(
        asked.until,
        reservation=asked.reservation,
        slot=asked.slot,
        entity=asked.entity_identifier,
        key=_idempotency_key(request, body),
    )
    return JSONResponse(answers.extended(await extend(part(request, Desk), extending)))


async def _check_in(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.CheckIn, models.canonical(body, "slot"))
    if (asked.booking is None) is (asked.slot is None):
        raise InvalidInput([FieldError("booking", "or slot with entityIdentifier: give one of both")])
    key = _idempotency_key(request, body)
    if asked.booking is not None:
        reservation = read_signed_id(part(request, SigningKey), _secret_of(asked.booking))
        if reservation is None:
            raise problems.no_such_booking()
        arriving = Arriving(reservation=reservation, key=key)
    else:
        if asked.entity_identifier is None:
            raise InvalidInput([FieldError("entityIdentifier", "is missing")])
        arriving = Arriving(slot=asked.slot, entity=asked.entity_identifier, key=key)
    return JSONResponse(answers.arrived(await arrive(part(request, Desk), arriving)))


async def _validate(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.Validate, models.canonical(body, "slot"))
    if (asked.reservation is None) is (asked.slot is None):
        raise InvalidInput([FieldError("reservation", "or slot with entityIdentifier: give one of both")])
    if asked.slot is not None and asked.entity_identifier is None:
        raise InvalidInput([FieldError("entityIdentifier", "is missing")])
    giving = Giving(
        asked.code, asked.reservation, asked.slot, asked.entity_identifier, by=await _signed_in(request)
    )
    return JSONResponse(answers.validated(await give_code(part(request, Desk), giving)))


def _secret_of(booking: str) -> str:
    """The secret in a booking's link, which a gate reads from its QR code; "" where it is no link."""
    try:
        return urlsplit(booking).path.rstrip("/").rsplit("/", 1)[-1]
    except ValueError:
        return ""


async def _calculate(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.Calculate, models.canonical(body, "slotIdentifier"))
    desk = part(request, Desk)
    if asked.reservation is not None:
        found, signed = await quote_for(part(request, Cashier), asked.reservation)
        return JSONResponse(answers.quoted(found, signed))
    missing = [
        FieldError(name, "is missing")
        for name, value in (
            ("slotIdentifier", asked.slot_identifier),
            ("startTime", asked.start_time),
            ("endTime", asked.end_time),
        )
        if value is None
    ]
    if missing or asked.slot_identifier is None or asked.start_time is None or asked.end_time is None:
        raise InvalidInput(missing)
    codes = tuple(asked.codes)
    charged = await calculate.of_stay(desk, asked.slot_identifier, asked.start_time, asked.end_time, codes)
    return JSONResponse(answers.fee(charged))


async def _pay(request: Request, body: dict[str, Any]) -> Response:
    asked = validated(models.Pay, models.canonical(body))
    cashier = part(request, Cashier)
    by_attendant = cashier.provider_of(asked.method).by_attendant
    by = await _signed_in(request, at_all_costs=by_attendant)
    paid = await pay(cashier, asked.quote, Order(asked.method, asked.token, by, origin_of(request)))
    if isinstance(paid, Entry):
        return JSONResponse(answers.accepted(paid), 202)
    if (refused := as_problem(paid)) is not None:
        raise refused
    status = 200 if paid.state == PaymentState.PAID else 202
    key = part(request, SigningKey)
    return JSONResponse(answers.payment(paid, sign_id(key, paid.id)), status)


async def _signed_in(request: Request, *, at_all_costs: bool = False) -> str:
    """Who takes cash or validates: on this machine the surface is open, and nobody ("") may be signed in.

    While SQL is away and does not say it, nobody is; a SqlAway where it has to be known ``at_all_costs``.
    """
    person: SignedIn | None = getattr(request.state, "account", None)
    if person is None:
        try:
            person = await who(request)
        except SqlAway:
            if at_all_costs:
                raise
            # A card needs nobody.
            return ""
    return person.name if person is not None else ""


async def webhook(request: Request) -> Response:
    """``POST /payments/webhooks/{provider}``: 204 once it is written down."""
    await take_up(
        part(request, Cashier), request.path_params["provider"], request.headers, await request.body()
    )
    return Response(status_code=204)


async def _refuse_unknown(request: Request, wanted: queries.Filter) -> None:
    """404 where nothing was found because the lot or the slot that was named does not exist."""
    async with part(request, Database).look() as connection:
        if wanted.slot is not None and await queries.slot_details(connection, wanted.slot) is None:
            raise problems.no_such_slot(wanted.slot)
        if wanted.lot is not None and not await queries.lot_exists(connection, wanted.lot):
            raise problems.no_such_lot(wanted.lot)


def _action(request: Request, actions: dict[str, Action]) -> Action:
    name = request.query_params.get("action", "")
    if name not in actions:
        known = " or ".join(actions)
        raise Problem(400, "unknown-action", "This action is not known", f"Say ?action={known}.")
    return actions[name]


def _idempotency_key(request: Request, body: dict[str, Any]) -> IdempotencyKey | None:
    """The request's key, with a digest of its body: the same key with another body is refused."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    try:
        fit_text(key)
    except ValueError as error:
        raise InvalidInput([FieldError("Idempotency-Key", str(error))]) from None
    if not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidInput([FieldError("Idempotency-Key", f"must have 1 to {LONGEST_KEY} characters")])
    written = json.dumps(body, sort_keys=True)
    person: SignedIn | None = getattr(request.state, "account", None)
    caller = f"account {person.account_id}" if person else "program"
    return IdempotencyKey(caller, key, hashlib.sha256(written.encode()).hexdigest())


def _if_match(request: Request) -> str | None:
    value = request.headers.get("If-Match")
    return None if value is None else value.removeprefix("W/").strip('"')
