"""A problem as a page, in the house style."""

from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import Problem
from app.core.templating import page
from app.driver.views import ERROR_PAGES, NOT_SHOWN, ErrorPage

# Statuses whose words are general; the others are said by the problem itself.
_GENERAL = (500, 503)


def error_page(request: Request, problem: Problem) -> Response:
    """What happened and what to do, for a person."""
    known = ERROR_PAGES.get(problem.status)
    said = ErrorPage(problem.status, problem.title, problem.detail)
    if known is not None and (problem.status in _GENERAL or not problem.detail):
        said = known
    if problem.status == NOT_SHOWN.status and request.method == "GET":
        said = replace(NOT_SHOWN, button_url=_same_again(request))
    headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    return page("error.html", replace(said, status=problem.status), problem.status, headers)


def _same_again(request: Request) -> str:
    """The address that was asked for, as a path of this site."""
    query = request.scope["query_string"].decode("latin-1")
    # Two slashes at the beginning would lead to another site.
    path = "/" + quote(request.scope["path"].lstrip("/"))
    return f"{path}?{query}" if query else path
