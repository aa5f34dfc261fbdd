"""What may be asked of the booking service, and what it may answer; each call can be made of any desk."""

from dataclasses import dataclass

from app.bookings import attend, calculate, opening, reserve, unreserve
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.results import Released, Reserved
from app.core.errors import Problem
from app.payments.fees import Fee
from app.slots.forms import SlotForm
from app.slots.service import Put


@dataclass(frozen=True)
class Reserve:
    request: ReserveRequest


@dataclass(frozen=True)
class Unreserve:
    request: UnreserveRequest


@dataclass(frozen=True)
class Release:
    reservation: str


@dataclass(frozen=True)
class Cost:
    """What a booking costs up to now, or did cost."""

    reservation: str


@dataclass(frozen=True)
class PutSlot:
    form: SlotForm


@dataclass(frozen=True)
class Attend:
    """``act`` is what an attendant does at the slot of this number in SQL, having seen its ``version``."""

    act: str
    slot_id: int
    version: int


Call = Reserve | Unreserve | Release | Cost | PutSlot | Attend
Answer = Reserved | Released | Fee | Put | Problem | None
ACTS = {"check in": attend.check_in, "close": attend.close_slot, "open": attend.open_slot}


async def answered(desk: Desk, call: Call) -> Answer:
    """What the service says to ``call``; a Problem is an answer as well."""
    try:
        return await _made(desk, call)
    except Problem as problem:
        return problem


async def _made(desk: Desk, call: Call) -> Answer:
    match call:
        case Reserve(request):
            return await reserve.reserve(desk, request)
        case Unreserve(request):
            return await unreserve.unreserve(desk, request)
        case Release(reservation):
            return await unreserve.release(desk, reservation)
        case Cost(reservation):
            return await calculate.of_reservation(desk, reservation)
        case PutSlot(form):
            return await opening.put_slot(desk, form)
        case Attend(act, slot_id, version):
            await ACTS[act](desk, slot_id, version)
            return None
