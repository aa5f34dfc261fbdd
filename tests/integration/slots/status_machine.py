"""The status scripts on a real Redis, held against the model after every step, whatever the order."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.asyncio import Redis

from app.core import metrics
from app.core.redis import connect
from app.live.channels import lot_channel
from app.slots.epochs import EPOCH_KEY
from app.slots.models import STATE_CODES, STATES
from app.slots.packed import RECORD, pack, ranks_in, unpack
from app.slots.status import (
    DOUBTED_KEY,
    Begun,
    BeingBuilt,
    LotKey,
    NotBuilt,
    OtherOrder,
    SlotChange,
    Status,
    Superseded,
)
from tests.integration.slots.status_model import LotModel

LOT = 7
CLASSES = 3
# Two bytes of a bitmap and a bit, so that a set has to grow.
RANKS = 17
# So many are loaded at once: the lot has three stretches, the last one of a single rank.
STRETCH = 8
QUIET_STEPS = 8
ORDERS = (1, 2)
KEY = f"lot:{{{LOT}}}:"

processes = st.sampled_from([0, 0, 0, 1])
orders = st.sampled_from([1, 1, 1, 1, 2])
classes = st.integers(1, CLASSES)
changes = st.lists(
    st.tuples(st.integers(0, RANKS - 1), st.integers(1, 6), classes, st.sampled_from([0, 0, 1, 2, 3, 4])),
    min_size=1,
    max_size=8,
)
groups = st.lists(st.lists(classes, max_size=3, unique=True), min_size=1, max_size=3)


class StatusMachine(RuleBasedStateMachine):
    """Two processes over one lot. Each knows an epoch, perhaps no longer the one in force."""

    def __init__(self, redis_url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis: Redis = self.do(_connected(redis_url))
        self.processes = [Status(self.redis, "incarnation") for _ in range(2)]
        self.known = ["", ""]
        self.in_force = ""
        self.model = LotModel()
        self.pubsub = self.redis.pubsub()
        self.do(self.redis.flushall())
        self.do(self.pubsub.ssubscribe(lot_channel(LOT)))
        self.last = 0
        self.quiet = 0

    def do(self, work: Awaitable[Any]) -> Any:
        return self.runner.run(_awaited(work))

    def teardown(self) -> None:
        self.do(self.pubsub.aclose())
        self.do(self.redis.aclose())
        self.runner.close()

    def is_quiet(self) -> bool:
        """What shakes a lot is let in only now and then: most of what matters happens in between."""
        return self.quiet > QUIET_STEPS

    # What the model says of the epoch that a process knows.

    def epoch_of(self, process: int) -> str:
        if not self.known[process]:
            self.known[process] = self.in_force
        return self.known[process]

    def refusal(self, process: int, order: int, *, needs_built: bool) -> type[Exception] | None:
        epoch, model = self.epoch_of(process), self.model
        if not epoch or model.epoch != epoch or (needs_built and model.built != epoch):
            self.known[process] = ""
            return NotBuilt
        return OtherOrder if model.order != order else None

    def attempt(self, work: Awaitable[Any], expected: type[Exception] | None) -> Any:
        """The answer of ``work``, which must be refused exactly where the model says so."""
        try:
            answer = self.do(work)
        except (BeingBuilt, NotBuilt, OtherOrder, Superseded) as refused:
            assert type(refused) is expected, f"{refused!r}, but the model says {expected}"
            return None
        assert expected is None, f"the model says {expected}, but it was answered with {answer}"
        return answer

    # What may happen.

    @initialize(loaded=changes)
    def a_lot_is_built(self, loaded: list[tuple[int, int, int, int]]) -> None:
        """Most of what is of interest happens to a lot that is built, so each run begins with one."""
        self.the_lot_is_rebuilt(0, loaded)

    @rule(process=processes)
    def an_epoch_begins(self, process: int) -> None:
        """Keeps the one in force, if there is one."""
        found = self.do(self.processes[process].begin_epoch())
        assert found
        assert found == self.in_force or not self.in_force
        self.in_force = self.known[process] = found

    @precondition(lambda self: self.in_force and self.is_quiet())
    @rule(process=processes)
    def another_epoch_begins(self, process: int) -> None:
        """As after a failover: the other process does not know of it yet."""
        self.do(self.redis.delete(EPOCH_KEY))
        self.quiet = 0
        before, self.in_force = self.in_force, ""
        self.an_epoch_begins(process)
        assert self.in_force != before

    @precondition(lambda self: self.in_force and self.is_quiet())
    @rule(how=st.sampled_from(["key", "flush", "head"]))
    def keys_are_lost(self, how: str) -> None:
        """One key as by a Redis that throws some away when it is full."""
        self.quiet = 0
        if how == "head":
            self.do(self.redis.delete(KEY + "meta"))
            return self.model.lose_head()
        if how == "key":
            self.do(self.redis.delete(EPOCH_KEY))
        else:
            self.do(self.redis.flushall())
            self.model = LotModel(said=self.model.said, doubted=False)
        self.in_force = ""
        return None

    @precondition(lambda self: self.is_quiet())
    @rule(process=processes, order=orders, layout=st.integers(1, 3), again=st.booleans())
    def a_rebuild_begins(self, process: int, order: int, layout: int, *, again: bool) -> None:
        self.quiet = 0
        epoch, model = self.epoch_of(process), self.model
        is_there = bool(epoch) and not again and (model.built, model.order) == (epoch, order)
        expected = NotBuilt if not epoch else BeingBuilt if model.being_built and not is_there else None
        begun = self.attempt(self.processes[process].begin(LotKey(LOT, order), layout, again=again), expected)
        if expected is None and begun is not None and not model.seq:
            # Where the number was lost, it begins with the time.
            assert begun.number > self.last
            model.seq = begun.number - 1
        if expected is None:
            number = None if is_there else model.begin(epoch, order, layout)
            assert number == (begun and begun.number)

    @precondition(lambda self: self.model.being_built)
    @rule(process=processes, order=orders)
    def another_one_would_begin(self, process: int, order: int) -> None:
        refused = BeingBuilt if self.epoch_of(process) else NotBuilt
        self.attempt(self.processes[process].begin(LotKey(LOT, order), 1), refused)

    @precondition(lambda self: self.model.being_built)
    @rule()
    def a_builder_stands_still(self) -> None:
        """Its time runs out: anybody may begin."""
        self.do(self.redis.delete(KEY + "builder"))
        self.model.being_built = False

    @precondition(lambda self: self.model.built != self.in_force or not self.in_force)
    @rule(process=processes, loaded=changes, grows=st.booleans())
    def the_lot_is_rebuilt(
        self, process: int, loaded: list[tuple[int, int, int, int]], *, grows: bool = False
    ) -> None:
        """All of it, one step after the other, as the worker does."""
        self.an_epoch_begins(process)
        if self.model.being_built:
            self.a_builder_stands_still()
        self.a_rebuild_begins(process, 1, 1, again=True)
        self.slots_are_loaded(process, 1, loaded, behind=0)
        if grows:
            # A slot was added meanwhile: its layout is told, and the lot is no more built than before.
            self.a_rebuild_ends(process, 1, 2, built=False, behind=0)
            self.redis_holds_what_the_model_holds()
        self.a_rebuild_ends(process, 1, 1, built=True, behind=0)

    @precondition(lambda self: self.model.begun)
    @rule(process=processes, order=orders, loaded=changes, behind=st.sampled_from([0, 0, 0, 1]))
    def slots_are_loaded(
        self, process: int, order: int, loaded: list[tuple[int, int, int, int]], behind: int
    ) -> None:
        """Where a live change has been, its stretch is applied by version instead."""
        rows = list({row[0]: row for row in loaded}.values())
        expected = self.refusal(process, order, needs_built=False)
        if expected is None and behind:
            expected = Superseded
        begun = Begun(self.model.begun - behind, "")
        packed = pack((rank, version, number, STATES[code].value) for rank, version, number, code in rows)
        left = self.attempt(self.processes[process].load(LotKey(LOT, order), begun, packed), expected)
        if expected is None:
            assert [ranks.start for ranks in left] == self.model.load(rows, STRETCH)
            some = [row for row in rows for ranks in left if row[0] in ranks]
            if some:
                self.changes_are_applied(process, order, some, publish=False)

    @rule(
        process=processes,
        order=orders,
        layout=st.integers(1, 3),
        built=st.booleans(),
        behind=st.sampled_from([0, 0, 0, 1]),
    )
    def a_rebuild_ends(self, process: int, order: int, layout: int, *, built: bool, behind: int) -> None:
        """``behind`` is 1 where another one has begun the rebuild again meanwhile."""
        expected = self.refusal(process, order, needs_built=False)
        if expected is None and built and behind:
            expected = Superseded
        begun = Begun(self.model.begun - behind, "")
        work = self.processes[process].finish(LotKey(LOT, order), layout, built=built, begun=begun)
        self.attempt(work, expected)
        if expected is None:
            self.model.finish(self.known[process], layout, built=built)

    @rule(process=processes, order=orders, some=changes, publish=st.sampled_from([True, True, False]))
    def changes_are_applied(
        self, process: int, order: int, some: list[tuple[int, int, int, int]], *, publish: bool
    ) -> None:
        expected = self.refusal(process, order, needs_built=False)
        number = self.attempt(self.apply(process, order, some, publish=publish), expected)
        if expected is None:
            self.model.apply(self.known[process], some, publish=publish)
            assert number == self.model.seq

    @precondition(lambda self: self.model.records)
    @rule(process=processes, data=st.data())
    def a_slot_takes_its_next_version(self, process: int, data: st.DataObject) -> None:
        """What bookings do all day, mostly to what was proposed to them."""
        proposed = self.model.leased & set(self.model.records)
        rank = data.draw(st.sampled_from(sorted(proposed or self.model.records)), "rank")
        version, number, _ = self.model.records[rank]
        state = data.draw(st.sampled_from([0, 0, 1, 2, 3, 4]), "state")
        kind = data.draw(st.sampled_from([number, number, *range(1, CLASSES + 1)]), "class")
        self.changes_are_applied(process, self.model.order, [(rank, version + 1, kind, state)], publish=True)

    @rule(process=processes, order=orders, wanted=groups, count=st.integers(1, 4))
    def slots_are_proposed(self, process: int, order: int, wanted: list[list[int]], count: int) -> None:
        expected = self.refusal(process, order, needs_built=True)
        work = self.processes[process].propose(LotKey(LOT, order), wanted, count)
        before = metrics.LEASES_EXPIRED._value.get()
        given = self.attempt(work, expected)
        ended = metrics.LEASES_EXPIRED._value.get() - before
        assert ended == (len(self.model.expired) if expected is None else 0)
        if expected is None:
            held = self.model.leased - self.model.expired
            found = [(one.rank, one.class_number) for one in given]
            assert not held & {rank for rank, _ in found}, "proposed while it was leased"
            assert found == self.model.propose(wanted, count)

    @precondition(lambda self: self.model.records)
    @rule(process=processes, data=st.data())
    def slots_are_given_back(self, process: int, data: st.DataObject) -> None:
        ranks = data.draw(st.lists(st.sampled_from(sorted(self.model.records)), max_size=4), "ranks")
        self.do(self.processes[process].release(LotKey(LOT, 1), ranks))
        self.model.release(ranks)

    @precondition(lambda self: self.model.leased)
    @rule(data=st.data())
    def leases_run_out(self, data: st.DataObject) -> None:
        """Their end is set to the past; the next proposal takes them back."""
        some = data.draw(st.lists(st.sampled_from(sorted(self.model.leased)), min_size=1), "ranks")
        self.do(self.redis.zadd(KEY + "leases", dict.fromkeys(map(str, some), 1), xx=True))
        self.model.expired.update(some)

    @precondition(lambda self: self.model.leased)
    @rule(process=processes, wanted=groups, count=st.integers(1, 4), data=st.data())
    def leases_run_out_and_others_ask(
        self, process: int, wanted: list[list[int]], count: int, data: st.DataObject
    ) -> None:
        self.leases_run_out(data)
        self.slots_are_proposed(process, self.model.order, wanted, count)

    @precondition(lambda self: self.model.records and self.model.epoch == self.in_force != "")
    @rule(data=st.data())
    def a_wrong_bit_is_put_right_by_the_same_version(self, data: st.DataObject) -> None:
        """A repair at an equal version rewrites the sets, and says nothing."""
        rank = data.draw(st.sampled_from(sorted(self.model.records)), "rank")
        version, number, state = self.model.records[rank]
        bit = rank in self.model.free_set(number)
        self.do(self.redis.setbit(f"{KEY}free:{number}", rank, int(not bit)))
        self.known[0] = self.do(self.processes[0].epoch(fresh=True))
        self.changes_are_applied(0, self.model.order, [(rank, version, number, state)], publish=True)

    async def apply(
        self, process: int, order: int, some: list[tuple[int, int, int, int]], *, publish: bool
    ) -> int:
        told = [SlotChange(rank, version, number, STATES[code]) for rank, version, number, code in some]
        return await self.processes[process].apply(LotKey(LOT, order), told, publish=publish)

    # What must hold after each step.

    @invariant()
    def redis_holds_what_the_model_holds(self) -> None:
        found, model = self.do(self._read()), self.model
        assert found["records"] == model.records
        free = {number: model.free_set(number) for number in range(1, CLASSES + 1)}
        assert {number: found["free"].get(number, set()) for number in free} == free
        assert found["leased"] == model.leased
        assert found["sets"] <= found["classes"] <= set(free), "a set that a rebuild would leave behind"
        assert found["meta"] == {
            name: str(value)
            for name, value in {
                "epoch": model.epoch,
                "built": model.built,
                "order": model.order if model.epoch else None,
                "layout": model.layout if model.epoch else None,
                "seq": model.seq or None,
                "begun": model.begun or None,
            }.items()
            if value is not None
        }
        assert found["builder"] == model.being_built
        assert found["doubted"] == model.doubted
        assert found["said"] == model.said
        model.said.clear()
        self.quiet += 1

    @invariant()
    def a_number_never_goes_back_even_where_it_was_lost(self) -> None:
        assert self.model.seq >= self.last or not self.model.seq
        self.last = max(self.last, self.model.seq)

    @invariant()
    def a_snapshot_is_believed_only_in_the_epoch_in_force(self) -> None:
        seen = self.do(self.processes[0].snapshot(LOT))
        epoch = self.epoch_of_reader()
        assert seen.built == bool(epoch and self.model.epoch == self.model.built == epoch)
        assert (seen.epoch, seen.seq) == (self.model.epoch or "", self.model.seq)
        count = max(self.model.records, default=-1) + 1
        states = [self.model.records.get(rank, (0, 0, 0))[2] for rank in range(count)]
        assert list(seen.states) == states

    @invariant()
    def an_inspection_tells_all_that_there_is(self) -> None:
        seen, model = self.do(self.processes[0].inspect(LOT)), self.model
        epoch = self.epoch_of_reader()
        is_built = bool(epoch) and model.epoch == model.built == epoch
        assert seen.believed == (is_built and not model.being_built)
        assert seen.being_built == model.being_built
        assert seen.rebuild == (model.epoch or "", model.begun)
        assert (seen.order_version, seen.layout_version) == (model.order, model.layout)
        known = {rank: one for rank, one in enumerate(unpack(seen.records)) if one[0]}
        assert known == model.records
        assert seen.leases.keys() == model.leased
        assert {number: ranks_in(bits) for number, bits in seen.free.items() if ranks_in(bits)} == {
            number: model.free_set(number) for number in range(1, CLASSES + 1) if model.free_set(number)
        }

    def epoch_of_reader(self) -> str:
        """What the first process knows after it has read the lot: where that has another epoch, it looks."""
        if (self.model.epoch or "") != self.epoch_of(0):
            self.known[0] = self.in_force
        return self.epoch_of(0)

    async def _read(self) -> dict[str, Any]:
        pipe = self.redis.pipeline(transaction=False)
        pipe.hgetall(KEY + "meta").get(KEY + "slots").zrange(KEY + "leases", 0, -1)
        pipe.smembers(KEY + "classes").keys(KEY.replace("{", "[{]") + "free:*")
        pipe.exists(KEY + "builder").sismember(DOUBTED_KEY, str(LOT))
        for number in range(1, CLASSES + 1):
            pipe.get(f"{KEY}free:{number}")
        meta, records, leases, numbers, sets, builder, doubted, *bitmaps = await pipe.execute()
        unpacked = enumerate(RECORD.iter_unpack(records or b""))
        return {
            "meta": {name.decode(): value.decode() for name, value in meta.items()},
            "records": {rank: one[:3] for rank, one in unpacked if one[0]},
            "leased": {int(rank) for rank in leases},
            "classes": set(map(int, numbers)),
            "sets": {int(name.rsplit(b":", 1)[1]) for name in sets},
            "free": {number: ranks_in(bits or b"") for number, bits in enumerate(bitmaps, start=1)},
            "builder": bool(builder),
            "doubted": bool(doubted),
            "said": await self._said(),
        }

    async def _said(self) -> list[dict[str, Any]]:
        """What was published since; the answer to the ping comes after all of it."""
        await self.pubsub.ping()
        said = []
        while (message := await self.pubsub.get_message(timeout=10)) is None or message["type"] != "pong":
            if message is not None and message["type"] == "smessage":
                said.append(json.loads(message["data"]))
        return said


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


async def _connected(url: str) -> Redis:
    return connect(url)


assert list(STATE_CODES.values()) == list(range(len(STATES)))
