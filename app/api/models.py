"""What the REST surface takes: the canonical spelling, and the spellings of the requirements."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
)

from app.core.forms import fit_text
from app.payments.tariffs.offers import LONGEST_CODE, MOST_CODES
from app.slots.models import Size

# Lower case → canonical. The requirements write slotIdentifer and Identier; both are taken.
_SPELLINGS = {
    "slotidentifer": "slotIdentifier",
    "slotidentifier": "slotIdentifier",
    "entityidentifier": "entityIdentifier",
    "entityidentifer": "entityIdentifier",
    "entityidentier": "entityIdentifier",
    "identier": "identifier",
    "identifer": "identifier",
    "identifier": "identifier",
    "starttime": "startTime",
    "endtime": "endTime",
}
# The year 9999 in Unix seconds: what a database can keep.
LATEST_UNIX_S = 253_402_300_799
LONGEST_LOCATION = 20_000
# GeoJSON needs five; what is nested without end can be read, but not always written again.
DEEPEST_LOCATION = 20


def canonical(body: Mapping[str, Any], slot_key: str | None = None) -> dict[str, Any]:
    """The body with its keys spelt canonically; ``slot_key`` is how this call names its slot."""
    spelt = {}
    for key, value in body.items():
        name = _SPELLINGS.get(key.lower(), key.lower())
        if slot_key and name in ("slotIdentifier", "identifier", "slot"):
            name = slot_key
        spelt[name] = value
    return spelt


def _instant(value: Any) -> datetime:
    """Unix seconds as an integer, or ISO 8601 with an offset."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be Unix seconds (an integer) or ISO 8601 with an offset")
    if isinstance(value, str) and not value.lstrip("-").isdecimal():
        return _iso(value)
    if isinstance(value, str) and len(value) > 20:
        raise ValueError("is not a time that can be kept")
    seconds = int(value)
    if not 0 <= seconds <= LATEST_UNIX_S:
        raise ValueError("is not a time that can be kept")
    return datetime.fromtimestamp(seconds, UTC)


def _iso(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be Unix seconds (an integer) or ISO 8601 with an offset") from None
    if found.tzinfo is None:
        raise ValueError("needs an offset, such as Z or +02:00")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a time that can be kept") from None


Instant = Annotated[
    datetime,
    BeforeValidator(_instant, json_schema_input_type=int | str),
    Field(description="Unix seconds, or ISO 8601 with an offset", examples=[1767225600]),
]
Text = Annotated[str, AfterValidator(fit_text), Field(min_length=1, max_length=120)]
Code = Annotated[str, AfterValidator(fit_text), Field(min_length=1, max_length=32)]
Code64 = Annotated[str, AfterValidator(fit_text), Field(min_length=1, max_length=64)]
OfferCode = Annotated[str, AfterValidator(fit_text), Field(min_length=1, max_length=LONGEST_CODE)]
LotCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


def _location(value: Any) -> Any:
    """Text, or JSON that is neither large nor deep and can be stored as it is."""
    if value is not None and not isinstance(value, str | dict | list):
        raise ValueError("must be text, a point or GeoJSON")
    if _is_deeper(value, DEEPEST_LOCATION):
        raise ValueError("is nested too deeply")
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:
        raise ValueError("has a number that can't be kept") from None
    if len(written) > LONGEST_LOCATION:
        raise ValueError(f"has more than {LONGEST_LOCATION} characters")
    fit_text(written.replace("\\u0000", "\x00"))
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)


Location = Annotated[
    Any,
    BeforeValidator(_location, json_schema_input_type=str | dict[str, Any] | list[Any] | None),
    Field(description="text, a point or GeoJSON"),
]
Metres = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]


# What stands behind a slot's name in an address, and would be taken for it.
ACTS = ("/price", "/let-go")


def _name(text: str) -> str:
    """What stands in an address as a part of a path."""
    if text in (".", ".."):
        raise ValueError("can't be only dots")
    if text.endswith(ACTS):
        raise ValueError("can't end in " + " or ".join(ACTS))
    return text


def _area(text: str) -> str:
    if text.lower() == "premium":
        raise ValueError("is the name of the premium sign")
    return text


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Reserve(_Body):
    """Body of ``POST /parking?action=reserve``."""

    entity_identifier: Text = Field(alias="entityIdentifier", description="whatever claims the slot")
    time: Instant | None = Field(
        default=None,
        description=(
            "start, at most 24 hours ahead; now where absent. The slot is held from the call on, and billed "
            "from this time or from 30 minutes after the call, whichever is earlier: the answer's startTime"
        ),
    )
    until: Instant | None = Field(default=None, description="planned end")
    lot: LotCode | None = None
    area: Code | None = None
    slot: Text | None = Field(default=None, description="this very slot")
    size: Size = Size.CAR
    premium: StrictBool | None = Field(default=None, description="false excludes premium slots")
    accessible: StrictBool = False
    charging: StrictBool = False
    codes: Annotated[list[OfferCode], Field(max_length=MOST_CODES)] = Field(
        default_factory=list, description="of offers; one that does nothing for this stay is refused"
    )


class Unreserve(_Body):
    """Body of ``POST /parking?action=unreserve``."""

    slot: Text
    entity_identifier: Text = Field(alias="entityIdentifier")
    time: Instant | None = Field(default=None, description="end; now where absent")
    reservation: Text | None = None


class Extend(_Body):
    """Body of ``POST /parking?action=extend``."""

    slot: Text
    entity_identifier: Text = Field(alias="entityIdentifier")
    until: Instant = Field(description="the new planned end")
    reservation: Text | None = None


class CheckIn(_Body):
    """Body of ``POST /parking?action=check-in``: what the QR code holds, or a slot and whose it is."""

    booking: Annotated[str, AfterValidator(fit_text), Field(min_length=1, max_length=400)] | None = Field(
        default=None, description="the link that the booking's QR code holds, or its secret alone"
    )
    slot: Text | None = None
    entity_identifier: Text | None = Field(default=None, alias="entityIdentifier")


class Validate(_Body):
    """Body of ``POST /parking?action=validate``: a booking, or a slot and whose it is, and a code."""

    reservation: Text | None = None
    slot: Text | None = None
    entity_identifier: Text | None = Field(default=None, alias="entityIdentifier")
    code: OfferCode = Field(description="given again it counts once")


class Calculate(_Body):
    """Body of ``POST /parking/payment?action=calculate``: a slot and two times, or a reservation."""

    slot_identifier: Text | None = Field(default=None, alias="slotIdentifier")
    start_time: Instant | None = Field(default=None, alias="startTime")
    end_time: Instant | None = Field(default=None, alias="endTime")
    reservation: Text | None = None
    codes: Annotated[list[OfferCode], Field(max_length=MOST_CODES)] = Field(
        default_factory=list, description="of offers; only for a slot and two times"
    )


class Pay(_Body):
    """Body of ``POST /parking/payment?action=pay``."""

    quote: Annotated[str, AfterValidator(fit_text), Field(min_length=1, max_length=4_000)]
    method: Code = Field(description="cash, terminal, or what a provider takes")
    token: Annotated[str, AfterValidator(fit_text), Field(max_length=80)] = Field(
        default="", description="the provider's own, where the method needs one; never a card's number"
    )


class Put(_Body):
    """Body of ``PUT /parking``."""

    identifier: Annotated[Text, AfterValidator(_name)]
    location: Location = None
    size: Size | None = None
    premium: StrictBool | None = None
    lot: LotCode | None = None
    area: Annotated[Code, AfterValidator(_area)] | None = None
    name: Annotated[Code64, AfterValidator(_name)] | None = None
    accessible: StrictBool | None = None
    charging: StrictBool | None = None
    outline: (
        Annotated[
            list[tuple[Metres, Metres]],
            Field(min_length=3, max_length=200, description="corners in metres of the lot's own frame"),
        ]
        | None
    ) = None


class ListQuery(_Body):
    """Query of ``GET /parking``."""

    slot: Text | None = None
    status: Literal["free", "reserved", "occupied", "closed"] | None = None
    lot: LotCode | None = None
    area: Code | None = None
    size: Size | None = None
    premium: bool | None = None
    start: int = Field(default=0, ge=0, le=100_000_000)
    limit: int = Field(default=10, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=100)
