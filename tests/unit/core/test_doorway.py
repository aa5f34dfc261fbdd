"""The doorway through which every request comes."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.core import metrics
from app.core.web import Doorway

SCOPE = {"type": "http", "method": "POST", "path": "/read", "headers": [], "query_string": b""}


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()
    await PlainTextResponse("read")(scope, receive, send)


def fault(request: Request, error: Exception) -> Response:
    return PlainTextResponse("fault", 500)


def counted(status: str) -> float:
    return metrics.REQUESTS.labels("unknown", status)._value.get()


async def test_who_goes_before_the_request_is_whole_is_no_fault_and_gets_no_answer() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"entity=A", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    before = counted("499")
    with capture_logs() as logs:
        await Doorway(read_all, fault)(dict(SCOPE), receive, send)
    assert (logs, sent) == ([], [])
    assert counted("499") == before + 1
