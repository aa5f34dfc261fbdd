"""What just happened in a lot: bookings, money and works in one list, newest first."""

from datetime import datetime

from starlette.requests import Request

from app.accounts.access import account
from app.attendant import views
from app.attendant.money_views import money_url
from app.attendant.undo import Undo
from app.attendant.urls import slot_url
from app.bookings import desk_lists
from app.bookings import queries as bookings
from app.bookings.desk import Desk
from app.bookings.jobs import Act
from app.core import words
from app.core.languages import say, say_in, say_many
from app.core.money import Money
from app.core.parts import part
from app.core.templating import token
from app.payments import wording
from app.payments.models import Payment
from app.payments.refunding import UNDO_WITHIN, may_undo
from app.slots.layout import Layout
from app.slots.models import State

MOST_EVENTS = 20


async def just_now(request: Request, layout: Layout) -> views.JustNow:
    """What just happened; what somebody may still take back carries its undo."""
    desk, by = part(request, Desk), account(request).name
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        happened = await bookings.just_now(connection, layout.lot_id, MOST_EVENTS)
        paid = await desk_lists.paid_lately(connection, layout.lot_id, MOST_EVENTS)
        works = await desk_lists.works(connection, layout.lot_id, MOST_EVENTS)
        settled = await desk_lists.settled(connection, {one.reservation for one in happened})
        fresh: list[bookings.Happened | desk_lists.Work] = [*happened, *works]
        named = {name for one in fresh if now - one.at < UNDO_WITHIN for name in _names(one, layout)}
        there = {name: layout.by_name[name].id for name in named}
        states = {name: await bookings.slot_now(connection, number) for name, number in there.items()}
    events = [(one.at, _booking(layout, one, settled, states, now)) for one in happened]
    events += [(one.settled_at or one.created_at, _payment(layout, one, by, now)) for one in paid]
    events += [(one.at, _work(layout, one, states)) for one in works]
    events.sort(key=lambda pair: pair[0], reverse=True)
    return views.JustNow(tuple(event for _, event in events[:MOST_EVENTS]))


def _names(one: bookings.Happened | desk_lists.Work, layout: Layout) -> list[str]:
    """The slots of which the undo has to know how they stand."""
    if isinstance(one, desk_lists.Work):
        named = list(one.slots) if len(one.slots) == 1 else []
    else:
        named = [one.slot, one.moved_from or ""] if one.what == "moved" else []
    return [name for name in named if name in layout.by_name]


def _booking(
    layout: Layout,
    one: bookings.Happened,
    settled: dict[str, int],
    states: dict[str, bookings.SlotNow | None],
    now: datetime,
) -> views.Event:
    code, zone = layout.lot.code, layout.lot.time_zone
    unpaid = ""
    if one.what in ("left", "no-show") and one.amount_minor:
        due = Money(one.amount_minor - settled.get(one.reservation, 0), one.currency or "")
        unpaid = say("{amount} unpaid", amount=due) if due.amount_minor > 0 else ""
    return views.Event(
        time=words.clock_s(one.at, zone),
        slot=one.slot,
        what=_what(one.what),
        detail=_detail(one, unpaid=bool(unpaid)),
        url=slot_url(code, one.slot),
        id=f"{one.what}-{one.reservation}",
        unpaid=unpaid,
        unpaid_url=money_url(code, q=one.entity),
        undo=_moved_back(code, one, states) if now - one.at < UNDO_WITHIN else None,
    )


def _what(what: str) -> str:
    return {
        "reserved": say_in("what happened", "Reserved"),
        "arrived": say_in("what happened", "Arrived"),
        "left": say_in("what happened", "Left"),
        "moved": say_in("what happened", "Moved"),
        "no-show": say_in("what happened", "No-show"),
    }[what]


def _detail(one: bookings.Happened, *, unpaid: bool) -> str:
    if one.what == "moved":
        return say("{plate}, from {slot}", plate=one.entity, slot=one.moved_from)
    if one.what in ("left", "no-show"):
        if unpaid:
            return one.entity
        if not one.amount_minor:
            return say("{plate}, nothing to pay", plate=one.entity)
        amount = Money(one.amount_minor, one.currency or "")
        return say("{plate}, {amount} paid", plate=one.entity, amount=amount)
    if one.source == "browser":
        return say("{plate}, phone or browser", plate=one.entity)
    if one.source == "attendant":
        return say("{plate}, at the desk", plate=one.entity)
    return one.entity


def _moved_back(code: str, one: bookings.Happened, states: dict[str, bookings.SlotNow | None]) -> Undo | None:
    here, before = states.get(one.slot), states.get(one.moved_from or "")
    if here is None or before is None or here.reservation != one.reservation:
        return None
    if before.state is not State.FREE:
        return None
    url = slot_url(code, one.slot)
    return Undo.of(url, "move", version=here.version, reservation=one.reservation, to=one.moved_from)


def _payment(layout: Layout, one: Payment, by: str, now: datetime) -> views.Event:
    slot = wording.place_of(one).slot
    amount, means = Money(one.amount_minor, one.currency), wording.means_words(one.means)
    if one.refunded_minor == one.amount_minor:
        detail = say("{amount}, {means}, given back", amount=amount, means=means)
    elif one.by:
        detail = say("{amount}, {means}, by {name}", amount=amount, means=means, name=one.by)
    else:
        detail = say("{amount}, {means}", amount=amount, means=means)
    url = slot_url(layout.lot.code, slot) if slot in layout.by_name else ""
    may = may_undo(one, by, now) and url
    return views.Event(
        time=words.clock_s(one.settled_at or one.created_at, layout.lot.time_zone),
        slot=slot,
        what=say_in("what happened", "Paid"),
        detail=detail,
        url=url,
        id=f"paid-{one.id}",
        undo=Undo.of(url, "undo-pay", payment=one.id) if may else None,
    )


def _work(layout: Layout, one: desk_lists.Work, states: dict[str, bookings.SlotNow | None]) -> views.Event:
    closes, is_one = one.act == Act.CLOSE, len(one.slots) == 1
    name = one.slots[0] if is_one else ""
    url = slot_url(layout.lot.code, name) if name in layout.by_name else ""
    if closes:
        what = say_in("what happened", "Closed") if one.at_once or not is_one else say("Closes when free")
    else:
        what = say_in("what happened", "Opened") if one.at_once or not is_one else say("Stays open")
    slot, detail = name, say("by {name}", name=one.who)
    if one.whole_lot:
        detail = say("the whole lot, by {name}", name=one.who)
    elif not is_one:
        slot = f"{one.slots[0]}–{one.slots[-1]}"
        detail = say_many("{count} slot, by {name}", "{count} slots, by {name}", len(one.slots), name=one.who)
    undo, state = None, states.get(name) if url else None
    if closes and state is not None and (state.state is State.CLOSED or state.closing):
        action = "open" if state.state is State.CLOSED else "keep-open"
        undo = Undo.of(url, action, version=state.version)
    return views.Event(
        time=words.clock_s(one.at, layout.lot.time_zone),
        slot=slot,
        what=what,
        detail=detail,
        url=url,
        id=f"{one.act}-{one.at:%H%M%S%f}-{token(slot)}",
        undo=undo,
    )
