"""The requests to Stripe's API that are needed here, each in a thread and in time.

Whatever is no answer is ProviderAway: no connection, a timeout, a limit, a fault of Stripe's, a key that is
refused. Neither keys nor bodies are logged, or said by an exception.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

import stripe
import structlog
from pydantic import BaseModel, ValidationError
from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams
from stripe.params.checkout import SessionCreateParams

from app.payments.providers.protocol import ProviderAway
from app.payments.providers.stripe_answers import GivenBack, Intent, Session

# A Stripe that hangs holds so many threads, and none that the process needs for anything else.
CALLS_AT_ONCE = 16
MOST_REFUNDS = 100
_T = TypeVar("_T")
_Model = TypeVar("_Model", bound=BaseModel)

log = structlog.get_logger()
# It would make a file in the home folder and tell Stripe about this machine.
stripe.enable_telemetry = False
# At lower levels it logs what is sent and what is answered.
logging.getLogger("stripe").setLevel(logging.WARNING)


class StripeCalls:
    """``total_s`` bounds what is done within :meth:`in_time`, of however many requests it is made."""

    def __init__(self, api_key: str, api_base: str, connect_s: float, total_s: float) -> None:
        self._total_s = total_s
        # The async clients of the library want httpx or aiohttp; requests comes with it. It repeats nothing.
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base},
            http_client=stripe.RequestsClient(timeout=(connect_s, total_s)),
            max_network_retries=0,
        )
        self._intents = client.v1.payment_intents
        self._sessions = client.v1.checkout.sessions
        self._refunds = client.v1.refunds
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="stripe")

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Around requests that belong together."""
        try:
            async with asyncio.timeout(self._total_s):
                yield
        except TimeoutError:
            raise ProviderAway("Stripe did not answer in time") from None

    async def make(self, params: PaymentIntentCreateParams, key: str) -> tuple[Intent, bool]:
        """An intent, and whether it was made before: then it is told as it was at first.

        Raises InvalidRequestError, and IdempotencyError where the key belongs to other parameters.
        """
        made = await self._call(
            lambda: self._intents.create(params, {"idempotency_key": key}),
            stripe.InvalidRequestError,
            stripe.IdempotencyError,
        )
        return _read(Intent, made), _is_replayed(made)

    async def intent(self, name: str) -> Intent:
        """As it is now."""
        return _read(Intent, await self._call(lambda: self._intents.retrieve(name)))

    async def intents_of(self, payment: str) -> list[Intent]:
        """Those that search knows of, as they are now."""
        quoted = payment.replace("\\", "\\\\").replace("'", "\\'")
        try:
            found = await self._call(
                lambda: self._intents.search({"query": f"metadata['payment']:'{quoted}'"}),
                stripe.InvalidRequestError,
            )
        except stripe.InvalidRequestError as error:
            # Not every account has it.
            refused("search", error)
            return []
        names = [_read(Intent, one).id for one in found.data]
        return [await self.intent(name) for name in names]

    async def confirm(self, name: str, params: PaymentIntentConfirmParams) -> Intent:
        """Raises CardError and InvalidRequestError.

        Without a key of ours: a fault of Stripe's would be repeated under it for a day, and that nothing is
        charged twice is the intent's own doing.
        """
        answer = await self._call(
            lambda: self._intents.confirm(name, params), stripe.CardError, stripe.InvalidRequestError
        )
        return _read(Intent, answer)

    async def cancel(self, name: str) -> Intent:
        """Raises InvalidRequestError where it can't be cancelled, or not any more."""
        answer = await self._call(lambda: self._intents.cancel(name), stripe.InvalidRequestError)
        return _read(Intent, answer)

    async def make_session(self, params: SessionCreateParams, key: str) -> tuple[Session, bool]:
        """A session, and whether it was made before. Raises as :meth:`make` does."""
        made = await self._call(
            lambda: self._sessions.create(params, {"idempotency_key": key}),
            stripe.InvalidRequestError,
            stripe.IdempotencyError,
        )
        return _read(Session, made), _is_replayed(made)

    async def session(self, name: str) -> Session:
        """As it is now."""
        return _read(Session, await self._call(lambda: self._sessions.retrieve(name)))

    async def expire(self, name: str) -> Session:
        """Raises InvalidRequestError where it is paid, or ended."""
        answer = await self._call(lambda: self._sessions.expire(name), stripe.InvalidRequestError)
        return _read(Session, answer)

    async def refunds_of(self, charge: str) -> list[GivenBack]:
        """All of a charge's refunds: lists, unlike search, are never late. Raises InvalidRequestError."""
        found = await self._call(
            lambda: self._refunds.list({"payment_intent": charge, "limit": MOST_REFUNDS}),
            stripe.InvalidRequestError,
        )
        return [_read(GivenBack, one) for one in found.data]

    async def give_back(self, charge: str, amount: int, refund: str, payment: str) -> GivenBack:
        """Raises InvalidRequestError, and IdempotencyError where ``refund`` belongs to another one."""
        made = await self._call(
            lambda: self._refunds.create(
                {
                    "payment_intent": charge,
                    "amount": amount,
                    "metadata": {"refund": refund, "payment": payment},
                },
                {"idempotency_key": refund},
            ),
            stripe.InvalidRequestError,
            stripe.IdempotencyError,
        )
        return _read(GivenBack, made)

    def close(self) -> None:
        """Requests that Stripe leaves hanging end by their own timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, request: Callable[[], _T], *answers: type[stripe.StripeError]) -> _T:
        """``answers``: the errors that the caller understands."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, request)
        except answers:
            raise
        except stripe.StripeError as error:
            if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
                log.error("stripe.key_refused", status=error.http_status)
            raise ProviderAway(f"Stripe could not be asked ({type(error).__name__})") from None


def refused(what: str, error: stripe.InvalidRequestError) -> str:
    """Notes what Stripe would not do, and gives back its code, which holds nothing secret."""
    log.warning("stripe.refused", what=what, status=error.http_status, code=error.code, param=error.param)
    return error.code or ""


def decline_codes(error: stripe.CardError) -> tuple[str | None, str | None]:
    """The bank's code and Stripe's own."""
    return getattr(error.error, "decline_code", None), error.code


def _is_replayed(made: stripe.PaymentIntent | stripe.checkout.Session) -> bool:
    """Whether it is told as it was when it was made, under the same key."""
    answer = made.last_response
    return bool(answer and answer.headers.get("Idempotent-Replayed") == "true")


def _read(model: type[_Model], given: stripe.StripeObject) -> _Model:
    try:
        return model.model_validate(given.to_dict())
    except ValidationError:
        raise ProviderAway("Stripe answered what can't be read") from None
