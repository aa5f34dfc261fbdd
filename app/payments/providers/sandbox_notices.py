"""What the sandbox says of its own accord: the bodies of its webhooks, JSON objects of one state each."""

from pydantic import BaseModel, ConfigDict, ValidationError

from app.payments.providers.protocol import BadWebhook, Charged, Event, Fate


class _Notice(BaseModel):
    """``event`` names a charge in one state: delivered twice it is the same event."""

    model_config = ConfigDict(strict=True, extra="forbid")

    event: str
    payment: str
    charge: str
    fate: str
    reason: str
    next_url: str
    amount_minor: int
    currency: str


def notice(payment: str, charged: Charged) -> bytes:
    """The body that tells what became of a charge, which has an amount and a currency."""
    told = _Notice(
        event=f"{charged.charge}.{charged.fate}",
        payment=payment,
        charge=charged.charge,
        fate=charged.fate.value,
        reason=charged.reason,
        next_url=charged.next_url,
        amount_minor=charged.amount_minor or 0,
        currency=charged.currency or "",
    )
    return told.model_dump_json().encode()


def event_of(body: bytes) -> Event:
    """What a body says whose signature was checked. BadWebhook: it is none of the sandbox's."""
    try:
        told = _Notice.model_validate_json(body)
        fate = Fate(told.fate)
    except (ValidationError, ValueError):
        raise BadWebhook("it is signed, but can't be read") from None
    charged = Charged(fate, told.charge, told.reason, told.next_url, told.amount_minor, told.currency)
    return Event(told.event, told.payment, charged)
