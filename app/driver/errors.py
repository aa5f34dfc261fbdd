"""A problem as a page, in the house style."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import Problem
from app.core.templating import page
from app.driver.views import ERROR_PAGES, ErrorPage

# Statuses whose words are general; the others are said by the problem itself.
_GENERAL = (500, 503)


def error_page(request: Request, problem: Problem) -> Response:
    """What happened and what to do, for a person."""
    known = ERROR_PAGES.get(problem.status)
    said = ErrorPage(problem.status, problem.title, problem.detail)
    if known is not None and (problem.status in _GENERAL or not problem.detail):
        said = known
    headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    return page("error.html", replace(said, status=problem.status), problem.status, headers)
