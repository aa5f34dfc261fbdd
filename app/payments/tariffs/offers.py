"""Codes of offers: which of them do something for a stay, and why another one does nothing."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce

from app.core.errors import FieldError
from app.core.languages import sentence
from app.payments.tariffs.lines import Offer, Tariff
from app.payments.tariffs.plan import plan_of
from app.payments.tariffs.wall_clock import as_us

MOST_CODES = 10
LONGEST_CODE = 40
_SHOWN = 20
_SLOTS = {
    True: sentence("premium slots"),
    False: sentence("slots that are not premium"),
    None: sentence("slots"),
}


class NotOffered(Exception):
    """A code that does nothing, with why; ``is_unknown`` where no offer of the tariff has it."""

    def __init__(self, why: str, *, is_unknown: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.is_unknown = is_unknown


def has_offers(tariff: Tariff) -> bool:
    """Whether there is any code to give."""
    return any(isinstance(line, Offer) for line in tariff.lines)


def offered(tariff: Tariff, begins: datetime, size: str, premium: bool, typed: str) -> str:
    """The code as its offer spells it, for a stay that begins then on a slot of this kind.

    Case and blanks around it do not matter. Raises NotOffered.
    """
    code = typed.strip()
    if not code:
        raise NotOffered(sentence("type the code"))
    alike = [
        line for line in tariff.lines if isinstance(line, Offer) and line.code.casefold() == code.casefold()
    ]
    if not alike:
        shown = code if len(code) <= _SHOWN else f"{code[:_SHOWN]}…"
        raise NotOffered(sentence("“{shown}” is no code of an offer here", shown=shown), is_unknown=True)
    code = alike[0].code
    fitting = [line for line in alike if line.is_for(size, premium)]
    if not fitting:
        raise NotOffered(
            sentence("“{code}” is not for this slot, only for {slots}", code=code, slots=_slots_of(alike))
        )
    plan, begins_us = plan_of(tariff, size, premium), as_us(begins)
    if not any(not line.windows or plan.is_in_window(line, begins_us) for line in fitting):
        raise NotOffered(sentence("“{code}” does not hold at the time at which this stay begins", code=code))
    return code


def all_offered(
    tariff: Tariff, begins: datetime, size: str, premium: bool, typed: Sequence[str]
) -> tuple[list[str], list[FieldError]]:
    """As :func:`offered` for several: each code once, and what is wrong with ``codes.0``, ``codes.1``, …"""
    found: dict[str, str] = {}
    errors = []
    for index, one in enumerate(typed):
        try:
            code = offered(tariff, begins, size, premium, one)
        except NotOffered as error:
            errors.append(FieldError(f"codes.{index}", error.why))
        else:
            found.setdefault(code.casefold(), code)
    return list(found.values()), errors


def _slots_of(offers: Sequence[Offer]) -> str:
    """``premium slots``; of several kinds each, as one says it."""
    kinds = []
    for offer in offers:
        kind = _SLOTS[offer.premium]
        if offer.sizes:
            sizes = reduce(
                lambda one, other: sentence("{one} and {other}", one=one, other=other),
                (f"“{size}”" for size in offer.sizes),
            )
            kind = sentence("{slots} of size {sizes}", slots=kind, sizes=sizes)
        kinds.append(kind)
    return reduce(lambda one, other: sentence("{one} or {other}", one=one, other=other), dict.fromkeys(kinds))
