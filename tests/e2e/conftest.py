"""A real installation, a real browser, and visitors whose consoles must stay silent."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.e2e.changes import FIGURES
from tests.e2e.chromium import EXECUTABLE, FLAGS
from tests.e2e.installation import Installation, prepared_database, start_lotline
from tests.e2e.rest import Rest
from tests.e2e.visitors import Visitors

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder drives one browser, so all of it runs in the session's event loop."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How soon other browsers showed what one did."""
    if FIGURES:
        terminalreporter.section("seconds from the answer to another browser", sep="-")
    for name, took_s in FIGURES:
        terminalreporter.line(f"{took_s:6.3f}  {name}")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo lots."""
    return prepared_database(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def lotline(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installation that the tests share."""
    with start_lotline(tmp_path_factory.mktemp("lotline"), demo) as installation:
        yield installation
        assert installation.faults() == []


@pytest.fixture(scope="session")
def shaky_lotline(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Another one, for tests that take its web process away."""
    with start_lotline(tmp_path_factory.mktemp("shaky"), demo) as installation:
        yield installation
        assert installation.faults() == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
    yield browser
    await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, lotline: Installation) -> AsyncIterator[Visitors]:
    """Browsers on the shared installation; the test fails where a console complains."""
    visitors = Visitors(browser, lotline.base)
    yield visitors
    await visitors.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def rest(playwright: Playwright, lotline: Installation) -> AsyncIterator[Rest]:
    client = await playwright.request.new_context(base_url=lotline.base)
    yield Rest(client)
    await client.dispose()
