"""The attendant's desk: what stands where, what is to do, what just happened."""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import Request

from app.accounts.access import account
from app.accounts.models import Role
from app.attendant import views
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
from app.core.money import Money
from app.core.parts import part
from app.core.templating import environment
from app.live.hub import Hub
from app.payments import records as payments
from app.payments.fees import fee_of_what_is_covered
from app.payments.paying import Cashier, quote_for
from app.payments.queries import tariff_of
from app.payments.tariffs.offers import has_offers
from app.slots import queries as slots
from app.slots.layout import LaidSlot, Layout
from app.slots.maps import LotMaps
from app.slots.memory import Memory
from app.slots.models import STATES, State
from app.slots.projections import count

MOST_LOTS, MOST_HITS, MOST_TASKS, MOST_ARRIVALS, MOST_EVENTS = 50, 8, 20, 10, 20
SOON = timedelta(minutes=30)
# So long before a slot is lost somebody may look whether the car stands there.
SOON_LOST = timedelta(minutes=5)
Part = TypeVar("Part")
_WHAT = {"reserved": "Reserved", "arrived": "Arrived", "left": "Left", "moved": "Moved", "no-show": "No-show"}


async def home(request: Request) -> views.HomePage:
    """The lots to choose from."""
    desk = part(request, Desk)
    late: dict[int | None, int] = {}
    try:
        async with desk.database.look() as connection:
            now = await desk.database.now(connection)
            found = await slots.lots(connection, limit=MOST_LOTS)
            for lot in found:
                late[lot.id] = len(await bookings.overdue(connection, lot.id or 0, now, MOST_TASKS))
    except SqlAway:
        found = part(request, Memory).lots("", MOST_LOTS)
    rows, ages = [], []
    for lot in found:
        picture = await part(request, Hub).picture(lot.id or 0)
        counts = count(picture) if picture else None
        age_s = picture.age_s(time.time()) if picture else None
        if age_s is not None:
            ages.append(age_s)
        rows.append(
            views.LotRow(
                code=lot.code,
                name=lot.name,
                address=lot.address,
                free=None if counts is None else counts.free,
                reserved=None if counts is None else counts.reserved,
                occupied=None if counts is None else counts.occupied,
                closed=None if counts is None else counts.closed,
                to_do=late.get(lot.id, 0),
            )
        )
    person = account(request)
    is_operator = person.role is Role.OPERATOR
    return views.HomePage(person.name, tuple(rows), max(ages, default=None), is_operator)


async def lot_page(
    request: Request,
    layout: Layout,
    slot: LaidSlot | None,
    panel: views.SlotPanel | None = None,
    works_: views.Works | None = None,
) -> views.LotPage:
    """The desk of one lot, with this slot chosen."""
    picture = await part(request, Hub).picture(layout.lot_id)
    layout = picture.layout if picture else layout
    states = picture.shown if picture else bytes(len(layout.slots))
    counts = count(picture) if picture else None
    signs = counts.signs if counts else {}
    code = quote(layout.lot.code)
    lot_map = await part(request, LotMaps).of(layout)
    shown_map = lot_map.render(states, signs, f"/attendant/lots/{code}/slots/{{slot}}", pick="any")
    legends = environment().get_template("slots/_legend.html").module
    numbers = counts.states if counts else dict.fromkeys(("free", "reserved", "occupied", "closed"), "–")
    if slot is not None and panel is None:
        panel = await slot_panel(request, layout, slot)
    return views.LotPage(
        code=layout.lot.code,
        name=layout.lot.name,
        attendant=account(request).name,
        time_zone=layout.lot.time_zone,
        clock=words.clock(datetime.now(UTC), layout.lot.time_zone),
        now_s=time.time(),
        feed_url=f"/ws/lots/{code}",
        map=shown_map,
        legend=legends.legend(numbers),  # type: ignore[attr-defined]
        results=await _known(results(request, layout, request.query_params.get("q", ""))) or views.Results(),
        todo=await _known(todo(request, layout)),
        arriving=await _known(arriving(request, layout)),
        just_now=await _known(just_now(request, layout)),
        slot=panel,
        works=works_ or works(layout),
        age_s=picture.age_s(time.time()) if picture else None,
        stylesheets=("css/map.css",),
        scripts=("js/map.js",),
    )


def works(layout: Layout, **said: str) -> views.Works:
    """Closing and opening several slots. ``said`` are fields of the view."""
    return views.Works(
        lot_code=layout.lot.code,
        lot_name=layout.lot.name,
        closed=layout.lot.closed,
        areas=tuple(area.code for area in layout.areas),
        idempotency_key=new_id(),
        **said,
    )


async def _known(asked: Awaitable[Part]) -> Part | None:
    """What SQL says; nothing while it is away."""
    try:
        return await asked
    except SqlAway:
        return None


async def results(request: Request, layout: Layout, typed: str) -> views.Results:
    """Plates that hold what was typed."""
    typed = typed[:32].replace("\x00", "").strip()
    if not any(letter.isalnum() for letter in typed):
        return views.Results()
    desk = part(request, Desk)
    async with desk.database.look() as connection:
        found = await bookings.find_entity(connection, layout.lot_id, typed, MOST_HITS + 1)
    hits = tuple(_hit(layout, one, typed) for one in found[:MOST_HITS])
    return views.Results(typed, hits, max(0, len(found) - MOST_HITS))


async def todo(request: Request, layout: Layout) -> views.Todo:
    """Overstays, the longest first, then who has not arrived and soon loses the slot."""
    desk, zone = part(request, Desk), layout.lot.time_zone
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        late = await bookings.overdue(connection, layout.lot_id, now, MOST_TASKS)
        awaited = await bookings.awaited(connection, layout.lot_id, now, SOON_LOST, MOST_TASKS - len(late))
        owed = [await _owed(connection, one.reservation, now) for one in late if one.reservation]
    tasks = []
    for one, owes in zip(late, owed, strict=True):
        assert one.until is not None
        tasks.append(
            views.Task(
                slot=one.slot,
                position=layout.by_name[one.slot].position,
                plate=one.entity,
                urgency=f"+{words.span(now - one.until)}",
                note=f"Booked until {words.clock(one.until, zone, now)}, owes {owes.text()}",
                url=views.slot_url(layout.lot.code, one.slot),
                tone="danger",
            )
        )
    return views.Todo((*tasks, *(_awaited(layout, one, zone, now) for one in awaited)))


def _awaited(layout: Layout, one: bookings.Seen, zone: str, now: datetime) -> views.Task:
    assert one.reservation is not None
    assert one.reservation.arrive_by is not None
    left = one.reservation.arrive_by - now
    return views.Task(
        slot=one.slot,
        position=layout.by_name[one.slot].position,
        plate=one.entity,
        urgency=f"{words.span(left)} left" if left > timedelta(0) else "no-show",
        note=f"Not here yet, kept until {words.clock(one.reservation.arrive_by, zone, now)}",
        url=views.slot_url(layout.lot.code, one.slot),
    )


async def arriving(request: Request, layout: Layout) -> views.Arriving:
    """Who comes next."""
    desk, zone = part(request, Desk), layout.lot.time_zone
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        soon = await bookings.arriving(connection, layout.lot_id, now, SOON, MOST_ARRIVALS)
    arrivals = (
        views.Arrival(
            words.clock(one.reservation.expected_at if one.reservation else one.start_at, zone),
            one.slot,
            one.entity,
            views.slot_url(layout.lot.code, one.slot),
        )
        for one in soon
    )
    return views.Arriving(tuple(arrivals), "in the next 30 min")


async def just_now(request: Request, layout: Layout) -> views.JustNow:
    """What just happened."""
    desk, zone = part(request, Desk), layout.lot.time_zone
    async with desk.database.look() as connection:
        happened = await bookings.just_now(connection, layout.lot_id, MOST_EVENTS)
    return views.JustNow(
        tuple(
            views.Event(
                time=words.clock_s(one.at, zone),
                slot=one.slot,
                what=_WHAT[one.what],
                detail=_detail(one),
                url=views.slot_url(layout.lot.code, one.slot),
            )
            for one in happened
        )
    )


async def slot_panel(request: Request, layout: Layout, slot: LaidSlot, **said: str) -> views.SlotPanel:
    """The chosen slot as it is now. ``said`` are fields of the view: what was typed, done and refused.

    While SQL is away only its state is known, as the lot's picture has it.
    """
    try:
        return await _slot_panel(request, layout, slot, **said)
    except SqlAway:
        picture = await part(request, Hub).picture(layout.lot_id)
        if picture is None or slot.position >= len(picture.states):
            raise
        return views.SlotPanel(
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


async def _slot_panel(request: Request, layout: Layout, slot: LaidSlot, **said: str) -> views.SlotPanel:
    desk, zone = part(request, Desk), layout.lot.time_zone
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
        owes = await _owed(connection, running, now) if running else None
        day = await _day(connection, layout, slot, running, now)
        takes_codes = running is not None and has_offers(await tariff_of(connection, running.tariff_id))
    take = (
        await take_of(part(request, Cashier), running.id)
        if running is not None and owes and owes.amount_minor
        else None
    )
    over = _over(running, now)
    if running is not None and "move_to" not in said:
        said["move_to"] = await nearest_free(desk, layout, slot)
    return views.SlotPanel(
        lot_code=layout.lot.code,
        name=slot.name,
        position=slot.position,
        area=slot.area_code,
        state="reserved" if state is State.HELD else state.value,  # type: ignore[arg-type]
        facts=_facts(running, zone, now) if running else _held_facts(hold, zone),
        actions=_actions(found, layout, takes_codes=takes_codes),
        closing=found.closing,
        day=day,
        idempotency_key=new_id(),
        version=version,
        reservation=running.id if running else "",
        away=False,
        tag=", ".join(filter(None, [running.entity_given if running else "", over])),
        alert=over,
        owes=owes.text() if owes else "",
        take=take,
        premium=slot.premium,
        accessible=slot.accessible,
        charging=slot.charging,
        **said,
    )


async def take_of(cashier: Cashier, reservation: str) -> views.Take | None:
    """What an attendant may take for a booking, running or ended; ``None`` where nothing is due."""
    found, signed = await quote_for(cashier, reservation)
    if found.quote is None:
        return None
    means = [one for one in cashier.providers.values() if one.by_attendant]
    async with cashier.database.look() as connection:
        pending = await payments.pending_of(connection, reservation)
    if pending is not None:
        amount = Money(pending.amount_minor, pending.currency).text()
        return views.Take(
            "", found.fee.money.text(), (), f"The driver is paying {amount} by card. Take nothing meanwhile."
        )
    return views.Take(
        signed,
        found.fee.money.text(),
        tuple((value, words_) for one in means for value, words_ in one.means.items()),
    )


def _over(running: Reservation | None, now: datetime) -> str:
    """How far a booking is past its planned end, or nothing."""
    if running is None or running.until is None or now <= running.until:
        return ""
    return f"{words.span(now - running.until)} over"


async def nearest_free(desk: Desk, layout: Layout, slot: LaidSlot) -> str:
    """The name of the nearest free slot of the same kind, empty for none."""
    async with desk.database.look() as connection:
        row = await records.slot_by(connection, id=slot.id)
    nearest = await nearest_like(desk, row) if row is not None else None
    found = layout.by_identifier.get(nearest or "")
    return found.name if found is not None else ""


def _actions(now: bookings.SlotNow, layout: Layout, *, takes_codes: bool) -> tuple[views.Action, ...]:
    closes: views.ActionName = "keep-open" if now.closing else "close-when-free"
    with_lot = "it is closed with the lot" if layout.lot.closed and not now.closing else ""
    validate = (views.Action("validate"),) if takes_codes else ()
    actions: dict[State, tuple[views.Action, ...]] = {
        State.FREE: (views.Action("walk-in"), views.Action("close"), views.Action("delete")),
        State.RESERVED: (
            views.Action("check-in"),
            views.Action("release"),
            views.Action("move"),
            *validate,
            views.Action(closes),
        ),
        State.OCCUPIED: (
            views.Action("release"),
            views.Action("move"),
            *validate,
            views.Action(closes),
        ),
        State.CLOSED: (views.Action("open", with_lot), views.Action("delete")),
        State.HELD: (views.Action(closes),),
    }
    return actions[now.state]


def _held_facts(hold: Hold | None, zone: str) -> tuple[views.Fact, ...]:
    if hold is None:
        return ()
    return (
        views.Fact("Held for", "a driver who is choosing"),
        views.Fact("Held until", words.clock_s(hold.until, zone)),
    )


def _facts(running: Reservation, zone: str, now: datetime) -> tuple[views.Fact, ...]:
    facts = [views.Fact("Plate", running.entity_given)]
    if running.arrived_at:
        facts.append(views.Fact("Arrived", words.clock(running.arrived_at, zone, now)))
    elif running.expected_at > running.created_at:
        facts.append(views.Fact("Comes at", words.clock(running.expected_at, zone, now)))
    if running.arrive_by:
        facts.append(views.Fact("Kept until", words.clock(running.arrive_by, zone, now)))
    facts.append(views.Fact("Billed from", words.clock(running.start_at, zone, now)))
    if running.until:
        facts.append(views.Fact("Booked until", words.clock(running.until, zone, now)))
    if running.codes:
        facts.append(views.Fact("Codes", ", ".join(running.codes)))
    facts.append(
        views.Fact(
            "Booked by",
            {"api": "a gate or an app", "browser": "phone or browser"}.get(running.source, running.source),
        )
    )
    return tuple(facts)


async def _owed(connection: Any, running: Reservation, now: datetime) -> Money:
    """What is still to be paid if it ended now."""
    tariff = await tariff_of(connection, running.tariff_id)
    fee = fee_of_what_is_covered(tariff, stay_of(running, now))
    standing = await payments.standing(connection, running.id)
    return Money(max(0, fee.amount_minor - standing.settled_minor), fee.currency)


async def _day(
    connection: Any, layout: Layout, slot: LaidSlot, running: Reservation | None, now: datetime
) -> views.Day:
    zone = words.zone(layout.lot.time_zone)
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)

    def minute(instant: datetime) -> int:
        return int((instant.astimezone(zone) - midnight).total_seconds() // 60)

    name = layout.lot.time_zone
    stays = [
        views.Stay(
            period=f"{words.clock(one.start_at, name)} to {words.clock(one.ended_at, name)}",
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
            views.Stay(
                period=f"{words.clock(running.start_at, name)} to now",
                plate=running.entity_given,
                amount=(await _owed(connection, running, now)).text(),
                from_min=max(0, minute(running.start_at)),
                until_min=minute(now),
                paid_until_min=max(0, minute(paid_until)) if paid_until else None,
            )
        )
    return views.Day(tuple(stays), from_h=0, until_h=24, now_min=minute(now))


def _hit(layout: Layout, one: bookings.Seen, typed: str) -> views.Hit:
    known = one.entity
    starts = known.upper().startswith(typed.upper())
    split = len(typed) if starts else 0
    if one.ended_at is not None:
        note = f"left {words.clock(one.ended_at, layout.lot.time_zone)}"
        return views.Hit(known[:split], known[split:], note=note)
    return views.Hit(
        known[:split], known[split:], slot=one.slot, url=views.slot_url(layout.lot.code, one.slot)
    )


def _detail(one: bookings.Happened) -> str:
    how = {"browser": "phone or browser", "attendant": "at the desk"}.get(one.source, "")
    if one.what in ("left", "no-show"):
        amount = Money(one.amount_minor or 0, one.currency or "")
        return f"{one.entity}, {amount.text() if one.amount_minor else 'nothing to pay'}"
    if one.what == "moved":
        return f"{one.entity}, from {one.moved_from}"
    return ", ".join(filter(None, [one.entity, how]))
