"""What SQL holds of prices."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, Text, text
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class TariffVersion(SQLModel, table=True):
    """Rate lines for a lot, or an area of it, from an instant on. It never changes: a change is a new one.

    ``time_zone`` is the lot's, so that a fee can be reckoned from this alone.
    """

    __tablename__ = "tariff"
    __table_args__ = (
        # Two versions of one number would be two truths; NULL is equal to nothing, so 0 stands for no area.
        Index("tariff_version", "lot_id", text("coalesce(area_id, 0)"), "version", unique=True),
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    area_id: int | None = Field(default=None, sa_column=Column(BigKey, ForeignKey("area.id"), nullable=True))
    version: int = 1
    currency: str = Field(max_length=3)
    time_zone: str = Field(max_length=64)
    lines: str = Field(sa_column=Column(Text, nullable=False), description="as tariffs.documents writes them")
    valid_from: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    created_by: str = Field(default="", max_length=120)
