"""The tour: what a newcomer on their own machine is looking at, and a way into each of the four views.

There is one while made-up drivers use a lot (``LOTLINE_TOUR`` names it), which ``bin/run`` arranges.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.accounts import service
from app.accounts.access import is_here
from app.accounts.routes import signed_in_response
from app.core.db import Database, SqlAway
from app.core.errors import Problem
from app.core.languages import say
from app.core.parts import part
from app.driver.views import Tour, TourView
from app.settings import Settings
from app.slots import queries


async def shown_tour(request: Request) -> Tour | None:
    """What the start page shows of the tour; None where there is none, its lot is gone or SQL is away."""
    code = part(request, Settings).tour
    if not code or not is_here(request):
        return None
    try:
        async with part(request, Database).look() as connection:
            lot = await queries.lot_of_code(connection, code)
    except SqlAway:
        return None
    if lot is None:
        return None
    at = quote(lot.code)
    drawn = say("{lot} is drawn from a real car park; its drivers are made up and come and go.", lot=lot.name)
    return Tour(
        lines=(
            drawn,
            say("Everyone sees the same slots. What one person books, all the others see at once."),
            say("Open two views side by side, book a slot in one, and watch it change in the other."),
        ),
        views=(
            TourView("driver", say("Driver"), say("Chooses a slot, books, pays."), f"/lots/{at}"),
            TourView("wall", say("Wall"), say("Is read from fifteen metres."), f"/display/{at}"),
            TourView(
                "attendant", say("Attendant"), say("Finds plates, takes cash."), "/tour/attendant", True
            ),
            TourView("operator", say("Operator"), say("Sets prices, closes days."), "/tour/operator", True),
        ),
    )


async def enter(request: Request) -> Response:
    """``POST /tour/{view}``: signs the newcomer in as the first operator, and shows that view."""
    code = part(request, Settings).tour
    going = {"attendant": f"/attendant/lots/{quote(code)}", "operator": "/operator"}
    view = request.path_params["view"]
    if not code or view not in going:
        raise Problem(404, "no-such-address", say("There is no tour here"), say("Sign in to see it."))
    database = part(request, Database)
    operator = await service.first_operator(database)
    if operator is None:
        raise Problem(404, "no-operator", say("Nobody may sign in yet"), say("Create an operator first."))
    secret = await service.use_link(database, await service.create_link(database, operator))
    return signed_in_response(request, secret, going[view])
