"""The reserves of one round: choose, insert, move."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.bookings import problems, records
from app.bookings.entity import as_compared, as_given
from app.bookings.forms import ReserveRequest, billed_from
from app.bookings.giving_back import answered
from app.bookings.jobs import Again, Done, Taking
from app.bookings.models import WaitingState
from app.bookings.records import Lock, Move, SlotRow
from app.bookings.results import Reserved
from app.bookings.round import Round
from app.core.errors import Problem
from app.core.ids import new_id, sign_id
from app.payments.tariffs.asked import asked
from app.payments.tariffs.lines import Tariff
from app.payments.tariffs.offers import all_offered
from app.slots.layout import Wish
from app.slots.models import State

Claim = tuple[Taking, SlotRow]
# What an answer says of its slot that a PUT may change afterwards.
_MAY_CHANGE = ("slot_name", "area")
# And what it says of its times, which an early arrival or an extension changes.
_TIMES = ("start_at", "until", "arrive_by")


async def take(round_: Round, takings: Sequence[Taking]) -> None:
    """Gives every taking an outcome."""
    open_ = [taking for taking in takings if not _refused_for_fields(round_, taking)]
    claims: dict[int, list[Claim]] = defaultdict(list)
    for taking, slot in [*await _named(round_, open_), *await _proposed(round_, open_)]:
        if not may_have(taking.request, slot):
            round_.outcomes[taking] = Again.LOST
        else:
            claims[slot.slot_id].append((taking, slot))
    chosen = await _first_who_may(round_, claims.values())
    without = await _picked(round_, open_, chosen)
    await _book(round_, chosen)
    _answer_the_others(round_, claims.values())
    for (lot_id, wish), some in without.items():
        await _refuse_or_try_again(round_, lot_id, wish, some)


def may_have(request: ReserveRequest, slot: SlotRow) -> bool:
    """Whether the slot is free, or held for who asks."""
    if slot.state is State.HELD:
        return request.hold is not None and slot.reservation_id == request.hold
    return slot.state is State.FREE and not slot.lot_closed


async def replay(round_: Round, kept: dict[str, Any]) -> Reserved:
    """The answer of the first request, whatever has become of the booking and of its slot's name and area.

    Only where the booking was moved it names the slot that it has now.
    """
    connection, reservation = round_.connection, kept["reservation"]
    booking = await records.active(connection, id=reservation) or await records.ended(
        connection, id=reservation
    )
    assert booking is not None, "a kept answer without its booking"
    slot = await records.slot_by(connection, id=booking.slot_id)
    assert slot is not None
    tariff = await round_.tariff_of(booking.tariff_id)
    now = _reserved(round_, slot, booking.model_dump(), tariff)
    if kept.get("slot", now.slot) != now.slot:
        # It was moved: who asks again is told where it is.
        return now
    told: dict[str, Any] = {name: kept[name] for name in _MAY_CHANGE if name in kept}
    told |= {name: kept[name] and datetime.fromisoformat(kept[name]) for name in _TIMES if name in kept}
    return replace(now, **told)


def _refused_for_fields(round_: Round, taking: Taking) -> bool:
    errors = taking.request.wrong_fields(round_.now)
    if errors:
        round_.outcomes[taking] = problems.invalid(errors)
    return bool(errors)


async def _named(round_: Round, takings: Sequence[Taking]) -> list[Claim]:
    """The slots that were asked for by name, locked."""
    names = {taking: taking.request.slot for taking in takings if taking.request.slot is not None}
    rows = await records.slots_by_name(round_.connection, sorted(set(names.values())), round_.lock)
    by_name = {row.identifier: row for row in rows}
    found = []
    for taking, name in names.items():
        row = by_name.get(name)
        if row is None:
            round_.outcomes[taking] = Again.BUSY
        else:
            found.append((taking, row))
    return found


async def _proposed(round_: Round, takings: Sequence[Taking]) -> list[Claim]:
    """The slots that Redis has proposed, locked."""
    places = {taking: (taking.lot_key.lot_id, taking.proposal.rank) for taking in takings if taking.proposal}
    # A proposed slot that another transaction holds is as good as taken: nobody waits for it.
    rows = await records.slots_by_rank(round_.connection, sorted(set(places.values())), Lock.SKIP)
    by_place = {(row.lot_id, row.rank): row for row in rows}
    found = []
    for taking, place in places.items():
        row, proposal = by_place.get(place), taking.proposal
        assert proposal is not None
        if row is None or row.state is not State.FREE or row.class_number != proposal.class_number:
            round_.outcomes[taking] = Again.LOST
            if row is not None:
                round_.corrections.append(records.as_known(row))
        else:
            found.append((taking, row))
    return found


async def _first_who_may(round_: Round, claims: Iterable[Sequence[Claim]]) -> dict[int, Claim]:
    """One for each slot, since in one statement each slot stands once: of several who want it the first whose
    entity has no booking. However many have one, and are told of it, they are in nobody's way.
    """
    crowded = [one for some in claims if len(some) > 1 for one in some]
    of_entities = [(taking, slot, _entity(taking, slot)) for taking, slot in crowded]
    for taking, problem in (await _have_a_booking(round_, of_entities)).items():
        round_.outcomes[taking] = problem
    firsts: dict[int, Claim] = {}
    for some in claims:
        may = [one for one in some if one[0] not in round_.outcomes]
        firsts |= {slot.slot_id: (taking, slot) for taking, slot in may[:1]}
    return firsts


def _answer_the_others(round_: Round, claims: Iterable[Sequence[Claim]]) -> None:
    """Who wanted what another one had first tries again; where the lot books for nobody, nobody does."""
    for some in claims:
        told = [round_.outcomes[taking] for taking, _ in some if taking in round_.outcomes]
        for_all = next((one for one in told if isinstance(one, Problem) and one.type == "no-tariff"), None)
        for taking, _ in some:
            round_.outcomes.setdefault(taking, for_all or Again.LOST)


async def _picked(
    round_: Round, takings: Sequence[Taking], chosen: dict[int, Claim]
) -> dict[tuple[int | None, Wish], list[Taking]]:
    """SQL chooses for who has no candidate, once for all who wish for the same; returns who got none."""
    alike: dict[tuple[int | None, Wish], list[Taking]] = defaultdict(list)
    for taking in takings:
        if taking.request.slot is None and taking.proposal is None:
            alike[taking.only_lot, taking.request.wish].append(taking)
    without = {}
    for (lot_id, wish), wishing in alike.items():
        rows = await _free_slots(round_, lot_id, wish, len(wishing), list(chosen))
        chosen |= {row.slot_id: (taking, row) for taking, row in zip(wishing, rows, strict=False)}
        without[lot_id, wish] = wishing[len(rows) :]
    return without


async def _free_slots(
    round_: Round, lot_id: int | None, wish: Wish, count: int, but: Sequence[int]
) -> list[SlotRow]:
    wanted = class_filter(wish)
    rows = await records.free_slots(round_.connection, lot_id, wanted, count, but, Lock.SKIP)
    if rows or not round_.waits:
        return rows
    return await records.free_slots(round_.connection, lot_id, wanted, count, but, Lock.WAIT)


async def _refuse_or_try_again(
    round_: Round, lot_id: int | None, wish: Wish, takings: Sequence[Taking]
) -> None:
    """404 where nothing is free now that the others of this round have what they got.

    Where another transaction holds what is free, whoever is left over waits for it alone.
    """
    is_left = bool(takings) and await records.any_free(round_.connection, lot_id, class_filter(wish))
    for taking in takings:
        if is_left:
            round_.outcomes[taking] = Again.LOST if round_.waits else Again.BUSY
        elif taking.frame is not None and taking.request.lot is not None and taking.frame.lot.closed:
            round_.outcomes[taking] = problems.lot_is_closed(taking.request.lot)
        else:
            round_.outcomes[taking] = problems.lot_full(taking.request.lot or "any lot")


async def _book(round_: Round, chosen: dict[int, Claim]) -> None:
    bookings: dict[int, tuple[Taking, SlotRow, Tariff, dict[str, Any]]] = {}
    for slot_id in sorted(chosen):
        taking, slot = chosen[slot_id]
        tariff = await round_.tariff_in_force(slot)
        if tariff is None:
            round_.outcomes[taking] = problems.no_tariff(slot.lot_code)
            continue
        values = _values(round_, taking, slot, tariff)
        codes, wrong = all_offered(tariff, values["start_at"], slot.size, slot.premium, taking.request.codes)
        if wrong:
            round_.outcomes[taking] = problems.invalid(wrong)
        else:
            bookings[slot_id] = (taking, slot, tariff, values | {"codes": codes})
    rows = [values for _, _, _, values in bookings.values()]
    inserted = await records.insert_reservations(round_.connection, rows)
    refused = [one for one in bookings.values() if one[3]["id"] not in inserted]
    moves = [
        Move(
            slot_id,
            (slot.state,),
            _given_state(taking),
            values["id"],
            class_number=slot.class_number,
            held_by=slot.reservation_id,
        )
        for slot_id, (taking, slot, _, values) in bookings.items()
        if values["id"] in inserted
    ]
    slots = {slot_id: slot for slot_id, (_, slot, _, _) in bookings.items()}
    moved = await round_.move(moves, slots)
    undone = {move.reservation_id for move in moves if move.slot_id not in moved}
    await records.delete_reservations(round_.connection, [one for one in undone if one is not None])
    holds = [slot.reservation_id for slot_id, slot in slots.items() if slot_id in moved]
    await answered(round_, [one for one in holds if one is not None], WaitingState.SERVED)
    for slot_id, (taking, slot, tariff, values) in bookings.items():
        if slot_id in moved:
            reserved = _reserved(round_, slot, values, tariff)
            round_.outcomes[taking] = Done(reserved)
            may_change = {name: getattr(reserved, name) for name in _MAY_CHANGE}
            times = {name: _written(getattr(reserved, name)) for name in _TIMES}
            kept = {"reservation": values["id"], "slot": reserved.slot, **may_change, **times}
            round_.keep_answer(taking, kept)
        elif values["id"] in undone:
            round_.outcomes[taking] = Again.LOST
    await _explain(round_, [(taking, slot, values["entity"]) for taking, slot, _, values in refused])


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _given_state(taking: Taking) -> State:
    """What the slot is once it is given: who drove up without having booked stands there already."""
    return State.OCCUPIED if taking.request.arrived else State.RESERVED


def _values(round_: Round, taking: Taking, slot: SlotRow, tariff: Tariff) -> dict[str, Any]:
    request, now = taking.request, round_.now
    return {
        "id": new_id(),
        "slot_id": slot.slot_id,
        "lot_id": slot.lot_id,
        "tariff_id": tariff.id,
        "size": slot.size,
        "premium": slot.premium,
        "entity": _entity(taking, slot),
        "entity_given": as_given(request.entity),
        "exclusive": slot.lot_exclusive,
        "source": request.source,
        "created_at": now,
        "expected_at": request.start or now,
        "start_at": billed_from(request.start, now),
        "until": request.until,
        "arrived_at": now if request.arrived else None,
        "arrive_by": _arrive_by(request, slot, now),
    }


def _arrive_by(request: ReserveRequest, slot: SlotRow, now: datetime) -> datetime | None:
    if slot.arrival_grace_s is None or request.arrived:
        return None
    return max(request.start or now, now) + timedelta(seconds=slot.arrival_grace_s)


def _entity(taking: Taking, slot: SlotRow) -> str:
    return as_compared(taking.request.entity, plate=slot.entities_are_plates)


async def _explain(round_: Round, refused: Sequence[tuple[Taking, SlotRow, str]]) -> None:
    """Whose insert met another booking: of the entity, who is told which; or of the slot, who tries again."""
    holders = await _have_a_booking(round_, refused)
    for taking, _, _ in refused:
        round_.outcomes[taking] = holders.get(taking, Again.LOST)


async def _have_a_booking(
    round_: Round, claims: Sequence[tuple[Taking, SlotRow, str]]
) -> dict[Taking, Problem]:
    """Those whose entity, in an exclusive lot, has a booking, each with what it is told."""
    entities = [entity for _, slot, entity in claims if slot.lot_exclusive]
    others = {one.entity: one for one in await records.exclusive_of(round_.connection, entities)}
    held = await records.slots_by_id(
        round_.connection, sorted({one.slot_id for one in others.values()}), Lock.NONE
    )
    slots = {row.slot_id: row for row in held}
    told = {}
    for taking, slot, entity in claims:
        other = others.get(entity) if slot.lot_exclusive else None
        if other is not None:
            there = slots[other.slot_id]
            told[taking] = problems.entity_has_reservation(there.identifier, there.name, other.id)
    return told


def _reserved(round_: Round, slot: SlotRow, booking: dict[str, Any], tariff: Tariff) -> Reserved:
    return Reserved(
        reservation=booking["id"],
        slot=slot.identifier,
        slot_name=slot.name,
        lot=slot.lot_code,
        area=slot.area_code,
        premium=booking["premium"],
        start_at=booking["start_at"],
        until=booking["until"],
        arrive_by=kept_arrive_by(slot, booking),
        price=asked(tariff, booking["start_at"], size=booking["size"], premium=booking["premium"]),
        token=sign_id(round_.signing_key, booking["id"]),
    )


def kept_arrive_by(slot: SlotRow, booking: dict[str, Any]) -> datetime | None:
    """Until when the car has to be there; also of an answer that is given again when it has come."""
    if slot.arrival_grace_s is None or booking["arrived_at"] == booking["created_at"]:
        return None
    found: datetime = booking["expected_at"] + timedelta(seconds=slot.arrival_grace_s)
    return found


def class_filter(wish: Wish) -> dict[str, Any]:
    """The wish as columns of ``slot_class``."""
    wanted: dict[str, Any] = {
        "size": wish.size,
        "accessible": wish.accessible,
        "charging": wish.charging,
    }
    if wish.premium is not None:
        wanted["premium"] = wish.premium
    if wish.area is not None:
        wanted["area"] = wish.area
    return wanted
