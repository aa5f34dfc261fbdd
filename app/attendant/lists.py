"""The desk's lists: found plates, what is to do, who comes, who waits, and what is closed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from starlette.requests import Request

from app.attendant import views
from app.attendant.slot_panel import owed
from app.attendant.urls import slot_url
from app.bookings import desk_lists
from app.bookings import queries as bookings
from app.bookings.desk import Desk
from app.core import words
from app.core.languages import say, say_many
from app.core.parts import part
from app.slots.importers.values import in_natural_order
from app.slots.layout import LaidSlot, Layout

MOST_HITS, MOST_TASKS, MOST_ARRIVALS, MOST_STRETCHES = 8, 20, 10, 12
SOON_MIN = 30
# So long before a slot is lost somebody may look whether the car stands there.
SOON_LOST = timedelta(minutes=5)


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


def _hit(layout: Layout, one: bookings.Seen, typed: str) -> views.Hit:
    known = one.entity
    starts = known.upper().startswith(typed.upper())
    split = len(typed) if starts else 0
    if one.ended_at is not None:
        note = say("left {time}", time=words.clock(one.ended_at, layout.lot.time_zone))
        return views.Hit(known[:split], known[split:], note=note)
    return views.Hit(known[:split], known[split:], slot=one.slot, url=slot_url(layout.lot.code, one.slot))


async def todo(request: Request, layout: Layout) -> views.Todo:
    """Overstays, the longest first, then who has not arrived and soon loses the slot."""
    desk, zone = part(request, Desk), layout.lot.time_zone
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        late = await bookings.overdue(connection, layout.lot_id, now, MOST_TASKS)
        awaited = await bookings.awaited(connection, layout.lot_id, now, SOON_LOST, MOST_TASKS - len(late))
        dues = [await owed(connection, one.reservation, now) for one in late if one.reservation]
    tasks = []
    for one, due in zip(late, dues, strict=True):
        assert one.until is not None
        until = words.clock(one.until, zone, now)
        tasks.append(
            views.Task(
                slot=one.slot,
                position=layout.by_name[one.slot].position,
                plate=one.entity,
                urgency=f"+{words.span(now - one.until)}",
                note=say("Booked until {time}, owes {amount}", time=until, amount=due.text()),
                url=slot_url(layout.lot.code, one.slot),
                tone="danger",
            )
        )
    return views.Todo((*tasks, *(_awaited(layout, one, zone, now) for one in awaited)))


def _awaited(layout: Layout, one: bookings.Seen, zone: str, now: datetime) -> views.Task:
    assert one.reservation is not None
    assert one.reservation.arrive_by is not None
    left = one.reservation.arrive_by - now
    kept = words.clock(one.reservation.arrive_by, zone, now)
    is_kept = left > timedelta(0)
    return views.Task(
        slot=one.slot,
        position=layout.by_name[one.slot].position,
        plate=one.entity,
        urgency=say("{time} left", time=words.span(left)) if is_kept else say("no-show"),
        note=say("Not here yet, kept until {time}", time=kept),
        url=slot_url(layout.lot.code, one.slot),
    )


async def arriving(request: Request, layout: Layout) -> views.Arriving:
    """Who comes next."""
    desk, zone = part(request, Desk), layout.lot.time_zone
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        within = timedelta(minutes=SOON_MIN)
        soon = await bookings.arriving(connection, layout.lot_id, now, within, MOST_ARRIVALS)
    arrivals = (
        views.Arrival(
            words.clock(one.reservation.expected_at if one.reservation else one.start_at, zone),
            one.slot,
            one.entity,
            slot_url(layout.lot.code, one.slot),
        )
        for one in soon
    )
    return views.Arriving(tuple(arrivals), SOON_MIN)


async def waiting(request: Request, layout: Layout) -> views.Line:
    """How many wait for a slot of the lot, since when, and for what kind."""
    desk, zone = part(request, Desk), layout.lot.time_zone
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        found = await desk_lists.line(connection, layout.lot_id)
    kinds = []
    for one in found:
        since = words.clock(one.since, zone, now)
        text = say_many("{count}, since {time}", "{count}, the first since {time}", one.count, time=since)
        kinds.append(views.Waiters(text, _wish(one)))
    return views.Line(sum(one.count for one in found), tuple(kinds))


def _wish(line: desk_lists.Line) -> str:
    named = [
        (say("premium"), line.premium is True),
        (say("accessible"), line.accessible),
        (say("charging"), line.charging),
    ]
    return ", ".join(word for word, is_wished in named if is_wished) or say("any slot")


async def closed(request: Request, layout: Layout) -> views.Closed:
    """What is out of use: neighbours as one stretch, by area, in the order of their names."""
    desk = part(request, Desk)
    async with desk.database.look() as connection:
        found = await desk_lists.closed(connection, layout.lot_id)
    by_itself = {one.slot_id: one for one in found if not (one.with_lot and layout.lot.closed)}
    stretches = [_stretch(layout, slots, later=later) for slots, later in _neighbours(layout, by_itself)]
    more = sum(one.count for one in stretches[MOST_STRETCHES:])
    return views.Closed(tuple(stretches[:MOST_STRETCHES]), len(found), more, layout.lot.closed)


def _neighbours(
    layout: Layout, closed: dict[int, desk_lists.Closed]
) -> Iterator[tuple[list[LaidSlot], bool]]:
    """Runs of slots of an area that are closed, or are to close, one beside the other."""

    def alike(pair: tuple[int, LaidSlot]) -> Any:
        slot = pair[1]
        found = closed.get(slot.id)
        return (slot.area_code, None if found is None else found.later)

    ordered = sorted(layout.slots, key=lambda slot: (slot.area_code, in_natural_order(slot.name)))
    for (_, later), run in groupby(enumerate(ordered), key=alike):
        if later is not None:
            yield [slot for _, slot in run], later


def _stretch(layout: Layout, slots: list[LaidSlot], *, later: bool) -> views.Stretch:
    first, last = slots[0], slots[-1]
    code, is_one = layout.lot.code, len(slots) == 1
    fields = {"area": first.area_code, "first": first.name, "last": last.name}
    return views.Stretch(
        name=first.name if is_one else say("{first} to {last}", first=first.name, last=last.name),
        count=len(slots),
        note=say("when released") if later else "",
        url=slot_url(code, first.name) if is_one else views.works_url(code, **fields),
        in_form=not is_one,
    )
