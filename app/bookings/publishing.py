"""The last step of every change: after its commit, Redis and the viewers hear of it."""

from collections.abc import Iterable

import structlog

from app.bookings.ledger import Ledger
from app.bookings.records import Moved
from app.core import metrics
from app.core.redis import REDIS_IS_GONE
from app.slots.status import LotKey, NotBuilt, OtherOrder, SlotChange, Status

log = structlog.get_logger()


async def publish(status: Status, ledger: Ledger, moved: Iterable[Moved]) -> None:
    """Tells Redis the new states, lot by lot.

    Whatever stands in the way is only noted: the outbox row stays, and the relay does it.
    """
    by_lot: dict[LotKey, list[Moved]] = {}
    for one in moved:
        by_lot.setdefault(LotKey(one.lot_id, one.order_version), []).append(one)
    for lot, changes in by_lot.items():
        try:
            slots = [SlotChange(one.rank, one.version, one.class_number, one.state) for one in changes]
            await status.tell(lot, slots)
        except (NotBuilt, OtherOrder) as reason:
            log.info("status.apply_left_to_relay", lot=lot.lot_id, reason=type(reason).__name__)
        except REDIS_IS_GONE:
            metrics.REDIS_FAULTS.labels("apply").inc()
        else:
            ledger.applied.extend(one.outbox_id for one in changes if one.outbox_id)
