"""Why a booking can't be made or ended."""

from collections.abc import Sequence

from app.core.errors import FieldError, InvalidInput, Problem
from app.core.languages import sentence


def lot_full(where: str) -> Problem:
    return Problem(
        404,
        "all-taken",
        sentence("All matching slots are taken"),
        sentence("No fitting slot is free in {where}.", where=where),
    )


def lot_is_closed(code: str) -> Problem:
    """404: none of its slots is to be had. Of the same type: who asks does the same about it."""
    return Problem(
        404,
        "all-taken",
        sentence("{code} is closed", code=code),
        sentence("Try again later, or in another lot."),
    )


def no_such_lot(code: str) -> Problem:
    return Problem(
        404,
        "no-such-lot",
        sentence("There is no such lot"),
        sentence("No lot has the code {code!r}.", code=code),
    )


def no_such_area(lot: str, area: str) -> Problem:
    return Problem(
        404,
        "no-such-area",
        sentence("There is no such area"),
        sentence("Lot {lot} has no area {area!r}.", lot=lot, area=area),
    )


def no_such_slot(identifier: str) -> Problem:
    return Problem(
        404,
        "no-such-slot",
        sentence("There is no such slot"),
        sentence("No slot has the identifier {identifier!r}.", identifier=identifier),
    )


def _nearest(nearest: str | None) -> str:
    if nearest is None:
        return sentence("No slot like it is free.")
    return sentence("The nearest like it is {nearest}.", nearest=nearest)


def slot_taken(identifier: str, nearest: str | None) -> Problem:
    """409: that very slot is not free. Names the nearest one like it that is."""
    detail = _nearest(nearest)
    return Problem(
        409,
        "slot-taken",
        sentence("{identifier} is taken", identifier=identifier),
        detail,
        extra={"nearest": nearest},
    )


def slot_closed(identifier: str, nearest: str | None) -> Problem:
    detail = _nearest(nearest)
    return Problem(
        409,
        "slot-closed",
        sentence("{identifier} is closed", identifier=identifier),
        detail,
        extra={"nearest": nearest},
    )


def entity_has_reservation(slot: str, name: str, reservation: str) -> Problem:
    """409: one booking at a time. ``extra`` names it; a page decides who may see that."""
    return Problem(
        409,
        "entity-has-reservation",
        sentence("This entity has a reservation already"),
        sentence("Release it first, or use it."),
        extra={"slot": slot, "name": name, "reservation": reservation},
    )


def no_such_booking() -> Problem:
    return Problem(
        404, "no-such-booking", sentence("This link leads to no booking"), sentence("Check that it is whole.")
    )


def booking_ended() -> Problem:
    return Problem(
        409,
        "booking-ended",
        sentence("The booking has ended"),
        sentence("Book again, if you still need a slot."),
    )


def no_more_codes(most: int) -> Problem:
    return Problem(
        409,
        "no-more-codes",
        sentence("No more codes can be given"),
        sentence("The booking has {most} already.", most=most),
    )


def too_many_wrong_codes() -> Problem:
    """409: for as long as this booking runs; at the desk a code is taken all the same."""
    return Problem(
        409,
        "too-many-wrong-codes",
        sentence("Too many wrong codes were tried"),
        sentence("For this booking only an attendant takes one now."),
    )


def slot_closes(identifier: str) -> Problem:
    """409: it closes when it comes free, so nobody may keep it for longer than was said."""
    return Problem(
        409,
        "slot-closes",
        sentence("{identifier} is about to close", identifier=identifier),
        sentence("The booking stays as it is; its end can't be moved."),
    )


def no_such_reservation() -> Problem:
    return Problem(
        404,
        "no-such-reservation",
        sentence("There is no such reservation"),
        sentence("This entity holds no such slot."),
    )


def key_used_for_another_request() -> Problem:
    return Problem(
        422,
        "idempotency-key-reused",
        sentence("This idempotency key was used for another request"),
        sentence("Use a new key for a new request."),
    )


def request_in_flight() -> Problem:
    """409: a request under this key is being worked on; a moment later its answer is there."""
    return Problem(
        409,
        "request-in-flight",
        sentence("This request is being worked on"),
        sentence("Send it again in a second, with the same key: it gets the same answer."),
        retry_after_s=1,
    )


def too_late_to_take_back() -> Problem:
    return Problem(
        409,
        "too-late-to-undo",
        sentence("This check-in can't be taken back any more"),
        sentence("It can for five minutes. Where the wrong car was checked in, move or release the booking."),
    )


def changed_meanwhile(slot: str) -> Problem:
    return Problem(
        409,
        "changed-meanwhile",
        sentence("{slot} has changed", slot=slot),
        sentence("Look at it again, then decide."),
    )


def no_tariff(lot: str) -> Problem:
    return Problem(
        409,
        "no-tariff",
        sentence("This lot has no tariff"),
        sentence("Set a price for {lot} first.", lot=lot),
    )


def invalid(errors: Sequence[FieldError]) -> InvalidInput:
    return InvalidInput(errors)


def answer_first() -> Problem:
    """409: this browser has a slot held already, and one is enough."""
    return Problem(
        409,
        "answer-first",
        sentence("A slot is held for you already"),
        sentence("Book that one, or let it go."),
    )


def too_much_held(most: int) -> Problem:
    return Problem(
        429,
        "too-much-held",
        sentence("Too many slots are held from where you are"),
        sentence("At most {most} are at a time. Book a free one, or wait a minute.", most=most),
    )


def too_many_wait(most: int) -> Problem:
    return Problem(
        429,
        "too-many-wait",
        sentence("Too many wait from where you are"),
        sentence("At most {most} may at a time. Try again later.", most=most),
    )


def no_such_target(name: str) -> Problem:
    return Problem(
        404,
        "no-such-slot",
        sentence("There is no such slot"),
        sentence("This lot has no slot {name!r}.", name=name),
    )


def target_taken(name: str) -> Problem:
    """409: the slot that a booking was to be moved to is not free."""
    return Problem(
        409, "target-taken", sentence("{name} is not free", name=name), sentence("Choose another slot.")
    )


def closed_with_its_lot(slot: str) -> Problem:
    return Problem(
        409,
        "lot-closed",
        sentence("{slot} is closed with its lot", slot=slot),
        sentence("Open the lot; the slot opens with it."),
    )


def not_covered(reasons: Sequence[str]) -> Problem:
    """422: the tariff has no price for a part of the stay, or does not allow it."""
    return Problem(
        422,
        "not-covered",
        sentence("This stay has no price"),
        f"{'; '.join(reasons).capitalize()}.",
        extra={"reasons": list(reasons)},
    )


def was_used(slot: str) -> Problem:
    """409: a slot that a booking, past or present, refers to stays."""
    return Problem(
        409,
        "slot-was-used",
        sentence("{slot} has had bookings", slot=slot),
        sentence("It can't be deleted. Close it, then nobody gets it."),
    )


def last_of_lot(slot: str) -> Problem:
    return Problem(
        409,
        "last-slot",
        sentence("{slot} is the only slot of its lot", slot=slot),
        sentence("Close the lot instead."),
    )


def check_in_there() -> Problem:
    """409: this lot wants to see who arrives."""
    return Problem(
        409,
        "check-in-there",
        sentence("Check in at the entrance"),
        sentence("Show the code of the booking there, or to an attendant."),
    )
