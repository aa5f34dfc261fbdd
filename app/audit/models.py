"""What SQL holds of what people and money did. Rows are added, never changed."""

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class AuditEntry(SQLModel, table=True):
    """``who`` did ``act`` to ``subject``, written in the transaction in which it was done.

    ``detail`` is canonical JSON: names are sorted, nothing stands between them.
    """

    __tablename__ = "audit_entry"

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    who: str = Field(max_length=120)
    act: str = Field(max_length=40)
    subject: str = Field(max_length=80, index=True)
    detail: str = Field(sa_column=Column(Text, nullable=False))


class AuditSeal(SQLModel, table=True):
    """One entry's place in the chain. ``digest`` covers the entry and the digest of the seal before."""

    __tablename__ = "audit_seal"

    number: int = Field(sa_column=Column(BigKey, primary_key=True, autoincrement=False))
    entry_id: int = Field(sa_column=Column(BigKey, nullable=False, unique=True))
    digest: str = Field(max_length=64)
