"""The application: the whole route table on one page."""

import contextlib

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from app.accounts import routes as accounts
from app.accounts.access import Access, GuardedRoute, GuardedSocket
from app.api import documentation
from app.api import routes as api
from app.attendant import money as attendant_money
from app.attendant import routes as attendant
from app.attendant import works as attendant_works
from app.core import health, metrics
from app.core.clock import Clock
from app.core.compression import Compressed
from app.core.db import Database, SqlAway
from app.core.errors import Problem, Unavailable
from app.core.languages import Languages, sentence
from app.core.parts import part
from app.core.templating import STATIC
from app.core.web import Assets, Doorway, problem_response, wants_html
from app.display import pairing_routes as pairing
from app.display import routes as display
from app.display.presence import count_displays
from app.driver import offline, tour
from app.driver import payment_routes as payments
from app.driver import routes as driver
from app.driver.errors import error_page
from app.lifespan import lifespan
from app.operator import audit_page
from app.operator import import_routes as imports
from app.operator import lot_routes as operator_lots
from app.operator import money_routes as money
from app.operator import routes as operator
from app.settings import Settings
from app.slots.relay import outbox_lag_s
from app.styleguide.routes import styleguide

log = structlog.get_logger()
PUBLIC, HOLDER, PROGRAM = Access.PUBLIC, Access.HOLDER, Access.PROGRAM
ATTENDANT, OPERATOR = Access.ATTENDANT, Access.OPERATOR


def routes() -> list[BaseRoute]:
    """Every address, with who may use it."""
    return [
        # The REST surface
        GuardedRoute("/parking", api.get_parking, PROGRAM),
        GuardedRoute("/parking", api.put_parking, PROGRAM, ["PUT"]),
        GuardedRoute("/parking", api.post_parking, PROGRAM, ["POST"]),
        GuardedRoute("/parking/payment", api.post_payment, PROGRAM, ["POST"]),
        GuardedRoute("/payments/webhooks/{provider}", api.webhook, PUBLIC, ["POST"]),
        GuardedRoute("/openapi.json", documentation.openapi_json, PUBLIC),
        GuardedRoute("/docs", documentation.docs, PUBLIC),
        # Drivers
        GuardedRoute("/", driver.lots, PUBLIC),
        GuardedRoute("/lots", driver.lot_list, PUBLIC),
        GuardedRoute("/lots/{lot}", driver.lot, PUBLIC),
        GuardedRoute("/lots/{lot}/nearest", driver.nearest, PUBLIC),
        GuardedRoute("/lots/{lot}/wait", driver.waiting, PUBLIC),
        GuardedRoute("/lots/{lot}/wait", driver.wait, PUBLIC, ["POST"]),
        GuardedRoute("/lots/{lot}/wait/leave", driver.leave_line, PUBLIC, ["POST"]),
        GuardedRoute("/lots/{lot}/slots/{slot:path}/let-go", driver.let_go_slot, PUBLIC, ["POST"]),
        GuardedRoute("/lots/{lot}/slots/{slot:path}/price", driver.price_panel, PUBLIC, ["POST"]),
        GuardedRoute("/lots/{lot}/slots/{slot:path}", driver.panel_of_slot, PUBLIC),
        GuardedRoute("/lots/{lot}/slots/{slot:path}", driver.book, PUBLIC, ["POST"]),
        GuardedRoute("/bookings", driver.my_bookings, PUBLIC),
        GuardedRoute("/bookings/{token}", driver.booking, HOLDER),
        GuardedRoute("/bookings/{token}/running", driver.running, HOLDER),
        GuardedRoute("/bookings/{token}/extend", driver.extend_booking, HOLDER, ["POST"]),
        GuardedRoute("/bookings/{token}/check-in", driver.check_in_booking, HOLDER, ["POST"]),
        GuardedRoute("/bookings/{token}/release", driver.release_booking, HOLDER, ["POST"]),
        GuardedRoute("/bookings/{token}/code", driver.give_code_to_booking, HOLDER, ["POST"]),
        GuardedRoute("/bookings/{token}/pay", driver.pay_booking, HOLDER, ["POST"]),
        GuardedRoute("/bookings/{token}/pay", driver.booking_form, HOLDER),
        GuardedRoute("/bookings/{token}/code", driver.booking_form, HOLDER),
        GuardedRoute("/bookings/{token}/pay/waits", driver.payment_waits, HOLDER),
        GuardedRoute("/bookings/{token}/pay/give-up", driver.give_up_payment, HOLDER, ["POST"]),
        GuardedRoute("/offline", offline.offline, PUBLIC),
        GuardedRoute("/service-worker.js", offline.service_worker, PUBLIC),
        GuardedRoute("/receipts/{token}", payments.receipt, PUBLIC),
        GuardedRoute("/payments/back/{payment}", payments.back, PUBLIC),
        GuardedRoute("/payments/sandbox/{payment}", payments.sandbox, PUBLIC),
        GuardedRoute("/payments/sandbox/{payment}", payments.sandbox_answer, PUBLIC, ["POST"]),
        # Attendants
        GuardedRoute("/sign-in", accounts.sign_in_page, PUBLIC),
        GuardedRoute("/sign-in", accounts.sign_in, PUBLIC, ["POST"]),
        GuardedRoute("/sign-in/{secret}", accounts.use_link, PUBLIC),
        GuardedRoute("/sign-out", accounts.sign_out, PUBLIC, ["POST"]),
        GuardedRoute("/language", accounts.choose_language, PUBLIC, ["POST"]),
        GuardedRoute("/attendant", attendant.lots, ATTENDANT),
        GuardedRoute("/attendant/money", attendant_money.money, ATTENDANT),
        GuardedRoute("/attendant/money/take", attendant_money.taken, ATTENDANT, ["POST"]),
        GuardedRoute("/attendant/money/{payment}/undo", attendant_money.undone, ATTENDANT, ["POST"]),
        GuardedRoute("/attendant/money/{refund}/given-back", attendant_money.given_back, ATTENDANT, ["POST"]),
        GuardedRoute("/attendant/lots/{lot}", attendant.lot, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/search", attendant.search, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/todo", attendant.todo, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/arriving", attendant.arriving, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/waiting", attendant.waiting, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/closed", attendant.closed, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/just-now", attendant.just_now, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/works", attendant_works.form, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/works", attendant_works.work, ATTENDANT, ["POST"]),
        GuardedRoute("/attendant/lots/{lot}/slots/{slot:path}", attendant.slot, ATTENDANT),
        GuardedRoute("/attendant/lots/{lot}/slots/{slot:path}/{action}", attendant.act, ATTENDANT, ["POST"]),
        GuardedRoute("/tour/{view}", tour.enter, Access.HERE, ["POST"]),
        # Operators
        GuardedRoute("/operator", operator_lots.home, OPERATOR),
        GuardedRoute("/operator/lots", operator_lots.to_home, OPERATOR),
        GuardedRoute("/operator/new-lot", operator_lots.new_lot, OPERATOR),
        GuardedRoute("/operator/new-lot", operator_lots.create_lot, OPERATOR, ["POST"]),
        GuardedRoute("/operator/lots/{lot}", operator_lots.lot, OPERATOR),
        GuardedRoute("/operator/lots/{lot}", operator_lots.edit_lot, OPERATOR, ["POST"]),
        GuardedRoute("/operator/lots/{lot}/works", operator_lots.works, OPERATOR, ["POST"]),
        GuardedRoute("/operator/lots/{lot}/slots", operator_lots.add_slots, OPERATOR, ["POST"]),
        GuardedRoute("/operator/lots/{lot}/slots/{slot:path}", operator_lots.slot, OPERATOR),
        GuardedRoute("/operator/lots/{lot}/slots/{slot:path}", operator_lots.edit_slot, OPERATOR, ["POST"]),
        GuardedRoute("/operator/lots/{lot}/areas/{area:path}", operator_lots.area, OPERATOR),
        GuardedRoute("/operator/lots/{lot}/areas/{area:path}", operator_lots.edit_area, OPERATOR, ["POST"]),
        GuardedRoute("/operator/import", imports.form, OPERATOR),
        GuardedRoute("/operator/import", imports.send, OPERATOR, ["POST"]),
        GuardedRoute("/operator/import/{upload}", imports.upload, OPERATOR),
        GuardedRoute("/operator/import/{upload}", imports.begin, OPERATOR, ["POST"]),
        GuardedRoute("/operator/tariffs", operator.tariffs, OPERATOR),
        GuardedRoute("/operator/lots/{lot}/tariff", operator.tariff, OPERATOR),
        GuardedRoute("/operator/lots/{lot}/tariff", operator.send_tariff, OPERATOR, ["POST"]),
        GuardedRoute("/operator/lots/{lot}/tariff/preview", operator.preview_tariff, OPERATOR, ["POST"]),
        GuardedRoute("/operator/payments", money.payments, OPERATOR),
        GuardedRoute("/operator/payments/{payment}", money.payment, OPERATOR),
        GuardedRoute("/operator/payments/{payment}/refund", money.refund, OPERATOR, ["POST"]),
        GuardedRoute("/operator/payments/refunds/{refund}/given-back", money.given_back, OPERATOR, ["POST"]),
        GuardedRoute("/operator/audit", audit_page.audit, OPERATOR),
        GuardedRoute("/operator/closing", money.closing, OPERATOR),
        GuardedRoute("/operator/closing", money.close, OPERATOR, ["POST"]),
        GuardedRoute("/operator/closing.csv", money.closing_csv, OPERATOR),
        GuardedRoute("/operator/displays", pairing.displays, OPERATOR),
        GuardedRoute("/operator/displays", pairing.pair, OPERATOR, ["POST"]),
        GuardedRoute("/operator/displays/seen", pairing.seen, OPERATOR),
        GuardedRoute("/operator/displays/{display}", pairing.change, OPERATOR, ["POST"]),
        GuardedRoute("/operator/displays/{display}/revoke", pairing.revoke, OPERATOR, ["POST"]),
        # Developers
        GuardedRoute("/styleguide", styleguide, PUBLIC),
        # Walls: a screen that is paired, and a preview of each lot's for everybody
        GuardedRoute("/display", display.screen, PUBLIC),
        GuardedRoute("/display/code", display.code, PUBLIC, ["POST"]),
        GuardedRoute("/display/{lot}", display.wall, PUBLIC),
        # The live feed
        GuardedSocket("/ws/lots", driver.list_feed, PUBLIC),
        GuardedSocket("/ws/lots/{lot}", driver.lot_feed, PUBLIC),
        GuardedSocket("/ws/display", display.screen_feed, PUBLIC),
        GuardedSocket("/ws/display/{lot}", display.feed, PUBLIC),
        # Operation
        GuardedRoute("/healthz", health.alive, PUBLIC),
        GuardedRoute("/readyz", health.ready, PUBLIC),
        GuardedRoute("/metrics", prometheus, PROGRAM),
        Mount("/static/{version}", Assets(directory=STATIC), name="static"),
    ]


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> Starlette:
    """The application over these settings, or those of the environment."""
    app = Starlette(
        routes=routes(),
        middleware=[Middleware(Languages), Middleware(Doorway, on_fault=fault), Middleware(Compressed)],
        exception_handlers={Problem: problem, HTTPException: http_error, SqlAway: sql_is_away},
        lifespan=lifespan,
    )
    app.state.settings = settings or Settings.of_process()
    app.state.clock = clock
    return app


async def prometheus(request: Request) -> Response:
    """``GET /metrics``."""
    with contextlib.suppress(SqlAway):
        database = part(request, Database)
        async with database.look() as connection:
            metrics.OUTBOX_LAG.set(await outbox_lag_s(database, connection))
        await count_displays(database)
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


def answer(request: Request, problem: Problem) -> Response:
    """A Problem, for a program or for a person."""
    return error_page(request, problem) if wants_html(request) else problem_response(problem)


async def problem(request: Request, error: Exception) -> Response:
    """What a handler refused."""
    assert isinstance(error, Problem)
    return answer(request, error)


async def http_error(request: Request, error: Exception) -> Response:
    """No such address, or not by this method."""
    assert isinstance(error, HTTPException)
    kind = {404: "no-such-address", 405: "method-not-allowed"}.get(error.status_code, "refused")
    response = answer(request, Problem(error.status_code, kind, error.detail))
    response.headers.update(error.headers or {})
    return response


async def sql_is_away(request: Request, error: Exception) -> Response:
    """SQL can't be reached, or not in time."""
    log.warning("request.refused", error=str(error))
    return answer(request, Unavailable(sentence("The database")))


def fault(request: Request, error: Exception) -> Response:
    """A fault of ours: plain words outside, everything in the log."""
    return answer(
        request,
        Problem(
            500, "fault", sentence("The server could not do that"), sentence("It is written down; try again.")
        ),
    )
