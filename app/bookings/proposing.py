"""Asking Redis for those who go together: one question for all who wish for the same in a lot."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from app.bookings.jobs import Job, Taking
from app.core import metrics
from app.core.redis import REDIS_IS_GONE
from app.slots.lagging import Lagging
from app.slots.layout import Layouts
from app.slots.status import LotKey, NotBuilt, OtherOrder, Proposal, Status

Groups = tuple[tuple[int, ...], ...]


class Proposals:
    """The slots that Redis proposes; whoever gets none is left to SQL."""

    def __init__(self, status: Status, layouts: Layouts, lagging: Lagging) -> None:
        self._status = status
        self._layouts = layouts
        self._lagging = lagging

    async def propose(self, jobs: Sequence[Job]) -> None:
        """Notes a slot, leased, for each taking for which Redis has one; the nearest for who came first."""
        alike: dict[tuple[LotKey, Groups], list[Taking]] = defaultdict(list)
        for taking in jobs:
            if isinstance(taking, Taking):
                if taking.proposal is not None:
                    taking.lost_proposals.append(taking.proposal)
                taking.proposal = None
                if (groups := await self._groups(taking)) is not None:
                    alike[taking.lot_key, groups].append(taking)
        await asyncio.gather(*(self._ask(lot, groups, some) for (lot, groups), some in alike.items()))

    async def release(self, not_needed: Iterable[tuple[Taking, Sequence[Proposal]]]) -> None:
        """Gives back slots that were proposed to somebody who did not need them, before their leases end."""
        by_lot: dict[LotKey, list[int]] = defaultdict(list)
        for taking, proposals in not_needed:
            if proposals:
                by_lot[taking.lot_key] += [one.rank for one in proposals]
        for lot, ranks in by_lot.items():
            try:
                await self._status.release(lot, ranks)
            except (NotBuilt, *REDIS_IS_GONE):
                metrics.REDIS_FAULTS.labels("release").inc()

    async def _groups(self, taking: Taking) -> Groups | None:
        """The classes to propose from; ``None`` where SQL had better choose."""
        frame = taking.frame
        if frame is None or taking.by_sql or frame.lot.closed:
            return None
        groups = frame.groups(taking.request.wish)
        if not groups:
            return None
        if frame.lot_id in await self._lagging.lots():
            metrics.PICKED_BY_SQL.labels("lagging").inc()
            return None
        return tuple(tuple(group) for group in groups)

    async def _ask(self, lot: LotKey, groups: Groups, takings: Sequence[Taking]) -> None:
        try:
            proposals = await self._status.propose(lot, groups, len(takings))
        except (NotBuilt, OtherOrder) as reason:
            self._layouts.forget(lot.lot_id)
            metrics.PICKED_BY_SQL.labels(type(reason).__name__).inc(len(takings))
            return
        except REDIS_IS_GONE:
            metrics.REDIS_FAULTS.labels("propose").inc()
            metrics.PICKED_BY_SQL.labels("redis-gone").inc(len(takings))
            return
        for taking, proposal in zip(takings, proposals, strict=False):
            taking.proposal = proposal
        if len(proposals) < len(takings):
            metrics.PICKED_BY_SQL.labels("nothing-proposed").inc(len(takings) - len(proposals))
