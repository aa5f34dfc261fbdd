"""A lot's figures as a wall shows them, for the page and for the feed."""

import time
from collections.abc import Callable

from app.core.templating import render
from app.display.views import (
    PREMIUM,
    Arrow,
    WallCells,
    WallExtra,
    WallFigure,
    WallPremium,
    arrange,
    arrow_towards,
)
from app.live.picture import Picture
from app.slots.layout import Layout
from app.slots.projections import Counts, count


class WallProjection:
    """A lot as a wall shows it."""

    name = "wall"
    with_states = False

    def __init__(self, premium_lines: Callable[[], tuple[str, ...]] = tuple) -> None:
        self._premium_lines = premium_lines

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        view = cells(picture.layout, count(picture), self._premium_lines())
        drawn = render("display/_cells.html", view=view)
        return f'<div hx-swap-oob="innerHTML:#cells">{drawn}</div>'

    def figures(self, picture: Picture) -> dict[str, int]:
        return {}


def cells(layout: Layout, counts: Counts | None, lines: tuple[str, ...] = ()) -> WallCells:
    """The figures of a lot; without counts every one is unknown. ``lines`` stand under the word Premium."""
    figures = [
        WallFigure(area.code, None if counts is None else counts.areas[area.code], _arrow(layout, area.code))
        for area in layout.areas
        if area.code in layout.middles
    ]
    premium = None
    if PREMIUM in layout.offers:
        free = None if counts is None else counts.premium
        premium = WallPremium(WallFigure(PREMIUM, free, _arrow(layout, PREMIUM)), lines)
    extras = []
    if "accessible" in layout.offers:
        extras.append(WallExtra("accessible", None if counts is None else counts.accessible))
    if "charging" in layout.offers:
        extras.append(WallExtra("charging", None if counts is None else counts.charging))
    return arrange(
        figures,
        premium=premium,
        extras=extras,
        now_s=time.time(),
        whole_free=None if counts is None else counts.standard,
        closed=layout.lot.closed,
    )


def _arrow(layout: Layout, group: str) -> Arrow | None:
    """From the gate towards an area's slots, or towards the premium ones."""
    lot, there = layout.lot, layout.middles.get(group)
    if lot.gate_x is None or lot.gate_y is None or lot.gate_heading_deg is None or there is None:
        return None
    return arrow_towards((lot.gate_x, lot.gate_y), lot.gate_heading_deg, there)
