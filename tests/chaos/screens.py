"""Viewers: what a page would show that took every frame of the feed."""

import asyncio
import contextlib
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from app.live.hub import Hub
from app.live.picture import Picture

_RETRY_S = 0.05


class Screen:
    """The states of one lot by position, as a viewer has put them together from its frames."""

    def __init__(self) -> None:
        self.shown: list[int] | None = None
        self.epochs: list[str] = []
        self.frames = 0
        self.connects = 0

    def take(self, frame: str) -> None:
        """Applies one frame as the page does."""
        told = json.loads(frame)
        self.frames += 1
        epoch = told["seq"].rpartition(":")[0]
        if self.epochs[-1:] != [epoch]:
            self.epochs.append(epoch)
        if "states" in told:
            self.shown = [int(digit) for digit in told["states"]]
        tiles = told.get("tiles", [])
        for position, state in zip(tiles[::2], tiles[1::2], strict=True):
            assert self.shown is not None, "tiles before the first picture"
            self.shown[position] = state


class StatesOnly:
    """The projection of a map without its counts."""

    name = "states"
    with_states = True

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        return ""


async def watch_hub(hub: Hub, lot_id: int, screen: Screen) -> None:
    """A viewer inside the web process, until it is cancelled."""
    async with hub.watching(lot_id, StatesOnly()) as feed:
        assert feed is not None
        number = 0
        screen.connects += 1
        while True:
            await feed.news(number)
            seen, frames = feed.number, feed.after(number)
            for frame in frames:
                screen.take(frame)
            number = seen


async def watch_socket(url: str, screen: Screen) -> None:
    """A viewer over the network, which comes back whenever it is cut off, until it is cancelled."""
    while True:
        with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
            async with connect(url) as socket:
                screen.connects += 1
                async for frame in socket:
                    screen.take(str(frame))
        await asyncio.sleep(_RETRY_S)
