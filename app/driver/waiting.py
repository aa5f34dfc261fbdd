"""What is held for this browser in a lot, and its place in the line before it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request

from app.bookings.desk import Desk
from app.bookings.hold import Place, is_still_there, place_of
from app.bookings.models import Hold, WaitingState
from app.bookings.waiting_records import hold_of
from app.core.db import SqlAway
from app.core.errors import Unavailable
from app.core.parts import part
from app.driver.visitors import known_browser
from app.slots.layout import Layout, Wish
from app.slots.models import Size

# So long a page says that an offer was not answered.
TOLD_FOR = timedelta(minutes=10)


def wishes(layout: Layout) -> dict[str, Wish]:
    """What one may wait for in a lot, by the words of its form: "" is the usual.

    A lot without slots for cars is one of the size that it has.
    """
    sizes = {kind.size for kind in layout.classes.values()}
    size = Size.CAR if Size.CAR in sizes or not sizes else next(one for one in Size if one in sizes)
    known = {"": Wish(size), "accessible": Wish(size, accessible=True), "charging": Wish(size, charging=True)}
    return {name: wish for name, wish in known.items() if not name or name in layout.offers}


@dataclass(frozen=True)
class Standing:
    """``hold``: what is held for this browser in the lot; ``place``: in its line, as far as it matters."""

    now: datetime
    hold: Hold | None = None
    place: Place | None = None

    @property
    def is_waiting(self) -> bool:
        return self.place is not None and self.place.waiting.state == WaitingState.WAITING

    @property
    def was_passed(self) -> bool:
        """Whether an offer was not answered a moment ago."""
        return (
            self.place is not None
            and self.place.waiting.state == WaitingState.PASSED
            and self.place.waiting.offered_at is not None
            and self.now - self.place.waiting.offered_at < TOLD_FOR
        )

    @property
    def was_offered(self) -> bool:
        """Whether what is held comes from the line."""
        return self.hold is not None and self.place is not None and self.place.waiting.hold_id == self.hold.id


async def standing(request: Request, layout: Layout) -> Standing | None:
    """How this browser stands with a lot; ``None`` where it never held or waited, or SQL is away."""
    browser = known_browser(request)
    if browser is None:
        return None
    desk = part(request, Desk)
    try:
        async with desk.database.look() as connection:
            now = await desk.database.now(connection)
            hold = await hold_of(connection, browser)
        place = await place_of(desk, browser, layout.lot_id)
        if place is not None and place.waiting.state == WaitingState.WAITING and place.is_due(now):
            await is_still_there(desk, place.waiting.id)
    except (SqlAway, Unavailable):
        return None
    if hold is not None and (hold.lot_id != layout.lot_id or hold.until <= now):
        hold = None
    return Standing(now, hold, place)
