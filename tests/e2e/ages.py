"""When a page has to say that it is not current."""

import time

from playwright.async_api import Page

STALE_S, LOST_S = 6.0, 30.0
# A page looks at its age once a second; the last heartbeat may be two seconds old.
SLACK_S = 2.5


async def becomes(page: Page, name: str, state: str, since_s: float, earliest_s: float) -> None:
    """Waits until ``html[data-name]`` is ``state``; fails where that comes too early or too late."""
    latest_s = earliest_s + SLACK_S
    patience_ms = max(1.0, (since_s + latest_s - time.monotonic()) * 1000)
    await page.wait_for_function(
        "([name, state]) => document.documentElement.dataset[name] === state",
        arg=[name, state],
        timeout=patience_ms,
    )
    after_s = time.monotonic() - since_s
    print(f"  {name} is {state} {after_s:.1f} s after the outage began")
    assert after_s > earliest_s - SLACK_S, f"{state} already after {after_s:.1f} s"
