"""One web process: uvicorn with the settings that were measured for this application."""

import signal

import uvicorn

from app.launch.viewers import ViewerProtocol
from app.settings import Settings

# Browsers and gates send commands of a few hundred bytes; the library's default is 16 MiB.
_SOCKET_MESSAGE_LIMIT_BYTES = 4096
_LAST_REQUESTS_S = 5


def serve(settings: Settings) -> int:
    """Serves ``app.main:create_app`` until SIGTERM or SIGINT; returns the exit code."""
    # uvicorn sends itself the signal again when it has closed everything. With the default action the
    # process would be killed there, before anything that runs at its exit, and look as if it had crashed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(_configuration(settings))
    server.run()
    return 0 if server.started else 1


def _configuration(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws=ViewerProtocol,
        ws_max_size=_SOCKET_MESSAGE_LIMIT_BYTES,
        # Deflate per connection costs two to four times the work and 60 KiB and more per viewer.
        ws_per_message_deflate=False,
        # Nobody's word of whose request it hands on is taken, unless a setting names it.
        forwarded_allow_ips=settings.forwarded_allow_ips,
        access_log=False,
        server_header=False,
        # The application decides what its log looks like.
        log_config=None,
        timeout_graceful_shutdown=_LAST_REQUESTS_S,
    )
