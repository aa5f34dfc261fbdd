"""``/styleguide``: every component in every state, for whoever builds a page. In development only."""

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import Problem
from app.core.languages import ENGLISH, sentence, speaking
from app.core.parts import part
from app.core.templating import page
from app.settings import Settings
from app.styleguide.samples import shown


async def styleguide(request: Request) -> Response:
    """``GET /styleguide``. It speaks to developers, in the language of the code."""
    if part(request, Settings).profile != "development":
        raise Problem(404, "no-such-address", sentence("Not Found"))
    with speaking(ENGLISH):
        return page("styleguide/styleguide.html", shown())
