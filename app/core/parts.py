"""How a handler reaches what the process opened at its start: by its type."""

from typing import TypeVar

from starlette.requests import HTTPConnection

Part = TypeVar("Part")


class Parts:
    """What is open, one of each kind."""

    def __init__(self, *parts: object) -> None:
        self._by_kind = {type(one): one for one in parts}

    def get(self, kind: type[Part]) -> Part:
        """The part of exactly this kind. KeyError where nobody opened it."""
        found = self._by_kind[kind]
        assert isinstance(found, kind)
        return found


def part(connection: HTTPConnection, kind: type[Part]) -> Part:
    """The part of this kind that the application of ``connection`` has open."""
    parts: Parts = connection.app.state.parts
    return parts.get(kind)
