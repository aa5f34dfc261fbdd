"""The languages of the screens: which one a reader gets, and every sentence in it.

Sentences are written in English where they are said; the other languages are catalogues in
``app/locale``, a ``.po`` file for each room of the application. What programs are answered stays English.
"""

import gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

LOCALES = Path(__file__).parents[1] / "locale"
ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "de": "Deutsch"}
"""By their codes (ISO 639-1), each called as its readers call it."""
COOKIE = "lotline_language"
_current: ContextVar[str] = ContextVar("language", default=ENGLISH)
_path: ContextVar[str] = ContextVar("path", default="/")


def language() -> str:
    """The code of the language that is spoken here and now."""
    return _current.get()


def this_page() -> str:
    """The address of the page that is asked for, to come back to."""
    return _path.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Within the block, sentences are said in this language."""
    before = _current.set(code)
    try:
        yield
    finally:
        _current.reset(before)


@cache
def catalogue(code: str) -> gettext.NullTranslations:
    """The sentences of a language. English has none of its own: they stand in the code."""
    if code == ENGLISH:
        return gettext.NullTranslations()
    whole = Catalog(locale=code)
    for path in sorted((LOCALES / code).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=code):
                if message.id:
                    whole.add(message.id, message.string, context=message.context)
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def say(message: str, /, **values: Any) -> str:
    """The sentence in the reader's language, with ``{name}`` replaced by each value."""
    return catalogue(language()).gettext(message).format(**values)


def say_in(context: str, message: str, /, **values: Any) -> str:
    """As ``say``, where the same English word means several things: ``context`` tells which."""
    return catalogue(language()).pgettext(context, message).format(**values)


def say_many(one: str, many: str, count: int, /, **values: Any) -> str:
    """As ``say``, in the form that fits the number, which the sentence may call ``{count}``."""
    return catalogue(language()).ngettext(one, many, count).format(count=count, **values)


def say_html(message: str, /, **values: Any) -> Markup:
    """As ``say``, for a sentence that holds markup of our own; the values are escaped."""
    return Markup(catalogue(language()).gettext(message)).format(**values)  # noqa: S704


class Sentence(str):
    """An English sentence that can still be said in another language: what a rule tells whoever asked.

    It is a plain string to programs, logs and tests. A value that is a sentence itself is told as one, and
    one that writes itself for its reader (Money) does so again.
    """

    message: str
    values: dict[str, Any]

    def told(self) -> str:
        """In the reader's language."""
        return say(self.message, **{name: told(value) for name, value in self.values.items()})


def sentence(message: str, /, **values: Any) -> Sentence:
    """The sentence for whoever reads it in the end, who need not be who asks here and now."""
    with speaking(ENGLISH):
        said = Sentence(message.format(**values))
    said.message, said.values = message, values
    return said


def told(value: Any) -> Any:
    """What a page shows for a value: a sentence is said in the reader's language."""
    return value.told() if isinstance(value, Sentence) else value


def told_again(kept: str) -> str:
    """A sentence that was kept as a plain string, in the reader's language where a catalogue has it."""
    return catalogue(language()).gettext(kept) if kept else ""


def preferred(accepted: str) -> str:
    """The first of our languages among those of an ``Accept-Language`` header (RFC 9110, 12.5.4)."""
    wishes: list[tuple[float, str]] = []
    for part in accepted[:1000].split(","):
        tag, _, weight = part.partition(";q=")
        try:
            wishes.append((float(weight or 1), tag.strip().lower().split("-")[0]))
        except ValueError:
            continue
    for how_much, code in sorted(wishes, key=lambda wish: -wish[0]):
        if how_much > 0 and code in LANGUAGES:
            return code
    return ENGLISH


def locale() -> Locale:
    """Babel's rules for dates, numbers and plurals of the present language."""
    return _locale(language())


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)


class Languages:
    """The layer in which a reader's language is found: what they chose, else what their browser asks for.

    Programs are spoken to in English, so that nobody's setting changes what a program reads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        _current.set(spoken_with(scope))
        _path.set(_page_of(scope))
        await self.app(scope, receive, send)


def _page_of(scope: Scope) -> str:
    """The page that is asked for, or that a form stood on: what answers a form may be read by nobody else."""
    if scope.get("method", "GET") != "GET":
        headers = Headers(scope=scope)
        try:
            came_from = urlsplit(headers.get("referer", ""))
        except ValueError:
            return "/"
        if came_from.netloc != headers.get("host") or not came_from.path.startswith("/"):
            return "/"
        return came_from.path + ("?" + came_from.query if came_from.query else "")
    query = scope["query_string"].decode("latin-1")
    return str(scope["path"]) + ("?" + query if query else "")


def spoken_with(scope: Scope) -> str:
    """The code of the language of whoever sent this."""
    headers = Headers(scope=scope)
    reads = (
        scope["type"] == "websocket" or "text/html" in headers.get("accept", "") or "hx-request" in headers
    )
    if not reads:
        return ENGLISH
    chosen = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    return chosen if chosen in LANGUAGES else preferred(headers.get("accept-language", ""))
