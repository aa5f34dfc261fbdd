"""Runs localstripe on a free port of the loopback, and says which, until its input ends.

Its own way of starting listens to everybody and keeps its data in one file for all users. It is older than
the API that the library speaks, so it is told two things that Stripe does: an intent may have a few more
parameters, and a confirmation may bring the card.
"""

import os
import socket
import sys
import threading
from typing import Any

from aiohttp import web
from localstripe import resources

_UNKNOWN = {"allowed_payment_method_types", "description", "statement_descriptor_suffix"}
_create = resources.PaymentIntent._api_create
_confirm = resources.PaymentIntent._api_confirm


def _create_with_all(**data: Any) -> Any:
    return _create(**{name: value for name, value in data.items() if name not in _UNKNOWN})


def _confirm_with_card(id: str, payment_method: str, return_url: str = "") -> Any:
    intent = resources.PaymentIntent._api_retrieve(id)
    card = resources.PaymentMethod._api_retrieve(payment_method)
    if intent.status == "requires_payment_method":
        intent.payment_method = card.id
    return _confirm(id)


def _ends_with_its_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    resources.Store.dump_to_disk = lambda self: None
    resources.PaymentIntent._api_create = staticmethod(_create_with_all)
    resources.extra_apis[:] = [
        (method, url, _confirm_with_card if function == _confirm else function)
        for method, url, function in resources.extra_apis
    ]
    # Its routes are made when it is imported, so not before.
    from localstripe import server

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    threading.Thread(target=_ends_with_its_input, daemon=True).start()
    web.run_app(server.app, sock=listening, print=lambda *_: None, access_log=None)


if __name__ == "__main__":
    main()
