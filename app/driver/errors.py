"""A problem as a page, in the house style."""

from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import Problem
from app.core.languages import told
from app.core.templating import page
from app.driver.views import ErrorPage, error_pages, not_shown
from app.payments.fee_words import reasons_words

# Statuses whose words are general; the others are said by the problem itself.
_GENERAL = (500, 503)


def error_page(request: Request, problem: Problem) -> Response:
    """What happened and what to do, for a person."""
    known = error_pages().get(problem.status)
    said = ErrorPage(problem.status, told(problem.title), _detail(problem))
    if known is not None and (problem.status in _GENERAL or not problem.detail):
        said = known
    if problem.status == not_shown().status and request.method == "GET":
        said = replace(not_shown(), button_url=_same_again(request))
    headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    return page("error.html", replace(said, status=problem.status), problem.status, headers)


def _detail(problem: Problem) -> str:
    """What to do about it. A list of several was put together for programs, so it is told anew."""
    if problem.errors:
        return "; ".join(f"{one.field}: {told(one.message)}" for one in problem.errors)
    if "reasons" in problem.extra:
        return reasons_words(problem.extra["reasons"])
    return str(told(problem.detail))


def _same_again(request: Request) -> str:
    """The address that was asked for, as a path of this site."""
    query = request.scope["query_string"].decode("latin-1")
    # Two slashes at the beginning would lead to another site.
    path = "/" + quote(request.scope["path"].lstrip("/"))
    return f"{path}?{query}" if query else path
