"""What paying is refused with."""

from typing import Any

from app.core.errors import Problem
from app.core.languages import sentence
from app.core.money import Money

# Of these who pays is told what became of it: nothing of theirs was charged now.
ABOUT_MONEY = ("being-paid", "already-paid", "nothing-due", "stale-quote", "too-late-to-undo")


def not_a_quote() -> Problem:
    return Problem(
        422,
        "not-a-quote",
        sentence("This is no quote of ours"),
        sentence("Calculate what the booking costs, then send its quote."),
    )


def no_such_means(known: list[str]) -> Problem:
    return Problem(
        422,
        "no-such-method",
        sentence("One can't pay like this here"),
        sentence("Say one of: {known}.", known=", ".join(known)),
    )


def only_an_attendant() -> Problem:
    return Problem(
        403,
        "only-an-attendant",
        sentence("Cash is taken by an attendant"),
        sentence("Sign in, or pay otherwise."),
    )


def stale_quote(fresh: dict[str, Any]) -> Problem:
    """409: what is due is not what it was. ``fresh``: what it is now, with a quote, if anything."""
    return Problem(
        409,
        "stale-quote",
        sentence("The price has changed since"),
        sentence("Look at what is to be paid now, and send that quote."),
        extra=fresh,
    )


def nothing_due() -> Problem:
    return Problem(
        409,
        "nothing-due",
        sentence("Nothing is to be paid"),
        sentence("The booking is paid, or costs nothing."),
    )


def being_paid(payment: str) -> Problem:
    return Problem(
        409,
        "being-paid",
        sentence("Somebody is paying for this booking"),
        sentence("See what becomes of that; if it fails, pay then."),
        extra={"payment": payment},
    )


def not_while_away() -> Problem:
    return Problem(
        503,
        "not-while-away",
        sentence("This can't be paid with just now"),
        sentence(
            "Our database does not answer. Pay at the desk, or try again in a few minutes. "
            "Nothing was charged."
        ),
        retry_after_s=30,
    )


def cannot_be_ended() -> Problem:
    return Problem(
        409,
        "cannot-be-ended",
        sentence("This payment can't be given up just now"),
        sentence("It may go through at this moment. Look again in a minute."),
    )


def already_paid(payment: str, by: str) -> Problem:
    return Problem(
        409,
        "already-paid",
        sentence("This has been paid"),
        sentence("It was paid by {by}.", by=by),
        extra={"payment": payment},
    )


def no_such_booking() -> Problem:
    return Problem(
        404,
        "no-such-reservation",
        sentence("There is no such booking"),
        sentence("It may be another installation's."),
    )


def no_such_payment() -> Problem:
    return Problem(404, "no-such-payment", sentence("There is no such payment"))


def no_such_refund() -> Problem:
    return Problem(404, "no-such-refund", sentence("There is no such refund"))


def not_by_hand() -> Problem:
    return Problem(
        409,
        "not-by-hand",
        sentence("Nobody hands this over"),
        sentence("It goes back to the card that paid; see what becomes of it."),
    )


def not_so_much_left(left: Money) -> Problem:
    return Problem(
        409,
        "not-so-much-left",
        sentence("So much can't be given back"),
        sentence("Of this payment {left} is left, if it is paid.", left=left),
    )


def not_taken_here(provider: str) -> Problem:
    return Problem(
        409,
        "provider-not-here",
        sentence("Nothing can be given back by this provider"),
        sentence("{provider} is not among those who take money here.", provider=provider),
    )


def closed_already(by: str) -> Problem:
    return Problem(
        409, "closed-already", sentence("This day is closed already"), sentence("{by} has closed it.", by=by)
    )


def books_have_changed() -> Problem:
    return Problem(
        409,
        "books-have-changed",
        sentence("Money was posted meanwhile"),
        sentence("Look at the sums as they are now, and count again."),
    )


def too_late_to_undo() -> Problem:
    return Problem(
        409,
        "too-late-to-undo",
        sentence("This payment can't be undone any more"),
        sentence("Who took it can undo it for five minutes. An operator can give it back."),
    )
