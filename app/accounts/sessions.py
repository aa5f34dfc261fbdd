"""Sessions as one process knows them."""

from app.accounts.service import SignedIn, sign_out, signed_in
from app.core.db import Database
from app.core.ids import digest
from app.core.remembered import Remembered

# For so long a session that was found valid is honoured while SQL is away.
HONOURED_S = 15 * 60


class Sessions:
    """Asks SQL for each; while that is away, the answer that it gave within ``HONOURED_S`` holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._valid = Remembered[str, SignedIn]("session", HONOURED_S)

    async def of(self, secret: str) -> SignedIn | None:
        """Whose session this is, if it still runs. SqlAway where nobody can say."""
        return await self._valid.ask(digest(secret), lambda: signed_in(self._database, secret))

    async def end(self, secret: str) -> None:
        """Ends a session. SqlAway where it goes on."""
        await sign_out(self._database, secret)
        self._valid.forget(digest(secret))
