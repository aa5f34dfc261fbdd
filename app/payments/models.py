"""What SQL holds of prices."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class Tariff(SQLModel, table=True):
    """A price per started increment of time. A change is a new version; what runs keeps its own."""

    __tablename__ = "tariff"
    __table_args__ = (
        UniqueConstraint("lot_id", "area_id", "version"),
        CheckConstraint("increment_s > 0 AND price_minor >= 0 AND premium_price_minor >= 0"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    area_id: int | None = Field(default=None, sa_column=Column(BigKey, ForeignKey("area.id"), nullable=True))
    version: int = 1
    currency: str = Field(max_length=3)
    increment_s: int = 1800
    price_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    premium_price_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
