"""The whole booking service against the plain car park, whatever is asked of it in whatever order."""

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.bookings.results import Reserved
from app.core.ids import read_signed_id
from app.core.redis import REDIS_IS_GONE
from app.slots.status import LotKey, NotBuilt, OtherOrder
from tests.integration.bookings.model import drafts
from tests.integration.bookings.model.calls import Answer, Call, PutSlot, Reserve, Unreserve, answered
from tests.integration.bookings.model.car_park import CarPark, Circumstances
from tests.integration.bookings.model.drafts import Draft
from tests.integration.bookings.model.facts import Tariff
from tests.integration.bookings.model.first_lots import first_park
from tests.integration.bookings.model.office import DESKS, Office
from tests.integration.bookings.model.orders import Event, told_in_order
from tests.integration.bookings.model.truth import read_projections, read_truth

CLASSES = 16
# Where Redis is in doubt and nobody knows which slot comes next, less can be told from an answer.
MOST_UNREST_STEPS = 12
GROUPS = [list(range(1, CLASSES + 1))]

desks = st.integers(0, DESKS - 1)
spreads = st.sampled_from([1, 1, 2, 3])
crowds = st.lists(drafts.entities, min_size=3, max_size=6)
increments = st.sampled_from([60, 900, 1800])
patience = st.sampled_from([0, 1, 2, 5, 10, 30, 100, 300, 1000])
lots = st.sampled_from(["here", "plates", "shared", "main"])


def step(**drawn: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that leaves a line in the machine's story: not all that happens at once happens alike again."""

    def decorated(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def told(self: "BookingMachine", **arguments: Any) -> None:
            self.story.append(f"{function.__name__.replace('_', ' ')} {arguments or ''}")
            function(self, **arguments)
            self.unrest += 1
            if self.unrest == MOST_UNREST_STEPS:
                self.all_comes_to_rest()

        return rule(**drawn)(told)

    return decorated


class BookingMachine(RuleBasedStateMachine):
    """Lots in which it can't be foretold which slot is given are noted.

    ``untrue``: Redis may not have heard of all that happened there; ``leased``: slots may be leased to nobody
    who wants them; ``stale``: a desk does not know the lot as it is.
    """

    def __init__(self, office: Office) -> None:
        super().__init__()
        self.office = office
        self.story: list[str] = []
        self.sent: list[Call] = []
        self.leased: set[str] = set()
        self.untrue: set[str] = set()
        self.stale: set[tuple[int, str]] = set()
        self.away: set[int] = set()
        self.is_emptied = False
        self.steps = self.calls = self.unrest = 0
        office.begin()
        self.truth = read_truth(office.read)
        self.park = first_park(self.truth, office.clock.now())

    # What a caller can do.

    @step(desk=desks, draft=drafts.in_lots)
    def a_slot_is_reserved(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.of_slots)
    def a_named_slot_is_reserved(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.unreserves)
    def a_slot_is_unreserved(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.puts)
    def a_slot_is_put(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.attends)
    def an_attendant_acts(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.agains)
    def a_request_is_sent_again(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.releases)
    def a_booking_is_released(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, draft=drafts.costs)
    def a_cost_is_asked_for(self, desk: int, draft: Draft) -> None:
        self.happens([(desk, draft)])

    @step(desk=desks, spread=spreads, some=st.lists(drafts.anything, min_size=2, max_size=5))
    def many_things_happen_at_once(self, desk: int, spread: int, some: list[Draft]) -> None:
        """At so many desks; who waits at the same one goes together."""
        self.happens([((desk + number % spread) % DESKS, draft) for number, draft in enumerate(some)])

    @step(draft=drafts.bookings, at=st.lists(desks, min_size=2, max_size=4))
    def the_same_is_sent_many_times_at_once(self, draft: Draft, at: list[int]) -> None:
        call = self.resolved(draft)
        if call is not None:
            self.calls_happen([(desk, call) for desk in at], alone=False)

    @step(desk=desks, spread=spreads, draft=drafts.in_lots, entities=crowds)
    def many_want_the_same_at_once(
        self, desk: int, spread: int, draft: drafts.ReserveDraft, entities: list[str]
    ) -> None:
        wants = [replace(draft, entity=entity) for entity in entities]
        self.happens([((desk + number % spread) % DESKS, want) for number, want in enumerate(wants)])

    @step(
        some=st.lists(st.tuples(desks, drafts.keyed, patience), min_size=1, max_size=3),
        again=desks,
    )
    def callers_hang_up_and_ask_again(self, some: list[tuple[int, Draft, int]], again: int) -> None:
        """Under their keys: whether the first or the second request did it, it was done once."""
        calls = [
            (desk, call, patience)
            for desk, draft, patience in some
            if (call := self.resolved(draft)) is not None
        ]
        self.office.do(self._hang_up(calls))
        self.calls_happen(
            [(again, call) for _, call, _ in calls], alone=False, also_at={one[0] for one in calls}
        )

    @step(desk=desks, draft=drafts.bookings, committed=st.booleans())
    def the_answer_to_a_commit_is_lost(self, desk: int, draft: Draft, *, committed: bool) -> None:
        """The caller must not notice: the desk finds out whether it was committed, and else does it again."""
        self.office.processes[desk].database.loses = committed
        self.happens([(desk, draft)])
        self.office.processes[desk].database.loses = None

    # What an operator does.

    @step(lot=lots, closed=st.sampled_from([True, False, False]))
    def a_lot_closes_or_opens(self, lot: str, *, closed: bool) -> None:
        """Those who know the lot as it was go on proposing; SQL refuses them, and their leases run out."""
        if lot in self.park.lots:
            self.office.close_lot(lot, closed=closed)
            self.park.lots[lot] = replace(self.park.lots[lot], closed=closed)
            self.stale.update((desk, lot) for desk in range(DESKS))
            self.leased.add(lot)

    @step(
        lot=lots,
        area=st.sampled_from([None, "A", "B"]),
        price=st.sampled_from([0, 1, 250]),
        each_s=increments,
    )
    def a_price_changes(self, lot: str, area: str | None, price: int, each_s: int) -> None:
        """What runs keeps its own."""
        if lot not in self.park.lots or (area is not None and (lot, area) not in self.park.areas):
            return
        before = self.park.tariffs.get((lot, area))
        tariff = Tariff(before.version + 1 if before else 1, each_s, price, price * 2)
        version = self.office.set_price(lot, area, self.park.lots[lot].currency, tariff)
        assert version == tariff.version, f"of {lot}, {area} it should be version {tariff.version}"
        self.park.tariffs[lot, area] = tariff

    # What time and misfortune do.

    @step(step_s=st.sampled_from([1, 60, 61, 900, 1799, 1800, 1800, 1800, 1801, 86_400]))
    def time_passes(self, step_s: int) -> None:
        self.office.clock.advance(timedelta(seconds=step_s))
        self.park.now = self.office.clock.now()

    @step()
    def redis_is_emptied(self) -> None:
        self.office.redis.flushall()
        self.is_emptied = True
        self.untrue.update(self.park.lots)

    @step(desk=desks, lot=lots, count=st.integers(1, 3))
    def somebody_is_proposed_a_slot_and_goes_away(self, desk: int, lot: str, count: int) -> None:
        if lot in self.park.lots:
            self.leased.add(lot)
            self.office.do(self._propose(desk, lot, count))

    @step()
    def leases_run_out(self) -> None:
        self.office.end_leases()
        self.leased.clear()

    @step(desk=desks, draft=drafts.bookings)
    def a_desk_dies_after_its_commit(self, desk: int, draft: Draft) -> None:
        self.office.processes[desk].desk.is_held_back = True
        self.happens([(desk, draft)])
        self.a_desk_is_opened_anew(desk=desk)

    @step(desk=desks, draft=drafts.bookings, others=st.lists(drafts.endings, min_size=1, max_size=3))
    def a_desk_stalls_while_others_go_on(self, desk: int, draft: Draft, others: list[Draft]) -> None:
        """What it tells Redis in the end is long since overtaken."""
        untrue, beside = set(self.untrue), (desk + 1) % DESKS
        self.office.processes[desk].desk.is_held_back = True
        self.happens([(desk, draft)])
        for other in others:
            self.happens([(beside, other)])
        self.office.do(self.office.processes[desk].desk.go_on())
        if not self.away & {desk, beside} and not self.is_emptied:
            self.untrue = untrue

    @step(desk=desks, draft=drafts.changes, wanted=drafts.in_lots)
    def a_slot_changes_its_kind_and_redis_does_not_hear_of_it(
        self, desk: int, draft: drafts.PutDraft, wanted: drafts.ReserveDraft
    ) -> None:
        was_away = desk in self.away
        self.a_desk_loses_or_finds_redis(desk=desk, away=True)
        self.happens([(desk, draft)])
        self.a_desk_loses_or_finds_redis(desk=desk, away=was_away)
        place = self.park.places.get(draft.form.identifier)
        self.happens([((desk + 1) % DESKS, replace(wanted, lot=place.lot if place else None))])

    @step(desk=desks, away=st.sampled_from([True, False, False]))
    def a_desk_loses_or_finds_redis(self, desk: int, *, away: bool) -> None:
        if away:
            self.office.processes[desk].lose_redis()
            self.away.add(desk)
        else:
            self.office.processes[desk].find_redis()
            self.away.discard(desk)

    @step(desk=desks)
    def a_desk_is_opened_anew(self, desk: int) -> None:
        self.office.processes[desk].open_anew()
        self.away.discard(desk)
        self.stale = {one for one in self.stale if one[0] != desk}

    @step(desk=desks)
    def a_desk_looks_at_the_lots_again(self, desk: int) -> None:
        """The second is over for which it believes what it knows; then it shows every lot's map."""
        self.office.look_again(desk)
        self.stale = {one for one in self.stale if one[0] != desk}

    @step()
    def the_worker_works(self) -> None:
        """What is younger than a second it leaves alone."""
        self.office.work()

    @step()
    def old_answers_are_swept(self) -> None:
        """A day later a key may be used again."""
        self.office.sweep()
        self.park.forget_answers()

    @step()
    def all_comes_to_rest(self) -> None:
        self.office.settle()
        self.park.now = self.office.clock.now()
        self.untrue.clear()
        self.leased.clear()
        self.away.clear()
        self.is_emptied = False
        self.unrest = 0
        assert read_truth(self.office.read).outbox == 0
        found = self.office.scrub()
        assert not found, found

    # How a step goes.

    def happens(self, some: Sequence[tuple[int, Draft]]) -> None:
        calls = [(desk, call) for desk, draft in some if (call := self.resolved(draft)) is not None]
        if calls:
            self.calls_happen(calls, alone=len(calls) == 1)

    def resolved(self, draft: Draft) -> Call | None:
        """The call, which is remembered where it can be sent again."""
        call = draft.call(self.park, self.sent)
        if isinstance(call, Reserve | Unreserve) and call.request.idempotency and call not in self.sent:
            self.sent.append(call)
        return call

    def calls_happen(
        self, calls: Sequence[tuple[int, Call]], *, alone: bool, also_at: Iterable[int] = ()
    ) -> None:
        """Made at once, each at its desk; then there must be an order that explains all that was answered."""
        self.calls += len(calls)
        answers = self.office.do(self._all_at_once(calls))
        told = [(desk, call, answer) for (desk, call), answer in zip(calls, answers, strict=True)]
        self.story += [f"    desk {desk}: {call}\n      -> {answer!r}" for desk, call, answer in told]
        shared = self._shared_keys([call for _, call in calls])
        events = [
            Event(call, answer, self._circumstances(desk, call, alone, shared)) for desk, call, answer in told
        ]
        self.truth = read_truth(self.office.read)
        before, self.park = self.park, told_in_order(self.park, events, self.truth.differences)
        for desk, call, answer in told:
            self._note(desk, call, answer)
        self._note_doubts(before, {desk for desk, _ in calls} | set(also_at))

    def _note_doubts(self, before: CarPark, at: set[int]) -> None:
        """Where Redis may not have heard of what these desks did; where a desk may have left leases."""
        changed = {one.lot for one in self.park.places.values() if before.places.get(one.identifier) != one}
        self.leased |= {lot for desk, lot in self.stale if desk in at and self.park.lots[lot].closed}
        held_back = {desk for desk in at if self.office.processes[desk].desk.is_held_back}
        if self.is_emptied or at & self.away or held_back:
            self.untrue |= changed

    async def _all_at_once(self, calls: Sequence[tuple[int, Call]]) -> list[Answer]:
        return await asyncio.gather(*(answered(self.office.desk(desk), call) for desk, call in calls))

    async def _hang_up(self, calls: Sequence[tuple[int, Call, int]]) -> None:
        """Each caller goes after so many turns of the loop; then what they have begun comes to its end."""
        async with asyncio.TaskGroup() as group:
            for desk, call, patience in calls:
                group.create_task(_hung_up(answered(self.office.desk(desk), call), patience))
        for process in self.office.processes:
            await process.desk.ended()

    def _circumstances(
        self, desk: int, call: Call, alone: bool, shared: frozenset[tuple[str, str]]
    ) -> Circumstances:
        unclear = self.leased | self.untrue | {lot for knows, lot in self.stale if knows == desk}
        asked = set(self.park.lots)
        if isinstance(call, Reserve):
            request = call.request
            place = self.park.places.get(request.slot or "")
            asked = {place.lot} if place else {request.lot} if request.lot else asked
        return Circumstances(alone, alone and not asked & unclear, shared)

    def _shared_keys(self, calls: Sequence[Call]) -> frozenset[tuple[str, str]]:
        keys = Counter(
            (type(call).__name__.lower(), call.request.idempotency.key)
            for call in calls
            if isinstance(call, Reserve | Unreserve) and call.request.idempotency
        )
        return frozenset(key for key, count in keys.items() if count > 1)

    def _note(self, desk: int, call: Call, answer: Answer) -> None:
        """What an answer tells beside what the model holds of it."""
        if isinstance(answer, Reserved):
            assert read_signed_id(self.office.processes[desk].signing_key, answer.token) == answer.reservation
        if isinstance(call, PutSlot) and not isinstance(answer, Exception):
            lot = self.park.places[call.form.identifier].lot
            self.stale.update((other, lot) for other in range(DESKS) if other != desk)

    async def _propose(self, desk: int, lot: str, count: int) -> None:
        lot_id = next(one.lot_id for one in self.truth.slots if one.lot == lot)
        with contextlib.suppress(NotBuilt, OtherOrder, *REDIS_IS_GONE):
            await self.office.desk(desk).status.propose(LotKey(lot_id, 1), GROUPS, count)

    # What must hold after each step.

    @invariant()
    def sql_holds_what_the_model_holds(self) -> None:
        self.truth = read_truth(self.office.read)
        assert not self.truth.differences(self.park)

    @invariant()
    def redis_is_true_wherever_nothing_went_wrong(self) -> None:
        """Where something did, it is when all has come to rest."""
        lots = {one.lot: one.lot_id for one in self.truth.slots if one.lot not in self.untrue}
        found = read_projections(self.office.redis, list(lots.values()), CLASSES)
        for lot, lot_id in lots.items():
            slots = [one for one in self.truth.slots if one.lot == lot]
            differences = found[lot_id].differences(slots, may_be_leased=lot in self.leased)
            assert not differences, f"{lot}: {differences}"
        self.steps += 1


async def _hung_up(work: Coroutine[Any, Any, Answer], patience: int) -> None:
    task = asyncio.create_task(work)
    for _ in range(patience):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
