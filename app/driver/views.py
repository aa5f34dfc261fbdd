"""What the driver's templates are given: one dataclass each, with every text already formatted.

Money, times and distances are strings in the lot's time zone and the reader's language; a `_url` is a path
that may stand in an attribute as it is. `Markup` is trusted and comes from the project's own templates only.
Shares are whole percentages from 0 to 100.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from markupsafe import Markup

from app.core.languages import say, say_in
from app.core.words import span

NOTHING = Markup("")

LotState = Literal["open", "full", "closed", "unknown"]
SlotState = Literal["free", "reserved", "occupied", "closed"]
Tone = Literal["info", "stale", "problem"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One radio button of a row: what is sent, and what is read."""

    value: str
    label: str


def start_choices() -> tuple[Choice, ...]:
    """When a stay begins: now, or at what the field `start_at` says."""
    return Choice("now", say_in("when", "Now")), Choice("later", say_in("when", "Later"))


def duration_choices() -> tuple[Choice, ...]:
    """Minutes, or `other`, which reads the field `minutes`."""
    lengths = (Choice(str(minutes), span(timedelta(minutes=minutes))) for minutes in (30, 60, 120, 240))
    return *lengths, Choice("other", say_in("how long", "Other"))


@dataclass(frozen=True, slots=True)
class Field:
    """A field as it was sent, and what is wrong with it; no error when `error` is empty."""

    value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A banner over the panel: `strong` says what happened, `text` what follows from it."""

    strong: str
    text: str = ""
    tone: Tone = "info"


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot in the list; `free` is read only where `state` is open, `note` stands below the figure's word.

    `note` is for example "for works until Mon 07:00". `distance` and `price_from` may be empty.
    """

    code: str
    name: str
    address: str
    url: str
    state: LotState
    free: int
    total: int
    used_percent: int
    price_from: str = ""
    premium_free: int = 0
    distance: str = ""
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class LotList:
    """For `driver/_lot_list.html`; `lots_at_all` counts without the search.

    `refresh_url` answers with this fragment as it is; `search_url` does so for what is added to it as `q`.
    `age_s` is the age of the oldest figure in whole seconds, None while it is not known.
    """

    rows: tuple[LotRow, ...]
    query: str
    lots_at_all: int
    refresh_url: str
    search_url: str = "/"
    age_s: int | None = None


@dataclass(frozen=True, slots=True)
class OfflinePage:
    """For `driver/offline.html`."""

    title: str
    text: str
    kept: str
    button: str


@dataclass(frozen=True, slots=True)
class TourView:
    """One of the four views: a link, or a form where somebody has to be signed in first."""

    name: Literal["driver", "wall", "attendant", "operator"]
    title: str
    text: str
    url: str
    signs_in: bool = False


@dataclass(frozen=True, slots=True)
class Tour:
    """For `driver/_tour.html`: what a newcomer is looking at, and the ways into it."""

    lines: tuple[str, ...]
    views: tuple[TourView, ...]


@dataclass(frozen=True, slots=True)
class LotsPage:
    """For `driver/lots.html`."""

    lots: LotList
    map: Markup = NOTHING
    notice: Notice | None = None
    feed_url: str = ""
    tour: Tour | None = None


@dataclass(frozen=True, slots=True)
class PanelSlot:
    """The slot that the panel speaks of; `place` is for example "Area B, 60 m from Gate 1"."""

    name: str
    position: int
    place: str
    price: str
    price_unit: str
    price_step: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """Where to go instead: a button and the words beside it; it opens in the sheet unless it `leaves`."""

    text: str
    button: str
    url: str
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class BookingForm:
    """The form that reserves. `start_at` is local time as `datetime-local` writes it, 2026-11-23T14:30.

    `total` is empty while no end is chosen; `until_text` is a time such as "16:10". `refresh_url` answers
    with the panel for what is sent as `start`, `start_at`, `duration`, `minutes`; it never gets the plate.
    """

    action_url: str
    refresh_url: str
    idempotency_key: str
    slot_identifier: str
    entity: Field
    start: str = "now"
    start_error: str = ""
    start_at: Field = Field()
    start_at_label: str = ""
    start_at_min: str = ""
    start_at_max: str = ""
    duration: str = ""
    duration_error: str = ""
    minutes: Field = Field()
    until_text: str = ""
    total: str = ""
    after: str = ""
    tried: bool = False
    start_choices: tuple[Choice, ...] = field(default_factory=start_choices)
    duration_choices: tuple[Choice, ...] = field(default_factory=duration_choices)

    @property
    def first_error(self) -> str:
        """Name of the first wrong field in the page's order; it gets the focus once Reserve was tried."""
        if not self.tried:
            return ""
        errors = {
            "entity": self.entity.error,
            "start": self.start_error,
            "start_at": self.start_at.error,
            "duration": self.duration_error,
            "minutes": self.minutes.error,
        }
        return next((name for name, error in errors.items() if error), "")


@dataclass(frozen=True, slots=True)
class HeldFor:
    """The slot of the form is kept for this browser: for so many seconds, until that time of day."""

    left_s: int
    until_text: str
    let_go_url: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The form by which one waits for a slot of a full lot; `kinds` where there are several to wait for."""

    action_url: str
    kinds: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """For `driver/_panel.html`: what the sheet says.

    `choose`: no slot yet. `book`: `slot` and `form`; `held` where the slot is kept for who looks at it.
    `unavailable`: `slot` is not free, `title` says why.
    `away`: `slot` can't be booked for the moment.
    `full`, `closed`: of the lot, with `next_step` towards another one where there is one, and `wait`.
    `waiting`: in the line of the lot; `leave_url` ends it.
    `refresh_url` answers with what has become of it, and is asked again when the map says something else.
    `title` and `text` are for all but `book`; a `book` may be of a slot that is `gone` since it was opened.
    """

    kind: Literal["choose", "book", "unavailable", "away", "full", "closed", "waiting"]
    title: str = ""
    text: str = ""
    notice: Notice | None = None
    slot: PanelSlot | None = None
    form: BookingForm | None = None
    next_step: NextStep | None = None
    gone: bool = False
    refresh_url: str = ""
    held: HeldFor | None = None
    wait: Wait | None = None
    leave_url: str = ""


@dataclass(frozen=True, slots=True)
class ListedSlot:
    """A slot in the list; `words` are its attributes, such as ("premium", "charging"), and may be empty."""

    position: int
    name: str
    state: SlotState
    url: str
    words: tuple[str, ...] = ()
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class ListedArea:
    """An area in the list. Its count is kept live under the id `list-<code>`."""

    code: str
    name: str
    free: int
    slots: tuple[ListedSlot, ...]


@dataclass(frozen=True, slots=True)
class FreeList:
    """For `driver/_free_list.html`: every slot of the lot, of which the stylesheet shows the free ones."""

    areas: tuple[ListedArea, ...]


@dataclass(frozen=True, slots=True)
class LotPage:
    """For `driver/lot.html`. `subtitle` is the phone's short line, `hours_and_price` joins it on a desk.

    `legend` counts the states, `legend_attributes` (on a desk only) the free slots by kind. `age_s` is the
    age of the states in whole seconds, None while it is not known.
    """

    code: str
    name: str
    subtitle: str
    hours_and_price: str
    nearest_url: str
    feed_url: str
    map: Markup
    legend: Markup
    lots: LotList
    panel: Panel
    free_list: FreeList
    legend_attributes: Markup = NOTHING
    any_free: bool = True
    age_s: int | None = None
    stylesheets: tuple[str, ...] = ("css/map.css",)
    scripts: tuple[str, ...] = ("js/map.js",)


@dataclass(frozen=True, slots=True)
class FeeLine:
    """One line of the fee, such as ("Weekday 14:10 to 15:25", "5 × €0.60", "€3.00")."""

    rule: str
    quantity: str
    amount: str


@dataclass(frozen=True, slots=True)
class Running:
    """For `driver/_running.html`: time and price so far.

    `elapsed` is ((figure, unit), …), such as (("1", "h"), ("12", "min")); `elapsed_s` lets the page count on
    by itself, or down to the start where `counts_down`. `next_text` says what it costs next and from when,
    or that it costs no more up to the booked end. It and the bar's texts may be empty: no further step, no
    booked end. `lines` and their `total` stand there once a code has changed the price.
    """

    refresh_url: str
    time_label: str
    elapsed: tuple[tuple[str, str], ...]
    elapsed_s: int
    price: str
    next_text: Markup = NOTHING
    used_percent: int = 0
    from_text: str = ""
    until_text: str = ""
    over: bool = False
    counts_down: bool = False
    warning: Notice | None = None
    lines: tuple[FeeLine, ...] = ()
    total: str = ""


@dataclass(frozen=True, slots=True)
class Extension:
    """A choice of a later end: `value` is sent, `until_text` such as "until 17:00", `more` "$3.00 more"."""

    value: str
    label: str
    until_text: str
    more: str


@dataclass(frozen=True, slots=True)
class Extend:
    """The form that moves the planned end; each choice says its price before it is taken.

    `seen_until` goes back with it: nobody extends what has changed meanwhile.
    """

    action_url: str
    idempotency_key: str
    seen_until: str
    choices: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class CheckIn:
    """The button by which the holder says that the car is there."""

    action_url: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Release:
    """The form that ends the booking; `question` says what follows, such as "You pay €3.00. …".

    Of a booking that is paid `paid_text` says until when; then leaving is what comes next, and no warning.
    """

    action_url: str
    idempotency_key: str
    question: str
    paid_text: str = ""


@dataclass(frozen=True, slots=True)
class Pay:
    """The form that pays: `quote` is sent as it is; `means` are what may be chosen, the first is.

    `before` says what was paid already. Without means it is paid at the desk, and `desk` says so.
    """

    action_url: str
    quote: str
    amount: str
    valid_text: str
    means: tuple[Choice, ...] = ()
    before: str = ""
    may_leave: bool = False


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of offers: those that were given, and the form that takes another one.

    `error` stands at the field, with `typed` as it was sent. `full` says why no more is taken, empty where
    one is.
    """

    action_url: str
    given: tuple[str, ...] = ()
    typed: str = ""
    error: str = ""
    full: str = ""


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment of a booking; `url` is its receipt, where it has one."""

    amount: str
    when: str
    note: str
    url: str = ""
    # Under way: `waits_url` tells when it has ended; of one that waits for its payer also where to go on with
    # it, and where to give it up.
    waits: bool = False
    waits_url: str = ""
    next_url: str = ""
    give_up_url: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class SandboxPage:
    """For `driver/sandbox.html`: what a card's bank would ask of the payer. `decided` once it has been."""

    action_url: str
    amount: str
    back_url: str
    decided: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedPage:
    """For `driver/accepted.html`: a payment was accepted that is written down later."""

    amount: str
    reference: str
    booking_url: str
    leaves: bool


@dataclass(frozen=True, slots=True)
class OnwardPage:
    """For `driver/onward.html`: a payer goes to a provider's own page."""

    amount: str
    next_url: str
    host: str


@dataclass(frozen=True, slots=True)
class CameBackPage:
    """For `driver/came_back.html`: what became of a payment, where nothing else is known of its payer."""

    title: str
    amount: str
    words: str
    reference: str


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """For `driver/receipt.html`, a page to be printed: all of it is from the receipt as it was stored.

    `issuer` are the lines of whoever issues it, the name first. `booking_url` leads back to the booking in a
    browser that knows it, and is empty in any other. The amounts of `refunds` have their minus.
    """

    number: str
    lot_name: str
    slot_name: str
    from_text: str
    until_label: str
    until_text: str
    lines: tuple[FeeLine, ...]
    amount: str
    paid_text: str
    reference: str
    qr: Markup
    issuer: tuple[str, ...] = ()
    booking_url: str = ""
    refunds: tuple[PaymentRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a booking that is over: the fee, line by line, and from when to when.

    `duration` is split as `Running.elapsed` is, and empty for one that had not begun.
    """

    word: str
    from_text: str
    to_text: str
    duration: tuple[tuple[str, str], ...]
    amount: str
    paid_text: str
    lines: tuple[FeeLine, ...]


@dataclass(frozen=True, slots=True)
class BookingPage:
    """For `driver/booking.html`. Either `running` or `ended` is set; before the start `running` counts down.

    `qr` is an SVG with its quiet zone; `link` is absolute, as it is copied.
    """

    slot_name: str
    position: int
    lot_name: str
    lot_url: str
    area_name: str
    entity: str
    map: Markup
    running: Running | None
    ended: Ended | None
    release: Release | None
    qr: Markup
    short_code: str
    link: str
    show_text: str = ""
    booked_text: str = ""
    extend: Extend | None = None
    check_in: CheckIn | None = None
    codes: Codes | None = None
    pay: Pay | None = None
    payments: tuple[PaymentRow, ...] = ()
    notice: Notice | None = None
    feed_url: str = ""
    age_s: int | None = None
    stylesheets: tuple[str, ...] = ("css/map.css",)
    scripts: tuple[str, ...] = ("js/map.js",)


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A booking of this browser; `active` ones come first and are larger."""

    url: str
    slot_name: str
    lot_name: str
    entity: str
    when: str
    amount: str
    status: str
    active: bool


@dataclass(frozen=True, slots=True)
class MyBookings:
    """For `driver/my_bookings.html`."""

    active: tuple[BookingRow, ...]
    ended: tuple[BookingRow, ...]


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """For `error.html`: what happened and what to do. `reference` finds the request in the log."""

    status: int
    title: str
    text: str
    button: str = field(default_factory=lambda: say("All lots"))
    button_url: str = "/"
    reference: str = ""


def not_shown() -> ErrorPage:
    """A page that was only to be read, while what it is read from is away."""
    return ErrorPage(
        503,
        say("This page cannot be shown for the moment"),
        say("Nothing was changed, and bookings that you have stay as they are. Try again in a few seconds."),
        button=say("Try again"),
    )


def error_pages() -> dict[int, ErrorPage]:
    """The page of each status that has words of its own; `dataclasses.replace` adds a reference."""
    pages = (
        ErrorPage(
            403,
            say("This form is too old"),
            say(
                "It was opened before you last signed in or cleared your cookies. Nothing was changed. "
                "Go back, reload the page and try again."
            ),
        ),
        ErrorPage(
            404,
            say("There is nothing here"),
            say(
                "The link may be mistyped, or the booking ended long ago and was deleted. "
                "A booking's link works only as a whole."
            ),
        ),
        ErrorPage(
            405,
            say("This address cannot do that"),
            say("The page was asked for something that it does not offer. Nothing was changed."),
        ),
        ErrorPage(
            413,
            say("That was too large"),
            say("What was sent is larger than this page takes. Nothing was changed."),
        ),
        ErrorPage(
            429,
            say("Too many tries in a short time"),
            say(
                "Nothing was changed. Wait a minute, then try again. Bookings that you have are not affected."
            ),
        ),
        ErrorPage(
            500,
            say("The server could not do that"),
            say("It has been written down. Try again; a repeated booking is not made twice."),
        ),
        ErrorPage(
            503,
            say("Booking is not possible for the moment"),
            say(
                "Nothing was changed, and bookings that you have stay as they are. "
                "Try again in a few seconds."
            ),
        ),
    )
    return {page.status: page for page in pages}
