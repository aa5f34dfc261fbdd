"""The list of payments: what was asked of it, and its rows."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from app.accounts.access import SigningKey, account
from app.bookings.entity import MAX_CHARACTERS, what_is_wrong
from app.bookings.queries import bookings_of_entity
from app.core.days import day_span, read_day
from app.core.ids import read_signed_id, sign_id
from app.core.languages import say, say_in, told
from app.core.money import Money
from app.core.parts import part
from app.operator import money_views as views
from app.payments import listing, wording
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier
from app.slots import queries as slots
from app.slots.models import Lot

# What a list to choose from holds; any other lot may be asked for by its code in the address.
MOST_LOTS = 200
LONGEST = 200
MOST_BOOKINGS = 200
_FIELDS = ("lot", "day", "state", "provider", "q")
_TONES: dict[str, views.Tone] = {
    PaymentState.PENDING: "waits",
    PaymentState.PAID: "",
    PaymentState.FAILED: "danger",
    PaymentState.EXPIRED: "quiet",
}


@dataclass(frozen=True)
class Asked:
    """What the address asks for; ``errors`` has a sentence by the name of each field that is wrong."""

    fields: dict[str, str]
    wanted: listing.Wanted
    after: listing.After | None
    errors: dict[str, str]


async def payments_page(request: Request, notice: str = "") -> tuple[views.PaymentsPage, int]:
    """The page, and its status: 422 where a filter is wrong, which is said at its field."""
    cashier = part(request, Cashier)
    async with cashier.database.look() as connection:
        lot, lots = await choice(connection, request.query_params.get("lot", "").strip())
        zones = await slots.time_zones(connection)
        asked = read(request, cashier, lot, zones, await _of_plate(connection, request))
        found = listing.Page([], {}, None)
        if not asked.errors:
            found = await listing.payment_page(connection, asked.wanted, asked.after)
        to_give = await waiting(connection, cashier)
    rows = tuple(payment_row(request, one, found.pending_minor.get(one.id, 0)) for one in found.payments)
    here = views.filled(views.PAYMENTS, **asked.fields)
    older = (
        views.filled(views.PAYMENTS, **asked.fields, after=found.following.text()) if found.following else ""
    )
    view = views.PaymentsPage(
        operator=account(request).name,
        filters=_filters(asked, lots, cashier),
        rows=rows,
        to_give=to_give,
        older_url=older,
        newest_url=here if asked.after is not None or "after" in asked.errors else "",
        notice=notice,
    )
    return view, 422 if asked.errors else 200


async def waiting(connection: AsyncConnection, cashier: Cashier) -> tuple[wording.ToGive, ...]:
    """What the desk has yet to give back."""
    by_hand = [one.name for one in cashier.providers.values() if one.by_attendant]
    pairs = await listing.pending_refunds(connection, by_hand)
    return tuple(wording.to_give(refund, payment) for refund, payment in pairs)


def payment_row(request: Request, one: Payment, pending_minor: int) -> views.PaymentRow:
    """A payment as a row of a list."""
    place = wording.place_of(one)
    token = sign_id(part(request, SigningKey), one.id) if one.state == PaymentState.PAID else ""
    return views.PaymentRow(
        url=views.payment_url(one.id),
        when=wording.moment(one.created_at, place.time_zone),
        lot=place.lot,
        slot=place.slot,
        amount=Money(one.amount_minor, one.currency).text(),
        means=wording.means_words(one.means),
        state=wording.state_words(one),
        tone=_TONES[one.state],
        back=wording.back_words(one, pending_minor),
        receipt_url=f"/receipts/{token}" if token else "",
    )


async def choice(connection: AsyncConnection, code: str) -> tuple[Lot | None, list[Lot]]:
    """The lot with this code, and those to choose from, which it is one of."""
    lots = await slots.lots(connection, limit=MOST_LOTS)
    lot = next((one for one in lots if one.code == code), None)
    if lot is None and code:
        lot = await slots.lot_of_code(connection, code[:LONGEST])
        if lot is not None:
            lots.append(lot)
    return lot, lots


def read(
    request: Request, cashier: Cashier, lot: Lot | None, zones: set[str], of_plate: tuple[str, ...]
) -> Asked:
    """The filters of the address, each with what is wrong with it; ``lot`` is the one that they name."""
    fields = {name: request.query_params.get(name, "").strip()[:LONGEST] for name in _FIELDS}
    errors: dict[str, str] = {}
    if fields["lot"] and lot is None:
        errors["lot"] = say("There is no lot {code}.", code=fields["lot"])
    begun = None
    if fields["day"]:
        try:
            begun = _day(fields["day"], zones if lot is None else {lot.time_zone})
        except ValueError as error:
            errors["day"] = str(error)
    if fields["state"] and fields["state"] not in list(PaymentState):
        errors["state"] = say("Say one of: {names}.", names=", ".join(PaymentState))
    if fields["provider"] and fields["provider"] not in providers(cashier, fields["provider"]):
        errors["provider"] = say("Say one of: {names}.", names=", ".join(cashier.providers))
    receipt, named = None, None
    if fields["q"]:
        try:
            receipt, named = search(fields["q"], part(request, SigningKey))
        except ValueError as error:
            named = of_plate
            # What may be a plate that nobody booked with is no mistake.
            if not named and not any(letter.isdigit() for letter in fields["q"]):
                errors["q"] = str(error)
    after = None
    if text := request.query_params.get("after", ""):
        try:
            after = listing.After.read(text)
        except ValueError as error:
            errors["after"] = str(error)
    if errors:
        return Asked(fields, listing.Wanted(), None, errors)
    state = PaymentState(fields["state"]) if fields["state"] else None
    lot_id = lot.id if lot is not None else None
    wanted = listing.Wanted(lot_id, begun, state, fields["provider"] or None, named, receipt)
    return Asked(fields, wanted, after, errors)


async def _of_plate(connection: AsyncConnection, request: Request) -> tuple[str, ...]:
    """Bookings of the plate that is searched for, none where it can be none."""
    text = request.query_params.get("q", "").strip()[:MAX_CHARACTERS]
    if not text or what_is_wrong(text) is not None:
        return ()
    return await bookings_of_entity(connection, text, MOST_BOOKINGS)


def _day(text: str, zones: set[str]) -> tuple[datetime, datetime]:
    day = read_day(text)
    if len(zones) > 1:
        raise ValueError(say("Choose a lot as well: the clocks of the lots differ."))
    return day_span(day, next(iter(zones), "UTC"))


def providers(cashier: Cashier, also: str = "") -> list[str]:
    """Who takes money here. Who did before may be asked for as well: ``stripe`` where it is away by now."""
    known = list(cashier.providers)
    return known + [one for one in ("desk", "sandbox", "stripe") if one == also and one not in known]


def search(text: str, key: bytes) -> tuple[int | None, tuple[str, ...]]:
    """A receipt's number, or identifiers that may be a payment's or a booking's. ValueError.

    A link of a receipt or a booking is as good as what it names.
    """
    plain = text.strip().lstrip("#").strip()
    if plain.isascii() and plain.isdigit() and len(plain) < 19:
        return int(plain), ()
    last = urlsplit(plain).path.rstrip("/").rpartition("/")[2] if "/" in plain else plain
    signed = read_signed_id(key, last)
    if signed is not None:
        return None, (signed,)
    try:
        return None, (str(UUID(last)),)
    except ValueError:
        raise ValueError(
            say("Give a plate, a receipt's number, or the identifier or link of a payment or a booking.")
        ) from None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _filters(asked: Asked, lots: list[Lot], cashier: Cashier) -> views.Filters:
    known = providers(cashier, asked.fields["provider"])
    return views.Filters(
        **asked.fields,
        lots=(views.Option("", say("All lots")), *(views.Option(one.code, one.name) for one in lots)),
        states=(
            views.Option("", say_in("in a list", "Any")),
            *(views.Option(state, _capital(told(said))) for state, said in wording.STATES.items()),
        ),
        providers=(
            views.Option("", say_in("in a list", "Any")),
            *(views.Option(name, name.capitalize()) for name in known),
        ),
        errors=asked.errors,
    )
