"""Is the process alive, and does what it depends on answer?"""

import asyncio
from collections.abc import Awaitable

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.db import Database, SqlAway
from app.core.parts import part
from app.core.redis import REDIS_IS_GONE, Store, life_of

PATIENCE_S = 2.0


async def alive(request: Request) -> Response:
    """``GET /healthz``: this process lives, whatever else does not."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """``GET /readyz``: each dependency by name. Without Redis bookings go on by SQL: that is still ready."""

    async def sql() -> None:
        async with part(request, Database).look() as connection:
            await connection.execute(text("SELECT 1"))

    async def redis() -> None:
        await life_of(part(request, Store).client)

    checks = {"sql": await _answers(sql()), "redis": await _answers(redis())}
    ok = checks["sql"]
    word = "ready" if all(checks.values()) else "degraded" if ok else "not ready"
    body = {"status": word, "checks": {name: "ok" if fine else "away" for name, fine in checks.items()}}
    return JSONResponse(body, 200 if ok else 503)


async def _answers(check: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(check, PATIENCE_S)
    except (SqlAway, *REDIS_IS_GONE):
        return False
    return True
