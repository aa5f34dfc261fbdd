"""What an import would do: plain data, made without touching a database.

An importer reads bytes and answers with an ``ImportPlan``. A dry run shows it, a real run writes it; both see
the same plan. What cannot be imported stands in ``refusals``, each with the name the file gave it.

Lengths are metres in the lot's own frame: origin at the centroid of the lot's outline, x to the right,
y down the page, turned by ``map_angle_deg`` so that most rows run along x. Rings are open: the first point is
not repeated at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass

MAX_BYTES = 256 * 1024 * 1024
MAX_ROWS = 2_000_000
MAX_LOT_SLOTS = 50_000
"""The most slots that a lot may name; beyond it a map and a rebuild are no longer quick."""
CONTINUED_LOT_SLOTS = 20_000
"""Slots that name no lot go into one lot, which is continued in another from this number on."""

SIZES = ("car", "motorcycle", "compact", "large", "van", "bus", "truck")

Point = tuple[float, float]
Ring = tuple[Point, ...]
OnProgress = Callable[[int, int], None]
"""Called now and then with (rows done, rows in all); the total may be an estimate."""


class ImportRefused(ValueError):
    """The file as a whole cannot be read; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class ImportDefaults:
    """What holds where the file says nothing.

    ``lot_code`` names the lot of rows that name none ("main" if it is None), the only lot of a GeoJSON file,
    and allows such a file to have no lot outline at all.
    """

    time_zone: str = "UTC"
    currency: str = "EUR"
    lot_code: str | None = None


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """One slot; ``rank`` 0 is the nearest to the entrance. ``outline`` is () where none is known."""

    identifier: str
    name: str
    area_code: str
    rank: int
    size: str
    premium: bool
    accessible: bool
    charging: bool
    latitude: float | None
    longitude: float | None
    outline: Ring
    location: str = ""


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """One area. The sign stands at (sign_x, sign_y), None without geometry.

    ``sign_upright`` is true where the area's aisle runs down the page, so that letter stands above count.
    """

    code: str
    name: str
    level: int
    premium: bool
    sign_x: float | None
    sign_y: float | None
    sign_upright: bool


@dataclass(frozen=True, slots=True)
class LotPlan:
    """One lot; the order of ``slots`` is the order of their future positions.

    ``map_angle_deg`` is how far true geometry was turned clockwise on the page, in (-90, 90].
    ``gate_heading_deg`` is the direction of travel into the lot: 0 to the right, 90 down the page.
    """

    code: str
    name: str
    address: str
    time_zone: str
    currency: str
    latitude: float | None
    longitude: float | None
    outline: Ring
    map_angle_deg: float
    gate_x: float | None
    gate_y: float | None
    gate_heading_deg: float | None
    gate_name: str
    attribution: str
    areas: tuple[AreaPlan, ...]
    slots: tuple[SlotPlan, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is not imported: its row (in CSV, the header is row 1), its name and the reason."""

    row: int | None
    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All that one file would bring; ``notes`` says what was left out without being wrong."""

    lots: tuple[LotPlan, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...] = ()


def refuse_if_too_large(data: bytes) -> None:
    """Raises ImportRefused for a file over MAX_BYTES."""
    if len(data) > MAX_BYTES:
        raise ImportRefused(
            f"The file has {len(data) / 1048576:.0f} MiB; at most {MAX_BYTES // 1048576} MiB can be imported."
        )
