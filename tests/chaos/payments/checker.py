"""Whether the provider's books, SQL, the till and what payers were told are of one and the same money."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from app.payments.providers.sandbox import DECLINE, INSUFFICIENT, THREE_D
from tests.chaos.checker import Violation
from tests.chaos.payments.facts import DESK, SANDBOX, Entry, Facts, PaymentFact, Word

_PAID, _PENDING, _EXPIRED, _DONE, _FAILED = "paid", "pending", "expired", "done", "failed"
# Cards that are declined, or whose payer may say no or nothing.
_MAY_FAIL = (DECLINE, INSUFFICIENT, THREE_D)


def check(facts: Facts) -> list[Violation]:
    """Everything that cannot be so when all is at rest."""
    return [
        *_charges(facts),
        *_overpaid(facts),
        *_given_back(facts),
        *_receipts(facts),
        *_ledger(facts),
        *_told(facts),
        *_posted(facts),
        *_till(facts),
        *_left_over(facts),
    ]


def _charges(facts: Facts) -> Iterable[Violation]:
    """What the provider has charged is paid, once and as it was charged; and nothing else is."""
    payments = {one.id: one for one in facts.payments}
    charged = {one.payment: one for one in facts.charges if one.fate == _PAID}
    for charge in charged.values():
        payment = payments.get(charge.payment)
        if payment is None or payment.state != _PAID:
            state = "unknown" if payment is None else payment.state
            yield Violation("charged, not recorded", f"{charge.payment} is {state}")
        elif (payment.amount_minor, payment.currency) != (charge.amount_minor, charge.currency):
            yield Violation("other amount", f"{payment} was charged as {charge}")
        elif payment.charge != charge.charge:
            yield Violation("other charge", f"{payment} was charged as {charge}")
    for payment in facts.payments:
        if payment.provider == SANDBOX and payment.state == _PAID and payment.id not in charged:
            yield Violation("paid, not charged", f"{payment.id} of {payment.reservation}")


def _overpaid(facts: Facts) -> Iterable[Violation]:
    """A booking's payments, less what was given back, are no more than it costs."""
    settled: Counter[str] = Counter()
    for one in facts.payments:
        if one.state == _PAID:
            settled[one.reservation] += one.amount_minor - one.refunded_minor
    for reservation, amount_minor in settled.items():
        fee_minor = facts.fees.get(reservation, 0)
        if amount_minor > fee_minor:
            yield Violation("charged twice", f"{reservation} paid {amount_minor} of {fee_minor}")


def _given_back(facts: Facts) -> Iterable[Violation]:
    """A refund is the same for the provider and for SQL, and its payment counts it once."""
    by_provider = {one.refund: one for one in facts.given_back if one.fate == _PAID}
    known = {one.id: one for one in facts.refunds}
    for back in by_provider.values():
        refund = known.get(back.refund)
        if refund is None or refund.state != _DONE:
            yield Violation("given back, not recorded", f"{back.refund} of {back.payment}")
        elif (refund.payment, refund.amount_minor, refund.currency) != (
            back.payment,
            back.amount_minor,
            back.currency,
        ):
            yield Violation("other refund", f"{refund} was given back as {back}")
    of_payment: Counter[str] = Counter()
    providers = {one.id: one.provider for one in facts.payments}
    for refund in facts.refunds:
        if refund.state != _FAILED:
            of_payment[refund.payment] += refund.amount_minor
        asked_of_sandbox = providers.get(refund.payment) == SANDBOX
        if asked_of_sandbox and refund.state == _DONE and refund.id not in by_provider:
            yield Violation("recorded, not given back", f"{refund.id} of {refund.payment}")
    for payment in facts.payments:
        if payment.refunded_minor != of_payment[payment.id]:
            counted = f"{payment.refunded_minor} of {of_payment[payment.id]}"
            yield Violation("refunds miscounted", f"{payment.id}: {counted}")


def _receipts(facts: Facts) -> Iterable[Violation]:
    """Each payment that is paid has one receipt and one entry in the audit trail, and no other one has."""
    for what, found in (("receipt", Counter(facts.receipts)), ("audit entry", Counter(facts.noted))):
        paid = {one.id for one in facts.payments if one.state == _PAID}
        for payment in paid | {*found}:
            if found[payment] != (payment in paid):
                yield Violation(f"not one {what}", f"{payment} has {found[payment]}")


def _ledger(facts: Facts) -> Iterable[Violation]:
    """Each payment and each refund moved its money once; all movements sum to zero."""
    entries: dict[str, list[Entry]] = defaultdict(list)
    sums: Counter[str] = Counter()
    for entry in facts.entries:
        entries[entry.movement].append(entry)
        sums[entry.currency] += entry.amount_minor
    for currency, amount_minor in sums.items():
        if amount_minor:
            yield Violation("ledger off", f"{amount_minor} {currency}")
    due = {one.id: (one.amount_minor, one.currency) for one in facts.payments if one.state == _PAID}
    due |= {one.id: (-one.amount_minor, one.currency) for one in facts.refunds if one.state == _DONE}
    for movement in {*due, *entries}:
        moved = Counter(
            (entry.account.partition(":")[0], entry.amount_minor, entry.currency)
            for entry in entries[movement]
        )
        if movement not in due:
            yield Violation("moved without cause", f"{movement}: {dict(moved)}")
            continue
        amount_minor, currency = due[movement]
        once = Counter([("till", amount_minor, currency), ("revenue", -amount_minor, currency)])
        if moved != once:
            yield Violation("not moved once", f"{movement} of {amount_minor} {currency}: {dict(moved)}")


def _told(facts: Facts) -> Iterable[Violation]:
    """What payers were told for good is so."""
    payments: dict[str, PaymentFact] = {one.id: one for one in facts.payments}
    charged = {one.payment for one in facts.charges if one.fate == _PAID}
    for told in set(facts.told):
        payment = payments.get(told.payment)
        is_paid = payment is not None and payment.state == _PAID
        if told.word is Word.PAID and not is_paid:
            yield Violation("told of a payment that is none", told.payment)
        if told.word is Word.DECLINED and (is_paid or told.payment in charged):
            yield Violation("charged after all", told.payment)


def _posted(facts: Facts) -> Iterable[Violation]:
    """What was accepted while SQL was away is posted, and its booking is paid where the means is good.

    It may be given up where SQL goes away again, before the card was charged.
    """
    posted = {(one.reservation, one.provider, one.by) for one in facts.postings}
    paid = {one.reservation for one in facts.payments if one.state == _PAID}
    given_up = {(one.reservation, one.means) for one in facts.payments if one.state == _EXPIRED}
    written = {(one.reservation, one.provider, one.by) for one in facts.payments}
    for one in set(facts.accepted):
        provider = SANDBOX if one.means.startswith(SANDBOX) else DESK
        key = one.reservation, provider, one.by
        if key not in posted and key not in written:
            yield Violation("accepted, not posted", f"{one}")
        is_given_up = (one.reservation, one.means) in given_up
        if one.means not in _MAY_FAIL and one.reservation not in paid and not is_given_up:
            yield Violation("accepted, not paid", f"{one}")
    refunded = {one.payment for one in facts.refunds}
    payments = {one.id for one in facts.payments}
    for posting in facts.postings:
        if posting.outcome in ("posted", "paid-twice") and posting.payment not in payments:
            yield Violation("posted as nothing", f"{posting}")
        if posting.outcome == "paid-twice" and posting.payment not in refunded:
            yield Violation("paid twice, not listed", f"{posting}")
        if posting.outcome == "no-booking":
            yield Violation("posted without a booking", f"{posting}")


def _till(facts: Facts) -> Iterable[Violation]:
    """What attendants have in hand is in the till, each once, and nothing else is."""
    in_till = Counter(
        (one.reservation, one.means, one.by, one.amount_minor)
        for one in facts.payments
        if one.provider == DESK and one.state == _PAID
    )
    certain: dict[tuple[str, str, str, int], bool] = {}
    for one in facts.taken:
        key = one.reservation, one.means, one.by, one.amount_minor
        certain[key] = certain.get(key, False) or one.certain
    for key in {*in_till, *certain}:
        if key not in certain:
            yield Violation("in the till, not taken", f"{key}")
        elif in_till[key] > 1 or (certain[key] and not in_till[key]):
            yield Violation("taken, not once in the till", f"{key}: {in_till[key]} times")


def _left_over(facts: Facts) -> Iterable[Violation]:
    """Everything that was begun has come to its end."""
    for payment in facts.payments:
        if payment.state == _PENDING:
            yield Violation("pending for ever", payment.id)
    asked_of_sandbox = {one.id for one in facts.payments if one.provider == SANDBOX}
    for refund in facts.refunds:
        # One of a desk waits for a person to hand it over.
        if refund.state == _PENDING and refund.payment in asked_of_sandbox:
            yield Violation("refund pending for ever", refund.id)
    for task in facts.tasks:
        yield Violation("task left", task)
    for entry in facts.in_journals:
        yield Violation("left in a journal", entry)
    for wrong in facts.wrong_seals:
        yield Violation("audit trail broken", wrong)
