"""Viewers: what a page would show that took every frame of the feed."""

import asyncio
import contextlib
import json
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

_RETRY_S = 0.05


class Screen:
    """The states of one lot by position, as a viewer has put them together from its frames.

    ``ahead_s``: how far the clock of the process that served the last frame is ahead of this one's.
    """

    def __init__(self) -> None:
        self.shown: list[int] | None = None
        self.epochs: list[str] = []
        self.frames = 0
        self.connects = 0
        self.ahead_s = 0.0

    @property
    def epoch(self) -> str:
        """The epoch of the last frame."""
        return self.epochs[-1] if self.epochs else ""

    def take(self, frame: str) -> None:
        """Applies one frame as the page does."""
        told = json.loads(frame)
        self.frames += 1
        self.ahead_s = told["now"] - time.time()
        epoch = told["seq"].rpartition(":")[0]
        if self.epoch != epoch:
            self.epochs.append(epoch)
        if "states" in told:
            self.shown = [int(digit) for digit in told["states"]]
        tiles = told.get("tiles", [])
        for position, state in zip(tiles[::2], tiles[1::2], strict=True):
            assert self.shown is not None, "tiles before the first picture"
            self.shown[position] = state


async def watch_socket(url: str, screen: Screen) -> None:
    """A viewer over the network, which comes back whenever it is cut off, until it is cancelled."""
    while True:
        with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
            async with connect(url) as socket:
                screen.connects += 1
                async for frame in socket:
                    screen.take(str(frame))
        await asyncio.sleep(_RETRY_S)
