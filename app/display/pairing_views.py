"""What the operator's templates of displays are given."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.core.languages import LANGUAGES, say


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a list."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed of a display, and a sentence for each field that is wrong, by the field's name."""

    name: str = ""
    lot: str = ""
    language: str = ""
    code: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def first_wrong(self) -> str:
        """The field that gets the focus."""
        return next((name for name in ("code", "name", "lot", "language") if name in self.errors), "")


@dataclass(frozen=True, slots=True)
class Seen:
    """When a display was connected last. ``words`` say it; ``is_away`` where that is too long ago."""

    id: int
    words: str
    is_away: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One paired display. ``form`` is what its fields hold; it is ``open`` where one of them is wrong."""

    id: int
    name: str
    lot: str
    lot_url: str
    language: str
    since: str
    by: str
    seen: Seen
    form: Form
    open: bool = False


@dataclass(frozen=True, slots=True)
class DisplaysPage:
    """`display/displays.html`. ``address`` is what to open on a screen."""

    operator: str
    address: str
    lots: tuple[Option, ...]
    rows: tuple[Row, ...]
    form: Form
    notice: str = ""
    problem: str = ""
    problem_more: str = ""

    @property
    def languages(self) -> tuple[Option, ...]:
        """What a wall may speak."""
        own = Option("", say("What its browser asks for"))
        return (own, *(Option(code, name) for code, name in LANGUAGES.items()))
