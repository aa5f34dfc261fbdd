"""A small map of what an import would draw: the same drawing as a lot's page has."""

import asyncio

from markupsafe import Markup

from app.core.templating import environment
from app.slots.importers import ImportPlan, LotPlan
from app.slots.map import LotMap, MapArea, MapLot, MapSlot

MOST_SLOTS = 5_000


async def preview(plan: ImportPlan) -> tuple[str, str]:
    """The map of the largest lot that has outlines, and its name; empty where there is none."""
    drawn = [lot for lot in plan.lots if lot.outline and 0 < len(lot.slots) <= MOST_SLOTS]
    if not drawn:
        return "", ""
    lot = max(drawn, key=lambda one: len(one.slots))
    # The context, and with it the reader's language, goes along into the thread.
    return await asyncio.to_thread(_drawn, lot), lot.name


def _drawn(lot: LotPlan) -> Markup:
    slots = [
        MapSlot(
            position=position,
            name=slot.name,
            identifier=slot.identifier,
            area_code=slot.area_code,
            outline=slot.outline or None,
            premium=slot.premium,
            accessible=slot.accessible,
            charging=slot.charging,
        )
        for position, slot in enumerate(lot.slots)
    ]
    free: dict[str, int] = {}
    for slot in slots:
        sign = "premium" if slot.premium else slot.area_code
        free[sign] = free.get(sign, 0) + 1
    drawing = LotMap(
        MapLot(
            code=lot.code,
            name=lot.name,
            outline=lot.outline or None,
            gate_x=lot.gate_x,
            gate_y=lot.gate_y,
            gate_heading_deg=lot.gate_heading_deg,
            gate_name=lot.gate_name,
            map_angle_deg=lot.map_angle_deg,
            attribution=lot.attribution,
            layout_version=0,
            areas=[
                MapArea(area.code, area.name, area.premium, area.sign_x, area.sign_y, area.sign_upright)
                for area in lot.areas
            ],
            slots=slots,
        ),
        environment(),
    )
    return drawing.render(bytes(len(slots)), free, "", pick="any")
