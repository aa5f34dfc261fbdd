"""A day of the feed on one wall, in Chromium, as fast as it goes: is its memory flat?

    bin/bench wall-day [--hours 24] [--lot riverside] [--changes-per-hour 360] [--leak] [--seed 1]

The page, its scripts and its frames are those of a real wall; a server made for this sends the frames, and
the page's clocks and timers go on by what each frame says that the time is. After every hour of the feed
garbage is collected, and what is left is counted. Exit code 1 where that grows. With ``--leak`` the page
keeps what is swapped out, which must be found.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from playwright.async_api import CDPSession, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.core.db import Database
from app.core.templating import STATIC, page
from app.core.web import Assets
from app.display.cells import WallProjection, cells
from app.display.views import WallView
from app.live import feed as feeds
from app.live.feed import Feed
from app.live.hub import BEAT_S
from app.live.picture import Picture
from app.slots.layout import Layout, Layouts
from app.slots.projections import count
from tests.e2e.chromium import EXECUTABLE, FLAGS
from tests.e2e.installation import free_port, prepared_database

BEGAN_S = 1_800_000_000.0
BEATS_AN_HOUR = int(3600 / BEAT_S)
# The first hours are compared with nothing: code is compiled, caches fill.
WARM_UP_H = 4
# What may be left of an hour's work: noise of the counting.
MOST_HEAP_GROWTH, MOST_MORE_NODES, MOST_MORE_LISTENERS = 0.05, 20, 5
LOST_AFTER_S = 60.0
# Short delays are the page's own and stay as they are; the others come when the feed's time has come to them.
_DRIVEN = """(() => {
  const SHORT_MS = 50, real = { set: window.setTimeout, clear: window.clearTimeout };
  const timers = new Map();
  let now = performance.now(), first = null, next = 1e9;
  const began = Date.now() - now;
  performance.now = () => now;
  Date.now = () => began + now;
  const later = (work, ms, every) => { timers.set(++next, { work, at: now + ms, every }); return next; };
  window.setTimeout = (work, ms = 0, ...more) =>
    ms < SHORT_MS ? real.set.call(window, work, ms, ...more) : later(() => work(...more), ms, 0);
  window.setInterval = (work, ms, ...more) => later(() => work(...more), ms, ms);
  window.clearTimeout = window.clearInterval = (id) => {
    if (!timers.delete(id)) real.clear.call(window, id);
  };
  const advance = (to) => {
    for (;;) {
      let due = null, name;
      for (const [id, one] of timers) if (one.at <= to && (!due || one.at < due.at)) { due = one; name = id; }
      if (!due) break;
      now = Math.max(now, due.at);
      if (due.every) due.at += due.every; else timers.delete(name);
      due.work();
    }
    now = Math.max(now, to);
  };
  let socket = null;
  window.WebSocket = class extends WebSocket {
    constructor(...parts) {
      super(...parts);
      socket = this;
      this.addEventListener('message', ({ data }) => {
        const at = JSON.parse(data).now * 1000;
        first ??= at - now;
        advance(at - first);
      });
    }
  };
  document.addEventListener('lotline:tick', () => socket.send('.'));
})()"""
_LEAK = """addEventListener('DOMContentLoaded', () => {
  window.kept = [];
  new MutationObserver((all) => all.forEach((one) => window.kept.push(...one.removedNodes)))
    .observe(document.getElementById('cells'), { childList: true });
})"""


@dataclass(frozen=True)
class Count:
    """What is left after an hour of the feed."""

    heap_bytes: int
    nodes: int
    listeners: int
    state: str
    frames: int


@dataclass
class Day:
    """The feed of one lot, by hours; ``steady_s`` is the time that its frames tell."""

    lot: Layout
    asked: argparse.Namespace
    steady_s: float = BEGAN_S
    frames: int = 0
    is_over: bool = False
    hour_done: asyncio.Event = field(default_factory=asyncio.Event)
    next_hour: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        states = bytearray(len(self.lot.slots))
        version = self.lot.lot.layout_version
        self.picture = Picture(self.lot.lot_id, self.lot, version, "day", 1, states, BEGAN_S)
        self.feed = Feed(self.picture, WallProjection(lambda: ("€3.60 an hour",)))
        self.feed.viewers = 1
        self._chance = random.Random(self.asked.seed)

    def hour(self) -> Iterator[str]:
        """Frames of an hour: a beat every two seconds, and one for each change."""
        for _ in range(BEATS_AN_HOUR):
            self.steady_s += BEAT_S
            self.picture.as_of = self.steady_s
            number = self.feed.number
            if self._chance.random() < self.asked.changes_per_hour / BEATS_AN_HOUR:
                position = self._chance.randrange(len(self.picture.states))
                self.picture.states[position] = self._chance.choice((0, 0, 1, 2))
                self.picture.seq += 1
                self.picture.memo.clear()
                self.feed.tick({position})
            self.feed.beat()
            yield from self.feed.after(number)

    async def page(self, request: Request) -> Response:
        """The wall."""
        lot = self.lot.lot
        shown = cells(self.lot, count(self.picture))
        return page(
            "display/wall.html",
            WallView(lot.code, lot.name, lot.time_zone, "00:00", "/ws", lot.layout_version, 0, shown),
        )

    async def socket(self, socket: WebSocket) -> None:
        """Sends a frame when the page has shown the one before."""
        await socket.accept()
        try:
            for frame in self.feed.after(0):
                await socket.send_text(frame)
                await socket.receive_text()
            while True:
                await self.next_hour.wait()
                self.next_hour.clear()
                if self.is_over:
                    return
                for frame in self.hour():
                    await socket.send_text(frame)
                    await asyncio.wait_for(socket.receive_text(), LOST_AFTER_S)
                    self.frames += 1
                self.hour_done.set()
        except WebSocketDisconnect:
            return


async def counted(session: CDPSession, day: Day) -> Count:
    """Twice, since what one collection frees may free more."""
    for _ in range(2):
        await session.send("HeapProfiler.collectGarbage")
    found = await session.send("Performance.getMetrics")
    metrics = {one["name"]: one["value"] for one in found["metrics"]}
    state = await session.send(
        "Runtime.evaluate", {"expression": "document.documentElement.dataset.wall", "returnByValue": True}
    )
    return Count(
        int(metrics["JSHeapUsedSize"]),
        int(metrics["Nodes"]),
        int(metrics["JSEventListeners"]),
        str(state["result"]["value"]),
        day.frames,
    )


async def watched(day: Day, base: str, hours: int, *, leaks: bool) -> list[Count]:
    """What is left after each hour."""
    counts = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        context = await browser.new_context(viewport={"width": 1280, "height": 720})
        await context.add_init_script(_DRIVEN)
        if leaks:
            await context.add_init_script(_LEAK)
        wall = await context.new_page()
        wall.on("console", lambda message: print(f"  {message.type}: {message.text}"))
        wall.on("pageerror", lambda error: print(f"  {error}"))
        session = await context.new_cdp_session(wall)
        await session.send("Performance.enable")
        await wall.goto(f"{base}/")
        print(f"{'hour':>5} {'frames':>8} {'heap MB':>8} {'nodes':>6} {'listeners':>9}  state")
        for hour in range(1, hours + 1):
            day.hour_done.clear()
            day.next_hour.set()
            await day.hour_done.wait()
            one = await counted(session, day)
            counts.append(one)
            print(
                f"{hour:>5} {one.frames:>8} {one.heap_bytes / 1e6:>8.3f} {one.nodes:>6} {one.listeners:>9}"
                f"  {one.state}",
                flush=True,
            )
        await browser.close()
    return counts


def growths(counts: list[Count]) -> list[str]:
    """What grew after the warm-up, by the first and the last hours that are compared."""
    rest = counts[min(WARM_UP_H, len(counts) // 3) :]
    some = max(1, len(rest) // 4)
    first, last = rest[:some], rest[-some:]
    heap = [statistics.median(one.heap_bytes for one in part) for part in (first, last)]
    found = []
    if heap[1] > heap[0] * (1 + MOST_HEAP_GROWTH):
        found.append(f"the heap grew from {heap[0] / 1e6:.3f} to {heap[1] / 1e6:.3f} MB")
    for name, most in (("nodes", MOST_MORE_NODES), ("listeners", MOST_MORE_LISTENERS)):
        before, after = (statistics.median(getattr(one, name) for one in part) for part in (first, last))
        if after - before > most:
            found.append(f"{name} grew from {before:.0f} to {after:.0f}")
    if any(one.state != "live" for one in counts):
        found.append("the wall was not live after every hour")
    return found


async def run(asked: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = await asyncio.to_thread(prepared_database, Path(folder))
        database = Database(f"sqlite+aiosqlite:///{path}")
        layouts = Layouts(database)
        lot_id = await layouts.id_of(asked.lot)
        lot = None if lot_id is None else await layouts.of(lot_id)
        await database.close()
    if lot is None:
        raise SystemExit(f"there is no lot {asked.lot}")
    day = Day(lot, asked)
    feeds.steady_s = lambda: day.steady_s
    app = Starlette(
        routes=[
            Route("/", day.page),
            WebSocketRoute("/ws", day.socket),
            Mount("/static/{version}", Assets(directory=STATIC)),
        ]
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="websockets-sansio"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)
    began_s = time.monotonic()
    print(f"{asked.lot}, {len(lot.slots)} slots, {asked.changes_per_hour} changes an hour, seed {asked.seed}")
    try:
        counts = await watched(day, f"http://127.0.0.1:{port}", asked.hours, leaks=asked.leak)
    finally:
        day.is_over = True
        day.next_hour.set()
        server.should_exit = True
        await serving
    print(f"  {asked.hours} h of the feed in {time.monotonic() - began_s:.0f} s")
    return growths(counts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--lot", default="riverside")
    parser.add_argument("--changes-per-hour", type=int, default=360)
    parser.add_argument("--leak", action="store_true", help="the page keeps what is swapped out")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = asyncio.run(run(asked))
    print("  flat" if not found else "  " + "; ".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
