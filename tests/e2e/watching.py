"""What a wall shows at every moment, judged by when its server last confirmed it."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Route
from playwright.async_api import Error as BrowserError

from tests.e2e.ages import LOST_S, SLACK_S, STALE_S

EVERY_S = 0.3
# Painting a whole wall takes the processor from the others.
SMALL = {"width": 960, "height": 540}
# The page's clocks, which may be wrong, be set, and stand still.
_CLOCKS = """(() => {
  const date = Date.now, steady = performance.now.bind(performance);
  window.wrong = { date: DATE_MS, steady: 0 };
  Date.now = () => date() + window.wrong.date;
  performance.now = () => steady() + window.wrong.steady;
})()"""
_LOOK = """() => ({
  state: document.documentElement.dataset.wall,
  age: Number(document.documentElement.dataset.feedAge ?? NaN),
  figures: [...document.querySelectorAll('#cells .figure:not(.word), #cells .rest b')]
    .filter((node) => node.checkVisibility()).map((node) => node.textContent.trim()),
  says: document.getElementById('age')?.textContent,
})"""


@dataclass(frozen=True)
class Sight:
    """What a wall showed between two seconds of this process's steady clock; ``age`` is what it told."""

    from_s: float
    to_s: float
    state: str
    age: float
    figures: tuple[str, ...]
    says: str


@dataclass
class Watching:
    """A wall that is looked at all the time."""

    page: Page
    context: BrowserContext
    cdp: CDPSession
    sights: list[Sight] = field(default_factory=list)
    # Since when nothing new can have reached the wall, and until when.
    outages: list[tuple[float, float]] = field(default_factory=list)
    # While the screen sleeps nobody looks at it.
    asleep: bool = False
    task: "asyncio.Task[None] | None" = None

    async def look(self) -> None:
        while True:
            from_s = time.monotonic()
            with suppress(BrowserError):
                seen = await self.page.evaluate(_LOOK)
                told = math.nan if seen["age"] is None else float(seen["age"])
                sight = Sight(
                    from_s, time.monotonic(), seen["state"], told, tuple(seen["figures"]), seen["says"]
                )
                if not self.asleep:
                    self.sights.append(sight)
            await asyncio.sleep(EVERY_S)

    def begins(self) -> None:
        """From now on nothing is confirmed to this wall."""
        self.outages.append((time.monotonic(), float("inf")))

    def ends(self) -> None:
        since_s, _ = self.outages[-1]
        self.outages[-1] = (since_s, time.monotonic())

    def confirmed_at(self, at_s: float) -> float:
        """The last second at which what the wall can know by then was confirmed."""
        return next((since_s for since_s, until_s in self.outages if since_s <= at_s < until_s), at_s)

    def lies(self) -> list[str]:
        """Every sight that claims more than was confirmed."""
        return [lie for sight in self.sights if (lie := self._lie(sight))]

    def _lie(self, sight: Sight) -> str:
        # Shown at the latest when the look began.
        age_s = sight.from_s - self.confirmed_at(sight.from_s)
        if any(since <= sight.from_s < until < sight.to_s for since, until in self.outages):
            return ""
        if sight.figures and age_s > LOST_S + SLACK_S:
            return f"figures {sight.figures} of {age_s:.1f} s ago, {sight.state}: {sight.says}"
        if sight.state == "live" and age_s > STALE_S + SLACK_S:
            return f"live after {age_s:.1f} s: {sight.says}"
        if sight.figures and sight.age < age_s - SLACK_S:
            return f"says {sight.age:.0f} s of what is {age_s:.1f} s old"
        return ""

    def went_through(self) -> list[str]:
        """The states that were seen, in order, each once in a row."""
        states = [sight.state for sight in self.sights]
        return [one for one, before in zip(states, [None, *states], strict=False) if one != before]

    async def set_date(self, by_h: float) -> None:
        """The screen's clock is set, forward or back."""
        await self.page.evaluate("(ms) => { window.wrong.date += ms; }", by_h * 3_600_000)

    async def passes(self, hours: float) -> None:
        """So long goes by at once, by both of the page's clocks."""
        await self.page.evaluate(
            "(ms) => { window.wrong.date += ms; window.wrong.steady += ms; }", hours * 3_600_000
        )

    async def sleep(self) -> None:
        """As a machine that is put to sleep: no timer fires, and one of its clocks stands still."""
        self.asleep = True
        await self.cdp.send("Page.setWebLifecycleState", {"state": "frozen"})

    async def wake(self, slept_s: float, *, steady_stood: bool) -> None:
        if steady_stood:
            await self.page.evaluate("(ms) => { window.wrong.steady -= ms; }", slept_s * 1000)
        await self.cdp.send("Page.setWebLifecycleState", {"state": "active"})
        # A page that wakes needs a moment; so does a screen.
        await asyncio.sleep(1.2)
        self.asleep = False

    async def comes_back(self, within_s: float) -> None:
        """The wall is live again by itself, and seen to be."""
        took_s = await self.becomes("live", within_s)
        print(f"  live again after {took_s:.1f} s")
        await asyncio.sleep(4 * EVERY_S)

    async def becomes(self, state: str, within_s: float) -> float:
        """Seconds until the wall is in this state. Fails where that takes too long."""
        began_s = time.monotonic()
        await self.page.wait_for_function(
            "(state) => document.documentElement.dataset.wall === state", arg=state, timeout=within_s * 1000
        )
        return time.monotonic() - began_s

    async def leave(self) -> None:
        if self.task is not None:
            self.task.cancel()
        await self.context.close()


Tamper = Callable[[str], str]


async def watch(browser: Browser, base: str, *, date_h: float = 0, tamper: Tamper | None = None) -> Watching:
    """A wall that is live, and looked at. ``tamper`` changes the script by which it knows its age."""
    context = await browser.new_context(base_url=base, viewport=SMALL)
    await context.add_init_script(_CLOCKS.replace("DATE_MS", str(int(date_h * 3_600_000))))
    page = await context.new_page()
    if tamper is not None:

        async def answer(route: Route) -> None:
            whole = await route.fetch()
            changed = tamper(await whole.text())
            assert changed != await whole.text()
            await route.fulfill(response=whole, body=changed)

        await page.route("**/feed-clock.js", answer)
    await page.goto("/display/riverside")
    found = Watching(page, context, await context.new_cdp_session(page))
    await found.becomes("live", 20)
    found.task = asyncio.create_task(found.look())
    return found
