"""What the wall's templates are given, and how figures are shared out between the cells and the foot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.languages import say

Arrow = Literal["up", "up-right", "right", "down-right", "down", "down-left", "left", "up-left"]
Glyph = Literal["accessible", "charging"]
FigureState = Literal["free", "full", "closed", "unknown"]
PREMIUM = "premium"
"""The code of the figure in the yellow column."""

FIGURES = 5
"""Figures that a screen carries so that each stays readable at fifteen metres."""
FOOT = 4
"""Areas that the foot carries in small beside the accessible and charging counts."""

ARROWS: tuple[Arrow, ...] = ("up", "up-right", "right", "down-right", "down", "down-left", "left", "up-left")


def way_words(arrow: Arrow) -> str:
    """An arrow in words."""
    return {
        "up": say("straight ahead"),
        "up-right": say("ahead on the right"),
        "right": say("to the right"),
        "down-right": say("behind on the right"),
        "down": say("behind"),
        "down-left": say("behind on the left"),
        "left": say("to the left"),
        "up-left": say("ahead on the left"),
    }[arrow]


def arrow_towards(gate: tuple[float, float], heading_deg: float, point: tuple[float, float]) -> Arrow | None:
    """The way to `point` for someone who drives in through the gate.

    Lot-local metres with y down; heading 0 = to the right, 90 = down the page, both clockwise. `up` means
    straight ahead. None when the point is the gate itself.
    """
    across, down = point[0] - gate[0], point[1] - gate[1]
    if math.hypot(across, down) < 0.5:
        return None
    turn_deg = math.degrees(math.atan2(down, across)) - heading_deg
    return ARROWS[round(turn_deg / 45) % 8]


@dataclass(frozen=True, slots=True)
class WallFigure:
    """One area's figure. `free` is None while it is not known: then a bar stands there, never a number."""

    code: str
    free: int | None
    arrow: Arrow | None = None
    closed: bool = False

    @property
    def state(self) -> FigureState:
        """What the stylesheet goes by."""
        if self.closed:
            return "closed"
        if self.free is None:
            return "unknown"
        return "free" if self.free else "full"

    @property
    def word(self) -> str:
        """FULL or CLOSED where a figure would mislead, else empty."""
        return {"closed": say("CLOSED"), "full": say("FULL")}.get(self.state, "")

    @property
    def spoken(self) -> str:
        """The figure with the way to it, for those who hear it."""
        name = say("Area {area}", area=self.code) if self.code else say("All areas")
        name = say("Premium") if self.code == PREMIUM else name
        if self.way:
            return say("{name}: {free}, {way}.", name=name, free=self._free, way=self.way)
        return say("{name}: {free}.", name=name, free=self._free)

    @property
    def _free(self) -> str:
        if self.state == "free":
            return say("{count} free", count=self.free)
        return {"closed": say("closed"), "full": say("full")}.get(self.state, say("not known"))

    @property
    def way(self) -> str:
        """The arrow in words; empty without one."""
        return way_words(self.arrow) if self.arrow else ""


@dataclass(frozen=True, slots=True)
class WallPremium:
    """The yellow column: its figure and up to two short lines, such as where it is and what it costs."""

    figure: WallFigure
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WallExtra:
    """Free slots with an attribute, small in the foot."""

    glyph: Glyph
    free: int | None

    @property
    def label(self) -> str:
        return say("Accessible") if self.glyph == "accessible" else say("Charging")


@dataclass(frozen=True, slots=True)
class WallCells:
    """`display/_cells.html`: everything on the wall that the feed replaces.

    `now_s` is the server's Unix time at rendering; it puts the wall's clock right.
    `merged` tells that one figure stands for the whole lot and the areas follow in small.
    """

    figures: tuple[WallFigure, ...]
    premium: WallPremium | None
    further: tuple[WallFigure, ...]
    extras: tuple[WallExtra, ...]
    now_s: float
    merged: bool = False


@dataclass(frozen=True, slots=True)
class WallView:
    """`display/wall.html`. `clock` is the lot's local time as "07:52", good until the script runs.

    `age_s` is the age of the counts in whole seconds at rendering, None while it is not known.
    """

    lot_code: str
    lot_name: str
    time_zone: str
    clock: str
    feed_url: str
    layout_version: int
    age_s: int | None
    cells: WallCells

    @property
    def words(self) -> dict[str, str]:
        """What the wall's script says; it puts an age and a time in."""
        return {
            "live": say("Live. This picture is {age} old.", age="{age}"),
            "stale": say("No update for {age}", age="{age}"),
            "connecting": say("Connecting. This picture is {age} old.", age="{age}"),
            "connecting_unknown": say("Connecting. The age of these counts is not known."),
            "lost": say("Last picture {time}, {age} ago. Connecting again.", time="{time}", age="{age}"),
            "lost_unknown": say("No picture yet. Connecting again."),
            "seconds": say("{count} s", count="{count}"),
            "minutes": say("{count} min", count="{count}"),
            "hours": say("{count} h", count="{count}"),
        }


def arrange(
    areas: Sequence[WallFigure],
    *,
    premium: WallPremium | None,
    extras: Sequence[WallExtra],
    now_s: float,
    whole_free: int | None,
    closed: bool = False,
) -> WallCells:
    """Share the figures out: areas by letter, what does not fit small, the whole lot when that is too much.

    `areas` count standard slots only, `whole_free` is their sum, None while it is not known. A lot of premium
    slots alone has the yellow column alone; a lot without any slot shows a bar, neither a number nor FULL.
    """
    ordered = sorted(areas, key=lambda area: (len(area.code), area.code))
    if closed:
        ordered = [WallFigure(area.code, None, area.arrow, closed=True) for area in ordered]
        premium = premium and WallPremium(WallFigure(PREMIUM, None, closed=True), premium.lines)
    room = FIGURES - (premium is not None)
    merged = len(ordered) > room + FOOT or (not ordered and premium is None)
    whole = WallFigure("", whole_free if ordered and not closed else None, closed=closed)
    return WallCells(
        figures=(whole,) if merged else tuple(ordered[:room]),
        premium=premium,
        further=tuple(ordered if merged else ordered[room:]),
        extras=tuple(extras),
        now_s=now_s,
        merged=merged,
    )


@dataclass(frozen=True, slots=True)
class CodeView:
    """`display/_code.html`: what a screen that is not paired shows. ``code`` is as one reads it out.

    Without a code ``problem`` says why, and ``advice`` what to do about it.
    """

    code: str = ""
    left_min: int = 0
    address: str = ""
    problem: str = ""
    advice: str = ""
