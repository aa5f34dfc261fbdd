"""What an answer should have been, said where it is not."""

from collections.abc import Iterable

from app.bookings.results import Released
from app.core.errors import Problem
from app.payments.tariffs.asked import Price
from tests.integration.bookings.model.calls import Answer
from tests.integration.bookings.model.facts import Ended, Stay


class Unexplained(AssertionError):
    """The service has answered what it should not have."""


def is_entity(text: str) -> bool:
    given = text.strip()
    return len(given) <= 120 and given.isprintable() and any(letter.isalnum() for letter in given)


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Unexplained(otherwise)


def is_refused(answer: Answer, types: set[str]) -> bool:
    return isinstance(answer, Problem) and answer.type in types


def expect_refused(answer: Answer, types: set[str]) -> None:
    expect(isinstance(answer, Problem), f"it should be refused: {sorted(types)}")
    assert isinstance(answer, Problem)
    expect(answer.type in types, f"true is {sorted(types) or 'nothing of the kind'}")


def expect_wrong(answer: Answer, fields: list[str]) -> None:
    expect_refused(answer, {"invalid-input"})
    assert isinstance(answer, Problem)
    expect([one.field for one in answer.errors] == fields, f"wrong are {fields}")


def expect_ended(answer: Answer, ended: Iterable[Ended]) -> None:
    """``answer`` tells of the one that ended last; of several at one instant it may be any."""
    ended = list(ended)
    if not ended:
        return expect_refused(answer, {"no-such-reservation"})
    expect(isinstance(answer, Released), "it is known")
    assert isinstance(answer, Released)
    last = max(one.ended_at for one in ended)
    known = [
        (
            *(one.stay.reservation, one.stay.slot, one.stay.lot.code, one.stay.start_at, one.billed_until),
            *(one.amount_minor, one.stay.lot.currency),
        )
        for one in ended
        if one.ended_at == last
    ]
    told = (answer.reservation, answer.slot, answer.lot, answer.start_at, answer.ended_at)
    expect((*told, answer.fee.amount_minor, answer.fee.currency) in known, f"true is {known}")
    return expect(sum(line.amount_minor for line in answer.fee.lines) == answer.fee.amount_minor, "lines")


def expect_price(price: Price, stay: Stay) -> None:
    tariff = stay.tariff
    length = (tariff.increment_s, tariff.increment_s, "time")
    known = (tariff.version, stay.lot.currency, stay.premium, *length)
    told = (price.version, price.currency, price.premium, price.increment_s, price.per_s, price.kind)
    expect(told == known, f"price {known}")
    minor = tariff.premium_price_minor if stay.premium else tariff.price_minor
    expect(price.price_minor == minor, f"it costs {minor} for each increment")
