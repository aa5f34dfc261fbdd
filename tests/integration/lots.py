"""Lots for tests, made the way an import makes them."""

from app.bookings.desk import Desk
from app.bookings.opening import import_lots
from app.slots.importers.plan import AreaPlan, ImportPlan, LotPlan, SlotPlan
from app.slots.models import Lot


def lot_plan(code: str = "here", slots: int = 5, premium: int = 0, accessible: int = 0) -> LotPlan:
    """One lot of one area in a row; the first ``premium`` slots are premium, the last ones accessible."""
    return LotPlan(
        code=code,
        name=code.title(),
        address="",
        time_zone="Europe/Berlin",
        currency="EUR",
        latitude=None,
        longitude=None,
        outline=(),
        map_angle_deg=0.0,
        gate_x=None,
        gate_y=None,
        gate_heading_deg=None,
        gate_name="",
        attribution="",
        areas=(AreaPlan("A", "", 0, False, None, None, False),),
        slots=tuple(
            SlotPlan(
                identifier=f"{code}-A{number + 1}",
                name=f"A{number + 1}",
                area_code="A",
                rank=number,
                size="car",
                premium=number < premium,
                accessible=number >= slots - accessible,
                charging=False,
                latitude=None,
                longitude=None,
                outline=((number * 3.0, 0.0), (number * 3.0 + 2.5, 0.0), (number * 3.0 + 2.5, 5.0)),
            )
            for number in range(slots)
        ),
    )


async def open_lot(desk: Desk, plan: LotPlan | None = None) -> Lot:
    """Imports the plan; the lot is built in Redis and can be booked."""
    done = await import_lots(desk, ImportPlan((plan or lot_plan(),), ()))
    return done.lots[0]
