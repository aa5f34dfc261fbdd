"""Writing lots, areas and slots. Each function works within the caller's transaction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.errors import Problem
from app.core.languages import sentence
from app.slots.forms import DEFAULT_AREA, DEFAULT_LOT, SlotForm
from app.slots.importers.plan import CONTINUED_LOT_SLOTS, LotPlan
from app.slots.models import (
    Area,
    Lot,
    Size,
    Slot,
    SlotClass,
    SlotState,
    State,
    StatusOutbox,
    kind_number,
)

_LOT = Lot.__table__  # type: ignore[attr-defined]
_AREA = Area.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_CLASS = SlotClass.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]
# Between two of them whoever waits for the import is told how far it is.
WRITTEN_AT_ONCE = 250
_CLASS_COLUMNS = ("area_id", "size", "premium", "accessible", "charging")


@dataclass(frozen=True)
class Put:
    """What became of a slot that was put."""

    slot_id: int
    lot_id: int
    created: bool
    lot_created: bool
    currency: str
    time_zone: str


async def put_slot(connection: AsyncConnection, form: SlotForm, now: datetime) -> Put:
    """Creates a slot, or replaces what is said of it.

    Raises a Problem: 409 where it is taken and would change in kind or place, or its name is another's;
    412 where ``if_match`` is not its present revision.
    """
    found = await _slot_of(connection, form.identifier)
    if found is None:
        if form.if_match is not None:
            raise Problem(
                412,
                "precondition-failed",
                sentence("There is no such slot yet"),
                sentence("Send it without If-Match."),
            )
        return await _create_slot(connection, form, now)
    return await _replace_slot(connection, form, found, now)


async def import_lot(
    connection: AsyncConnection,
    plan: LotPlan,
    now: datetime,
    *,
    plates: bool = False,
    on_written: Callable[[int], None] | None = None,
) -> Lot | None:
    """Writes a whole lot; ``None`` where its code exists already (then nothing is written).

    ``on_written`` is told now and then how many slots are written.
    """
    if await _lot_of(connection, plan.code) is not None:
        return None
    lot_id = (
        await connection.execute(insert(_LOT).values(**_lot_values(plan, plates)).returning(_LOT.c.id))
    ).scalar_one()
    await _fill(connection, lot_id, plan, State.FREE, now, on_written)
    return await _locked(connection, lot_id)


async def fill_lot(
    connection: AsyncConnection,
    lot_id: int,
    plan: LotPlan,
    now: datetime,
    on_written: Callable[[int], None] | None = None,
) -> Lot | None:
    """Writes a plan's areas, slots and map into a lot that has no slot yet; ``None`` where it has one.

    What the lot is called, its clock and its currency stay as they are.
    """
    lot = await _locked(connection, lot_id)
    if await _count(connection, lot):
        return None
    drawn = ("latitude", "longitude", "outline", "map_angle_deg", "gate_x", "gate_y", "gate_heading_deg")
    values = {name: value for name, value in _lot_values(plan, plates=False).items() if name in drawn}
    for name in ("gate_name", "address", "attribution"):
        values[name] = getattr(lot, name) or getattr(plan, name)
    values |= {"layout_version": lot.layout_version + 1, "order_version": lot.order_version + 1}
    await connection.execute(update(_LOT).where(_LOT.c.id == lot_id).values(**values))
    await _fill(connection, lot_id, plan, State.CLOSED if lot.closed else State.FREE, now, on_written)
    return await _locked(connection, lot_id)


async def _fill(
    connection: AsyncConnection,
    lot_id: int,
    plan: LotPlan,
    state: State,
    now: datetime,
    on_written: Callable[[int], None] | None,
) -> None:
    """Areas, slots, classes and states of a lot that has none."""
    area_ids: dict[str, int] = {}
    for area in plan.areas:
        values = {
            "lot_id": lot_id,
            "code": area.code,
            "name": area.name,
            "level": area.level,
            "premium": area.premium,
            "sign_x": area.sign_x,
            "sign_y": area.sign_y,
            "sign_upright": area.sign_upright,
        }
        area_ids[area.code] = (
            await connection.execute(insert(_AREA).values(**values).returning(_AREA.c.id))
        ).scalar_one()
    rows = [
        {
            "identifier": slot.identifier,
            "lot_id": lot_id,
            "area_id": area_ids[slot.area_code],
            "name": slot.name,
            "position": position,
            "rank": slot.rank,
            "size": slot.size,
            "premium": slot.premium,
            "accessible": slot.accessible,
            "charging": slot.charging,
            "location": slot.location or None,
            "latitude": slot.latitude,
            "longitude": slot.longitude,
            "outline": [list(point) for point in slot.outline],
            "revision": 1,
        }
        for position, slot in enumerate(plan.slots)
    ]
    for start in range(0, len(rows), WRITTEN_AT_ONCE):
        some = rows[start : start + WRITTEN_AT_ONCE]
        await connection.execute(insert(_SLOT), some)
        if on_written is not None:
            on_written(start + len(some))
    await _insert_classes(connection, lot_id, rows)
    await _insert_states(connection, lot_id, state)
    await _note_lot(connection, lot_id, now)


async def require_check_in(connection: AsyncConnection, code: str, grace_s: int | None) -> bool:
    """From the next booking on, who does not check in within ``grace_s`` loses the slot; nobody where that is
    ``None``. Returns whether there is such a lot.
    """
    values = (
        {"check_in_required": False}
        if grace_s is None
        else {"check_in_required": True, "arrival_grace_s": grace_s}
    )
    return (await connection.execute(update(_LOT).where(_LOT.c.code == code).values(**values))).rowcount == 1


async def taken_identifiers(connection: AsyncConnection, identifiers: Iterable[str]) -> set[str]:
    """Which of these slots exist already."""
    wanted, found = list(identifiers), set[str]()
    for start in range(0, len(wanted), 1000):
        some = wanted[start : start + 1000]
        rows = await connection.execute(select(_SLOT.c.identifier).where(_SLOT.c.identifier.in_(some)))
        found.update(rows.scalars())
    return found


async def _create_slot(connection: AsyncConnection, form: SlotForm, now: datetime) -> Put:
    lot, lot_created = await _lot_for(connection, form.lot)
    # While this one waited for the lot, another one may have made the slot.
    if (made := await _slot_of(connection, form.identifier)) is not None:
        return await _replace_slot(connection, form, made, now)
    area = await _area_for(connection, lot, form.area or DEFAULT_AREA)
    position = await _count(connection, lot)
    name = form.name or form.identifier[-64:]
    await _refuse_used_name(connection, lot, name)
    kind = {
        "area_id": area.id,
        "size": form.size or Size.CAR,
        "premium": area.premium if form.premium is None else form.premium,
        "accessible": bool(form.accessible),
        "charging": bool(form.charging),
    }
    slot_id = (
        await connection.execute(
            insert(_SLOT)
            .values(
                identifier=form.identifier,
                lot_id=lot.id,
                name=name,
                position=position,
                rank=position,
                location=form.location,
                outline=[list(point) for point in form.outline or ()],
                revision=1,
                **kind,
            )
            .returning(_SLOT.c.id)
        )
    ).scalar_one()
    await connection.execute(
        insert(_STATE).values(
            slot_id=slot_id,
            lot_id=lot.id,
            class_number=await _class_for(connection, lot, kind),
            kind=_kind_number(kind),
            rank=position,
            state=State.CLOSED if lot.closed else State.FREE,
            version=1,
        )
    )
    await _note(connection, lot, slot_id, now)
    assert lot.id is not None
    return Put(
        slot_id, lot.id, created=True, lot_created=lot_created, currency=lot.currency, time_zone=lot.time_zone
    )


async def _replace_slot(connection: AsyncConnection, form: SlotForm, seen: Slot, now: datetime) -> Put:
    # Read again under the lot's lock: what was seen before may be somebody else's yesterday.
    lot = await _locked(connection, seen.lot_id)
    slot = await _slot_of(connection, form.identifier) or seen
    if form.if_match is not None and form.if_match not in ("*", str(slot.revision)):
        raise Problem(
            412,
            "precondition-failed",
            sentence("The slot was changed meanwhile"),
            sentence("Its revision is {revision}; read it and try again.", revision=slot.revision),
        )
    if form.lot is not None and form.lot != lot.code:
        raise Problem(
            409,
            "slot-in-another-lot",
            sentence("The slot is in lot {code}", code=lot.code),
            sentence("A slot can't change lots."),
        )
    area_id = slot.area_id
    if form.area is not None:
        area_id = (await _area_for(connection, lot, form.area)).id or 0
    if form.name is not None and form.name != slot.name:
        await _refuse_used_name(connection, lot, form.name)
    kind = {
        "area_id": area_id,
        "size": slot.size if form.size is None else form.size,
        "premium": slot.premium if form.premium is None else form.premium,
        "accessible": slot.accessible if form.accessible is None else form.accessible,
        "charging": slot.charging if form.charging is None else form.charging,
    }
    if any(kind[name] != getattr(slot, name) for name in _CLASS_COLUMNS):
        await _reclassify(connection, lot, slot, kind)
    values: dict[str, Any] = {**kind, "revision": slot.revision + 1}
    if "location" in form.given:
        values["location"] = form.location
    if form.name is not None:
        values["name"] = form.name
    if form.outline is not None:
        values["outline"] = [list(point) for point in form.outline]
    await connection.execute(update(_SLOT).where(_SLOT.c.id == slot.id).values(**values))
    assert slot.id is not None
    await _note(connection, lot, slot.id, now)
    return Put(
        slot.id, slot.lot_id, created=False, lot_created=False, currency=lot.currency, time_zone=lot.time_zone
    )


async def _reclassify(connection: AsyncConnection, lot: Lot, slot: Slot, kind: dict[str, Any]) -> None:
    number = await _class_for(connection, lot, kind)
    changed = await connection.execute(
        update(_STATE)
        .where(_STATE.c.slot_id == slot.id, _STATE.c.state.in_((State.FREE, State.CLOSED)))
        .values(class_number=number, kind=_kind_number(kind), version=_STATE.c.version + 1)
    )
    if changed.rowcount != 1:
        raise Problem(
            409,
            "slot-taken",
            sentence("{identifier} is taken", identifier=slot.identifier),
            sentence("Area, size, premium, accessible and charging can change when it is free."),
        )


def _kind_number(kind: dict[str, Any]) -> int:
    return kind_number(**{name: value for name, value in kind.items() if name != "area_id"})


async def _slot_of(connection: AsyncConnection, identifier: str) -> Slot | None:
    row = (
        (await connection.execute(select(_SLOT).where(_SLOT.c.identifier == identifier)))
        .mappings()
        .one_or_none()
    )
    return None if row is None else Slot(**row)


async def _lot_for(connection: AsyncConnection, code: str | None) -> tuple[Lot, bool]:
    """The lot with this code, created where there is none; without one, ``main`` or its continuation."""
    if code is not None:
        return await _lot_or_new(connection, code)
    number = 1
    while True:
        lot, created = await _lot_or_new(
            connection, DEFAULT_LOT if number == 1 else f"{DEFAULT_LOT}-{number}"
        )
        if created or await _count(connection, lot) < CONTINUED_LOT_SLOTS:
            return lot, created
        number += 1


async def _lot_or_new(connection: AsyncConnection, code: str) -> tuple[Lot, bool]:
    lot = await _lot_of(connection, code)
    if lot is not None:
        return lot, False
    name = code.replace("-", " ").title()
    values = Lot(code=code, name=name).model_dump(exclude={"id"})
    lot_id = (await connection.execute(insert(_LOT).values(**values).returning(_LOT.c.id))).scalar_one()
    return await _locked(connection, lot_id), True


async def _lot_of(connection: AsyncConnection, code: str) -> Lot | None:
    row = (
        (await connection.execute(select(_LOT).where(_LOT.c.code == code).with_for_update(key_share=True)))
        .mappings()
        .one_or_none()
    )
    return None if row is None else Lot(**row)


async def _locked(connection: AsyncConnection, lot_id: int) -> Lot:
    """The lot's row, locked: positions, names and classes are given out by one at a time."""
    row = (
        await connection.execute(select(_LOT).where(_LOT.c.id == lot_id).with_for_update(key_share=True))
    ).mappings()
    return Lot(**row.one())


async def _area_for(connection: AsyncConnection, lot: Lot, code: str) -> Area:
    found = select(_AREA).where(_AREA.c.lot_id == lot.id, _AREA.c.code == code)
    row = (await connection.execute(found)).mappings().one_or_none()
    if row is None:
        values = Area(lot_id=lot.id or 0, code=code).model_dump(exclude={"id"})
        await connection.execute(insert(_AREA).values(**values))
        row = (await connection.execute(found)).mappings().one()
    return Area(**row)


async def _class_for(connection: AsyncConnection, lot: Lot, kind: dict[str, Any]) -> int:
    """The number of this class in the lot, given now where it is new; numbers begin at 1."""
    conditions = [_CLASS.c.lot_id == lot.id, *(_CLASS.c[name] == value for name, value in kind.items())]
    number: int | None = (
        await connection.execute(select(_CLASS.c.number).where(*conditions))
    ).scalar_one_or_none()
    if number is None:
        last = await connection.execute(select(func.max(_CLASS.c.number)).where(_CLASS.c.lot_id == lot.id))
        number = (last.scalar_one() or 0) + 1
        await connection.execute(insert(_CLASS).values(lot_id=lot.id, number=number, **kind))
    return number


async def _refuse_used_name(connection: AsyncConnection, lot: Lot, name: str) -> None:
    used = await connection.execute(
        select(_SLOT.c.identifier).where(_SLOT.c.lot_id == lot.id, _SLOT.c.name == name)
    )
    other = used.scalar_one_or_none()
    if other is not None:
        raise Problem(
            409,
            "name-used",
            sentence("The name {name} is used in lot {code}", name=name, code=lot.code),
            sentence("{other} has it; give another name.", other=other),
        )


async def _count(connection: AsyncConnection, lot: Lot) -> int:
    last = await connection.execute(select(func.max(_SLOT.c.position)).where(_SLOT.c.lot_id == lot.id))
    highest: int | None = last.scalar_one()
    return 0 if highest is None else highest + 1


async def _insert_classes(connection: AsyncConnection, lot_id: int, rows: list[dict[str, Any]]) -> None:
    kinds = dict.fromkeys(tuple(row[name] for name in _CLASS_COLUMNS) for row in rows)
    for number, kind in enumerate(kinds, start=1):
        values = dict(zip(_CLASS_COLUMNS, kind, strict=True))
        await connection.execute(insert(_CLASS).values(lot_id=lot_id, number=number, **values))


async def _insert_states(connection: AsyncConnection, lot_id: int, state: State) -> None:
    """This state for every slot of a new lot, in one statement."""
    alike = [_CLASS.c.lot_id == _SLOT.c.lot_id, *(_CLASS.c[name] == _SLOT.c[name] for name in _CLASS_COLUMNS)]
    chosen = (
        select(
            _SLOT.c.id,
            _SLOT.c.lot_id,
            _CLASS.c.number,
            _kind_in_sql(),
            _SLOT.c.rank,
            literal(state.value).label("state"),
            literal(1).label("version"),
        )
        .join_from(_SLOT, _CLASS, and_(*alike))
        .where(_SLOT.c.lot_id == lot_id)
    )
    columns = ["slot_id", "lot_id", "class_number", "kind", "rank", "state", "version"]
    await connection.execute(insert(_STATE).from_select(columns, chosen))


def _kind_in_sql() -> Any:
    """:func:`kind_number` of a row of ``slot``."""
    plain = {size: kind_number(size, premium=False, accessible=False, charging=False) for size in Size}
    number: Any = case({size.value: number for size, number in plain.items()}, value=_SLOT.c.size)
    for column, worth in ((_SLOT.c.premium, 4), (_SLOT.c.accessible, 2), (_SLOT.c.charging, 1)):
        number = number + cast(column, Integer) * worth
    return number


async def _note(connection: AsyncConnection, lot: Lot, slot_id: int, now: datetime) -> None:
    """The lot's map has changed, and Redis has yet to hear of the slot."""
    await connection.execute(
        update(_LOT).where(_LOT.c.id == lot.id).values(layout_version=_LOT.c.layout_version + 1)
    )
    await _note_row(connection, lot.id or 0, slot_id, now)


async def _note_lot(connection: AsyncConnection, lot_id: int, now: datetime) -> None:
    """One row makes the relay find that the whole lot is not built."""
    first = (
        await connection.execute(select(func.min(_STATE.c.slot_id)).where(_STATE.c.lot_id == lot_id))
    ).scalar_one()
    if first is not None:
        await _note_row(connection, lot_id, first, now)


async def _note_row(connection: AsyncConnection, lot_id: int, slot_id: int, now: datetime) -> None:
    created_at_us = int(now.timestamp() * 1_000_000)
    await connection.execute(
        insert(_OUTBOX).values(lot_id=lot_id, slot_id=slot_id, created_at_us=created_at_us)
    )


def _lot_values(plan: LotPlan, plates: bool) -> dict[str, Any]:
    return Lot(
        code=plan.code,
        name=plan.name,
        address=plan.address,
        time_zone=plan.time_zone,
        currency=plan.currency,
        latitude=plan.latitude,
        longitude=plan.longitude,
        outline=[list(point) for point in plan.outline],
        map_angle_deg=plan.map_angle_deg,
        gate_x=plan.gate_x,
        gate_y=plan.gate_y,
        gate_heading_deg=plan.gate_heading_deg,
        gate_name=plan.gate_name,
        attribution=plan.attribution,
        entities_are_plates=plates,
    ).model_dump(exclude={"id"})
