"""A car park as it ought to be: dictionaries and a clock, no input or output, one thing after another.

The service may choose a slot, an identifier and, where several things are wrong, which of them it names.
So the model is told each call with its answer: it either takes the call in, or says why no car park that
keeps the rules could have answered that.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import dist, isclose
from typing import Any

from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.results import Reserved
from app.core.errors import Problem
from app.payments.fees import Fee
from app.slots.forms import SlotForm
from app.slots.models import State
from app.slots.service import Put
from tests.integration.bookings.model.calls import (
    Answer,
    Attend,
    Call,
    Cost,
    PutSlot,
    Release,
    Reserve,
    Unreserve,
)
from tests.integration.bookings.model.expectations import (
    expect,
    expect_ended,
    expect_price,
    expect_refused,
    expect_wrong,
    is_entity,
    is_refused,
)
from tests.integration.bookings.model.facts import Ended, Kind, Lot, Place, Stay, Tariff

SKEW, FREE_HOLD = timedelta(seconds=60), timedelta(minutes=30)
AHEAD, LONGEST_STAY = timedelta(hours=24), timedelta(days=366)
KEPT_FOR = timedelta(hours=25)
MOVES = {
    "check in": (State.RESERVED, State.OCCUPIED),
    "close": (State.FREE, State.CLOSED),
    "open": (State.CLOSED, State.FREE),
}
NEW_LOT_TARIFF = Tariff(1, 1800, 100, 150)


@dataclass(frozen=True)
class Circumstances:
    """How exactly an answer can be foretold.

    ``alone``: nothing else was under way. ``nearest``: nobody has leased a slot, Redis is true, and the desk
    knows the lots as they are. ``shared_keys``: more than one of the calls at once has this key.
    """

    alone: bool = True
    nearest: bool = True
    shared_keys: frozenset[tuple[str, str]] = frozenset()


@dataclass
class CarPark:
    """Every dictionary may be copied as it is: what stands in them never changes."""

    now: datetime
    lots: dict[str, Lot] = field(default_factory=dict)
    areas: dict[tuple[str, str], bool] = field(default_factory=dict)
    tariffs: dict[tuple[str, str | None], Tariff] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    stays: dict[str, Stay] = field(default_factory=dict)
    history: dict[str, Ended] = field(default_factory=dict)
    kept: dict[tuple[str, str], tuple[str, Answer, datetime]] = field(default_factory=dict)

    def copy(self) -> "CarPark":
        return CarPark(
            self.now,
            dict(self.lots),
            dict(self.areas),
            dict(self.tariffs),
            dict(self.places),
            dict(self.stays),
            dict(self.history),
            dict(self.kept),
        )

    def tariff(self, lot: str, area: str) -> Tariff:
        """The area's own, else that of the lot."""
        return self.tariffs.get((lot, area)) or self.tariffs[lot, None]

    def take_in(self, call: Call, answer: Answer, seen: Circumstances) -> None:
        """Does what the call asks for, as it was answered. Raises Unexplained, then nothing is done."""
        match call:
            case Reserve(request):
                self._keyed("reserve", request, answer, seen, self._reserve)
            case Unreserve(request):
                self._keyed("unreserve", request, answer, seen, self._unreserve)
            case Release(reservation):
                self._release(reservation, answer)
            case Cost(reservation):
                self._cost(reservation, answer)
            case PutSlot(form):
                self._put(form, answer)
            case Attend():
                self._attend(call, answer)

    # Idempotency: only success is kept; the same request again is answered alike, whatever has happened.

    def _keyed(self, action: str, request: Any, answer: Answer, seen: Circumstances, do: Any) -> None:
        key: IdempotencyKey | None = request.idempotency
        if key is None:
            do(request, answer, seen)
            return None
        name = (action, key.key)
        digest, before, _ = self.kept.get(name, (None, None, None))
        problem = answer.type if isinstance(answer, Problem) else None
        if problem == "request-in-flight":
            return expect(name in seen.shared_keys, "nothing else was under way with this key")
        if problem == "idempotency-key-reused":
            others = digest is not None or name in seen.shared_keys
            return expect(others and digest != key.request_digest, "this key was not used otherwise")
        if digest == key.request_digest:
            return expect(answer == before, f"the same request was answered with {before}")
        if digest is not None:
            expect(problem is not None, "this key was used for another request")
        do(request, answer, seen)
        if problem is None:
            self.kept[name] = (key.request_digest, answer, self.now)
        return None

    def forget_answers(self) -> None:
        """Those that were kept for longer than a day and an hour."""
        since = self.now - KEPT_FOR
        self.kept = {name: one for name, one in self.kept.items() if one[2] >= since}

    # Reserve.

    def _reserve(self, request: ReserveRequest, answer: Answer, seen: Circumstances) -> None:
        wrong = self._wrong_in_reserve(request)
        if wrong:
            return expect_wrong(answer, wrong)
        if unknown := self._unknown(request):
            return expect_refused(answer, {unknown})
        if not isinstance(answer, Problem):
            return self._give(request, answer, seen)
        fitting = self._fitting(request)
        if answer.type == "entity-has-reservation":
            lots = {place.lot for place in fitting} or self._asked_lots(request)
            held = [stay for lot in lots if (stay := self._conflict(request.entity, self.lots[lot]))]
            named = [
                {"slot": stay.slot, "name": self.places[stay.slot].name, "reservation": stay.reservation}
                for stay in held
            ]
            return expect(answer.extra in named, f"the entity's bookings are {named}")
        expect(not fitting, f"{[place.identifier for place in fitting]} were free")
        if request.slot is None:
            return expect_refused(answer, {"all-taken"})
        place = self.places[request.slot]
        held = self._conflict(request.entity, self.lots[place.lot])
        expect(held is None or not seen.alone, f"the entity has {held}")
        closed = place.state is State.CLOSED or self.lots[place.lot].closed
        types = {"slot-closed" if closed else "slot-taken"}
        expect_refused(answer, types if seen.alone else {"slot-closed", "slot-taken"})
        self._check_nearest_like(place, answer.extra["nearest"], seen)
        return None

    def _give(self, request: ReserveRequest, answer: Answer, seen: Circumstances) -> None:
        assert isinstance(answer, Reserved)
        fitting = self._fitting(request)
        place = self.places.get(answer.slot)
        expect(place in fitting, f"free and fitting were {[one.identifier for one in fitting]}")
        assert place is not None
        lot = self.lots[place.lot]
        expect(self._conflict(request.entity, lot) is None, "the entity has a booking")
        if seen.nearest and request.slot is None:
            alike = [one for one in fitting if one.lot == place.lot]
            best = min(alike, key=lambda one: (one.kind.premium, one.rank))
            expect(place is best, f"the nearest of the best is {best.identifier}")
            standard = [one.identifier for one in fitting if one.kind.premium < place.kind.premium]
            expect(not standard, f"of the standard ones {standard} were free")
        stay = Stay(
            reservation=answer.reservation,
            slot=place.identifier,
            lot=lot,
            entity=lot.compared(request.entity),
            given=request.entity.strip(),
            tariff=self.tariff(place.lot, place.kind.area),
            size=place.kind.size,
            premium=place.kind.premium,
            created_at=self.now,
            start_at=min(request.start or self.now, self.now + FREE_HOLD),
            until=request.until,
            arrived_at=self.now if request.arrived else None,
        )
        self._check_reserved(answer, stay, place)
        self.stays[stay.reservation] = stay
        target = State.OCCUPIED if request.arrived else State.RESERVED
        self._move(place, target, stay.reservation)

    def _check_reserved(self, answer: Reserved, stay: Stay, place: Place) -> None:
        expect(stay.reservation not in self.stays | self.history, "the reservation exists already")
        told = (answer.slot_name, answer.lot, answer.area, answer.premium, answer.start_at, answer.until)
        known = (place.name, place.lot, place.kind.area, stay.premium, stay.start_at, stay.until)
        expect(told == known, f"it should say {known}")
        expect_price(answer.price, stay)

    def _wrong_in_reserve(self, request: ReserveRequest) -> list[str]:
        wrong = [] if is_entity(request.entity) else ["entityIdentifier"]
        start = request.start or self.now
        if not self.now - SKEW <= start <= self.now + AHEAD:
            wrong.append("time")
        if request.until is not None and not max(start, self.now) < request.until <= start + LONGEST_STAY:
            wrong.append("until")
        return wrong

    def _unknown(self, request: ReserveRequest) -> str | None:
        if request.slot is not None:
            place = self.places.get(request.slot)
            here = place is not None and request.lot in (None, place.lot)
            return None if here else "no-such-slot"
        if request.lot is None:
            return None
        if request.lot not in self.lots:
            return "no-such-lot"
        is_area = request.wish.area is None or (request.lot, request.wish.area) in self.areas
        return None if is_area else "no-such-area"

    def _fitting(self, request: ReserveRequest) -> list[Place]:
        """The free places that would do. Accessible and charging ones are given only to who asks."""
        wish = request.wish
        return [
            place
            for place in self.places.values()
            if place.state is State.FREE
            and not self.lots[place.lot].closed
            and request.lot in (None, place.lot)
            and (
                request.slot == place.identifier
                if request.slot is not None
                else (wish.size, wish.accessible, wish.charging)
                == (place.kind.size, place.kind.accessible, place.kind.charging)
                and wish.premium in (None, place.kind.premium)
                and wish.area in (None, place.kind.area)
            )
        ]

    def _asked_lots(self, request: ReserveRequest) -> set[str]:
        if request.slot is not None:
            return {self.places[request.slot].lot}
        return set(self.lots) if request.lot is None else {request.lot}

    def _conflict(self, entity: str, lot: Lot) -> Stay | None:
        """What an entity has already, where it may have but one."""
        if not lot.exclusive:
            return None
        compared = lot.compared(entity)
        found = (stay for stay in self.stays.values() if stay.lot.exclusive and stay.entity == compared)
        return next(found, None)

    def _check_nearest_like(self, place: Place, named: str | None, seen: Circumstances) -> None:
        if not (seen.alone and seen.nearest):
            return None
        alike = [
            dist(one.centre, place.centre)
            for one in self.places.values()
            if one.lot == place.lot
            and one.state is State.FREE
            and one.kind.but_for_the_area == place.kind.but_for_the_area
            and one.identifier != place.identifier
        ]
        if named is None:
            return expect(not alike, "there was one like it")
        found = dist(self.places[named].centre, place.centre)
        return expect(
            bool(alike) and isclose(found, min(alike)), f"the nearest like it is {min(alike)} m off"
        )

    # Unreserve.

    def _unreserve(self, request: UnreserveRequest, answer: Answer, seen: Circumstances) -> None:
        wrong = [] if is_entity(request.entity) else ["entityIdentifier"]
        if request.time is not None and request.time > self.now + SKEW:
            wrong.append("time")
        place = self.places.get(request.slot)
        if place is None and is_refused(answer, {"no-such-slot"}):
            return None
        if wrong:
            return expect_wrong(answer, wrong)
        if place is None:
            return expect_refused(answer, {"no-such-slot"})
        holder = (place.identifier, self.lots[place.lot].compared(request.entity))
        ended = [
            one
            for one in self.history.values()
            if (one.stay.slot, one.stay.entity) == holder
            and request.reservation in (None, one.stay.reservation)
        ]
        told_before = [one for one in ended if request.time and one.time_given == request.time]
        stay = next(
            (
                one
                for one in self.stays.values()
                if (one.slot, one.entity) == holder and request.reservation in (None, one.reservation)
            ),
            None,
        )
        # Times are told in whole seconds: what was booked within one after that ending can be meant.
        last = max((one.ended_at for one in told_before), default=self.now)
        is_meant = stay is not None and (not told_before or stay.created_at < last + timedelta(seconds=1))
        if stay is None or not is_meant:
            return expect_ended(answer, told_before or ended)
        if request.time is not None and request.time < self.now - SKEW:
            return expect_wrong(answer, ["time"])
        return self._end(stay, answer, request.time)

    def _release(self, reservation: str, answer: Answer) -> None:
        if reservation in self.stays:
            return self._end(self.stays[reservation], answer, None)
        ended = self.history.get(reservation)
        return expect_ended(answer, [] if ended is None else [ended])

    def _end(self, stay: Stay, answer: Answer, time: datetime | None) -> None:
        billed_until = min(max(time or self.now, stay.start_at), self.now)
        ended = Ended(stay, self.now, billed_until, time, stay.amount_minor(billed_until))
        expect_ended(answer, [ended])
        del self.stays[stay.reservation]
        self.history[stay.reservation] = ended
        place = self.places[stay.slot]
        self._move(place, State.CLOSED if self.lots[place.lot].closed else State.FREE, None)

    def _cost(self, reservation: str, answer: Answer) -> None:
        stay, ended = self.stays.get(reservation), self.history.get(reservation)
        if stay is None and ended is None:
            return expect_refused(answer, {"no-such-reservation"})
        amount_minor = ended.amount_minor if ended else stay.amount_minor(self.now) if stay else 0
        expect(isinstance(answer, Fee), "it is known")
        assert isinstance(answer, Fee)
        return expect(answer.amount_minor == amount_minor, f"it costs {amount_minor}")

    # What an attendant does, and what is said of slots.

    def _attend(self, call: Attend, answer: Answer) -> None:
        expected, target = MOVES[call.act]
        place = next((one for one in self.places.values() if one.number == call.slot_id), None)
        if place is None:
            return expect_refused(answer, {"no-such-slot"})
        if (place.state, place.version) != (expected, call.version):
            return expect_refused(answer, {"changed-meanwhile"})
        if call.act == "open" and self.lots[place.lot].closed:
            if not place.closed_itself:
                return expect_refused(answer, {"lot-closed"})
            # It opens with its lot.
            target = State.CLOSED
        expect(answer is None, f"the slot was {place.state} and the version right")
        place = replace(place, closed_itself=call.act == "close")
        self._move(place, target, place.holder)
        if target is State.OCCUPIED and place.holder is not None:
            # Who stands there is billed, also before the time that the booking was made for.
            stay = self.stays[place.holder]
            begins = min(stay.start_at, self.now)
            self.stays[place.holder] = replace(stay, arrived_at=self.now, start_at=begins)
        return None

    def _put(self, form: SlotForm, answer: Answer) -> None:
        before = self.places.get(form.identifier)
        code = before.lot if before else form.lot or "main"
        lot = self.lots.get(code, Lot(code))
        area = form.area or (before.kind.area if before else "A")
        old = before.kind if before else Kind(area, premium=self.areas.get((code, area), False))
        given = {name: getattr(form, name) for name in ("size", "premium", "accessible", "charging")}
        kind = replace(old, area=area, **{name: value for name, value in given.items() if value is not None})
        name = form.name or (before.name if before else form.identifier)
        reasons = self._why_not_put(form, before, kind, name)
        if reasons or isinstance(answer, Problem):
            return expect_refused(answer, reasons)
        assert isinstance(answer, Put)
        told = (answer.created, answer.lot_created, answer.currency)
        known = (before is None, code not in self.lots, lot.currency)
        expect(told == known, f"it should say {known}")
        if code not in self.lots:
            self.lots[code], self.tariffs[code, None] = lot, NEW_LOT_TARIFF
        self.areas.setdefault((code, area), False)
        if before is None:
            rank = sum(place.lot == code for place in self.places.values())
            state = State.CLOSED if lot.closed else State.FREE
            self.places[form.identifier] = Place(
                form.identifier, answer.slot_id, code, name, rank, kind, (float(rank), 0.0), state
            )
            return None
        moves = kind != before.kind
        self.places[form.identifier] = replace(
            before, name=name, kind=kind, revision=before.revision + 1, version=before.version + moves
        )
        return None

    def _why_not_put(self, form: SlotForm, before: Place | None, kind: Kind, name: str) -> set[str]:
        reasons = set()
        revision = None if before is None else str(before.revision)
        if form.if_match is not None and (revision is None or form.if_match not in ("*", revision)):
            reasons.add("precondition-failed")
        lot = before.lot if before else form.lot or "main"
        if form.lot is not None and form.lot != lot:
            reasons.add("slot-in-another-lot")
        names = {one.name for one in self.places.values() if one.lot == lot and one is not before}
        if name in names:
            reasons.add("name-used")
        if before and kind != before.kind and before.state not in (State.FREE, State.CLOSED):
            reasons.add("slot-taken")
        return reasons

    def _move(self, place: Place, state: State, holder: str | None) -> None:
        self.places[place.identifier] = replace(place, state=state, version=place.version + 1, holder=holder)
