"""Why a booking can't be made or ended."""

from collections.abc import Sequence

from app.core.errors import FieldError, InvalidInput, Problem


def lot_full(where: str) -> Problem:
    return Problem(404, "all-taken", "All matching slots are taken", f"No fitting slot is free in {where}.")


def lot_is_closed(code: str) -> Problem:
    """404: none of its slots is to be had. Of the same type: who asks does the same about it."""
    return Problem(404, "all-taken", f"{code} is closed", "Try again later, or in another lot.")


def no_such_lot(code: str) -> Problem:
    return Problem(404, "no-such-lot", "There is no such lot", f"No lot has the code {code!r}.")


def no_such_area(lot: str, area: str) -> Problem:
    return Problem(404, "no-such-area", "There is no such area", f"Lot {lot} has no area {area!r}.")


def no_such_slot(identifier: str) -> Problem:
    return Problem(
        404, "no-such-slot", "There is no such slot", f"No slot has the identifier {identifier!r}."
    )


def slot_taken(identifier: str, nearest: str | None) -> Problem:
    """409: that very slot is not free. Names the nearest one like it that is."""
    detail = f"The nearest like it is {nearest}." if nearest else "No slot like it is free."
    return Problem(409, "slot-taken", f"{identifier} is taken", detail, extra={"nearest": nearest})


def slot_closed(identifier: str, nearest: str | None) -> Problem:
    detail = f"The nearest like it is {nearest}." if nearest else "No slot like it is free."
    return Problem(409, "slot-closed", f"{identifier} is closed", detail, extra={"nearest": nearest})


def entity_has_reservation(slot: str, name: str, reservation: str) -> Problem:
    """409: one booking at a time. ``extra`` names it; a page decides who may see that."""
    return Problem(
        409,
        "entity-has-reservation",
        "This entity has a reservation already",
        "Release it first, or use it.",
        extra={"slot": slot, "name": name, "reservation": reservation},
    )


def no_such_booking() -> Problem:
    return Problem(404, "no-such-booking", "This link leads to no booking", "Check that it is whole.")


def booking_ended() -> Problem:
    return Problem(409, "booking-ended", "The booking has ended", "Book again, if you still need a slot.")


def no_more_codes(most: int) -> Problem:
    return Problem(409, "no-more-codes", "No more codes can be given", f"The booking has {most} already.")


def too_many_wrong_codes() -> Problem:
    """409: for as long as this booking runs; at the desk a code is taken all the same."""
    return Problem(
        409,
        "too-many-wrong-codes",
        "Too many wrong codes were tried",
        "For this booking only an attendant takes one now.",
    )


def slot_closes(identifier: str) -> Problem:
    """409: it closes when it comes free, so nobody may keep it for longer than was said."""
    return Problem(
        409,
        "slot-closes",
        f"{identifier} is about to close",
        "The booking stays as it is; its end can't be moved.",
    )


def no_such_reservation() -> Problem:
    return Problem(
        404, "no-such-reservation", "There is no such reservation", "This entity holds no such slot."
    )


def key_used_for_another_request() -> Problem:
    return Problem(
        422,
        "idempotency-key-reused",
        "This idempotency key was used for another request",
        "Use a new key for a new request.",
    )


def request_in_flight() -> Problem:
    """409: a request under this key is being worked on; a moment later its answer is there."""
    return Problem(
        409,
        "request-in-flight",
        "This request is being worked on",
        "Send it again in a second, with the same key: it gets the same answer.",
        retry_after_s=1,
    )


def changed_meanwhile(slot: str) -> Problem:
    return Problem(409, "changed-meanwhile", f"{slot} has changed", "Look at it again, then decide.")


def no_tariff(lot: str) -> Problem:
    return Problem(409, "no-tariff", "This lot has no tariff", f"Set a price for {lot} first.")


def invalid(errors: Sequence[FieldError]) -> InvalidInput:
    return InvalidInput(errors)


def answer_first() -> Problem:
    """409: this browser has a slot held already, and one is enough."""
    return Problem(409, "answer-first", "A slot is held for you already", "Book that one, or let it go.")


def too_much_held(most: int) -> Problem:
    return Problem(
        429,
        "too-much-held",
        "Too many slots are held from where you are",
        f"At most {most} are at a time. Book a free one, or wait a minute.",
    )


def too_many_wait(most: int) -> Problem:
    return Problem(
        429,
        "too-many-wait",
        "Too many wait from where you are",
        f"At most {most} may at a time. Try again later.",
    )


def no_such_target(name: str) -> Problem:
    return Problem(404, "no-such-slot", "There is no such slot", f"This lot has no slot {name!r}.")


def target_taken(name: str) -> Problem:
    """409: the slot that a booking was to be moved to is not free."""
    return Problem(409, "target-taken", f"{name} is not free", "Choose another slot.")


def closed_with_its_lot(slot: str) -> Problem:
    return Problem(
        409, "lot-closed", f"{slot} is closed with its lot", "Open the lot; the slot opens with it."
    )


def not_covered(reasons: Sequence[str]) -> Problem:
    """422: the tariff has no price for a part of the stay, or does not allow it."""
    return Problem(
        422,
        "not-covered",
        "This stay has no price",
        f"{'; '.join(reasons).capitalize()}.",
        extra={"reasons": list(reasons)},
    )


def was_used(slot: str) -> Problem:
    """409: a slot that a booking, past or present, refers to stays."""
    return Problem(
        409,
        "slot-was-used",
        f"{slot} has had bookings",
        "It can't be deleted. Close it, then nobody gets it.",
    )


def last_of_lot(slot: str) -> Problem:
    return Problem(409, "last-slot", f"{slot} is the only slot of its lot", "Close the lot instead.")


def check_in_there() -> Problem:
    """409: this lot wants to see who arrives."""
    return Problem(
        409,
        "check-in-there",
        "Check in at the entrance",
        "Show the code of the booking there, or to an attendant.",
    )
