"""One sample of everything that the driver's templates are given, in all variants."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from app.driver import views

ROW = views.LotRow(
    "north", "North Yard", "Woody Hayes Drive", "/lots/north", "open", 157, 435, 64, "$1.80 / h", 5, "0.3 km"
)
ROWS = (
    replace(ROW, chosen=True),
    replace(ROW, code="herrick", state="full", free=0, used_percent=100, premium_free=0, distance=""),
    replace(ROW, code="medical", state="closed", note="for works until Mon 07:00", price_from=""),
    replace(ROW, code="neil", state="unknown"),
)
LOTS = views.LotList(ROWS, "", 4, "/?rows", "/")
NOTHING_FOUND = views.LotList((), "zzz", 4, "/?rows&q=zzz")
NO_LOTS = views.LotList((), "", 0, "/?rows")

SLOT = views.PanelSlot("B75", 74, "Area B, 60 m from Gate 1", "$2.40", "/ hour", "$0.60 per started 15 min")
FORM = views.BookingForm(
    action_url="/lots/riverside/bookings",
    refresh_url="/lots/riverside?slot=B75",
    idempotency_key="a-key",
    slot_identifier="riverside-B75",
    entity=views.Field("KWD 3390"),
    duration="120",
    until_text="16:10",
    total="$4.80",
    after="Held 15 minutes for you. You pay when you leave.",
)
WRONG_FORM = replace(
    FORM,
    entity=views.Field("HKR-48!1", "“!” is not on a plate."),
    start="later",
    start_at=views.Field("2026-11-23T13:00", "That is past."),
    duration="other",
    minutes=views.Field("many", "Give the minutes as a number."),
    tried=True,
    until_text="",
    total="",
)
NEXT = views.NextStep("", "Go to North Yard", "/lots/north")
PANELS = {
    "choose": views.Panel("choose", "Touch a free slot", "$2.40 / hour."),
    "book": views.Panel("book", slot=SLOT, form=FORM),
    "wrong": views.Panel("book", slot=SLOT, form=WRONG_FORM),
    "just taken": views.Panel(
        "book",
        notice=views.Notice("B75 was just taken.", "B74 is the nearest like it."),
        slot=SLOT,
        form=FORM,
    ),
    "unavailable": views.Panel("unavailable", "Taken.", "B74 is free.", slot=SLOT, next_step=NEXT),
    "away": views.Panel(
        "away",
        "Not for the moment.",
        "Asks again.",
        slot=SLOT,
        next_step=NEXT,
        refresh_url="/lots/x/slots/B75",
    ),
    "held": views.Panel(
        "book", slot=SLOT, form=FORM, held=views.HeldFor(48, "14:10:48", "/lots/riverside/slots/B75/let-go")
    ),
    "full": views.Panel("full", "Riverside is full", "North Yard has 157 free.", next_step=NEXT),
    "full, one may wait": views.Panel(
        "full",
        "Riverside is full",
        "Wait here.",
        wait=views.Wait(
            "/lots/riverside/wait", (views.Choice("", "Any slot"), views.Choice("charging", "Charging"))
        ),
    ),
    "in line": views.Panel(
        "waiting",
        "2 are before you",
        "Keep this page open.",
        refresh_url="/lots/riverside/wait",
        leave_url="/lots/riverside/wait/leave",
    ),
    "closed": views.Panel("closed", "Riverside is closed", "For works until Mon 07:00."),
}
FREE_LIST = views.FreeList(
    (
        views.ListedArea(
            "B",
            "Area B",
            1,
            (
                views.ListedSlot(74, "B75", "free", "/lots/riverside?slot=B75", ("premium",), chosen=True),
                views.ListedSlot(75, "B76", "occupied", "/lots/riverside?slot=B76"),
            ),
        ),
    )
)
MAP = Markup('<div id="map" class="map"></div>')
LOT_PAGE = views.LotPage(
    "riverside",
    "Riverside",
    "College Road, 441 slots",
    "Open all day. $0.60 per started 15 min",
    "/lots/riverside?nearest=1",
    "/ws/lots/riverside",
    MAP,
    Markup('<ul class="legend"></ul>'),
    LOTS,
    PANELS["book"],
    FREE_LIST,
    Markup('<ul class="legend"></ul>'),
)
RUNNING = views.Running(
    "/bookings/token/running",
    "Parked since 14:10",
    (("1", "h"), ("12", "min")),
    4320,
    "$3.00",
    Markup("$3.60 from <b>15:25</b>, in 3 min"),
    60,
    "14:10",
    "16:10",
)
BOOKING = views.BookingPage(
    slot_name="B75",
    position=74,
    lot_name="Riverside",
    lot_url="/lots/riverside",
    area_name="Area B",
    entity="KWD 3390",
    map=MAP,
    running=RUNNING,
    ended=None,
    release=views.Release("/bookings/token/release", "a-key", "You pay $3.00."),
    qr=Markup("<svg></svg>"),
    short_code="7Q2M 4KX9",
    link="https://example.test/bookings/token",
    booked_text="Booked until 16:10",
    extend=views.Extend(
        "/bookings/token/extend",
        "another-key",
        "2026-11-23T16:10:00+00:00",
        (
            views.Extension("2026-11-23T16:40:00+00:00", "30 min", "until 16:40", "$1.20 more"),
            views.Extension("2026-11-23T17:10:00+00:00", "1 h", "until 17:10", "$2.40 more"),
        ),
    ),
    check_in=views.CheckIn("/bookings/token/check-in", "a-key"),
)
ENDED = views.Ended(
    "Released",
    "Mon 14:10",
    "15:22",
    (("1", "h"), ("12", "min")),
    "$3.00",
    "To pay at the desk",
    (views.FeeLine("Weekday 14:10 to 15:22", "5 × $0.60", "$3.00"),),
)
BOOKINGS = {
    "running": BOOKING,
    "without an end": replace(BOOKING, running=replace(RUNNING, until_text="", next_text=Markup(""))),
    "over": replace(BOOKING, running=replace(RUNNING, over=True, used_percent=100)),
    "not yet started": replace(
        BOOKING, running=replace(RUNNING, counts_down=True), notice=views.Notice("B75 is yours.")
    ),
    "ends soon": replace(
        BOOKING, running=replace(RUNNING, warning=views.Notice("Ends in 9 min.", "Stay longer.", "stale"))
    ),
    "ended": replace(BOOKING, running=None, release=None, extend=None, check_in=None, ended=ENDED),
    "codes are taken": replace(BOOKING, codes=views.Codes("/bookings/token/code")),
    "codes are given": replace(
        BOOKING,
        running=replace(RUNNING, lines=ENDED.lines, total="$3.00"),
        codes=views.Codes("/bookings/token/code", ("CINEMA", "DESK")),
    ),
    "a wrong code": replace(
        BOOKING, codes=views.Codes("/bookings/token/code", (), "THEATRE", "“THEATRE” is no code.")
    ),
    "no more codes": replace(
        BOOKING, codes=views.Codes("/bookings/token/code", ("CINEMA",), full="10 codes are given.")
    ),
    "paid": replace(
        BOOKING,
        release=views.Release(
            "/bookings/token/release", "a-key", "Nothing more is to pay.", paid_text="Paid until 15:25"
        ),
    ),
    "to be paid": replace(
        BOOKING,
        pay=views.Pay(
            "/bookings/token/pay",
            "a-quote",
            "$3.00",
            "This price holds until 15:25.",
            (views.Choice("card", "Card"),),
            "$1.00 was paid before.",
            may_leave=True,
        ),
    ),
    "live": replace(BOOKING, feed_url="/ws/lots/riverside"),
}
BOOKING_ROW = views.BookingRow(
    "/bookings/token", "B75", "Riverside", "KWD 3390", "Mon 14:10", "$3.00", "parked", active=True
)

RECEIPT = views.ReceiptPage(
    number="000012",
    lot_name="Riverside",
    slot_name="B75",
    from_text="Mon 23 Nov 2026 14:10",
    until_label="Until",
    until_text="Mon 23 Nov 2026 15:22",
    lines=ENDED.lines,
    amount="$3.00",
    paid_text="Paid Mon 23 Nov 2026 15:22, card",
    reference="a-payment",
    qr=Markup("<svg></svg>"),
    issuer=("Harbour Parking Ltd", "Quay 1", "20457 Hamburg"),
    booking_url="/bookings/token",
    refunds=(views.PaymentRow("-$1.00", "Tue 24 Nov 2026", "given back"),),
)

CASES: dict[str, tuple[str, object]] = {
    "lots": ("driver/lots.html", views.LotsPage(LOTS)),
    "lots with a map and a notice": (
        "driver/lots.html",
        views.LotsPage(LOTS, MAP, views.Notice("The server counts anew.", tone="stale")),
    ),
    "lots, live": ("driver/lots.html", views.LotsPage(LOTS, feed_url="/ws/lots?codes=north")),
    "lots, stale": ("driver/lots.html", views.LotsPage(replace(LOTS, age_s=7), feed_url="/ws/lots?codes=x")),
    "lots, nothing found": ("driver/lots.html", views.LotsPage(NOTHING_FOUND)),
    "lots, none yet": ("driver/lots.html", views.LotsPage(NO_LOTS)),
    "list of lots": ("driver/_lot_list.html", LOTS),
    "free list": ("driver/_free_list.html", FREE_LIST),
    "time and price": ("driver/_running.html", RUNNING),
    "my bookings": (
        "driver/my_bookings.html",
        views.MyBookings((BOOKING_ROW,), (replace(BOOKING_ROW, active=False),)),
    ),
    "receipt": ("driver/receipt.html", RECEIPT),
    "no bookings": ("driver/my_bookings.html", views.MyBookings((), ())),
    **{f"panel, {name}": ("driver/_panel.html", panel) for name, panel in PANELS.items()},
    **{f"lot, {name}": ("driver/lot.html", replace(LOT_PAGE, panel=panel)) for name, panel in PANELS.items()},
    **{
        f"lot, {age_s} s old": ("driver/lot.html", replace(LOT_PAGE, age_s=age_s))
        for age_s in (0, 6, 30, 7200)
    },
    **{f"booking, {name}": ("driver/booking.html", page) for name, page in BOOKINGS.items()},
    **{f"error {status}": ("error.html", page) for status, page in views.error_pages().items()},
}
"""Name of the case -> template and the one dataclass it is declared to get."""
