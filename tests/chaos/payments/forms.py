"""The long forms of payments."""

from functools import partial

from tests.chaos.form import Form, Run, times
from tests.chaos.payments import trials
from tests.chaos.payments.launchers import JOURNAL_VARIANTS, VARIANTS, Variant
from tests.chaos.payments.outage import LONG
from tests.chaos.site import Kind


def _payments_form(kind: Kind) -> Form:
    killed = ("web-1", "web-2", "web-3", "payments", "payments-2", "postgresql")
    return Form(
        name="payments",
        title="payments with repeated, reordered and forged webhooks, kill -9 of web, worker, SQL",
        kind=kind,
        promise="10,000 payments: 0 charged twice, 0 paid but not recorded; the ledger always sums to 0",
        counted="paid",
        goal=10_000,
        least_s=20,
        slice_s=240,
        run=partial(trials.kill_under_payments, kind),
        tells=lambda sums: (
            f"{sums['paid']:,.0f} payments, {sums['refunded']:,.0f} refunds, {sums['kills']:,.0f} kills ("
            + ", ".join(f"{name} {sums[f'{name} killed']:.0f}" for name in killed if f"{name} killed" in sums)
            + f"), {sums['webhooks']:,.0f} webhooks, {sums['webhooks replayed']:,.0f} of them replayed, and "
            f"{sums['webhooks forged']:,.0f} forged; all was settled after {sums['done']:.1f} s at most"
        ),
    )


def _broken_form(name: str, kind: Kind, variant: Variant, run: Run) -> Form:
    return Form(
        name=name,
        title=f"the same, broken: {variant.name}",
        kind=kind,
        promise="must be caught, each time",
        counted="caught",
        goal=10,
        least_s=15,
        slice_s=15,
        run=run,
        tells=lambda sums: f"caught {times(sums['caught'])} in {sums['paid']:,.0f} payments",
        violations="times not",
    )


def _payments_redis_form(kind: Kind) -> Form:
    return Form(
        name="payments-redis",
        title="payments with Redis dead from before the first one to the end",
        kind=kind,
        promise="every request about money is served: 0 failed",
        counted="paid",
        goal=1_000,
        least_s=20,
        slice_s=60,
        run=partial(trials.pay_without_redis, kind),
        tells=lambda sums: (
            f"{sums['paid']:,.0f} payments, {sums['receipts']:,.0f} receipts looked at, "
            f"{sums['failed']:,.0f} of {sums['requests']:,.0f} requests failed"
        ),
    )


def _payments_sql_form(kind: Kind) -> Form:
    return Form(
        name="payments-sql",
        title=f"payments by card and in cash with SQL dead for {LONG.away_s:.0f} s, kill -9 of web, worker",
        kind=kind,
        promise="1,000 accepted: each posted once, nothing charged twice, what was taken twice is listed",
        counted="accepted",
        goal=1_000,
        least_s=60,
        slice_s=60,
        run=partial(trials.lose_sql, kind),
        tells=lambda sums: (
            f"{sums['accepted']:,.0f} answers of “accepted”, SQL dead {times(sums['outages'])}; "
            f"{sums['posted']:,.0f} posted, {sums['known']:,.0f} known, {sums['not-charged']:,.0f} not "
            f"charged, {sums['paid-twice']:,.0f} paid twice, {sums['handed back']:,.0f} handed back; "
            f"{sums['kills']:,.0f} kills; all was posted after {sums['done']:.1f} s at most"
        ),
    )


FORMS = (
    *(_payments_form(kind) for kind in Kind),
    *(
        _broken_form("payments-broken", kind, variant, partial(trials.pay_broken, kind, variant))
        for variant in VARIANTS
        for kind in Kind
    ),
    *(_payments_redis_form(kind) for kind in Kind),
    *(_payments_sql_form(kind) for kind in Kind),
    *(
        _broken_form(
            "payments-sql-broken", Kind.POSTGRESQL, variant, partial(trials.lose_sql_broken, variant)
        )
        for variant in JOURNAL_VARIANTS
    ),
)
