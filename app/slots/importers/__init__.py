"""Turns a file with lots and slots into a plan of what would be created; writes nothing itself."""

from dataclasses import replace
from pathlib import PurePath

from app.slots.importers.csv import plan_csv
from app.slots.importers.geojson import plan_geojson
from app.slots.importers.plan import (
    MAX_BYTES,
    MAX_ROWS,
    AreaPlan,
    ImportDefaults,
    ImportPlan,
    ImportRefused,
    LotPlan,
    OnProgress,
    Refusal,
    SlotPlan,
)
from app.slots.importers.values import is_currency, is_time_zone

__all__ = [
    "MAX_BYTES",
    "MAX_ROWS",
    "AreaPlan",
    "ImportDefaults",
    "ImportPlan",
    "ImportRefused",
    "LotPlan",
    "OnProgress",
    "Refusal",
    "SlotPlan",
    "plan_csv",
    "plan_geojson",
    "plan_import",
]


def plan_import(
    name: str, data: bytes, defaults: ImportDefaults, on_progress: OnProgress | None = None
) -> ImportPlan:
    """What the file called ``name`` would bring; its first character decides before its name does.

    Raises ImportRefused, and nothing else, for defaults that cannot hold and for a file that cannot be read
    as a whole.
    """
    defaults = _checked(defaults)
    if not data.strip():
        raise ImportRefused("The file is empty.")
    start = data[:100].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"[") or PurePath(name).suffix.lower() in (".json", ".geojson"):
        return plan_geojson(data, defaults, on_progress)
    return plan_csv(data, defaults, on_progress)


def _checked(defaults: ImportDefaults) -> ImportDefaults:
    """The defaults with the currency in capitals; ImportRefused names what is wrong with them."""
    currency = defaults.currency.strip().upper()
    wrong = []
    if not is_time_zone(defaults.time_zone):
        wrong.append(f"The time zone {defaults.time_zone} is not known; one is called Europe/Berlin.")
    if not is_currency(currency):
        wrong.append(f"The currency {defaults.currency} is not known; one is called EUR (ISO 4217).")
    if wrong:
        raise ImportRefused(" ".join(wrong))
    return replace(defaults, currency=currency)
