"""Pictures of every page at phone, desk and wall size, light and dark, to be looked at.

    .venv/bin/python -m tests.e2e.screenshots http://127.0.0.1:8000 FOLDER [--sign-in LINK] [NAME …]

The server must be running; ``--sign-in`` is a one-time link and brings the pages for who is signed in.
"""

import argparse
import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.e2e.chromium import EXECUTABLE, FLAGS

TRIES = 4
SIZES = {"phone": (390, 844, 2), "desk": (1440, 900, 1), "wall": (1920, 1080, 1)}


@dataclass(frozen=True)
class Shot:
    """A page to be seen; ``signed_in`` where only an attendant may."""

    name: str
    path: str
    signed_in: bool = False


SHOTS = (
    Shot("lots", "/"),
    Shot("lot", "/lots/riverside"),
    Shot("north-yard", "/lots/north-yard"),
    Shot("panel", "/lots/riverside/nearest"),
    Shot("list", "/lots/riverside#slots-list"),
    Shot("my-bookings", "/bookings"),
    Shot("wall", "/display/riverside"),
    Shot("sign-in", "/sign-in"),
    Shot("docs", "/docs"),
    Shot("not-found", "/nothing"),
    Shot("attendant-lots", "/attendant", signed_in=True),
    Shot("attendant", "/attendant/lots/riverside", signed_in=True),
    Shot("attendant-money", "/attendant/money", signed_in=True),
    Shot("payments", "/operator/payments", signed_in=True),
    Shot("closing", "/operator/closing", signed_in=True),
    Shot("tariffs", "/operator/tariffs", signed_in=True),
    Shot("tariff", "/operator/lots/riverside/tariff", signed_in=True),
)


async def booked(page: Page, base: str) -> str:
    """Books the nearest slot as a driver does; the path of the booking."""
    await page.goto(f"{base}/lots/riverside/nearest")
    await page.fill("input[name=entity]", f"HKR {secrets.randbelow(10000):04}")
    for _ in range(TRIES):
        # Made-up drivers may be faster: then the nearest like it is offered, and one more press books that.
        await page.click("#panel-submit")
        with contextlib.suppress(PlaywrightTimeout):
            await page.wait_for_url("**/bookings/*", timeout=3000)
            break
    return page.url.removeprefix(base)


async def take(browser: Browser, base: str, folder: Path, link: str | None, names: list[str]) -> None:
    """Takes every picture that is wanted."""
    secret = await browser.new_context()
    shots = list(SHOTS)
    if not names or "booking" in names:
        shots.append(Shot("booking", await booked(await secret.new_page(), base)))
    cookies = await secret.cookies()
    if link:
        signed_in = await browser.new_context()
        await (await signed_in.new_page()).goto(link)
        cookies += await signed_in.cookies()
    for theme in ("light", "dark"):
        for size, (width, height, scale) in SIZES.items():
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=scale,
                color_scheme=theme,
                has_touch=size == "phone",
                is_mobile=size == "phone",
            )
            await context.add_cookies(cookies)  # type: ignore[arg-type]
            page = await context.new_page()
            page.on("console", lambda message: print(f"  console: {message.text}"))
            for shot in shots:
                if (names and shot.name not in names) or (shot.signed_in and not link):
                    continue
                await page.goto(base + shot.path)
                await page.wait_for_timeout(700)
                await page.screenshot(path=folder / f"{shot.name}-{size}-{theme}.png")
            await context.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sign-in")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        await take(browser, asked.base.rstrip("/"), asked.folder, asked.sign_in, asked.names)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
