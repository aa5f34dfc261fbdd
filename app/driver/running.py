"""A booking while it runs, in figures: the time, what it costs now, and what it costs next."""

from datetime import datetime, timedelta

from markupsafe import Markup

from app.bookings.billing import stay_of
from app.bookings.models import Reservation
from app.core import words
from app.core.languages import say, say_html
from app.core.money import Money
from app.driver.views import FeeLine, Notice, Running
from app.payments import fees
from app.payments.fee_words import rule_words
from app.payments.fees import Fee, dearer_from, fee_of_what_is_covered
from app.payments.tariffs.lines import Tariff

# So long before the planned end its holder is told.
ENDS_SOON = timedelta(minutes=15)


def running_figures(
    booked: Reservation,
    tariff: Tariff,
    now: datetime,
    time_zone: str,
    refresh_url: str,
    settled: int,
) -> Running:
    """``settled``: what was paid, in minor units. ``refresh_url`` answers with the figures a moment later."""
    begins, until = booked.start_at, booked.until
    waits = now < begins
    due = fee_of_what_is_covered(tariff, stay_of(booked, now))
    dearer = dearer_from(tariff, stay_of(booked, max(now, begins)), paid_minor=settled)
    used = 0
    if until is not None and until > begins and not waits:
        used = min(100, round(100 * ((now - begins) / (until - begins))))
    return Running(
        refresh_url=refresh_url,
        time_label=_time_label(booked, now, time_zone),
        elapsed=words.figures(begins - now + timedelta(seconds=59) if waits else now - begins),
        elapsed_s=int(abs(now - begins).total_seconds()),
        price=left_to_pay(due, settled),
        next_text=_next_text(until, due, dearer, settled, now, time_zone),
        used_percent=used,
        from_text=words.clock(begins, time_zone, now) if until or waits else "",
        until_text=words.clock(until, time_zone, now) if until else "",
        counts_down=waits,
        over=until is not None and now > until,
        warning=_warning(booked, now, time_zone),
        lines=fee_lines(due) if booked.codes else (),
        total=due.money.text(),
    )


def _time_label(booked: Reservation, now: datetime, time_zone: str) -> str:
    """What the time counts: up from the arrival, or down to when it is billed from."""
    begins = words.clock(booked.start_at, time_zone, now)
    if now < booked.start_at:
        return say("Held, billed from {time}, in", time=begins)
    if booked.arrived_at:
        return say("Parked since {time}", time=begins)
    return say("Reserved since {time}", time=begins)


def _next_text(
    until: datetime | None,
    due: Fee,
    dearer: tuple[datetime, Fee] | None,
    settled: int,
    now: datetime,
    time_zone: str,
) -> Markup:
    """What it costs next and from when, or that it costs no more up to the booked end."""
    if until is not None and now < until and (dearer is None or dearer[0] >= until):
        if not due.amount_minor:
            return say_html("Free up to the booked end")
        if settled >= due.amount_minor:
            return say_html("Paid up to the booked end")
        return say_html("{price} up to the booked end", price=left_to_pay(due, settled))
    if dearer is None:
        return Markup("")
    return say_html(
        "{price} from <b>{time}</b>, in {length}",
        price=left_to_pay(dearer[1], settled),
        time=words.clock(dearer[0], time_zone, now),
        length=words.span(dearer[0] - now),
    )


def left_to_pay(fee: Fee, settled_minor: int) -> str:
    """What of a fee is still to be paid."""
    return Money(max(0, fee.amount_minor - settled_minor), fee.currency).text()


def _warning(booked: Reservation, now: datetime, time_zone: str) -> Notice | None:
    """What the holder has to know before it is too late, the most urgent alone."""
    if booked.arrive_by is not None:
        by = words.clock(booked.arrive_by, time_zone, now)
        late = booked.arrive_by <= now
        text = say("Show your code at the entrance, else the slot goes to somebody else.")
        if late:
            text = say("The slot is being given up.")
        return Notice(say("Check in by {time}.", time=by), text, "problem" if late else "stale")
    if booked.until is None or booked.until - now > ENDS_SOON:
        return None
    if booked.until <= now:
        over = words.span(now - booked.until)
        return Notice(
            say("{length} over the planned end.", length=over), say("You pay until you leave."), "problem"
        )
    left = words.span(booked.until - now)
    return Notice(say("Ends in {length}.", length=left), say("Stay longer, or leave in time."), "stale")


def fee_lines(fee: Fee) -> tuple[FeeLine, ...]:
    """How a fee came about, as the page shows it."""
    return tuple(
        FeeLine(
            rule_words(line.rule),
            # What is taken off is no number of prices.
            f"{line.quantity} × {_unit_price(line, fee.currency)}" if line.amount_minor >= 0 else "",
            Money(line.amount_minor, fee.currency).text(),
        )
        for line in fee.lines
    )


def _unit_price(line: fees.FeeLine, currency: str) -> str:
    return Money(line.amount_minor // max(1, line.quantity), currency).text()
