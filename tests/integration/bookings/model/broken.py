"""The booking service, deliberately broken in one plausible way each: what the machine must catch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.bookings import answers, batch, endings, line, movings, problems, proposing, records, takings
from app.bookings.batch import Settled
from app.bookings.jobs import Done, Ending, Moving, Taking
from app.bookings.records import Lock, SlotRow
from app.bookings.round import Round
from app.core.redis import Script
from app.payments.fees import Fee, Stay
from app.payments.tariffs.lines import Tariff
from app.slots import relay, status
from app.slots.layout import Frame, Wish
from app.slots.models import State
from tests.integration.bookings.model.office import Office

Patches = pytest.MonkeyPatch
Break = Callable[[Patches, Office], None]


def no_look_at_the_state(patches: Patches, office: Office) -> None:
    """Redis and the caller are believed: no guard, no index, no look before."""
    patches.setattr(records, "guards", lambda given: [])
    row = records._slot_row
    patches.setattr(records, "_slot_row", lambda found: replace(row(found), state=State.FREE))
    office.drop("UNIQUE (slot_id)", of="reservation")


def no_index_on_the_entity(patches: Patches, office: Office) -> None:
    office.write("DROP INDEX reservation_entity")


def answers_are_not_kept(patches: Patches, office: Office) -> None:
    async def keep(*arguments: Any) -> None:
        return None

    patches.setattr(answers, "keep", keep)


def another_body_is_answered(patches: Patches, office: Office) -> None:
    stored = answers.stored

    async def believed(connection: Any, names: Any) -> Any:
        found = await stored(connection, names)
        return {name: _Believed(row) for name, row in found.items()}

    patches.setattr(answers, "stored", believed)


class _Believed(dict[str, Any]):
    """A stored answer whose digest is whatever it is compared with."""

    def __getitem__(self, name: str) -> Any:
        return _Anything() if name == "request_digest" else super().__getitem__(name)


class _Anything:
    def __ne__(self, other: object) -> bool:
        return False


def the_last_booking_is_replayed(patches: Patches, office: Office) -> None:
    """The answer of whoever came last, not of the first request under the key."""
    replay = takings.replay

    async def of_last(round_: Round, kept: dict[str, Any]) -> Any:
        statement = records.RESERVATION.select().order_by(records.RESERVATION.c.id.desc()).limit(1)
        last = (await round_.connection.execute(statement)).mappings().first()
        return await replay(round_, {"reservation": last["id"]} if last else kept)

    patches.setattr(takings, "replay", of_last)


def a_full_increment_costs_two(patches: Patches, office: Office) -> None:
    """Off by one where a stay lasts a whole number of increments."""
    fee = endings.fee_of_what_is_covered

    def dearer(tariff: Tariff, stay: Stay) -> Fee:
        end = stay.end + timedelta(microseconds=1) if stay.end > stay.start else stay.end
        return fee(tariff, replace(stay, end=end))

    patches.setattr(endings, "fee_of_what_is_covered", dearer)


def no_free_half_hour(patches: Patches, office: Office) -> None:
    patches.setattr(takings, "billed_from", lambda start, now: start or now)


def redis_alone_says_full(patches: Patches, office: Office) -> None:
    """404 wherever Redis proposes nothing."""
    picked = takings._picked

    async def refused(round_: Round, waiting: Sequence[Taking], *rest: Any) -> Any:
        for taking in waiting:
            round_.outcomes[taking] = problems.lot_full("the lot")
        return await picked(round_, [], *rest)

    patches.setattr(takings, "_picked", refused)


def who_goes_together_counts_as_taken(patches: Patches, office: Office) -> None:
    """404 as long as somebody beside has been chosen for the slot, also where that one is refused."""

    async def only_skipped(connection: Any, lot_id: Any, wanted: Any, *rest: Any) -> bool:
        return False

    patches.setattr(records, "any_free", only_skipped)


def an_older_version_wins_in_redis(patches: Patches, office: Office) -> None:
    script = Script("app.slots", "apply")
    guard = "  if version >= known then\n    if version > known then\n"
    assert guard in script._source
    wrong = Script("app.slots", "apply")
    wrong._source = script._source.replace(guard, "  if true then\n    if true then\n")
    wrong._sha = "0" * 40
    patches.setattr(status, "_apply", wrong)


def the_relay_tells_nothing(patches: Patches, office: Office) -> None:
    async def told(*arguments: Any) -> None:
        return None

    patches.setattr(relay, "relay_slots", told)


def leases_are_not_given_back(patches: Patches, office: Office) -> None:
    async def kept(self: Any, takings: Iterable[Taking]) -> None:
        return None

    patches.setattr(proposing.Proposals, "release", kept)


def the_kind_is_not_checked(patches: Patches, office: Office) -> None:
    """What Redis proposes is given, though it has become a slot of another kind."""
    by_rank = records.slots_by_rank

    async def as_proposed(connection: Any, places: Any, lock: Lock) -> list[SlotRow]:
        return [
            replace(row, class_number=_Any(row.class_number))
            for row in await by_rank(connection, places, lock)
        ]

    patches.setattr(records, "slots_by_rank", as_proposed)


class _Any(int):
    def __ne__(self, other: object) -> bool:
        return False


def plates_are_compared_as_they_are_spelt(patches: Patches, office: Office) -> None:
    for module in (takings, endings):
        patches.setattr(module, "as_compared", lambda entity, plate: entity.strip())


def premium_is_given_to_who_did_not_ask(patches: Patches, office: Office) -> None:
    groups = Frame.groups

    def in_one(self: Frame, wish: Wish) -> list[list[int]]:
        together = [number for group in groups(self, wish) for number in group]
        return [together] if together else []

    patches.setattr(Frame, "groups", in_one)


def an_attendant_need_not_have_seen_the_slot(patches: Patches, office: Office) -> None:
    move = movings.move

    async def as_it_is(round_: Round, moves: Sequence[Moving]) -> None:
        rows = await records.slots_by_id(round_.connection, [one.slot_id for one in moves], Lock.NONE)
        versions = {row.slot_id: row.version for row in rows}
        for one in moves:
            one.version = versions.get(one.slot_id, one.version)
        await move(round_, moves)

    patches.setattr(batch.movings, "move", as_it_is)


def a_repeated_unreserve_is_refused(patches: Patches, office: Office) -> None:
    async def unknown(round_: Round, ending: Ending, before: Any) -> Any:
        return problems.no_such_reservation()

    patches.setattr(endings, "_repeat", unknown)


def answers_of_a_batch_are_mixed_up(patches: Patches, office: Office) -> None:
    """Who goes together gets the answer of who stands beside."""
    settle = line.settle

    async def mixed(*arguments: Any, **named: Any) -> Settled:
        settled = await settle(*arguments, **named)
        done = [job for job, outcome in settled.outcomes.items() if isinstance(outcome, Done)]
        outcomes = [settled.outcomes[job] for job in done]
        settled.outcomes.update(zip(done, outcomes[1:] + outcomes[:1], strict=True))
        return settled

    patches.setattr(line, "settle", mixed)


BROKEN: dict[str, Break] = {
    name.replace("_", " "): function
    for name, function in list(globals().items())
    if callable(function) and getattr(function, "__annotations__", {}).get("office") is Office
}
