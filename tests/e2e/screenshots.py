"""Pictures of every page in every state, to be looked at.

    bin/screens                          writes docs/screens/ anew, with its page of all pictures
    bin/screens --into FOLDER [WORD …]   only those whose name holds one of the words, somewhere else
    bin/screens --into FOLDER --all      every page at phone, desk and wall size, light and dark

It starts an installation of its own with the demo's lots, lets made-up drivers fill one of them, and brings
about the states as the browser tests do. It takes some four minutes.
"""

import argparse
import asyncio
import base64
import contextlib
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.chromium import EXECUTABLE, FLAGS
from tests.e2e.installation import Installation, end, prepared_database, start_lotline
from tests.e2e.places import Place, Tour, prepare_tour
from tests.e2e.rest import Rest
from tests.e2e.visitors import DESK, PHONE, WALL, Visitors, live

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
SIZES = {"phone": PHONE, "desk": DESK, "wall": WALL}
# Each page at the sizes at which it is used, in both themes; a wall has one theme and one size.
DRIVER = (("phone", "light"), ("phone", "dark"), ("desk", "light"))
STAFF = (("desk", "light"), ("desk", "dark"), ("phone", "light"))
ON_THE_WALL = (("wall", "dark"),)
ALL = tuple((size, theme) for size in SIZES for theme in ("light", "dark"))
CROWD_PER_MIN = 6000
LEFT_FREE = 140
CROWDED_WITHIN_S = 60.0
FEED_PAGES = (("lot", "/lots/riverside", DRIVER), ("desk", "/attendant/lots/riverside", STAFF))
# A browser writes WebP a third the size of its own PNG, with nothing to install.
TO_WEBP = """async (png) => {
  const image = await createImageBitmap(await (await fetch('data:image/png;base64,' + png)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d').drawImage(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.8 });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}"""
# So long after the feed has stopped, by the look of the page: a banner, then nothing that could be wrong.
STALE_AFTER_S, LOST_AFTER_S = 9.0, 33.0


@dataclass(frozen=True)
class Picture:
    """One file of the collection."""

    name: str
    size: str
    theme: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.size}-{self.theme}.webp"


class Camera:
    """Takes the pictures that are wanted, and knows which it has taken."""

    def __init__(self, darkroom: Page, folder: Path, words: Sequence[str], everything: bool) -> None:
        self.taken: list[Picture] = []
        self._darkroom, self._folder, self._words, self._everything = darkroom, folder, words, everything

    def wants(self, name: str) -> bool:
        return not self._words or any(word in name for word in self._words)

    def views(self, usual: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        return ALL if self._everything else usual

    async def take(self, page: Page, name: str, size: str, theme: str) -> None:
        """Of what the window shows: nobody sees more at once. The styleguide is there to be seen whole."""
        await page.evaluate("() => Promise.all(document.getAnimations().map((each) => each.finished))")
        picture = Picture(name, size, theme)
        shot = await page.screenshot(animations="disabled", caret="hide", full_page=name == "styleguide")
        webp = await self._darkroom.evaluate(TO_WEBP, base64.b64encode(shot).decode())
        (self._folder / picture.file).write_bytes(base64.b64decode(webp))
        self.taken.append(picture)


def usual_views(place: Place) -> Sequence[tuple[str, str]]:
    """At which sizes and in which themes a page is used."""
    path = place.path.split("?")[0]
    if path.startswith("/display"):
        return ON_THE_WALL
    return STAFF if path.startswith(("/attendant", "/operator", "/styleguide", "/docs")) else DRIVER


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@asynccontextmanager
async def opened(browser: Browser, base: str, tour: Tour, size: str, theme: str) -> AsyncIterator[Page]:
    """A page of the tour's people in a browser of their own."""
    context = await browser.new_context(
        base_url=base,
        viewport=SIZES[size],
        color_scheme=theme,  # type: ignore[arg-type]
        has_touch=size == "phone",
        is_mobile=size == "phone",
    )
    await context.add_cookies(tour.cookies)  # type: ignore[arg-type]
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def take_places(camera: Camera, browser: Browser, base: str, tour: Tour) -> None:
    """Every place of the tour."""
    for size, theme in ALL:
        async with opened(browser, base, tour, size, theme) as page:
            for place in tour.places:
                if camera.wants(slug(place.name)) and (size, theme) in camera.views(usual_views(place)):
                    await tour.visit(page, place)
                    await live(page)
                    await camera.take(page, slug(place.name), size, theme)


async def take_feed_states(camera: Camera, browser: Browser, lotline: Installation, tour: Tour) -> None:
    """What pages say while the feed is not there: connecting, stale, lost, and back."""
    pages = [
        (name, path, size, theme)
        for name, path, views in (*FEED_PAGES, ("wall", "/display/riverside", ON_THE_WALL))
        for size, theme in camera.views(views)
        if camera.wants(f"{name}-feed")
    ]
    if not pages:
        return
    async with contextlib.AsyncExitStack() as stack:
        shown = []
        for name, path, size, theme in pages:
            page = await stack.enter_async_context(opened(browser, lotline.base, tour, size, theme))
            await page.route_web_socket(re.compile("/ws/"), lambda socket: None)
            await page.goto(path)
            await camera.take(page, f"{name}-feed-connecting", size, theme)
            await page.unroute_all()
            page = await stack.enter_async_context(opened(browser, lotline.base, tour, size, theme))
            await page.goto(path)
            await live(page)
            shown.append((page, name, size, theme))
        lotline.freeze_web()
        frozen_at = time.monotonic()
        for state, after_s in (("stale", STALE_AFTER_S), ("lost", LOST_AFTER_S)):
            await asyncio.sleep(max(0.0, frozen_at + after_s - time.monotonic()))
            for page, name, size, theme in shown:
                await camera.take(page, f"{name}-feed-{state}", size, theme)
        lotline.thaw_web()
        for page, name, size, theme in shown:
            await live(page, within_s=30)
            await camera.take(page, f"{name}-feed-back", size, theme)


async def crowd(lotline: Installation, rest: Rest) -> None:
    """Lets made-up drivers fill the lot, so that the pictures show one in use."""
    drivers = lotline.start("app.cli", "simulate", "--rate", str(CROWD_PER_MIN))
    try:
        async with asyncio.timeout(CROWDED_WITHIN_S):
            while len(await rest.slots(status="free")) > LEFT_FREE:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
    finally:
        end(drivers)


async def take_all(
    lotline: Installation, folder: Path, words: Sequence[str], everything: bool
) -> list[Picture]:
    """The whole collection."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        client = await playwright.request.new_context(base_url=lotline.base)
        camera = Camera(await browser.new_page(), folder, words, everything)
        rest = Rest(client)
        await crowd(lotline, rest)
        tour = await prepare_tour(Visitors(browser, lotline.base), rest, lotline)
        await take_places(camera, browser, lotline.base, tour)
        await take_feed_states(camera, browser, lotline, tour)
        await client.dispose()
        await browser.close()
    return camera.taken


def gallery(pictures: Sequence[Picture]) -> str:
    """The page of all pictures, as Markdown: a row for each state."""
    names = list(dict.fromkeys(picture.name for picture in pictures))
    rows = []
    for name in names:
        shown = [picture for picture in pictures if picture.name == name]
        cells = " ".join(
            f'<a href="{each.file}"><img src="{each.file}" height="240" '
            f'alt="{name.replace("-", " ")}, {each.size}, {each.theme}"></a>'
            for each in shown
        )
        rows.append(f"### {name.replace('-', ' ').capitalize()}\n\n{cells}\n")
    head = (
        "# The screens\n\nEvery page in every state, as `bin/screens` takes it: at the sizes at which it is "
        "used (phone 390×844, desk 1440×900, wall 1920×1080), light and dark. Outlines © OpenStreetMap "
        "contributors, ODbL.\n"
    )
    return "\n".join([head, *rows])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--into", type=Path, default=SCREENS)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    folder: Path = asked.into
    if folder == SCREENS and not asked.words:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        demo = Path(data) / "demo"
        demo.mkdir()
        with start_lotline(Path(data), prepared_database(demo)) as lotline:
            taken = asyncio.run(take_all(lotline, folder, asked.words, asked.all))
    if not asked.words:
        (folder / "README.md").write_text(gallery(taken))
    sys.stdout.write(f"{len(taken)} pictures in {folder}\n")


if __name__ == "__main__":
    main()
