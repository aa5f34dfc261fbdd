"""The lot page in a slowed browser: what it weighs, when its map can be used, what a tick and a pan cost.

    bin/bench screens [--slow 4] [--changes 200] [--rounds 5] [--lots riverside,campus] [--sizes phone,desk]

Riverside has 441 slots, campus 5,000. Every figure of SVG stands beside the same one of a canvas that draws
the same tiles (screens.js); both in one page load. Exit code 1 where a goal is missed.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, WebSocketRoute, async_playwright

from app.launch import tasks
from app.settings import Settings
from tests.e2e.chromium import EXECUTABLE, FLAGS
from tests.e2e.installation import Installation, prepared_database, start_lotline
from tests.e2e.made_up import campus

SIZES: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "desk": {"viewport": {"width": 1440, "height": 900}},
}
# A phone on a poor connection, as Lighthouse has it.
SLOW_NET = {"offline": False, "latency": 150, "downloadThroughput": 204_800, "uploadThroughput": 93_750}
PAGE_MOST_BYTES = {"riverside": 120_000, "campus": 250_000}
TICK_MOST_MS, PAN_LEAST_FPS = 100.0, 20.0
SCRIPT = Path(__file__).with_name("screens.js").read_text()
GESTURES = ("pan", "zoom")


@dataclass
class Wire:
    """What a page took from the network: by address (bytes, what asked for it, seconds after the page)."""

    began_s: float = 0.0
    asked: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    got: dict[str, float] = field(default_factory=dict)

    def listen(self, session: CDPSession) -> None:
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.loadingFinished", self._got)

    def _asked(self, event: dict[str, Any]) -> None:
        self.began_s = self.began_s or event["timestamp"]
        initiator = "page" if event["type"] == "Document" else event["initiator"]["type"]
        self.asked[event["requestId"]] = (
            event["request"]["url"],
            initiator,
            event["timestamp"] - self.began_s,
        )

    def _got(self, event: dict[str, Any]) -> None:
        self.got[event["requestId"]] = event["encodedDataLength"]

    @property
    def total_bytes(self) -> float:
        return sum(self.got.values())

    @property
    def page_bytes(self) -> float:
        return sum(size for one, size in self.got.items() if self.asked[one][1] == "page")

    @property
    def late(self) -> list[str]:
        """What neither the page nor its parser asked for: found by a script or a stylesheet."""
        return [url.rsplit("/", 1)[-1] for url, by, _ in self.asked.values() if by not in ("page", "parser")]


class Feed:
    """The page's feed, through which ticks of our own are sent as the server sends its."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}
        self._number = 0
        self._page: WebSocketRoute | None = None

    async def join(self, page: Page) -> None:
        await page.route_web_socket("**/ws/lots/*", self._connected)

    def _connected(self, route: WebSocketRoute) -> None:
        self._page = route
        server = route.connect_to_server()
        server.on_message(self._heard)

    def _heard(self, message: str | bytes) -> None:
        assert self._page is not None
        if isinstance(message, str) and message.startswith("{"):
            self.last = self.last | json.loads(message)
            if self._number:
                return
        self._page.send(message)

    def tick(self, tiles: list[int]) -> None:
        """Sends these changes (position, code, position, …) with the counts of the last picture."""
        assert self._page is not None
        # Far ahead of the server's own numbers, so that its ticks change nothing meanwhile.
        epoch, _, number = self.last["seq"].rpartition(":")
        self._number = max(self._number, int(number) + 100_000) + 1
        self.last["seq"] = f"{epoch}:{self._number}"
        kept = {
            key: self.last[key]
            for key in ("lot", "seq", "layout", "now", "as_of", "figures", "content", "channel")
            if key in self.last
        }
        self._page.send(json.dumps(kept | {"tiles": tiles}))


async def opened(
    browser: Browser, base: str, path: str, size: str, slow: float
) -> "tuple[Page, CDPSession, Wire, Feed]":
    """A page in a fresh browser, slowed; nothing is loaded yet."""
    context = await browser.new_context(base_url=base, **SIZES[size])
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Emulation.setCPUThrottlingRate", {"rate": slow})
    wire, feed = Wire(), Feed()
    wire.listen(session)
    await feed.join(page)
    await page.add_init_script(SCRIPT)
    return page, session, wire, feed


async def loading(
    browser: Browser, base: str, path: str, size: str, asked: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds to the first picture and to a map that answers: on loopback, on a poor connection."""
    figures: dict[str, float] = {}
    for name, net in (("", None), (" 1.6 Mbit/s", SLOW_NET)):
        rounds: list[dict[str, float]] = []
        for _ in range(asked.rounds):
            page, session, wire, _feed = await opened(browser, base, path, size, asked.slow)
            if net:
                await session.send("Network.emulateNetworkConditions", net)
            await page.goto(path, wait_until="load")
            await page.wait_for_function("() => bench.usable")
            rounds.append(await page.evaluate("() => bench.loaded()"))
            if not figures:
                await page.wait_for_timeout(500)
                figures = {
                    "page kB": wire.page_bytes / 1000,
                    "all kB": wire.total_bytes / 1000,
                    "requests": len(wire.asked),
                    "found late": len(wire.late),
                }
                print(f"  late: {', '.join(wire.late) or 'nothing'}")
            await page.context.close()
        for key in rounds[0]:
            figures[f"{key}{name} ms"] = statistics.median(each[key] for each in rounds)
    return figures


async def moving(
    browser: Browser, base: str, path: str, size: str, asked: argparse.Namespace
) -> dict[str, list[float]]:
    """Costs of a tick, a pan and a zoom, for SVG and then for the canvas on the same page."""
    page, _, _, feed = await opened(browser, base, path, size, asked.slow)
    await page.goto(path, wait_until="load")
    await page.wait_for_function("() => bench.usable && document.documentElement.dataset.feed === 'live'")
    figures: dict[str, list[float]] = {}
    slots = await page.locator("#map .slot").count()
    for way in ("svg", "canvas"):
        if way == "canvas":
            await page.evaluate("() => bench.toCanvas()")
        await page.evaluate("() => bench.tapped()")
        figures[f"tap {way}"] = [await page.evaluate("() => bench.tap()") for _ in range(asked.rounds)]
        await page.evaluate("() => document.dispatchEvent(new CustomEvent('lotline:deselect'))")
        for view in ("home", "all"):
            await page.evaluate("(view) => bench.look(view)", view)
            ticks = []
            for turn in range(asked.rounds + 1):
                step = max(1, slots // asked.changes)
                tiles = [
                    value for at in range(asked.changes) for value in (at * step % slots, (at + turn) % 4)
                ]
                done = asyncio.ensure_future(page.evaluate("() => bench.tick()"))
                await asyncio.sleep(0.05)
                feed.tick(tiles)
                ticks.append(await done)
            figures[f"tick {view} {way}"] = ticks[1:]
            for gesture in GESTURES:
                gaps = await page.evaluate("([what]) => bench.move(what, 60)", [gesture])
                figures[f"{gesture} {view} {way} fps"] = [1000 * len(gaps) / sum(gaps)]
                figures[f"{gesture} {view} {way} worst"] = [max(gaps)]
    await page.context.close()
    return figures


def with_campus(folder: Path) -> Path:
    """The demo lots and the made-up campus, in a database file."""
    database = prepared_database(folder)
    file = folder / "campus.geojson"
    file.write_bytes(campus())
    settings = Settings.from_environment({"LOTLINE_DATA": str(folder)})
    asyncio.run(
        tasks.import_slots(
            settings,
            file,
            dry_run=False,
            time_zone="UTC",
            currency="EUR",
            plates=False,
            on_progress=lambda done, total: None,
        )
    )
    return database


async def measure(lotline: Installation, asked: argparse.Namespace) -> list[str]:
    """Prints all figures; what missed its goal."""
    missed: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        for lot in asked.lots.split(","):
            for size in asked.sizes.split(","):
                print(f"{lot}, {size}, processor {asked.slow:g} times slower")
                loads = await loading(browser, lotline.base, f"/lots/{lot}", size, asked)
                for name, figure in loads.items():
                    print(f"  {name:34} {figure:9.1f}")
                if loads["all kB"] * 1000 > PAGE_MOST_BYTES[lot]:
                    missed.append(f"{lot}, {size}: {loads['all kB']:.0f} kB")
                for name, each in (await moving(browser, lotline.base, f"/lots/{lot}", size, asked)).items():
                    middle = statistics.median(each)
                    print(f"  {name:34} {middle:9.1f}  worst {max(each):.1f}")
                    slow_tick = name.startswith("tick") and name.endswith("svg") and middle > TICK_MOST_MS
                    if slow_tick or (name.endswith("svg fps") and middle < PAN_LEAST_FPS):
                        missed.append(f"{lot}, {size}: {name} {middle:.1f}")
                sys.stdout.flush()
        await browser.close()
    return missed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slow", type=float, default=4)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lots", default="riverside,campus")
    parser.add_argument("--sizes", default="phone,desk")
    asked = parser.parse_args()
    tasks.quiet_logs()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        database = with_campus(Path(one))
        with start_lotline(Path(two), database) as lotline:
            missed = asyncio.run(measure(lotline, asked))
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
