"""What can be done at a slot from its panel: each act, what is said of it, and what takes it back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from app.bookings import attend
from app.bookings.codes import Giving, give_code
from app.bookings.deleting import delete_slot
from app.bookings.desk import Desk
from app.bookings.entity import what_is_wrong
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import release_seen
from app.core import metrics
from app.core.errors import Problem
from app.core.languages import say, told
from app.core.money import Money
from app.payments import records as payments
from app.payments.journal import Entry
from app.payments.paying import Cashier, Order, pay
from app.payments.refunding import give_back_surplus, undo
from app.payments.tariffs.offers import LONGEST_CODE
from app.slots.layout import LaidSlot, Layout


@dataclass(frozen=True)
class Acting:
    """What is to be done at a slot: by whom it was sent, and how."""

    desk: Desk
    layout: Layout
    slot: LaidSlot
    sent: Mapping[str, str]
    key: IdempotencyKey | None
    cashier: Cashier
    by: str

    @property
    def version(self) -> int:
        text = self.sent.get("version", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


@dataclass(frozen=True)
class Done:
    """What was done, and at which slot that shows; at none where it is gone.

    ``undo``: the action that takes it back, with its fields. ``status`` 202: it is written down later, and
    looking at the slot anew does not tell of it. ``came_from``: a slot of which the notice tells.
    """

    notice: str
    slot: LaidSlot | None
    undo: tuple[str, dict[str, str]] | None = None
    status: int = 200
    came_from: str = ""


class WrongField(ValueError):
    """What was typed can't be used; ``said`` is how the page says so."""

    def __init__(self, **said: object) -> None:
        super().__init__()
        self.said = said


def afterwards(done: str, layout: Layout, slot: LaidSlot, came_from: str) -> Done | None:
    """What the slot's page says of an act that led to it, by a name in its address; nothing for any other."""
    name = slot.name
    if done == "move":
        before = layout.by_name.get(came_from)
        return None if before is None else _moved(before, slot)
    known: dict[str, Callable[[], Done]] = {
        "check-in": lambda: Done(say("Checked in."), slot, ("undo-check-in", {})),
        "undo-check-in": lambda: Done(say("Not checked in after all."), slot, ("check-in", {})),
        "close": lambda: Done(say("{slot} is closed.", slot=name), slot, ("open", {})),
        "close-when-free": lambda: Done(
            say("{slot} closes when it comes free.", slot=name), slot, ("keep-open", {})
        ),
        "open": lambda: Done(_opened(layout, slot), slot, None if layout.lot.closed else ("close", {})),
        "keep-open": lambda: Done(say("{slot} stays open.", slot=name), slot, ("close-when-free", {})),
        "walk-in": lambda: Done(say("Booked and checked in."), slot),
        "release": lambda: Done(say("Released."), slot),
        "undo-pay": lambda: Done(say("The payment is undone: nothing was taken."), slot),
    }
    found = known.get(done)
    return found() if found is not None else None


def _opened(layout: Layout, slot: LaidSlot) -> str:
    if layout.lot.closed:
        return say("{slot} opens with the lot.", slot=slot.name)
    return say("{slot} is open.", slot=slot.name)


def _moved(before: LaidSlot, slot: LaidSlot) -> Done:
    notice = say("Moved here from {slot}.", slot=before.name)
    return Done(notice, slot, ("move", {"to": before.name}), came_from=before.name)


def _said(one: Acting, act: str) -> Done:
    found = afterwards(act, one.layout, one.slot, "")
    assert found is not None
    return found


async def _check_in(one: Acting) -> Done:
    await attend.check_in(one.desk, one.slot.id, one.version, one.key)
    return _said(one, "check-in")


async def _undo_check_in(one: Acting) -> Done:
    await attend.take_back_check_in(one.desk, one.slot.id, one.version, one.key)
    return _said(one, "undo-check-in")


async def _close(one: Acting) -> Done:
    await attend.close_slot(one.desk, one.slot.id, one.version, one.key, by=one.by)
    return _said(one, "close")


async def _close_when_free(one: Acting) -> Done:
    await attend.close_when_free(one.desk, one.slot.id, one.version, one.key, by=one.by)
    return _said(one, "close-when-free")


async def _open(one: Acting) -> Done:
    await attend.open_slot(one.desk, one.slot.id, one.version, one.key, by=one.by)
    return _said(one, "open")


async def _keep_open(one: Acting) -> Done:
    await attend.keep_open(one.desk, one.slot.id, one.version, one.key, by=one.by)
    return _said(one, "keep-open")


async def _release(one: Acting) -> Done:
    seen = one.slot.id, one.version
    done = await release_seen(one.desk, one.sent.get("reservation", ""), seen, one.key)
    await give_back_surplus(one.cashier, done.reservation)
    async with one.desk.database.look() as connection:
        standing = await payments.standing(connection, done.reservation)
    owed = Money(max(0, done.fee.amount_minor - standing.settled_minor), done.fee.currency)
    if not owed.amount_minor:
        return Done(say("Released, nothing to pay."), one.slot)
    return Done(say("Released, {amount} to pay.", amount=owed), one.slot)


async def _pay(one: Acting) -> Done:
    order = Order(one.sent.get("means", ""), by=one.by)
    paid = await pay(one.cashier, one.sent.get("quote", ""), order)
    metrics.ATTENDED.labels("pay").inc()
    if isinstance(paid, Entry):
        amount = Money(paid.quote.amount_minor, paid.quote.currency)
        return Done(say("{amount} taken. The receipt follows.", amount=amount), one.slot, status=202)
    amount = Money(paid.amount_minor, paid.currency)
    return Done(say("{amount} taken.", amount=amount), one.slot, ("undo-pay", {"payment": paid.id}))


async def _undo_pay(one: Acting) -> Done:
    await undo(one.cashier, one.sent.get("payment", ""), one.by)
    metrics.ATTENDED.labels("undo-pay").inc()
    return _said(one, "undo-pay")


async def _walk_in(one: Acting) -> Done:
    plate = one.sent.get("plate", "")
    typed = plate[:120]
    if wrong := what_is_wrong(plate):
        raise WrongField(plate=typed, plate_error=say("The plate {why}.", why=told(wrong)))
    try:
        request = ReserveRequest(
            entity=plate,
            slot=one.slot.identifier,
            source="attendant",
            arrived=True,
            idempotency=one.key,
        )
        await reserve(one.desk, request)
    except Problem as problem:
        if problem.type == "entity-has-reservation":
            error = say("This plate stands on {slot} already.", slot=problem.extra["name"])
            raise WrongField(plate=typed, plate_error=error) from None
        raise
    metrics.ATTENDED.labels("walk-in").inc()
    return _said(one, "walk-in")


async def _move(one: Acting) -> Done:
    typed = one.sent.get("to", "").strip()[:64]
    # Whoever types it need not mind its case.
    target = one.layout.by_name.get(typed) or next(
        (slot for slot in one.layout.slots if slot.name.upper() == typed.upper()), None
    )
    if target is None:
        lot = one.layout.lot.name
        wrong = say("{lot} has no slot {slot}.", lot=lot, slot=typed) if typed else say("Say which slot.")
        raise WrongField(move_to=typed, move_error=wrong)
    seen = one.slot.id, one.version
    try:
        await attend.move_booking(one.desk, one.sent.get("reservation", ""), seen, target.id, one.key)
    except Problem as problem:
        if problem.type == "target-taken":
            wrong = say("{slot} is not free.", slot=target.name)
            raise WrongField(move_to=typed, move_error=wrong) from None
        raise
    return _moved(one.slot, target)


async def _validate(one: Acting) -> Done:
    typed = one.sent.get("code", "")
    try:
        given = await give_code(one.desk, Giving(typed, one.sent.get("reservation", ""), by=one.by))
    except Problem as problem:
        if problem.type not in ("invalid-input", "no-more-codes"):
            raise
        why = told(problem.errors[0].message if problem.errors else problem.title)
        shown = typed[:LONGEST_CODE]
        raise WrongField(code=shown, code_error=f"{why[0].upper()}{why[1:]}.") from None
    metrics.ATTENDED.labels("validate").inc()
    if not given.fresh:
        return Done(say("{code} is given already. It counts once.", code=given.code), one.slot)
    return Done(say("Validated with {code}.", code=given.code), one.slot)


async def _delete(one: Acting) -> Done:
    await delete_slot(one.desk, one.slot.id, one.version)
    return Done(say("{slot} is deleted.", slot=one.slot.name), None)


ACTS: dict[str, Callable[[Acting], Awaitable[Done]]] = {
    "check-in": _check_in,
    "undo-check-in": _undo_check_in,
    "close": _close,
    "close-when-free": _close_when_free,
    "open": _open,
    "keep-open": _keep_open,
    "release": _release,
    "pay": _pay,
    "undo-pay": _undo_pay,
    "walk-in": _walk_in,
    "move": _move,
    "validate": _validate,
    "delete": _delete,
}
# Looking again changes nothing about these.
FOR_GOOD = ("slot-was-used", "last-slot", "lot-closed", "too-late-to-undo")
