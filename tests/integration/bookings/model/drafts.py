"""Calls as they are drawn: which booking, slot and version they mean is known only when they are made.

What is drawn never depends on what was answered: at once with others a call may be answered otherwise when
it is made again, and Hypothesis would take that for a test that contradicts itself.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from hypothesis import strategies as st

from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.slots.forms import SlotForm
from app.slots.layout import Wish
from app.slots.models import Size
from tests.integration.bookings.model.calls import (
    Attend,
    Call,
    Cost,
    PutSlot,
    Release,
    Reserve,
    Unreserve,
)
from tests.integration.bookings.model.car_park import MOVES, CarPark

CALLER = "somebody"
UNKNOWN = "00000000-0000-7000-8000-000000000000"
ENTITIES = ["HKR 4821", "hkr-4821", "HKR4821", "B 1", " B 1 ", "b1", "Ｃ 7", "C 7", "badge 12", "Ä", "D", "E"]
UNFIT_ENTITIES = [" ", "x" * 121, "a\x00b", "--"]
LOTS = ["here", "plates", "shared", "main", "new"]
IMPORTED_SLOTS = [
    "here-A1",
    "here-A2",
    "here-A3",
    "here-A4",
    "here-A5",
    "plates-A1",
    "plates-A2",
    "shared-A1",
]
PUT_SLOTS = ["one", "two", "three"]
SLOTS = [*IMPORTED_SLOTS, "shared-A2", *PUT_SLOTS]
ANYTHING = Wish()
WISHES = [
    ANYTHING,
    Wish(premium=False),
    Wish(premium=True),
    Wish(accessible=True),
    Wish(charging=True),
    Wish(size=Size.VAN),
    Wish(area="A"),
    Wish(area="B"),
    Wish(area="B", premium=True),
    Wish(area="Z"),
]
# Seconds from now: when the stay begins, and when it ends; the limits from both sides.
DAY_S, YEAR_S = 86_400, 366 * 86_400
TIMES = [
    *[(start_s, None) for start_s in (None, 0, -60, -61, 60, 1799, 1800, 1801, DAY_S, DAY_S + 1)],
    *[(None, until_s) for until_s in (3600, 1, 0, -1, YEAR_S, YEAR_S + 1)],
    *[(600, 600), (600, 601), (-30, -1), (-30, 1), (-3600, -7200), (600, 600 + YEAR_S), (600, 601 + YEAR_S)],
]
ENDS_S = [None, 0, -1, -60, -61, 60, 61]


class Draft(Protocol):
    """A call that is yet to be filled in; None where there is nothing that it could mean."""

    def call(self, park: CarPark, sent: list[Call]) -> Call | None: ...


@dataclass(frozen=True)
class ReserveDraft:
    entity: str
    lot: str | None
    slot: str | None
    wish: Wish
    times_s: tuple[int | None, int | None]
    arrived: bool
    keyed: bool

    def call(self, park: CarPark, sent: list[Call]) -> Call:
        start, until = (None if s is None else park.now + timedelta(seconds=s) for s in self.times_s)
        request = ReserveRequest(
            self.entity, self.lot, self.slot, self.wish, start, until, arrived=self.arrived
        )
        return Reserve(_with_key(request, sent) if self.keyed else request)


@dataclass(frozen=True)
class UnreserveDraft:
    """``entity`` is another one, or another spelling; ``slot`` another slot; else those of the booking."""

    which: int
    entity: str | None
    slot: str | None
    names_reservation: bool
    time_s: int | None
    keyed: bool

    def call(self, park: CarPark, sent: list[Call]) -> Call | None:
        stay = _stay(park, self.which)
        if stay is None:
            return None
        request = UnreserveRequest(
            stay.given if self.entity is None else self.entity,
            stay.slot if self.slot is None else self.slot,
            stay.reservation if self.names_reservation else None,
            None if self.time_s is None else park.now + timedelta(seconds=self.time_s),
        )
        return Unreserve(_with_key(request, sent) if self.keyed else request)


@dataclass(frozen=True)
class OfReservation:
    """Something about a booking that runs or has ended, or about one that never was."""

    kind: type[Release | Cost]
    which: int
    exists: bool

    def call(self, park: CarPark, sent: list[Call]) -> Call | None:
        stay = _stay(park, self.which)
        return None if stay is None else self.kind(stay.reservation if self.exists else UNKNOWN)


@dataclass(frozen=True)
class AttendDraft:
    """Without ``act`` it is the one that suits the slot as it is."""

    act: str | None
    slot: str
    behind: int

    def call(self, park: CarPark, sent: list[Call]) -> Call:
        place = park.places.get(self.slot)
        if place is None:
            return Attend(self.act or "open", 0, 1)
        fitting = [act for act, (expected, _) in MOVES.items() if expected is place.state]
        act = self.act or (fitting[0] if fitting else "check in")
        return Attend(act, place.number, place.version - self.behind)


@dataclass(frozen=True)
class PutDraft:
    """``if_match`` says how far behind the revision is that the caller has seen."""

    form: SlotForm
    if_match: int | None

    def call(self, park: CarPark, sent: list[Call]) -> Call:
        if self.if_match is None:
            return PutSlot(self.form)
        place = park.places.get(self.form.identifier)
        revision = place.revision if place else 1
        return PutSlot(replace(self.form, if_match=str(revision - self.if_match)))


@dataclass(frozen=True)
class Again:
    """A request that was sent before under a key: as it was, or with ``another_body``."""

    which: int
    another_body: bool

    def call(self, park: CarPark, sent: list[Call]) -> Call | None:
        if not sent:
            return None
        before = sent[-1 - self.which % len(sent)]
        assert isinstance(before, Reserve | Unreserve)
        if not self.another_body:
            return before
        key = replace(before.request.idempotency, request_digest="another")
        return replace(before, request=replace(before.request, entity="another", idempotency=key))


def _with_key(request: Any, sent: list[Call]) -> Any:
    """The request under a key of its own."""
    body = hashlib.sha256(repr(request).encode()).hexdigest()
    return replace(request, idempotency=IdempotencyKey(CALLER, f"k{len(sent)}", body))


def _stay(park: CarPark, which: int) -> Any:
    """One that runs, counted from 0; counted from -1, one that has ended; the last one first."""
    running, ended = list(park.stays.values()), [one.stay for one in park.history.values()]
    stays = (running if which >= 0 else ended) or running or ended
    return stays[-1 - abs(which) % len(stays)] if stays else None


some = st.sampled_from
entities = some([*ENTITIES * 6, *UNFIT_ENTITIES])
times_s = some([(None, None)] * 40 + [(600, None), (3600, None), (7200, 10_800)] * 3 + TIMES)
whiches = some([0, 0, 0, 0, 1, 2, 3, 4, 5, -1, -2, -3])
mostly = some([True, True, True, False])
in_lots = st.builds(
    ReserveDraft,
    entity=entities,
    lot=some([None, None, "here", "here", "here", "plates", "plates", "shared", "shared", "main", "nowhere"]),
    slot=st.none(),
    wish=some([ANYTHING] * 16 + WISHES),
    times_s=times_s,
    arrived=some([False, False, True]),
    keyed=st.booleans(),
)
of_slots = st.builds(
    ReserveDraft,
    entity=entities,
    lot=some([None] * 8 + ["here"]),
    slot=some([*IMPORTED_SLOTS, *SLOTS, "none"]),
    wish=some([ANYTHING, Wish(size=Size.BUS)]),
    times_s=times_s,
    arrived=some([False, False, True]),
    keyed=st.booleans(),
)
unreserves = st.builds(
    UnreserveDraft,
    which=whiches,
    entity=some([None] * 24 + [*ENTITIES, UNFIT_ENTITIES[0]]),
    slot=some([None] * 24 + [*SLOTS, "none"]),
    names_reservation=some([False, False, True]),
    time_s=some([None] * 6 + ENDS_S),
    keyed=st.booleans(),
)
releases = st.builds(OfReservation, kind=st.just(Release), which=whiches, exists=mostly)
costs = st.builds(OfReservation, kind=st.just(Cost), which=whiches, exists=mostly)
attends = st.builds(
    AttendDraft,
    act=some([None, None, None, "check in", "close", "open"]),
    slot=some([*IMPORTED_SLOTS, *SLOTS]),
    behind=some([0, 0, 0, 1]),
)
forms = st.builds(
    SlotForm,
    identifier=some([*PUT_SLOTS, *SLOTS]),
    lot=some([None] * 8 + LOTS),
    area=some([None, None, None, "A", "B"]),
    name=some([None] * 8 + ["front", "one"]),
    size=some([None, None, None, Size.CAR, Size.VAN]),
    premium=some([None, None, True, False]),
    accessible=some([None, None, None, True, False]),
    charging=some([None, None, None, True, False]),
)
puts = st.builds(PutDraft, form=forms, if_match=some([None, None, None, None, 0, 1]))
changes = st.builds(
    PutDraft,
    form=st.builds(
        SlotForm,
        identifier=some(["here-A1", "here-A2", "plates-A1", "plates-A2", "shared-A1", "shared-A2"]),
        area=some([None, "A", "B"]),
        size=some([Size.CAR, Size.VAN]),
        premium=some([None, None, True, False]),
    ),
    if_match=st.none(),
)
agains = st.builds(Again, which=some([0, 1, 2, 3, 4, 5]), another_body=some([False, False, True]))
reserves = st.one_of(in_lots, in_lots, of_slots)
keyed = st.one_of(in_lots, of_slots, unreserves).map(lambda draft: replace(draft, keyed=True))
of_newest = st.builds(OfReservation, kind=st.just(Release), which=st.just(0), exists=st.just(True))
endings = st.one_of(of_newest, of_newest, unreserves, in_lots)
bookings = st.one_of(in_lots, in_lots, of_slots, unreserves, releases, agains)
anything = st.one_of(in_lots, in_lots, of_slots, unreserves, releases, costs, attends, puts, agains)
