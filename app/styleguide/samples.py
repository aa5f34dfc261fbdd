"""What the styleguide shows: made-up things in every state that there is."""

import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from app.core.templating import STATIC, environment
from app.slots.map import STATES, LotMap, MapArea, MapLot, MapSlot

STALL_M = (2.5, 5.0)
_TOKEN = re.compile(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6});")


@dataclass(frozen=True)
class Option:
    """One of a row of choices."""

    value: str
    label: str


@dataclass(frozen=True)
class Styleguide:
    """For ``styleguide/styleguide.html``. ``selected`` and ``overstay`` are positions on the map."""

    colours: tuple[str, ...]
    map: Markup
    selected: int
    overstay: int
    counts: dict[str, int]
    options: tuple[Option, ...] = (Option("30", "30 min"), Option("60", "1 h"), Option("120", "2 h"))


def shown() -> Styleguide:
    """All of it."""
    slots, states = _stalls()
    lot = MapLot(
        code="styleguide",
        name="every state and kind",
        outline=((-2, -8), (38, -8), (38, 36), (-2, 36)),
        gate_x=38,
        gate_y=4,
        gate_heading_deg=180,
        gate_name="Gate 1",
        map_angle_deg=0,
        attribution="Made up",
        layout_version=1,
        areas=(
            MapArea("A", "", sign_x=10, sign_y=1.75),
            MapArea("B", "", premium=True, sign_x=29, sign_y=1.75),
        ),
        slots=slots,
    )
    drawn = LotMap(lot, environment()).render(states, {"A": 4, "premium": 4}, "", mine=(2,), pick="any")
    counts = dict.fromkeys((*STATES, "premium", "accessible", "charging"), 4)
    return Styleguide(colours(), drawn, selected=1, overstay=24, counts=counts)


def colours() -> tuple[str, ...]:
    """The names of the colour tokens, as the stylesheet has them."""
    text = Path(STATIC / "css" / "tokens.css").read_text()
    return tuple(dict.fromkeys(name for name, _ in _TOKEN.findall(text.split("@media")[0])))


def _stalls() -> tuple[tuple[MapSlot, ...], bytes]:
    """A row of stalls for each state; each kind four times, so that a premium block has a band of its own."""
    slots: list[MapSlot] = []
    states: list[int] = []
    width, height = STALL_M
    for row, code in enumerate(range(len(STATES))):
        for column in range(12):
            kind = ("", "accessible", "charging", "")[column % 4] if column < 8 else "premium"
            x, y = column * width + (4.0 if kind == "premium" else 0.0), row * (height + 5.5) - 6.0
            ring = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
            slots.append(
                MapSlot(
                    position=len(slots),
                    name=f"{'B' if kind == 'premium' else 'A'}{len(slots) + 1}",
                    identifier=f"styleguide-{len(slots) + 1}",
                    area_code="B" if kind == "premium" else "A",
                    outline=ring,
                    premium=kind == "premium",
                    accessible=kind == "accessible",
                    charging=kind == "charging",
                )
            )
            states.append(code)
    return tuple(slots), bytes(states)
