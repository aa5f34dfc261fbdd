"""Imports that run: each in a task of this process, its progress noted beside its file."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import structlog

from app.bookings.desk import Desk
from app.bookings.importing import Report, carry_out
from app.core import metrics
from app.core.errors import Problem
from app.core.tasks import end_all
from app.operator.uploads import DONE, FAILED, MOST_SLOTS, RUNNING, Upload, Uploads
from app.slots.importers import ImportDefaults, ImportPlan, ImportRefused, LotPlan, plan_import

log = structlog.get_logger()
NOTED_EVERY_S = 0.25
MOST_REFUSALS = 500
KEPT_PLANS = 4


class Imports:
    """What an operator's pages ask of imports."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self.uploads = Uploads(folder)
        self._plans: OrderedDict[str, ImportPlan] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Ends what runs; the same import can be begun again."""
        await end_all(self._tasks)

    async def plan(self, upload: Upload) -> ImportPlan:
        """What the file would bring. Raises ImportRefused, and FileNotFoundError where the file has gone."""
        known = self._plans.get(upload.id)
        if known is None:
            known = await asyncio.to_thread(self._read, upload)
            self._plans[upload.id] = known
            while len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)
        return known

    def _read(self, upload: Upload) -> ImportPlan:
        return read_plan(upload, self.uploads.data(upload.id))

    def begin(self, upload: Upload, by: str) -> None:
        """Begins the import, unless somebody is at it already."""
        if self.uploads.is_claimed(upload.id):
            return
        self.uploads.note(replace(upload, state=RUNNING, done=0, total=0, problem="", report={}))
        task = asyncio.create_task(self._run(upload, by))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, upload: Upload, by: str) -> None:
        with self.uploads.claimed(upload.id) as mine:
            if not mine:
                return
            noted_s = 0.0
            running = replace(upload, state=RUNNING)

            def progress(done: int, total: int) -> None:
                nonlocal noted_s, running
                running = replace(running, done=done, total=total)
                if time.monotonic() - noted_s > NOTED_EVERY_S:
                    noted_s = time.monotonic()
                    self.uploads.note(running)

            try:
                plan = await self.plan(upload)
                report = await carry_out(self._desk, plan, by, upload.name, progress, plates=upload.plates)
            except Problem as problem:
                self.uploads.note(replace(running, state=FAILED, problem=str(problem.title)))
            except Exception as error:
                log.exception("import.failed", file=upload.id)
                self.uploads.note(replace(running, state=FAILED, problem=type(error).__name__))
            else:
                _measure(report)
                self.uploads.note(replace(running, state=DONE, report=_told(report)))


def read_plan(upload: Upload, data: bytes) -> ImportPlan:
    """The plan of an upload's file. Raises ImportRefused."""
    defaults = ImportDefaults(upload.time_zone, upload.currency, upload.lot or None)
    plan = plan_import(upload.name, data, defaults)
    slots = sum(len(lot.slots) for lot in plan.lots)
    if slots > MOST_SLOTS:
        raise ImportRefused(
            f"The file has {slots:,} slots; here at most {MOST_SLOTS:,} are imported at once. "
            "bin/lotline import-slots takes more."
        )
    if upload.lot and len(plan.lots) == 1 and plan.lots[0].code != upload.lot:
        plan = replace(plan, lots=(_renamed(plan, upload.lot),))
    return plan


def _renamed(plan: ImportPlan, code: str) -> LotPlan:
    """The only lot under another code, its slots' identifiers with it where they begin with the code."""
    lot = plan.lots[0]
    slots = tuple(
        replace(slot, identifier=f"{code}-{slot.identifier.removeprefix(f'{lot.code}-')}")
        if slot.identifier.startswith(f"{lot.code}-")
        else slot
        for slot in lot.slots
    )
    return replace(lot, code=code, slots=slots)


def _measure(report: Report) -> None:
    metrics.IMPORTED.labels("created").inc(report.created)
    metrics.IMPORTED.labels("changed").inc(report.changed)
    metrics.IMPORTED.labels("same").inc(report.same)
    metrics.IMPORTED.labels("refused").inc(len(report.refusals))


def _told(report: Report) -> dict[str, object]:
    return {
        "lots": report.lots,
        "created": report.created,
        "changed": report.changed,
        "same": report.same,
        "refused": len(report.refusals),
        "refusals": [[one.row, one.reference, str(one.reason)] for one in report.refusals[:MOST_REFUSALS]],
    }
