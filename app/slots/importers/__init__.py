"""Turns a file with lots and slots into a plan of what would be created; writes nothing itself."""

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

    Raises ImportRefused, and nothing else, for a file that cannot be read as a whole.
    """
    if not data.strip():
        raise ImportRefused("The file is empty.")
    start = data[:100].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"[") or PurePath(name).suffix.lower() in (".json", ".geojson"):
        return plan_geojson(data, defaults, on_progress)
    return plan_csv(data, defaults, on_progress)
