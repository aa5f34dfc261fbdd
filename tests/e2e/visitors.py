"""The people in front of the browsers, and what their consoles complain of."""

import re
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
WALL = {"width": 1920, "height": 1080}
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of ([45]\d\d)")
_AWAY = re.compile(
    r"ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|INTERNET_DISCONNECTED|EMPTY_RESPONSE)|ERR_SOCKET_NOT_CONNECTED"
    r"|htmx:ws:error|Failed to fetch"
)


class Visitors:
    """Opens browsers, each with cookies of its own, and keeps every complaint of their consoles.

    ``expected`` are the 4xx and 5xx answers for which the browser's own line is right. ``server_may_go``
    allows besides what the browser says of a server that is away.
    """

    def __init__(self, browser: Browser, base: str) -> None:
        self.base = base
        self.expected: set[int] = set()
        self.server_may_go = False
        self.complaints: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    async def new(self, viewport: dict[str, int] = DESK, **options: Any) -> Page:
        """A page in a browser of its own."""
        context = await self._browser.new_context(base_url=self.base, viewport=viewport, **options)
        context.set_default_timeout(5000)
        self._contexts.append(context)
        context.on("page", self._listen)
        return await context.new_page()

    async def at(self, path: str, viewport: dict[str, int] = DESK, **options: Any) -> Page:
        """A page that shows ``path``, with its feed live where it has one."""
        page = await self.new(viewport, **options)
        await page.goto(path)
        await live(page)
        return page

    async def leave(self) -> None:
        """Closes everything. Fails where a console has complained."""
        for context in self._contexts:
            await context.close()
        assert not self.complaints, "\n".join(self.complaints)

    def _listen(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        refused = _REFUSED.match(message.text)
        if refused and int(refused[1]) in self.expected:
            return
        if self.server_may_go and _AWAY.search(message.text):
            return
        self.complaints.append(f"{message.type} at {message.location['url']}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500 and response.status not in self.expected:
            self.complaints.append(f"{response.status} from {response.url}")


async def live(page: Page, within_s: float = 5.0) -> None:
    """Waits until the page's feed has spoken; a page without a feed is as it is."""
    await page.wait_for_function(
        "() => !document.getElementById('feed') || document.documentElement.dataset.feed === 'live'",
        timeout=within_s * 1000,
    )
