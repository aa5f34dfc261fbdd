"""Pages: one Jinja2 environment, and the rule of who gets a fragment."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.core import languages

_APP = Path(__file__).parents[1]
STATIC = _APP / "static"


@lru_cache(maxsize=1)
def static_version() -> str:
    """Ten digits that change with any static file, so that files may be cached for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def static(path: str) -> str:
    """The address of a static file."""
    return f"/static/{static_version()}/{path}"


def worker() -> str:
    """The address of the worker that keeps the page for when there is no connection."""
    return f"/service-worker.js?version={static_version()}&language={languages.language()}"


def token(code: str) -> str:
    """The code, or something in its place where it holds other signs: fit for an id and for a selector."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", code):
        return code
    return "x" + hashlib.sha256(code.encode()).hexdigest()[:12]


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates. What is not defined is an error, what is shown is escaped."""
    found = Environment(
        loader=FileSystemLoader(_APP / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=languages.told,
    )
    return furnished(found)


def furnished(bare: Environment) -> Environment:
    """The environment with what every template may use besides its view."""
    bare.globals["static"] = static
    bare.globals["worker"] = worker
    bare.globals["languages"] = languages.LANGUAGES
    for word in ("say", "say_in", "say_many", "say_html", "language", "this_page"):
        bare.globals[word] = getattr(languages, word)
    bare.filters["token"] = token
    return bare


def wants_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page; going back in the history asks for the whole."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") == "partial"


def render(template: str, **context: Any) -> str:
    return environment().get_template(template).render(**context)


def page(template: str, view: Any, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """A page or a fragment. No cache may take one for the other."""
    response = HTMLResponse(render(template, view=view), status_code=status, headers=headers)
    response.headers["Vary"] = "HX-Request, HX-Request-Type, Accept-Language, Cookie"
    response.headers["Content-Language"] = languages.language()
    response.headers.setdefault("Cache-Control", "no-store")
    return response
