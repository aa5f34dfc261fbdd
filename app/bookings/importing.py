"""Importing a file into lots, new ones and those that exist: first what it would do, then the doing.

A slot is known by its identifier, so the same file can be imported again: what is there already is left
alone. A new lot is written in one transaction, a lot that exists some slots at a time; where it breaks off,
the same again does the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.lots import PUT_AT_ONCE, put_some
from app.bookings.opening import build_lot, show_lot
from app.core.languages import sentence
from app.payments.service import open_tariff
from app.slots import queries, service
from app.slots.forms import SlotForm
from app.slots.importers.plan import MAX_LOT_SLOTS, ImportPlan, LotPlan, Refusal, SlotPlan
from app.slots.layout import LaidSlot, Layout, read_frame, read_layout
from app.slots.models import Lot, Size, SlotState, State

_STATE = SlotState.__table__  # type: ignore[attr-defined]
KINDS = ("size", "premium", "accessible", "charging")
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Changed:
    """A slot that the file says otherwise: what differs, each with what it was and what it would be."""

    slot: SlotPlan
    said: tuple[tuple[str, object, object], ...]
    redrawn: bool = False


@dataclass(frozen=True)
class Outlook:
    """What an import would do to one lot. ``lot`` is None where it would be made."""

    plan: LotPlan
    lot: Lot | None
    fresh: tuple[SlotPlan, ...]
    changed: tuple[Changed, ...] = ()
    same: int = 0
    refusals: tuple[Refusal, ...] = ()
    fills: bool = False

    @property
    def work(self) -> int:
        """How many slots it would write."""
        return len(self.fresh) + len(self.changed)


@dataclass(frozen=True)
class Report:
    """What an import has done."""

    lots: int = 0
    created: int = 0
    changed: int = 0
    same: int = 0
    refusals: tuple[Refusal, ...] = ()


async def look_ahead(connection: AsyncConnection, plan: ImportPlan) -> list[Outlook]:
    """What the plan would do now; its own refusals are not repeated."""
    return [await _outlook(connection, lot) for lot in plan.lots]


async def carry_out(
    desk: Desk, plan: ImportPlan, by: str, file: str, on_progress: OnProgress, *, plates: bool = False
) -> Report:
    """Does it, and tells of (slots written, slots to write). Raises Unavailable where SQL goes away."""
    async with desk.database.look() as connection:
        ahead = await look_ahead(connection, plan)
    total, done = sum(one.work for one in ahead), 0
    report = Report(refusals=plan.refusals)
    on_progress(0, total)
    for one in ahead:

        def written(count: int, before: int = done) -> None:
            on_progress(before + count, total)

        if one.lot is None or one.fills:
            report = await _make(desk, one, by, file, written, report, plates)
        else:
            report = await _merge(desk, one, by, written, report)
        done += one.work
        on_progress(done, total)
    return report


async def _outlook(connection: AsyncConnection, plan: LotPlan) -> Outlook:
    lot = await queries.lot_of_code(connection, plan.code)
    if lot is None or lot.id is None:
        taken = await service.taken_identifiers(connection, [slot.identifier for slot in plan.slots])
        return _of_new(plan, None, taken)
    layout = await read_layout(connection, await read_frame(connection, lot))
    mine = layout.by_identifier
    others = [slot.identifier for slot in plan.slots if slot.identifier not in mine]
    elsewhere = await service.taken_identifiers(connection, others)
    if not layout.slots:
        return replace(_of_new(plan, lot, elsewhere), fills=True)
    asked = select(_STATE.c.slot_id).where(
        _STATE.c.lot_id == lot.id, _STATE.c.state.not_in((State.FREE, State.CLOSED))
    )
    taken_ids = set((await connection.execute(asked)).scalars())
    return _Comparison(plan, layout, elsewhere, taken_ids).outlook()


def _of_new(plan: LotPlan, lot: Lot | None, taken: set[str]) -> Outlook:
    fresh = tuple(slot for slot in plan.slots if slot.identifier not in taken)
    refused = tuple(_elsewhere(slot) for slot in plan.slots if slot.identifier in taken)
    return Outlook(plan, lot, fresh, refusals=refused)


def _elsewhere(slot: SlotPlan) -> Refusal:
    return Refusal(None, slot.identifier, sentence("A slot with this identifier is in another lot."))


class _Comparison:
    """A plan beside the lot as it is."""

    def __init__(self, plan: LotPlan, layout: Layout, elsewhere: set[str], taken: set[int]) -> None:
        self._plan = plan
        self._layout = layout
        self._elsewhere = elsewhere
        self._taken = taken
        lot = layout.lot
        # Metres of another outline's middle would lie somewhere else on this lot's map.
        self._same_map = [tuple(point) for point in lot.outline] == list(plan.outline) and (
            lot.map_angle_deg == plan.map_angle_deg
        )

    def outlook(self) -> Outlook:
        fresh: list[SlotPlan] = []
        changed: list[Changed] = []
        refusals: list[Refusal] = []
        same = 0
        room = MAX_LOT_SLOTS - len(self._layout.slots)
        for slot in self._plan.slots:
            there = self._layout.by_identifier.get(slot.identifier)
            found = None if there is None else self._difference(slot, there)
            if found is not None and not found.said and not found.redrawn:
                same += 1
            elif why := self._refused(slot, there, found, is_full=len(fresh) >= room):
                refusals.append(Refusal(None, slot.identifier, why))
            elif found is None:
                fresh.append(slot)
            else:
                changed.append(found)
        return Outlook(self._plan, self._layout.lot, tuple(fresh), tuple(changed), same, tuple(refusals))

    def _difference(self, slot: SlotPlan, there: LaidSlot) -> Changed:
        pairs = [("name", there.name, slot.name), ("area", there.area_code, slot.area_code)]
        pairs += [(name, getattr(there, name), getattr(slot, name)) for name in KINDS]
        if slot.location:
            pairs.append(("location", there.location, slot.location))
        said = tuple((name, old, new) for name, old, new in pairs if old != new)
        outline = [tuple(point) for point in there.outline]
        redrawn = bool(slot.outline) and self._same_map and outline != list(slot.outline)
        return Changed(slot, said, redrawn)

    def _refused(
        self, slot: SlotPlan, there: LaidSlot | None, found: Changed | None, *, is_full: bool
    ) -> str:
        if slot.identifier in self._elsewhere:
            return _elsewhere(slot).reason
        named = self._layout.by_name.get(slot.name)
        if named is not None and named.identifier != slot.identifier:
            return sentence(
                "name: {name} is the name of {other} in this lot.", name=slot.name, other=named.identifier
            )
        if there is None and is_full:
            return sentence("A lot has at most {most} slots.", most=f"{MAX_LOT_SLOTS:,}")
        if there is None and slot.outline and not self._same_map:
            return sentence("The lot's map was drawn from another outline: a new slot has no place on it.")
        kinds = {name for name, _, _ in found.said} & {"area", *KINDS} if found else set()
        if there is not None and kinds and there.id in self._taken:
            return sentence(
                "{fields}: the slot is taken; this can change when it is free.",
                fields=", ".join(sorted(kinds)),
            )
        return ""


async def _make(
    desk: Desk,
    one: Outlook,
    by: str,
    file: str,
    written: Callable[[int], None],
    report: Report,
    plates: bool,
) -> Report:
    """A lot that is new or has no slot, in one transaction."""
    if not one.fresh:
        return replace(report, refusals=report.refusals + one.refusals)
    plan = replace(one.plan, slots=one.fresh)

    async def work() -> Lot | None:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            lot = await (
                service.import_lot(connection, plan, now, plates=plates, on_written=written)
                if one.lot is None
                else service.fill_lot(connection, one.lot.id or 0, plan, now, written)
            )
            if lot is not None:
                assert lot.id is not None
                await open_tariff(connection, lot.id, lot.currency, lot.time_zone, now)
                told = {"lot": lot.code, "file": file, "slots": len(plan.slots)}
                await note(connection, by, "lot.imported", f"lot:{lot.id}", now, **told)
            return lot

    lot: Lot | None = await run_again_on_conflict(work)
    if lot is None:
        why = sentence("Somebody else has filled this lot meanwhile; import again to see what is left.")
        refused = (*one.refusals, Refusal(None, plan.code, why))
        return replace(report, refusals=report.refusals + refused)
    desk.layouts.forget(lot.id or 0)
    await build_lot(desk, lot.id or 0)
    await show_lot(desk, lot.id or 0)
    return replace(
        report,
        lots=report.lots + (one.lot is None),
        created=report.created + len(plan.slots),
        refusals=report.refusals + one.refusals,
    )


async def _merge(desk: Desk, one: Outlook, by: str, written: Callable[[int], None], report: Report) -> Report:
    assert one.lot is not None
    lot_id, code = one.lot.id or 0, one.lot.code
    forms = [_form(code, slot, slot.outline) for slot in one.fresh]
    forms += [_form(code, each.slot, each.slot.outline if each.redrawn else ()) for each in one.changed]
    refusals = list(one.refusals)
    created = changed = 0
    for start in range(0, len(forms), PUT_AT_ONCE):
        done = await put_some(desk, lot_id, forms[start : start + PUT_AT_ONCE], by)
        created, changed = created + done.created, changed + done.changed
        refusals += [Refusal(None, name, why.title) for name, why in done.refused]
        written(min(start + PUT_AT_ONCE, len(forms)))
    if forms:
        await show_lot(desk, lot_id)
    return replace(
        report,
        created=report.created + created,
        changed=report.changed + changed,
        same=report.same + one.same,
        refusals=(*report.refusals, *refusals),
    )


def _form(lot: str, slot: SlotPlan, outline: Sequence[Sequence[float]]) -> SlotForm:
    return SlotForm(
        identifier=slot.identifier,
        location=slot.location or None,
        size=Size(slot.size),
        premium=slot.premium,
        lot=lot,
        area=slot.area_code,
        name=slot.name,
        accessible=slot.accessible,
        charging=slot.charging,
        outline=[(x, y) for x, y in outline] or None,
        given=frozenset({"location"} if slot.location else ()),
    )
