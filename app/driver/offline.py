"""What a browser shows when it can't reach the server: a page that it keeps, and the worker that keeps it."""

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.core.languages import LANGUAGES, language, say, speaking
from app.core.templating import STATIC, page
from app.driver.views import OfflinePage

WORKER = STATIC / "js" / "service-worker.js"


async def offline(request: Request) -> Response:
    """``GET /offline``: kept by the browser, in the language that the page speaks which keeps it.

    A wall speaks its lot's language, whatever its browser asks for.
    """
    asked = request.query_params.get("language", "")
    with speaking(asked if asked in LANGUAGES else language()):
        return _offline()


def _offline() -> Response:
    view = OfflinePage(
        title=say("No connection to the server"),
        text=say("This page is asked for again every few seconds, and at once when your network is back."),
        kept=say("What you have booked stays yours."),
        button=say("Try again"),
    )
    return page("driver/offline.html", view)


async def service_worker(request: Request) -> Response:
    """``GET /service-worker.js``: at the root, since it may answer only for what lies below it."""
    return FileResponse(WORKER, media_type="text/javascript", headers={"Cache-Control": "no-cache"})
