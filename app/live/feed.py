"""The frames of one lot in one projection: encoded once, the same text for every viewer."""

import asyncio
import json
import time
from collections import deque
from typing import Any

from app.core import metrics
from app.core.clock import steady_s
from app.core.languages import language, speaking
from app.live.picture import Picture, Projection

KEPT_FRAMES = 20
TELL_AGAIN_S = 0.5


class Feed:
    """The last frames of a lot, for whoever watches it this way, in the language of who came first."""

    def __init__(self, picture: Picture, projection: Projection) -> None:
        self.picture = picture
        self.projection = projection
        self._language = language()
        self.number = 0
        self._frames: deque[str] = deque(maxlen=KEPT_FRAMES)
        self._body: tuple[int, str] = (-1, "")
        self._snapshot: tuple[int, float, str] = (-1, 0.0, "")
        self._wake = asyncio.Event()
        self.viewers = 0

    def tick(self, changed: set[int]) -> None:
        """Tells the viewers of changed positions; who comes later gets all of it anyway."""
        if not self.viewers:
            self.renew(self.picture)
            return
        frame: dict[str, Any] = self._head()
        if self.projection.with_states:
            shown = self.picture.shown
            tiles: list[int] = []
            for position in sorted(changed):
                tiles += [position, shown[position]]
            frame["tiles"] = tiles
        if figures := self.projection.figures(self.picture):
            frame["figures"] = figures
        self._append(frame, self._content(changed))

    def renew(self, picture: Picture) -> None:
        """Another picture of the same lot: every viewer gets all of it."""
        self.picture = picture
        self._frames.clear()
        self.number += 1
        self._wake_up()

    def beat(self) -> None:
        """Tells the viewers how current their picture is."""
        if not self.viewers:
            return
        self._append(self._head(), "")

    def after(self, number: int) -> list[str]:
        """What a viewer that has seen ``number`` is to be sent: some frames, or one that has it all."""
        missed = self.number - number
        if 0 <= missed <= len(self._frames) and number > 0:
            return list(self._frames)[len(self._frames) - missed :]
        return [self._whole()]

    async def news(self, number: int) -> None:
        """Waits until there is something after ``number``."""
        while self.number <= number:
            await self._wake.wait()

    def _whole(self) -> str:
        """One text for all who come within a moment; the age in it is never older than that."""
        number, told_at_s, text = self._snapshot
        now_s = time.monotonic()
        if number != self.number or now_s - told_at_s > TELL_AGAIN_S:
            text = _written(self._head())[:-1] + self._whole_body() + "}"
            self._snapshot = (self.number, now_s, text)
        return text

    def _whole_body(self) -> str:
        """All that is shown, as it follows a head; drawn once for each number."""
        if self._body[0] != self.number:
            # Not every whole has states by which a page could tell it, and another epoch begins with one.
            body: dict[str, Any] = {"whole": True}
            if self.projection.with_states:
                body["states"] = self.picture.shown.hex()[1::2]
            if figures := self.projection.figures(self.picture):
                body["figures"] = figures
            if content := self._content(None):
                body["content"] = content
            self._body = (self.number, "," + _written(body)[1:-1])
            metrics.FRAMES.labels("snapshot").inc()
        return self._body[1]

    def _content(self, changed: set[int] | None) -> str:
        with speaking(self._language):
            return self.projection.content(self.picture, changed)

    def _head(self) -> dict[str, Any]:
        picture = self.picture
        head: dict[str, Any] = {
            "lot": picture.lot_id,
            "seq": picture.mark,
            "layout": picture.layout_version,
            "now": round(steady_s(), 3),
        }
        if picture.as_of is not None:
            head["as_of"] = round(picture.as_of, 3)
        return head

    def _append(self, frame: dict[str, Any], content: str) -> None:
        if content:
            frame["content"] = content
        self._frames.append(_written(frame))
        metrics.FRAMES.labels("delta" if "tiles" in frame or "figures" in frame or content else "beat").inc()
        self.number += 1
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()
        self._wake = asyncio.Event()


def _written(frame: dict[str, Any]) -> str:
    return json.dumps(frame, separators=(",", ":"))
