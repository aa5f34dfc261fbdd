"""What can go wrong, as problems that a person and a program can read (RFC 9457)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.languages import sentence


@dataclass(frozen=True)
class FieldError:
    """One field of a request that is wrong, and why."""

    field: str
    message: str


@dataclass
class Problem(Exception):
    """A request that can't be served, with its HTTP status.

    ``type`` is a short word that a program may rely on; ``title`` says what happened, ``detail``
    what to do about it.
    """

    status: int
    type: str
    title: str
    detail: str = ""
    errors: Sequence[FieldError] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    retry_after_s: int | None = None

    def document(self) -> dict[str, Any]:
        """The body of an ``application/problem+json`` answer."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.type}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"field": one.field, "message": one.message} for one in self.errors]
        return body | self.extra


class InvalidInput(Problem):
    """422: names every wrong field at once."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        count = len(errors)
        super().__init__(
            status=422,
            type="invalid-input",
            title=sentence("One field is wrong")
            if count == 1
            else sentence("{count} fields are wrong", count=count),
            detail="; ".join(f"{one.field}: {one.message}" for one in errors),
            errors=errors,
        )


class Unavailable(Problem):
    """503: a part that this needs does not answer; the same request is safe to send again."""

    def __init__(self, part: str, retry_after_s: int = 2) -> None:
        super().__init__(
            status=503,
            type="unavailable",
            title=sentence("{part} can't be reached just now", part=part),
            detail=sentence("Send the same request again in {wait}.", wait=_seconds(retry_after_s)),
            retry_after_s=retry_after_s,
        )


def _seconds(count: int) -> str:
    return sentence("a second") if count == 1 else sentence("{count} seconds", count=count)
