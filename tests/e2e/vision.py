"""The proof without colour: a page as it is, in grey, and as people with a colour deficiency see it.

.venv/bin/python -m tests.e2e.vision http://127.0.0.1:8000/lots/riverside FOLDER [--size phone]
    [--theme light] [--select "#map"] [--kinds none,achromatopsia,deuteranopia]
"""

import argparse
import asyncio
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.e2e.chromium import EXECUTABLE, FLAGS
from tests.e2e.visitors import DESK, PHONE, WALL

SIZES = {"phone": PHONE, "desk": DESK, "wall": WALL}
KINDS = ("none", "achromatopsia", "deuteranopia", "protanopia", "tritanopia")


async def seen_as(page: Page, kinds: list[str], folder: Path, name: str, select: str = "body") -> list[Path]:
    """Takes a picture of ``select`` for each kind of eyes; the page itself stays as it is."""
    session = await page.context.new_cdp_session(page)
    taken = []
    for kind in kinds:
        await session.send("Emulation.setEmulatedVisionDeficiency", {"type": kind})
        taken.append(folder / f"{name}-{kind}.png")
        await page.locator(select).first.screenshot(path=taken[-1])
    await session.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    await session.detach()
    return taken


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="desk")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--select", default="body")
    parser.add_argument("--kinds", default="none,achromatopsia,deuteranopia")
    asked = parser.parse_args()
    kinds = asked.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(KINDS)}")
    asked.folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        page = await browser.new_page(
            viewport=SIZES[asked.size], device_scale_factor=2, color_scheme=asked.theme
        )
        await page.goto(asked.address)
        await page.wait_for_timeout(700)
        for path in await seen_as(page, kinds, asked.folder, f"{asked.size}-{asked.theme}", asked.select):
            print(path)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
