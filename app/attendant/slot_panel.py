"""The chosen slot: who stands there, what is paid and what holds, and what can be done."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from app.accounts.access import account
from app.attendant.slot_views import Action, ActionName, Day, Fact, Means, SlotPanel, Stay, Take
from app.attendant.undo import Undo
from app.attendant.urls import slot_url
from app.bookings import problems, records
from app.bookings import queries as bookings
from app.bookings.billing import stay_of
from app.bookings.desk import Desk
from app.bookings.models import Hold, Reservation
from app.bookings.reserve import nearest_like
from app.bookings.waiting_records import hold_of_slot
from app.core import words
from app.core.db import SqlAway
from app.core.ids import new_id
from app.core.languages import say
from app.core.money import Money
from app.core.parts import part
from app.live.hub import Hub
from app.payments import records as payments
from app.payments import wording
from app.payments.fees import fee_of_what_is_covered
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier, quote_for
from app.payments.queries import tariff_of
from app.payments.refunding import may_undo
from app.payments.tariffs.asked import asked
from app.payments.tariffs.offers import has_offers
from app.slots.layout import LaidSlot, Layout
from app.slots.models import STATES, State

# The drawing of a day shows these hours, and more where somebody stood there.
_FROM_H, _UNTIL_H = 7, 19
_KEYS = {"cash": "P", "terminal": "T"}


async def slot_panel(request: Request, layout: Layout, slot: LaidSlot, **said: Any) -> SlotPanel:
    """The chosen slot as it is now. ``said`` are fields of the view: what was typed, done and refused;
    ``undo`` among them is the name of the action that takes back what was done, with its fields.

    While SQL is away only its state is known, as the lot's picture has it.
    """
    try:
        return await _slot_panel(request, layout, slot, **said)
    except SqlAway:
        picture = await part(request, Hub).picture(layout.lot_id)
        if picture is None or slot.position >= len(picture.states):
            raise
        return SlotPanel(
            lot_code=layout.lot.code,
            name=slot.name,
            position=slot.position,
            area=slot.area_code,
            state=STATES[picture.shown[slot.position]].value,  # type: ignore[arg-type]
            facts=(),
            actions=(),
            day=None,
            idempotency_key=new_id(),
            version=-1,
            away=True,
            notice=said.get("notice", ""),
            conflict=said.get("conflict", ""),
            premium=slot.premium,
            accessible=slot.accessible,
            charging=slot.charging,
        )


async def _slot_panel(
    request: Request,
    layout: Layout,
    slot: LaidSlot,
    undo: tuple[str, dict[str, str]] | None = None,
    **said: Any,
) -> SlotPanel:
    desk, zone = part(request, Desk), layout.lot.time_zone
    facts: tuple[Fact, ...] = ()
    paid: list[Payment] = []
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        found = await bookings.slot_now(connection, slot.id)
        if found is None:
            # Deleted a moment ago.
            raise problems.no_such_slot(slot.identifier)
        state, version, reservation = found.state, found.version, found.reservation
        booking = await bookings.booking(connection, reservation) if reservation else None
        running = booking.running if booking else None
        hold = await hold_of_slot(connection, slot.id) if state is State.HELD else None
        owes = await owed(connection, running, now) if running else None
        day = await _day(connection, layout, slot, running, now)
        takes_codes = False
        if running is not None:
            tariff = await tariff_of(connection, running.tariff_id)
            takes_codes = has_offers(tariff)
            paid = await payments.payments_of(connection, running.id)
            rate = asked(tariff, now, size=running.size, premium=running.premium).text
            facts = (*_facts(running, zone, now), *_money_facts(paid, rate, zone, now))
    take = (
        await take_of(part(request, Cashier), running.id)
        if running is not None and owes and owes.amount_minor
        else None
    )
    over = _over(running, now)
    if running is not None and "move_to" not in said:
        said["move_to"] = await nearest_free(desk, layout, slot)
    url = slot_url(layout.lot.code, slot.name)
    if undo is not None:
        action, fields = undo
        said["undo"] = Undo.of(url, action, version=version, reservation=reservation or "", **fields)
    elif paid and may_undo(paid[-1], account(request).name, now) and not said.get("notice"):
        # Also whoever comes back to the slot, or has no script, finds the way back.
        said["undo"] = Undo.of(url, "undo-pay", payment=paid[-1].id)
        said["notice"] = say("{amount} taken.", amount=Money(paid[-1].amount_minor, paid[-1].currency))
    return SlotPanel(
        lot_code=layout.lot.code,
        name=slot.name,
        position=slot.position,
        area=slot.area_code,
        state="reserved" if state is State.HELD else state.value,  # type: ignore[arg-type]
        facts=facts if running else _held_facts(hold, zone),
        actions=_actions(found, layout, takes_codes=takes_codes),
        closing=found.closing,
        day=day,
        idempotency_key=new_id(),
        version=version,
        reservation=running.id if running else "",
        away=False,
        tag=", ".join(filter(None, [running.entity_given if running else "", over])),
        alert=over,
        owes=owes.text() if owes and owes.amount_minor else "",
        take=take,
        premium=slot.premium,
        accessible=slot.accessible,
        charging=slot.charging,
        **said,
    )


async def take_of(cashier: Cashier, reservation: str) -> Take | None:
    """What an attendant may take for a booking, running or ended; ``None`` where nothing is due."""
    found, signed = await quote_for(cashier, reservation)
    if found.quote is None:
        return None
    means = [one for one in cashier.providers.values() if one.by_attendant]
    async with cashier.database.look() as connection:
        pending = await payments.pending_of(connection, reservation)
    if pending is not None:
        amount = Money(pending.amount_minor, pending.currency)
        told = say("The driver is paying {amount} by card. Take nothing meanwhile.", amount=amount)
        return Take("", found.fee.money.text(), (), told)
    return Take(
        signed,
        found.fee.money.text(),
        tuple(
            Means(value, wording.means_words(value), _KEYS.get(value, ""))
            for one in means
            for value in one.means
        ),
    )


def _over(running: Reservation | None, now: datetime) -> str:
    """How far a booking is past its planned end, or nothing."""
    if running is None or running.until is None or now <= running.until:
        return ""
    return say("{time} over", time=words.span(now - running.until))


async def nearest_free(desk: Desk, layout: Layout, slot: LaidSlot) -> str:
    """The name of the nearest free slot of the same kind, empty for none."""
    async with desk.database.look() as connection:
        row = await records.slot_by(connection, id=slot.id)
    nearest = await nearest_like(desk, row) if row is not None else None
    found = layout.by_identifier.get(nearest or "")
    return found.name if found is not None else ""


def _actions(now: bookings.SlotNow, layout: Layout, *, takes_codes: bool) -> tuple[Action, ...]:
    closes: ActionName = "keep-open" if now.closing else "close-when-free"
    with_lot = say("it is closed with the lot") if layout.lot.closed and not now.closing else ""
    validate = (Action("validate"),) if takes_codes else ()
    actions: dict[State, tuple[Action, ...]] = {
        State.FREE: (Action("walk-in"), Action("close"), Action("delete")),
        State.RESERVED: (Action("check-in"), Action("release"), Action("move"), *validate, Action(closes)),
        State.OCCUPIED: (Action("release"), Action("move"), *validate, Action(closes)),
        State.CLOSED: (Action("open", with_lot), Action("delete")),
        State.HELD: (Action(closes),),
    }
    return actions[now.state]


def _held_facts(hold: Hold | None, zone: str) -> tuple[Fact, ...]:
    if hold is None:
        return ()
    return (
        Fact(say("Held for"), say("a driver who is choosing")),
        Fact(say("Held until"), words.clock_s(hold.until, zone)),
    )


def _facts(running: Reservation, zone: str, now: datetime) -> tuple[Fact, ...]:
    facts = [Fact(say("Plate"), running.entity_given)]
    if running.arrived_at:
        facts.append(Fact(say("Arrived"), words.clock(running.arrived_at, zone, now)))
    elif running.expected_at > running.created_at:
        facts.append(Fact(say("Comes at"), words.clock(running.expected_at, zone, now)))
    if running.arrive_by:
        facts.append(Fact(say("Kept until"), words.clock(running.arrive_by, zone, now)))
    facts.append(Fact(say("Billed from"), words.clock(running.start_at, zone, now)))
    if running.until:
        facts.append(Fact(say("Booked until"), words.clock(running.until, zone, now)))
    if running.codes:
        facts.append(Fact(say("Codes"), ", ".join(running.codes)))
    how = {
        "api": say("a gate or an app"),
        "browser": say("phone or browser"),
        "attendant": say("attendant"),
    }
    facts.append(Fact(say("Booked by"), how.get(running.source, running.source)))
    return tuple(facts)


def _money_facts(paid: list[Payment], rate: str, zone: str, now: datetime) -> tuple[Fact, ...]:
    """What was paid, with what and when, and the rate that holds now."""
    kept = [one for one in paid if one.state == PaymentState.PAID and one.amount_minor > one.refunded_minor]
    told = [
        say(
            "{amount}, {means}, {time}",
            amount=Money(one.amount_minor - one.refunded_minor, one.currency),
            means=wording.means_words(one.means),
            time=words.clock(one.settled_at or one.created_at, zone, now),
        )
        for one in kept
    ]
    facts = [Fact(say("Paid"), one) for one in told] or [Fact(say("Paid"), say("nothing yet"))]
    return (*facts, Fact(say("Rate"), rate)) if rate else tuple(facts)


async def owed(connection: Any, running: Reservation, now: datetime) -> Money:
    """What is still to be paid if it ended now."""
    tariff = await tariff_of(connection, running.tariff_id)
    fee = fee_of_what_is_covered(tariff, stay_of(running, now))
    standing = await payments.standing(connection, running.id)
    return Money(max(0, fee.amount_minor - standing.settled_minor), fee.currency)


async def _day(
    connection: Any, layout: Layout, slot: LaidSlot, running: Reservation | None, now: datetime
) -> Day:
    zone = words.zone(layout.lot.time_zone)
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)

    def minute(instant: datetime) -> int:
        return int((instant.astimezone(zone) - midnight).total_seconds() // 60)

    name = layout.lot.time_zone
    stays = [
        Stay(
            period=say(
                "{begin} to {end}", begin=words.clock(one.start_at, name), end=words.clock(one.ended_at, name)
            ),
            plate=one.entity_given,
            amount=Money(one.amount_minor, one.currency).text(),
            from_min=max(0, minute(one.start_at)),
            until_min=minute(one.ended_at),
        )
        for one in await bookings.stays_since(connection, slot.id, midnight.astimezone(UTC))
    ]
    if running is not None and running.start_at <= now:
        paid_until = running.until if running.until and running.until < now else None
        stays.append(
            Stay(
                period=say("{begin} to now", begin=words.clock(running.start_at, name)),
                plate=running.entity_given,
                amount=(await owed(connection, running, now)).text(),
                from_min=max(0, minute(running.start_at)),
                until_min=minute(now),
                paid_until_min=max(0, minute(paid_until)) if paid_until else None,
            )
        )
    first_h = min((stay.from_min // 60 for stay in stays), default=_FROM_H)
    until_h = min(24, max(_UNTIL_H, minute(now) // 60 + 1))
    return Day(
        tuple(stays), from_h=min(_FROM_H, first_h, minute(now) // 60), until_h=until_h, now_min=minute(now)
    )
