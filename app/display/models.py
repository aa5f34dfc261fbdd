"""What SQL holds of screens: those that are some lot's wall, and those that wait to become one."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class Display(SQLModel, table=True):
    """A screen that an operator has paired. The cookie's secret is kept as a digest only.

    ``language`` is the code of what the wall speaks, "" where it speaks what the browser asks for.
    """

    __tablename__ = "display"

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    digest: str = Field(unique=True, max_length=64)
    name: str = Field(max_length=80)
    lot_id: int = Field(
        sa_column=Column(BigKey, ForeignKey("lot.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    language: str = Field(default="", max_length=8)
    paired_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    paired_by: str = Field(max_length=120)
    last_seen_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class PairingCode(SQLModel, table=True):
    """The code that a screen shows, by the digest of the screen's secret.

    ``address`` is a digest of where the screen is, so that one place can't use the codes up.
    """

    __tablename__ = "pairing_code"

    digest: str = Field(primary_key=True, max_length=64)
    code: str = Field(unique=True, max_length=8)
    address: str = Field(max_length=64, index=True)
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
