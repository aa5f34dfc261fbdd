"""The steps of every protocol, by name and in order: what happens there, and where in the application."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.chaos.site import Kind
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.watched import Edge


class Part(StrEnum):
    """Whom a step speaks to."""

    SQL = "SQL"
    REDIS = "Redis"


@dataclass(frozen=True)
class Step:
    """``edge`` and ``nth``: which part of which call of ``function`` it is, counted in one request.

    ``lasts``: whether something of it outlives a process that dies right after. ``only_on``: the database to
    which it speaks, where it has nothing to say to the other.
    """

    name: str
    does: str
    function: str
    speaks: frozenset[Part] = frozenset()
    edge: Edge = Edge.ALL
    nth: int = 1
    lasts: bool = False
    only_on: Kind | None = None

    def parts(self, kind: Kind) -> frozenset[Part]:
        """Whom it speaks to over this database."""
        return self.speaks if self.only_on in (None, kind) else self.speaks - {Part.SQL}


@dataclass(frozen=True)
class Protocol:
    """``committed_at``: the step with which it has happened; ``""`` where it had before the first one.

    ``told_at``: the step with which Redis knows of it; ``None`` where it never does. ``given``: what goes
    wrong before anything else does, and at which step; the protocol is what is done about it.
    """

    name: str
    steps: tuple[Step, ...]
    committed_at: str
    told_at: str | None
    redis_is_dead: bool = False
    given: tuple[Step, Fault] | None = None

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def place(self, name: str) -> int:
        """Where in the order a step stands; -1 for ``""``."""
        return [step.name for step in self.steps].index(name) if name else -1

    def struck(self, step: Step, part: Part, kind: Kind) -> Step:
        """The step that is the first, from this one on, to speak to that part; else the one after the last
        that does, for then it is the next request that does.
        """
        speak = [index for index, one in enumerate(self.steps) if part in one.parts(kind)]
        later = [index for index in speak if index >= self.place(step.name)]
        return self.steps[min(later) if later else max(speak, default=-1) + 1]

    def is_done(self, done_at: str | None, step: Step, fault: Fault) -> bool:
        """Whether what is done at one step was done where the process was killed at another."""
        reached = self.place(step.name) - (fault is Fault.KILLED_BEFORE)
        return done_at is not None and reached >= self.place(done_at)


_SQL, _REDIS = frozenset({Part.SQL}), frozenset({Part.REDIS})
_RECORDS = "app.bookings.records"

KEY_IN_FLIGHT = Step(
    "take the key in this process",
    "who comes with a key that is being worked on is told so",
    "app.bookings.in_flight:InFlight.working_on",
    edge=Edge.ENTER,
)
FIND_THE_LOT = Step(
    "find the lot", "its code, its classes, whether it is open", "app.bookings.reserve:_frame", _SQL
)
FIND_THE_SLOT = Step("find the slot", "by its name, unlocked", f"{_RECORDS}:slot_by", _SQL)
JOIN_THE_LINE = Step(
    "join the line", "who comes while others are served forms the next batch", "app.bookings.line:Line.join"
)
ASK_WHO_LAGS = Step(
    "ask which lots lag",
    "SQL chooses in a lot whose outbox is older than two seconds",
    "app.slots.lagging:Lagging.lots",
    _SQL,
)
PROPOSE = Step(
    "propose", "Redis leases the nearest free slot", "app.slots.status:Status.propose", _REDIS, lasts=True
)
BEGIN = Step(
    "begin",
    "of the one transaction",
    "app.core.db:Database.unit_of_work",
    _SQL,
    Edge.ENTER,
    only_on=Kind.SQLITE,
)
TELL_THE_TIME = Step("tell the time", "SQL's own", "app.core.db:Database.now", _SQL, only_on=Kind.POSTGRESQL)
# It was asked for once before, to tell which lots lag.
TELL_THE_TIME_AGAIN = replace(TELL_THE_TIME, nth=2)
TAKE_THE_KEY = Step(
    "take the key in SQL",
    "for as long as the transaction lasts",
    "app.bookings.answers:take",
    _SQL,
    only_on=Kind.POSTGRESQL,
)
READ_THE_ANSWER = Step(
    "read the kept answer", "of the same request under its key", "app.bookings.answers:stored", _SQL
)
LOCK_BY_RANK = Step("lock the slot", "the one that was proposed", f"{_RECORDS}:slots_by_rank", _SQL)
LOCK_BY_NAME = Step("lock the slot", "the one that was named", f"{_RECORDS}:slots_by_name", _SQL)
LOCK_BY_ID = Step("lock the slot", "the one on the screen", f"{_RECORDS}:slots_by_id", _SQL)
PICK = Step("pick a slot", "the nearest free one, locked, without Redis", f"{_RECORDS}:free_slots", _SQL)
TARIFF = Step("tariff", "the one in force", "app.bookings.round:Round.tariff_in_force", _SQL)
INSERT = Step(
    "insert the reservation", "unless the slot or the entity has one", f"{_RECORDS}:insert_reservations", _SQL
)
MOVE = Step(
    "move the slot", "guarded by state, class and version; the version grows", f"{_RECORDS}:move_slots", _SQL
)
NOTE_OUTBOX = Step("note the outbox", "a row until Redis has heard of it", f"{_RECORDS}:_note", _SQL)
READ_THE_BOOKING = Step("read the booking", "whose slot that is now", f"{_RECORDS}:active_by_id", _SQL)
LOOK_WHO_WAITS = Step(
    "look who waits",
    "for a slot of that lot; nobody, here",
    "app.bookings.waiting_records:lots_with_line",
    _SQL,
)
TARIFF_OF_BOOKING = Step(
    "tariff of the booking", "the one that it was made at", "app.bookings.round:Round.tariff_of", _SQL
)
FEE = Step("fee", "fixed here, once", "app.bookings.endings:fee_of_what_is_covered")
END = Step(
    "end the reservation", "it moves to the history, with its fee", f"{_RECORDS}:end_reservations", _SQL
)
NOTE_ARRIVAL = Step("note the arrival", "the car stands there", f"{_RECORDS}:note_arrivals", _SQL)
KEEP_ANSWER = Step(
    "keep the answer", "under its key, in the same transaction", "app.bookings.answers:keep", _SQL
)
SWEEP = Step("sweep the outbox", "of what Redis has heard meanwhile", f"{_RECORDS}:delete_outbox", _SQL)
NOTE_BATCH = Step(
    "note the batch", "by which an unanswered commit is found", "app.bookings.batches:note", _SQL
)
COMMIT = Step(
    "commit", "now it has happened", "app.core.db:Database.unit_of_work", _SQL, Edge.LEAVE, lasts=True
)
COMMIT_NOTHING = replace(COMMIT, name="end the transaction", does="which has changed nothing", lasts=False)
APPLY = Step(
    "apply",
    "Redis hears of the new version, numbers and publishes it",
    "app.slots.status:Status.apply",
    _REDIS,
    lasts=True,
)
REPLAY = Step(
    "read the booking again", "the answer is made from it once more", "app.bookings.takings:replay", _SQL
)
RELEASE = Step(
    "release the lease",
    "of a slot that was proposed and not needed",
    "app.slots.status:Status.release",
    _REDIS,
    lasts=True,
)
ANSWER = Step("answer", "whoever waits in line is told", "app.bookings.line:_Place.leave_with")

_HEAD = (BEGIN, TELL_THE_TIME, TAKE_THE_KEY, READ_THE_ANSWER)
_HEAD_AGAIN = (BEGIN, TELL_THE_TIME_AGAIN, TAKE_THE_KEY, READ_THE_ANSWER)
_BOOK = (TARIFF, INSERT, MOVE, NOTE_OUTBOX, KEEP_ANSWER)
_TAIL = (NOTE_BATCH, COMMIT, APPLY, ANSWER)

RESERVE = Protocol(
    "reserve, proposed by Redis",
    (
        KEY_IN_FLIGHT,
        FIND_THE_LOT,
        JOIN_THE_LINE,
        ASK_WHO_LAGS,
        PROPOSE,
        *_HEAD_AGAIN,
        LOCK_BY_RANK,
        *_BOOK,
        SWEEP,
        *_TAIL,
    ),
    COMMIT.name,
    APPLY.name,
)
RESERVE_BY_SQL = Protocol(
    "reserve, picked by SQL: Redis is gone",
    (
        KEY_IN_FLIGHT,
        FIND_THE_LOT,
        JOIN_THE_LINE,
        ASK_WHO_LAGS,
        replace(PROPOSE, lasts=False),
        *_HEAD_AGAIN,
        PICK,
        *_BOOK,
        NOTE_BATCH,
        COMMIT,
        replace(APPLY, lasts=False),
        ANSWER,
    ),
    COMMIT.name,
    None,
    redis_is_dead=True,
)
RESERVE_NAMED = Protocol(
    "reserve of a named slot",
    (KEY_IN_FLIGHT, FIND_THE_SLOT, JOIN_THE_LINE, *_HEAD, LOCK_BY_NAME, *_BOOK, SWEEP, *_TAIL),
    COMMIT.name,
    APPLY.name,
)
RESERVE_AGAIN = Protocol(
    "reserve sent again",
    (
        KEY_IN_FLIGHT,
        FIND_THE_LOT,
        JOIN_THE_LINE,
        ASK_WHO_LAGS,
        PROPOSE,
        *_HEAD_AGAIN,
        REPLAY,
        COMMIT_NOTHING,
        RELEASE,
        ANSWER,
    ),
    "",
    "",
)
UNRESERVE = Protocol(
    "unreserve",
    (
        KEY_IN_FLIGHT,
        JOIN_THE_LINE,
        *_HEAD,
        LOCK_BY_NAME,
        READ_THE_BOOKING,
        LOOK_WHO_WAITS,
        MOVE,
        NOTE_OUTBOX,
        TARIFF_OF_BOOKING,
        FEE,
        END,
        KEEP_ANSWER,
        SWEEP,
        *_TAIL,
    ),
    COMMIT.name,
    APPLY.name,
)
CHECK_IN = Protocol(
    "check-in",
    (JOIN_THE_LINE, *_HEAD, LOCK_BY_ID, MOVE, NOTE_OUTBOX, NOTE_ARRIVAL, KEEP_ANSWER, SWEEP, *_TAIL),
    COMMIT.name,
    APPLY.name,
)

ASK = Step(
    "ask after the commit",
    "the batch is written as abandoned: where that meets its row, it was committed",
    "app.bookings.batches:_ask",
    _SQL,
)
ASK_COMMIT = replace(COMMIT, name="commit the question", does="now the first one is fenced off", nth=2)
BEGIN_AGAIN = replace(BEGIN, name="begin again", does="the whole transaction", nth=3)
COMMIT_AGAIN = replace(COMMIT, name="commit again", nth=3)

ASKED_AFTER_COMMITTED = Protocol(
    "commit took place, its answer was lost",
    (ASK, ASK_COMMIT, APPLY, ANSWER),
    "",
    APPLY.name,
    given=(COMMIT, Fault.SQL_REPLY_LOST),
)
ASKED_AFTER_ABANDONED = Protocol(
    "commit did not take place, nor was it answered",
    (ASK, ASK_COMMIT, BEGIN_AGAIN, COMMIT_AGAIN, APPLY, ANSWER),
    COMMIT_AGAIN.name,
    APPLY.name,
    given=(COMMIT, Fault.SQL_CUT),
)

BOOKINGS = (
    RESERVE,
    RESERVE_BY_SQL,
    RESERVE_NAMED,
    RESERVE_AGAIN,
    UNRESERVE,
    CHECK_IN,
    ASKED_AFTER_COMMITTED,
    ASKED_AFTER_ABANDONED,
)

RELAY = Protocol(
    "relay",
    (
        Step("read the outbox", "rows that are left behind", "app.core.db:Database.look", _SQL),
        Step("read the states", "of their slots, as they are now", "app.core.db:Database.look", _SQL, nth=2),
        APPLY,
        Step("delete the rows", "that Redis has heard of", "app.slots.relay:_end", _SQL),
        replace(COMMIT, does="now they are gone"),
    ),
    COMMIT.name,
    APPLY.name,
)

_STATUS = "app.slots.status:Status"
REBUILD = Protocol(
    "rebuild",
    (
        Step(
            "begin the epoch",
            "of this Redis over this SQL",
            f"{_STATUS}.begin_epoch",
            _SQL | _REDIS,
            lasts=True,
        ),
        Step("ask whether all is built", "in this epoch", f"{_STATUS}.is_built", _REDIS),
        Step("read the lots", "all of them, some at a time", "app.slots.rebuild:_lots", _SQL),
        Step("read the heads", "which of them are built", f"{_STATUS}.heads", _REDIS),
        Step("look at the epoch", "whether it is still in force", "app.slots.rebuild:_check_still", _REDIS),
        Step("begin the lot", "clear it, take it into the epoch", f"{_STATUS}.begin", _REDIS, lasts=True),
        Step("read the lot", "after that, from SQL", "app.slots.rebuild:read_states", _SQL),
        Step(
            "load the lot",
            "a stretch at a time, where no change was faster",
            f"{_STATUS}.load",
            _REDIS,
            lasts=True,
        ),
        Step("finish the lot", "from now on it may be believed", f"{_STATUS}.finish", _REDIS, lasts=True),
        Step("mark all as built", "nobody has to look again", f"{_STATUS}.mark_built", _REDIS, lasts=True),
    ),
    "",
    "",
)

WORK = (RELAY, REBUILD)
PROTOCOLS = (*BOOKINGS, *WORK)


def functions(protocols: Sequence[Protocol] = PROTOCOLS) -> list[str]:
    """All that are to be watched."""
    steps = [step for one in protocols for step in one.steps]
    steps += [one.given[0] for one in protocols if one.given is not None]
    return [step.function for step in steps]
