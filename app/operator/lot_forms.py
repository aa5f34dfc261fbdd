"""What operators' forms of lots, areas and slots say: read, with a sentence for each field that is wrong."""

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from app.core.languages import say
from app.operator.lot_views import AddForm, LotForm
from app.operator.spelling import read_length
from app.slots.edits import LotDetails
from app.slots.forms import SlotForm
from app.slots.importers.csv import AREA_CODE, IDENTIFIER
from app.slots.importers.values import code_from, is_currency, is_time_zone, text_of
from app.slots.models import Lot, Size

MOST_ADDED = 500
LONGEST_GRACE_S = 24 * 3600
_CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
# Addresses that are no lot's.
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY", "INR", "AUD", "CAD")


@cache
def zones() -> tuple[str, ...]:
    """What a time zone may be called, those of cities alone."""
    return tuple(sorted(one for one in zoneinfo.available_timezones() if "/" in one or one == "UTC"))


def form_of(lot: Lot) -> LotForm:
    """The form of a lot as it is."""
    details = LotDetails.of(lot)
    return LotForm(
        name=lot.name,
        code=lot.code,
        address=lot.address,
        time_zone=lot.time_zone,
        currency=lot.currency,
        gate_name=lot.gate_name,
        plates=lot.entities_are_plates,
        grace="" if details.grace_s is None else str(details.grace_s // 60),
        seen=details.tag,
    )


def read_lot(sent: Mapping[str, str], code: str = "") -> tuple[LotForm, LotDetails | None]:
    """The form as it was typed, and what it says; ``None`` where something is wrong. ``code``: of a lot that
    exists.
    """
    typed = {
        name: sent.get(name, "").strip() for name in ("name", "address", "time_zone", "gate_name", "grace")
    }
    currency = sent.get("currency", "").strip().upper()
    new_code = code or sent.get("code", "").strip() or code_from(typed["name"])
    errors: dict[str, str] = {}
    if not typed["name"]:
        errors["name"] = say("Give the lot a name.")
    elif text_of(typed["name"], 120) != typed["name"]:
        errors["name"] = say("At most {most} printable characters.", most=120)
    if typed["name"] and not code and (not _CODE.fullmatch(new_code)):
        errors["code"] = say("Small letters, digits and hyphens, at most {most}.", most=48)
    for name, most in (("address", 200), ("gate_name", 60)):
        if text_of(typed[name], most) != typed[name]:
            errors[name] = say("At most {most} printable characters.", most=most)
    if not is_time_zone(typed["time_zone"]):
        errors["time_zone"] = say("Give a time zone, such as Europe/Berlin.")
    if not is_currency(currency):
        errors["currency"] = say("Give a currency's code, such as EUR.")
    grace_s = None
    if typed["grace"]:
        try:
            grace_s = read_length(typed["grace"], LONGEST_GRACE_S)
        except ValueError as error:
            errors["grace"] = str(error)
    plates = sent.get("plates") == "1"
    form = LotForm(
        name=typed["name"],
        code=new_code if code else sent.get("code", "").strip(),
        address=typed["address"],
        time_zone=typed["time_zone"],
        currency=currency,
        gate_name=typed["gate_name"],
        plates=plates,
        grace=typed["grace"],
        seen=sent.get("seen", ""),
        errors=errors,
    )
    if errors:
        return form, None
    details = LotDetails(
        typed["name"], typed["address"], typed["time_zone"], currency, typed["gate_name"], plates, grace_s
    )
    return form, details


def code_of(form: LotForm) -> str:
    """The code of a new lot: the one that was typed, else one made from its name."""
    return form.code or code_from(form.name)


def read_added(sent: Mapping[str, str], lot: str) -> tuple[AddForm, list[SlotForm]]:
    """Slots that are to be added, none where something is wrong."""
    typed = {name: sent.get(name, "").strip() for name in ("area", "prefix", "first", "count", "size")}
    flags = {name: sent.get(name) == "1" for name in ("premium", "accessible", "charging")}
    errors: dict[str, str] = {}
    if not AREA_CODE.fullmatch(typed["area"]):
        errors["area"] = say("Give an area's code, such as A.")
    first = _number(typed["first"], 0, 999_999)
    if first is None:
        errors["first"] = say("Give a number from {least} to {most}.", least=0, most="999,999")
    count = _number(typed["count"], 1, MOST_ADDED)
    if count is None:
        errors["count"] = say("Give a number from {least} to {most}.", least=1, most=MOST_ADDED)
    if typed["size"] not in list(Size):
        errors["size"] = say("Choose one of these.")
    if not IDENTIFIER.fullmatch(f"{lot}-{typed['prefix']}1") or len(typed["prefix"]) > 40:
        errors["prefix"] = say("At most {most} letters, digits and . : / # + @ - _", most=40)
    form = replace(AddForm(**typed), **flags, errors=errors)  # type: ignore[arg-type]
    if errors or first is None or count is None:
        return form, []
    names = [f"{typed['prefix']}{number}" for number in range(first, first + count)]
    forms = [
        SlotForm(
            identifier=f"{lot}-{name}",
            lot=lot,
            area=typed["area"],
            name=name,
            size=Size(typed["size"]),
            premium=flags["premium"],
            accessible=flags["accessible"],
            charging=flags["charging"],
        )
        for name in names
    ]
    return form, forms


def read_slot(sent: Mapping[str, str], lot: str, identifier: str) -> tuple[SlotForm | None, dict[str, str]]:
    """What is said of one slot, with the revision that its form was made from; and what is wrong."""
    errors: dict[str, str] = {}
    name, area, size = (sent.get(one, "").strip() for one in ("name", "area", "size"))
    if not name or text_of(name, 64) != name:
        errors["name"] = say("At most {most} printable characters.", most=64)
    if not AREA_CODE.fullmatch(area):
        errors["area"] = say("Give an area's code, such as A.")
    if size not in list(Size):
        errors["size"] = say("Choose one of these.")
    if errors:
        return None, errors
    return SlotForm(
        identifier=identifier,
        lot=lot,
        area=area,
        name=name,
        size=Size(size),
        premium=sent.get("premium") == "1",
        accessible=sent.get("accessible") == "1",
        charging=sent.get("charging") == "1",
        if_match=sent.get("revision", ""),
    ), {}


def _number(text: str, least: int, most: int) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return int(text) if least <= int(text) <= most else None
