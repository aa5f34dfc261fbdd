"""The booking panel: what a slot costs, the form, and what to do when it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from app.bookings.forms import AHEAD, LONGEST_STAY, SKEW, billed_from
from app.core import words
from app.core.errors import FieldError
from app.core.ids import new_id
from app.core.languages import say, say_in, say_many, told
from app.driver.views import (
    BookingForm,
    Choice,
    Field,
    HeldFor,
    NextStep,
    Notice,
    Panel,
    PanelSlot,
    Wait,
)
from app.driver.waiting import wishes
from app.payments.fee_words import reasons_words
from app.payments.fees import NotCovered, Stay, fee
from app.payments.tariffs.asked import Price, asked
from app.payments.tariffs.lines import Tariff
from app.slots.layout import LaidSlot, Layout
from app.slots.models import STATES, Lot, State, public_code

FIELDS = {"entityIdentifier": "entity", "time": "start_at", "until": "minutes", "slot": "slot"}
DURATIONS = ("30", "60", "120", "240", "other")


@dataclass(frozen=True)
class Choices:
    """What a driver has filled in so far, as it was sent."""

    entity: str = ""
    start: str = "now"
    start_at: str = ""
    duration: str = "120"
    minutes: str = ""
    tried: bool = False

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> "Choices":
        return cls(
            entity=sent.get("entity", ""),
            start=sent.get("start", "now"),
            start_at=sent.get("start_at", ""),
            duration=sent.get("duration", "120"),
            minutes=sent.get("minutes", ""),
            tried=sent.get("tried") == "1",
        )

    def start_time(self, time_zone: str) -> datetime | None:
        """When it begins, ``None`` for now. ValueError says what is wrong with the field."""
        if self.start != "later":
            return None
        if not self.start_at:
            raise ValueError(say("Say when it begins."))
        try:
            local = datetime.fromisoformat(self.start_at)
        except ValueError:
            raise ValueError(say("This is not a day and a time.")) from None
        if local.tzinfo is None:
            local = local.replace(tzinfo=words.zone(time_zone))
        try:
            return local.astimezone(UTC)
        except OverflowError:
            raise ValueError(say("This is not a day and a time.")) from None

    def length(self) -> timedelta | None:
        """How long it lasts, ``None`` where that is left open. ValueError says what is wrong."""
        if not self.duration:
            return None
        if self.duration not in DURATIONS:
            raise ValueError(say("Choose one of these."))
        text = self.minutes.strip() if self.duration == "other" else self.duration
        if not text.isascii() or not text.isdigit() or not 1 <= len(text) <= 6 or int(text) == 0:
            raise ValueError(say("Give whole minutes, such as 90."))
        if timedelta(minutes=int(text)) > LONGEST_STAY:
            raise ValueError(say("At most a year."))
        return timedelta(minutes=int(text))


@dataclass(frozen=True)
class Times:
    """When the stay begins and ends, or what is wrong with that, by field."""

    start: datetime | None
    until: datetime | None
    errors: dict[str, str]


def times(choices: Choices, time_zone: str, now: datetime) -> Times:
    """Reads the choices of time, all errors at once."""
    errors: dict[str, str] = {}
    start = length = None
    try:
        start = choices.start_time(time_zone)
    except ValueError as error:
        errors["start_at"] = str(error)
    try:
        length = choices.length()
    except ValueError as error:
        errors["minutes" if choices.duration == "other" else "duration"] = str(error)
    if start is not None and start > now + AHEAD:
        errors["start_at"] = say("At most a day ahead.")
    if start is not None and start < now - SKEW:
        errors["start_at"] = say("Lies in the past.")
    until = None if length is None or errors else (start or now) + length
    return Times(start, until, errors)


def errors_so_far(choices: Choices, found: Times, wrong: list[FieldError]) -> dict[str, str]:
    """What is worth saying while the form is filled in; of empty fields only once Reserve was pressed."""
    errors = errors_by_field(wrong) | found.errors
    if choices.tried:
        return errors
    empty = [name for name in ("entity", "start_at", "minutes") if not getattr(choices, name).strip()]
    return {name: message for name, message in errors.items() if name not in empty}


def errors_by_field(errors: list[FieldError]) -> dict[str, str]:
    """A refused booking's errors at the fields of this form, as sentences."""
    return {FIELDS.get(one.field, one.field): _sentence(one) for one in errors}


def _sentence(error: FieldError) -> str:
    if error.field == "entityIdentifier":
        if error.message == "is missing":
            return say("Give your number plate.")
        return say("This plate {what_is_wrong}.", what_is_wrong=told(error.message))
    words_ = told(error.message)
    return f"{words_[0].upper()}{words_[1:]}."


def choose(layout: Layout) -> Panel:
    """No slot is chosen yet."""
    return Panel(
        kind="choose",
        title=say("Touch a free slot"),
        text=say("Or take the one that is nearest to the entrance."),
        next_step=NextStep("", say("Nearest free slot"), f"/lots/{quote(layout.lot.code)}/nearest"),
        refresh_url=_wait_url(layout),
    )


def minute_over() -> Notice:
    """What was held for who looks was not booked in time."""
    return Notice(say("Your minute was over."), say("Nothing is held for you any more."), "stale")


def _kind_labels() -> dict[str, str]:
    return {
        "": say("Any slot"),
        "accessible": say_in("slots", "Accessible"),
        "charging": say_in("slots", "Charging"),
    }


def full(layout: Layout, other: NextStep | None, *, has_free: bool = False, passed: bool = False) -> Panel:
    """Nothing is free in this lot; or nothing but what is given only to who asks for it (``has_free``).

    ``passed``: what was held for who looks was not booked in time.
    """
    notice = replace(minute_over(), text=say("The slot went to the next in line.")) if passed else None
    return Panel(
        kind="full",
        title=say("No ordinary slot is free") if has_free else say("{lot} is full", lot=layout.lot.name),
        text=other.text if other else say("Wait here: the next slot that comes free is held for you."),
        notice=notice,
        next_step=replace(other, text="", leaves=True) if other else None,
        wait=_wait(layout),
        # Of slots that are given only to who asks, the map can't tell.
        refresh_url="" if has_free else _wait_url(layout),
    )


def _wait_url(layout: Layout) -> str:
    return f"/lots/{quote(layout.lot.code)}/wait"


def _wait(layout: Layout) -> Wait:
    labels = _kind_labels()
    choices = tuple(Choice(kind, labels[kind]) for kind in wishes(layout))
    return Wait(_wait_url(layout), choices if len(choices) > 1 else ())


def waiting(layout: Layout, before: int) -> Panel:
    """In the line: how many are before, and what happens next."""
    url = _wait_url(layout)
    title = say("You are next in line")
    if before:
        title = say_many("{count} is before you", "{count} are before you", before)
    return Panel(
        kind="waiting",
        title=title,
        text=(
            say(
                "Keep this page open. The first slot of {lot} that comes free for you is held for "
                "a minute, and shown here.",
                lot=layout.lot.name,
            )
        ),
        refresh_url=url,
        leave_url=f"{url}/leave",
    )


def offered(slot: LaidSlot) -> Notice:
    """A slot has come free for who waited."""
    return Notice(
        say("It is your turn: {slot} is free.", slot=slot.name), say("It is held for you for a minute.")
    )


def held(panel: Panel, layout: Layout, slot: LaidSlot, until: datetime, now: datetime) -> Panel:
    """The form of a slot that is kept for who looks at it."""
    shown = HeldFor(
        left_s=max(0, -int((now - until).total_seconds() // 1)),
        until_text=words.clock_s(until, layout.lot.time_zone),
        let_go_url=f"/lots/{quote(layout.lot.code)}/slots/{quote(slot.name, safe='')}/let-go",
    )
    return replace(panel, held=shown)


def closed(layout: Layout, other: NextStep | None) -> Panel:
    """The lot is closed."""
    return Panel(
        kind="closed",
        title=say("{lot} is closed", lot=layout.lot.name),
        text=other.text if other else say("It opens again later."),
        next_step=replace(other, text="", leaves=True) if other else None,
    )


def mine(layout: Layout, slot: LaidSlot, token: str) -> Panel:
    """The chosen slot is held by a booking of this very browser."""
    return Panel(
        kind="unavailable",
        title=say("{slot} is yours.", slot=slot.name),
        text=say("You booked it in this browser."),
        slot=_slot(layout, slot, None),
        next_step=NextStep("", say("Open the booking"), f"/bookings/{token}", leaves=True),
    )


def unavailable(layout: Layout, slot: LaidSlot, code: int) -> Panel:
    """The chosen slot is not free."""
    state = STATES[public_code(code)]
    titles = {
        State.RESERVED: say("{slot} is reserved.", slot=slot.name),
        State.OCCUPIED: say("{slot} is taken.", slot=slot.name),
        State.CLOSED: say("{slot} is closed.", slot=slot.name),
    }
    return Panel(
        kind="unavailable",
        title=titles.get(state) or say("{slot} is not free.", slot=slot.name),
        text=say("Choose another one, or take the nearest free one."),
        slot=_slot(layout, slot, None),
        next_step=NextStep("", say("Nearest free slot"), f"/lots/{quote(layout.lot.code)}/nearest"),
        refresh_url=_slot_url(layout, slot),
    )


def _slot_url(layout: Layout, slot: LaidSlot) -> str:
    return f"/lots/{quote(layout.lot.code)}/slots/{quote(slot.name, safe='')}"


def away(layout: Layout, slot: LaidSlot) -> Panel:
    """Nothing can be booked just now; the panel asks again by itself."""
    url = _slot_url(layout, slot)
    return Panel(
        kind="away",
        title=say("Booking is not possible for the moment."),
        text=say("This asks again by itself."),
        slot=_slot(layout, slot, None),
        next_step=NextStep("", say("Try again"), url),
        refresh_url=url,
    )


def book(
    layout: Layout,
    slot: LaidSlot,
    tariff: Tariff,
    choices: Choices,
    now: datetime,
    errors: dict[str, str] | None = None,
    notice: Notice | None = None,
    rules: Lot | None = None,
) -> Panel:
    """The form that books this slot. ``rules``: the lot as it is now; a layout may be as old as its map."""
    lot = rules or layout.lot
    errors = errors or {}
    chosen = times(choices, lot.time_zone, now)
    total = ""
    begins = billed_from(chosen.start, now)
    price = asked(tariff, max(begins, now), size=slot.size, premium=slot.premium)
    if chosen.until is not None:
        expected = chosen.start or now
        stay = Stay(begins, chosen.until, expected, chosen.until, slot.size, slot.premium)
        try:
            total = fee(tariff, stay).money.text()
        except NotCovered as error:
            notice = notice or Notice(say("This stay has no price."), reasons_words(error.reasons), "stale")
    url = f"/lots/{quote(lot.code)}/slots/{quote(slot.name, safe='')}"
    local_now = now.astimezone(words.zone(lot.time_zone))
    form = BookingForm(
        action_url=url,
        refresh_url=f"{url}/price",
        idempotency_key=new_id(),
        slot_identifier=slot.identifier,
        entity=Field(choices.entity, errors.get("entity", "")),
        start="later" if choices.start == "later" else "now",
        start_at=Field(choices.start_at, errors.get("start_at", "")),
        start_at_label=say("Day and time in {city}", city=words.place(lot.time_zone)),
        start_at_min=f"{local_now:%Y-%m-%dT%H:%M}",
        start_at_max=f"{local_now + AHEAD:%Y-%m-%dT%H:%M}",
        duration=choices.duration,
        duration_error=errors.get("duration", ""),
        minutes=Field(choices.minutes, errors.get("minutes", "")),
        until_text=words.clock(chosen.until, lot.time_zone, now) if chosen.until else "",
        total=total,
        after=_after(chosen, begins, lot, now),
        tried=choices.tried,
    )
    return Panel(kind="book", slot=_slot(layout, slot, price), form=form, notice=notice)


def _after(chosen: Times, begins: datetime, lot: Lot, now: datetime) -> str:
    """What happens next: by when to be there, and of a later start from when it costs."""
    grace = timedelta(seconds=lot.arrival_grace_s)
    if chosen.start is None or begins <= now:
        if lot.check_in_required:
            return say(
                "Yours at once. Check in when you are there, within {length}, else it is lost.",
                length=words.span(grace),
            )
        return say("Yours at once, no account needed. The price is fixed when you leave.")
    free_until = words.clock(begins, lot.time_zone, now)
    held = say("Held for you from now on, billed from {time}. Free to cancel until then.", time=free_until)
    if not lot.check_in_required:
        return held
    by = words.clock(chosen.start + grace, lot.time_zone, now)
    return " ".join((held, say("Check in by {time}, else it is lost.", time=by)))


def _slot(layout: Layout, slot: LaidSlot, price: Price | None) -> PanelSlot:
    return PanelSlot(
        name=slot.name,
        position=slot.position,
        place=_place(layout, slot),
        price=price.per_hour.text() if price and price.kind == "time" else price.text if price else "",
        price_unit=say("/ hour") if price and price.kind == "time" else "",
        price_step=price.text if price and price.kind == "time" else "",
    )


def _place(layout: Layout, slot: LaidSlot) -> str:
    lot = layout.lot
    parts = [say("Area {area}", area=slot.area_code)]
    if lot.gate_x is not None and lot.gate_y is not None and slot.outline:
        x, y = slot.centre
        way = ((x - lot.gate_x) ** 2 + (y - lot.gate_y) ** 2) ** 0.5
        gate = lot.gate_name or say("the gate")
        parts.append(say("{length} from {place}", length=words.metres(way), place=gate))
    return ", ".join([*parts, *kind_words(slot)])


def kind_words(slot: LaidSlot) -> tuple[str, ...]:
    """What the slot has that others have not."""
    said = {
        "premium": say_in("a slot", "premium"),
        "accessible": say_in("a slot", "accessible"),
        "charging": say_in("a slot", "charging"),
    }
    return tuple(word for name, word in said.items() if getattr(slot, name))
