"""The metrics of a worker, over HTTP on loopback: a worker has no other address."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from app.core import metrics

log = structlog.get_logger()
_LOOPBACK = "127.0.0.1"


@contextmanager
def served_metrics(port: int | None) -> Iterator[None]:
    """Serves them on ``port`` for as long as the block lasts; not at all without one.

    A port that something else uses is only logged: a worker that can't be measured still has its work to do.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, _LOOPBACK, metrics.REGISTRY)
    except OSError as error:
        log.warning("worker.metrics_not_served", port=port, error=str(error))
        yield
        return
    log.info("worker.metrics_served", address=f"http://{_LOOPBACK}:{port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
