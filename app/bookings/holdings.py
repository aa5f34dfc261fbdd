"""Slots that are held for a minute, and the lines in front of full lots, in one round."""

from collections.abc import Sequence

from app.bookings import problems, records, waiting_records
from app.bookings.giving_back import HELD_FOR, GivenBack, answered, give_back
from app.bookings.jobs import Again, Done, Holding, Joining, LettingGo, Offering, Outcome
from app.bookings.models import Hold, Waiting, WaitingState
from app.bookings.records import Lock, Move, SlotRow
from app.bookings.results import Held, InLine
from app.bookings.round import Round
from app.bookings.takings import class_filter
from app.core.ids import new_id
from app.slots.models import State

# So many slots are held for one address, and so many browsers of one stand in lines: a house shares one,
# and a script has one as well.
MOST_HELD = 5
MOST_WAITING = 20
OFFERED_AT_ONCE = 32


async def hold(round_: Round, holdings: Sequence[Holding]) -> None:
    """Gives every holding an outcome: ``Held``, or the Problem why nothing is."""
    names = sorted({one.slot for one in holdings})
    rows = await records.slots_by_name(round_.connection, names, Lock.SKIP)
    by_name = {row.identifier: row for row in rows}
    for holding in holdings:
        slot = by_name.pop(holding.slot, None)
        if slot is None or slot.state is not State.FREE or slot.lot_closed:
            # Nobody waits for what was only meant as a courtesy.
            round_.outcomes[holding] = problems.slot_taken(holding.slot, None)
        else:
            round_.outcomes[holding] = await _hold(round_, slot, holding.browser, holding.address)


async def let_go(round_: Round, lettings: Sequence[LettingGo]) -> None:
    """Gives every letting go an outcome; who comes late finds that it is done."""
    connection = round_.connection
    there = await waiting_records.holds_by_id(connection, {one.hold for one in lettings})
    ids = sorted({hold.slot_id for hold in there.values()})
    slots = {row.slot_id: row for row in await records.slots_by_id(connection, ids, round_.lock)}
    # What was locked may have been another one's a moment ago.
    there = await waiting_records.holds_by_id(connection, set(there))
    ends: dict[str, WaitingState] = {}
    for one in lettings:
        hold = there.get(one.hold)
        if hold is None or hold.id in ends or not _may_end(round_, one, hold):
            round_.outcomes[one] = Done(None, fresh=False)
        elif hold.slot_id not in slots:
            round_.outcomes[one] = Again.BUSY
        else:
            round_.wrote = True
            ends[hold.id] = WaitingState.PASSED if one.browser is None else WaitingState.LEFT
            round_.outcomes[one] = Done(None)
    for state in (WaitingState.PASSED, WaitingState.LEFT):
        await answered(round_, [hold for hold, how in ends.items() if how is state], state)
    given_back = [
        GivenBack(slots[there[hold].slot_id], (State.HELD,), hold)
        for hold in ends
        if slots[there[hold].slot_id].reservation_id == hold
    ]
    await give_back(round_, given_back)


async def offer(round_: Round, offerings: Sequence[Offering]) -> None:
    """Gives every offering an outcome; what is free goes to those who wait for it, in their order."""
    for one in offerings:
        round_.outcomes[one] = Done(None)
        for wish in await waiting_records.wishes_in_line(round_.connection, one.lot_id):
            free = await records.free_slots(
                round_.connection, one.lot_id, wish, OFFERED_AT_ONCE, [], Lock.SKIP
            )
            for slot in free:
                # One by one: a slot that nobody in line wants any more stays as it is.
                if await waiting_records.first_in_line(round_.connection, slot) is None:
                    break
                await give_back(round_, [GivenBack(slot, (State.FREE,), None)])


async def join(round_: Round, joinings: Sequence[Joining]) -> None:
    """Gives every joining an outcome: ``InLine``, ``Held`` where a slot is free, or a Problem."""
    for one in joinings:
        round_.outcomes[one] = await _join(round_, one)


async def _join(round_: Round, joining: Joining) -> Outcome:
    connection = round_.connection
    before = await waiting_records.in_line(connection, joining.browser)
    if before is not None and before.lot_id == joining.lot_id:
        return Done(InLine(before.id), fresh=False)
    if joining.lot_id not in await waiting_records.lots_with_line(connection, {joining.lot_id}):
        wanted = class_filter(joining.wish)
        free = await records.free_slots(connection, joining.lot_id, wanted, 1, [], Lock.SKIP)
        if free:
            held = await _hold(round_, free[0], joining.browser, joining.address)
            if before is not None and isinstance(held, Done):
                await waiting_records.leave(connection, joining.browser)
            return held
    elsewhere = before is not None and before.state == WaitingState.WAITING
    if await waiting_records.waiting_at(connection, joining.address) - elsewhere >= MOST_WAITING:
        return problems.too_many_wait(MOST_WAITING)
    if elsewhere:
        # One place a browser: the last wish counts.
        await waiting_records.leave(connection, joining.browser)
    waiting = Waiting(
        id=new_id(),
        lot_id=joining.lot_id,
        size=joining.wish.size,
        premium=joining.wish.premium,
        accessible=joining.wish.accessible,
        charging=joining.wish.charging,
        browser=joining.browser,
        address=joining.address,
        joined_at=round_.now,
    )
    if not await waiting_records.insert_waiting(connection, waiting):
        # It stands in a line elsewhere, and is offered something there: that is to be answered first.
        return problems.answer_first()
    await waiting_records.seen(connection, waiting.id, round_.now)
    round_.wrote = True
    return Done(InLine(waiting.id))


async def _hold(round_: Round, slot: SlotRow, browser: str, address: str) -> Outcome:
    connection = round_.connection
    if await waiting_records.holds_at(connection, address) >= MOST_HELD:
        return problems.too_much_held(MOST_HELD)
    hold = Hold(
        id=new_id(),
        slot_id=slot.slot_id,
        lot_id=slot.lot_id,
        browser=browser,
        address=address,
        held_at=round_.now,
        until=round_.now + HELD_FOR,
    )
    if not await waiting_records.insert_hold(connection, hold):
        return problems.answer_first()
    move = Move(slot.slot_id, (State.FREE,), State.HELD, hold.id, class_number=slot.class_number)
    if not await round_.move([move], {slot.slot_id: slot}):
        await waiting_records.delete_holds(connection, [hold.id])
        return problems.slot_taken(slot.identifier, None)
    return Done(Held(hold.id, slot.identifier, slot.name, hold.until))


def _may_end(round_: Round, letting: LettingGo, hold: Hold) -> bool:
    if letting.browser is None:
        return hold.until <= round_.now
    return hold.browser == letting.browser
