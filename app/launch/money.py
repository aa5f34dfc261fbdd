"""What is asked of the books on the command line."""

from typing import TYPE_CHECKING

from app.settings import Settings

if TYPE_CHECKING:
    from app.audit.trail import Verdict


async def verify_audit(settings: Settings) -> "Verdict":
    """What the chain of the audit trail says of itself."""
    from app.audit.trail import verify
    from app.core.db import Database

    database = Database(settings.database_url)
    try:
        async with database.look() as connection:
            return await verify(connection)
    finally:
        await database.close()
