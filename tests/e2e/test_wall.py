"""A wall never shows a number older than thirty seconds as live, whatever fails, and comes back by itself.

All trials run beside each other, each with a wall of its own that is looked at all the time.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from app.core.redis import connect
from tests.chaos.clocks import wrong_clocks
from tests.e2e.ages import LOST_S, SLACK_S, STALE_S
from tests.e2e.installation import Installation, start_lotline
from tests.e2e.watching import Watching, watch
from tests.e2e.wire import Wire
from tests.integration.outages import LockedFile
from tests.servers import start_redis

OUTAGE_S = LOST_S + 4.0
# The longest that a wall waits before it tries again, and what it then needs.
BACK_WITHIN_S = 40.0
SOON_S = 8.0
STAGES = ["live", "stale", "lost", "live"]

pytestmark = pytest.mark.timeout(240)


class Trials:
    """What runs beside each other; a test waits for its own."""

    def __init__(self, browser: Browser, lotline: Installation, folder: Path, demo: Path) -> None:
        self.browser = browser
        self.lotline = lotline
        self._folder = folder
        self._demo = demo
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.stack = AsyncExitStack()
        # What is opened is opened one after the other, so that it is quick.
        self._turn = asyncio.Lock()

    def start(self, **trials: Coroutine[Any, Any, Any]) -> None:
        self._tasks = {name: asyncio.create_task(work, name=name) for name, work in trials.items()}

    async def of(self, name: str) -> Any:
        return await self._tasks[name]

    async def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.stack.aclose()

    async def wall(self, base: str, **options: Any) -> Watching:
        async with self._turn:
            found = await watch(self.browser, base, **options)
        self.stack.push_async_callback(found.leave)
        return found

    async def wired(self, **options: Any) -> tuple[Wire, Watching]:
        """A wall of the shared installation, with a wire of its own."""
        wire = await self.stack.enter_async_context(Wire(self.lotline.settings.port).laid())
        return wire, await self.wall(wire.base, **options)

    async def installation(self, name: str, **environment: str) -> Installation:
        """An installation of its own."""
        folder = self._folder / name
        folder.mkdir()
        opened = start_lotline(folder, self._demo, environment)
        async with self._turn:
            found = await asyncio.to_thread(opened.__enter__)
        self.stack.push_async_callback(asyncio.to_thread, opened.__exit__, None, None, None)
        return found


async def stalls(trials: Trials, *, tampered: bool = False) -> Watching:
    """The wire keeps its connections and forwards nothing; what was held back arrives in the end."""
    wire, wall = await trials.wired(tamper=without_ageing if tampered else None)
    wall.begins()
    wire.stall()
    await asyncio.sleep(OUTAGE_S)
    wire.mend()
    wall.ends()
    await wall.comes_back(BACK_WITHIN_S)
    return wall


async def night(trials: Trials) -> Watching:
    """No network, for hours by both of the screen's clocks."""
    wire, wall = await trials.wired()
    wall.begins()
    wire.cut()
    await asyncio.sleep(OUTAGE_S)
    for _ in range(8):
        await wall.passes(1)
        await asyncio.sleep(0.3)
    await asyncio.sleep(1.5)
    wire.mend()
    wall.ends()
    await wall.comes_back(BACK_WITHIN_S)
    return wall


async def wrong_date(trials: Trials, hours: float) -> Watching:
    """The screen's clock is wrong, and is set the other way while the wire is stalled, and after."""
    wire, wall = await trials.wired(date_h=hours)
    await asyncio.sleep(3)
    wall.begins()
    wire.stall()
    await asyncio.sleep(3)
    await wall.set_date(-2 * hours)
    await asyncio.sleep(OUTAGE_S - 3)
    wire.mend()
    wall.ends()
    await wall.comes_back(BACK_WITHIN_S)
    await wall.set_date(2 * hours)
    return wall


async def set_while_live(trials: Trials) -> list[tuple[float, float]]:
    """The screen's clock is set while all is well; how far, and seconds until the wall is live again."""
    _, wall = await trials.wired()
    blanks = []
    for hours in (7, -11, 0.01):
        await wall.set_date(hours)
        began_s = time.monotonic()
        await asyncio.sleep(1.5)
        await wall.becomes("live", SOON_S)
        blanks.append((hours, time.monotonic() - began_s))
    assert wall.lies() == []
    return blanks


async def sleeps(trials: Trials, *, steady_stood: bool, tampered: bool = False) -> Watching:
    """The machine sleeps, and wakes without its network."""
    wire, wall = await trials.wired(tamper=without_noticing_sleep if tampered else None)
    wall.begins()
    wire.stall()
    await wall.sleep()
    await asyncio.sleep(LOST_S + SLACK_S + 1)
    await wall.wake(LOST_S + SLACK_S + 1, steady_stood=steady_stood)
    await asyncio.sleep(3)
    wire.mend()
    wall.ends()
    await wall.comes_back(BACK_WITHIN_S)
    return wall


async def killed(trials: Trials) -> Watching:
    """The server is killed, and comes back after a while."""
    installation = await trials.installation("killed")
    wall = await trials.wall(installation.base)
    await asyncio.to_thread(installation.kill_web)
    wall.begins()
    await asyncio.sleep(OUTAGE_S)
    wall.ends()
    await asyncio.to_thread(installation.start_web)
    await wall.comes_back(BACK_WITHIN_S)
    return wall


async def without_redis_then_without_sql(trials: Trials) -> tuple[Watching, list[str]]:
    """Redis is gone: the wall goes by SQL. Then SQL is gone as well. Both come back."""
    installation = await trials.installation("alone")
    wall = await trials.wall(installation.base)
    redis = connect(installation.settings.redis_url)
    server = psutil.Process((await redis.info("server"))["process_id"])
    await redis.aclose()
    await asyncio.to_thread(kill, server)
    gone_s = time.monotonic()
    await asyncio.sleep(STALE_S + SLACK_S + 3)
    by_sql = [one.state for one in wall.sights if one.from_s > gone_s]
    file = LockedFile(installation.settings.data_dir / "lotline.db")
    trials.stack.callback(file.unlock)
    await asyncio.to_thread(file.lock)
    wall.begins()
    await asyncio.sleep(OUTAGE_S)
    wall.ends()
    await asyncio.to_thread(file.unlock)
    await wall.comes_back(BACK_WITHIN_S)
    again = start_redis(installation.settings.data_dir)
    await asyncio.to_thread(again.__enter__)
    trials.stack.push_async_callback(asyncio.to_thread, again.__exit__, None, None, None)
    back_s = time.monotonic()
    await asyncio.sleep(SOON_S)
    by_sql += [one.state for one in wall.sights if one.from_s > back_s]
    return wall, by_sql


def kill(process: psutil.Process) -> None:
    process.kill()
    process.wait()


async def wrong_server(trials: Trials) -> tuple[Watching, list[str]]:
    """The server's clock is five hours ahead, is set back by nine, then the server stands still."""
    clock = trials._folder / "clock"
    clock.write_text("+5h")
    fake = dict(wrong_clocks(1)["web-1"])
    del fake["FAKETIME"]
    installation = await trials.installation(
        "wrong", **fake, FAKETIME_TIMESTAMP_FILE=str(clock), FAKETIME_CACHE_DURATION="1"
    )
    wall = await trials.wall(installation.base)
    began_s = time.monotonic()
    await asyncio.sleep(3)
    clock.write_text("-4h")
    await asyncio.sleep(SOON_S)
    states = [one.state for one in wall.sights if one.from_s > began_s]
    installation.freeze_web()
    wall.begins()
    await asyncio.sleep(OUTAGE_S)
    wall.ends()
    installation.thaw_web()
    await wall.comes_back(BACK_WITHIN_S)
    return wall, states


def without_ageing(script: str) -> str:
    return script.replace("Math.max(0, ...ages)", "0")


def without_noticing_sleep(script: str) -> str:
    return script.replace("APART_MS = 3000", "APART_MS = Infinity")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trials(
    browser: Browser, lotline: Installation, demo: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Trials]:
    found = Trials(browser, lotline, tmp_path_factory.mktemp("walls"), demo)
    found.start(
        # What takes longest comes first.
        alone=without_redis_then_without_sql(found),
        wrong_server=wrong_server(found),
        killed=killed(found),
        stalls=stalls(found),
        never_ages=stalls(found, tampered=True),
        night=night(found),
        ahead=wrong_date(found, 5),
        behind=wrong_date(found, -5),
        set_while_live=set_while_live(found),
        sleeps=sleeps(found, steady_stood=True),
        dozes=sleeps(found, steady_stood=False),
        sleeps_unnoticed=sleeps(found, steady_stood=True, tampered=True),
    )
    yield found
    await found.end()


def is_true(wall: Watching) -> None:
    assert len(wall.sights) > 10
    lies = wall.lies()
    assert not lies, f"{len(lies)} of {len(wall.sights)}: " + "; ".join(lies[:5])


async def test_a_socket_that_stalls_without_closing_makes_the_wall_stale_then_blank(trials: Trials) -> None:
    wall = await trials.of("stalls")
    is_true(wall)
    assert wall.went_through() == STAGES
    since_s, until_s = wall.outages[0]
    strip = [one.says for one in wall.sights if since_s < one.from_s < until_s and one.state == "stale"]
    assert strip
    assert all(said.startswith("No update for ") for said in strip)


async def test_a_wall_that_does_not_age_is_caught(trials: Trials) -> None:
    """Else the other tests might look at nothing."""
    wall = await trials.of("never_ages")
    assert any("live after" in lie for lie in wall.lies())
    assert any("figures" in lie for lie in wall.lies())


async def test_after_a_night_without_network_the_wall_is_live_again_in_the_morning(trials: Trials) -> None:
    wall = await trials.of("night")
    is_true(wall)
    assert wall.went_through() == STAGES
    assert any("8 h ago" in one.says for one in wall.sights)


@pytest.mark.parametrize("trial", ["ahead", "behind"])
async def test_a_screens_clock_that_is_hours_wrong_and_is_set_changes_nothing(
    trials: Trials, trial: str
) -> None:
    wall = await trials.of(trial)
    is_true(wall)
    # Who can't tell a sleep from a clock that was set shows nothing until there is news.
    assert wall.went_through()[:1] == ["live"]
    assert "lost" in wall.went_through()


async def test_a_clock_that_is_set_while_all_is_well_costs_moments(trials: Trials) -> None:
    blanks = await trials.of("set_while_live")
    print(f"  live again after {blanks}")
    assert len(blanks) == 3


@pytest.mark.parametrize("trial", ["sleeps", "dozes"])
async def test_a_screen_that_wakes_does_not_show_what_it_showed_before_it_slept(
    trials: Trials, trial: str
) -> None:
    wall = await trials.of(trial)
    is_true(wall)
    since_s, until_s = wall.outages[0]
    woken = [one for one in wall.sights if since_s + LOST_S < one.from_s < until_s]
    assert woken
    assert all(one.state == "lost" and not one.figures for one in woken), woken[0]


async def test_a_wall_that_does_not_notice_its_sleep_is_caught(trials: Trials) -> None:
    assert (await trials.of("sleeps_unnoticed")).lies()


async def test_a_server_that_is_killed_makes_the_wall_blank_and_live_when_it_is_back(trials: Trials) -> None:
    wall = await trials.of("killed")
    is_true(wall)
    assert wall.went_through() == STAGES


async def test_without_redis_a_wall_goes_by_sql_and_without_either_it_is_blank(trials: Trials) -> None:
    wall, by_sql = await trials.of("alone")
    is_true(wall)
    assert set(by_sql) == {"live"}
    assert wall.went_through() == STAGES


async def test_a_servers_clock_that_is_wrong_and_is_set_changes_nothing(trials: Trials) -> None:
    wall, states = await trials.of("wrong_server")
    is_true(wall)
    assert set(states) == {"live"}
    assert wall.went_through() == STAGES
    ages = [one.age for one in wall.sights if one.state == "live" and not math.isnan(one.age)]
    assert max(ages) <= STALE_S
