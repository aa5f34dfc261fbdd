"""A change that a page is about to show without a reload, and the moment at which it does."""

import asyncio
from dataclasses import dataclass

from playwright.async_api import Page, Response

DEADLINE_S = 1.0
GIVE_UP_S = 8.0
# What was measured, for the summary of the run.
FIGURES: list[tuple[str, float]] = []

# The observer is called before the next paint, in the task that changed the page.
_BEGIN = """([name, selector, attribute, wanted]) => {
  const read = () => {
    const node = document.querySelector(selector);
    return attribute ? node?.getAttribute(attribute) : node?.textContent.trim();
  };
  const before = read();
  window.shown ??= {};
  window.shown[name] = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (read() !== wanted) return;
      observer.disconnect();
      resolve(Date.now() / 1000);
    });
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  return before ?? null;
}"""


@dataclass(frozen=True)
class Change:
    """Something that is to become ``wanted`` on ``page``; made before what causes it."""

    page: Page
    name: str

    async def within(self, deadline_s: float, after_unix_s: float) -> float:
        """Seconds from that instant until it was shown. Fails where that is ``deadline_s`` or more."""
        shown = self.page.evaluate("(name) => window.shown[name]", self.name)
        try:
            took_s = float(await asyncio.wait_for(shown, GIVE_UP_S)) - after_unix_s
        except TimeoutError:
            raise AssertionError(f"{self.name}: not shown within {GIVE_UP_S:.0f} s") from None
        FIGURES.append((self.name, took_s))
        assert took_s < deadline_s, f"{self.name}: {took_s:.3f} s"
        return took_s


async def change(page: Page, name: str, selector: str, wanted: str, attribute: str = "") -> Change:
    """Begins to look for the change. Fails where the page shows it already, or has no such place."""
    before = await page.evaluate(_BEGIN, [name, selector, attribute, wanted])
    assert before not in (None, wanted), f"{name}: {selector} is {before!r} before"
    return Change(page, name)


def answered_at(response: Response) -> float:
    """Unix seconds at which the first byte of the answer reached the browser."""
    timing = response.request.timing
    return (timing["startTime"] + timing["responseStart"]) / 1000
