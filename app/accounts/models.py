"""What SQL holds of people who sign in, and of this installation itself."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, ForeignKey
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class Role(StrEnum):
    """What an account may do; an operator may do all that an attendant may."""

    ATTENDANT = "attendant"
    OPERATOR = "operator"


class Account(SQLModel, table=True):
    """A person who signs in."""

    __tablename__ = "account"
    __table_args__ = (CheckConstraint("role IN ('attendant', 'operator')", name="account_role"),)

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    name: str = Field(unique=True, max_length=80)
    role: str = Field(max_length=16)
    password_hash: str | None = Field(default=None, max_length=200)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Session(SQLModel, table=True):
    """One browser that is signed in. The cookie's secret is kept as a digest only."""

    __tablename__ = "session"

    digest: str = Field(primary_key=True, max_length=64)
    account_id: int = Field(
        sa_column=Column(BigKey, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class SignInLink(SQLModel, table=True):
    """A link that signs in once."""

    __tablename__ = "sign_in_link"

    digest: str = Field(primary_key=True, max_length=64)
    account_id: int = Field(
        sa_column=Column(BigKey, ForeignKey("account.id", ondelete="CASCADE"), nullable=False)
    )
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class Installation(SQLModel, table=True):
    """The one row that names this database: a restored copy must get another incarnation."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="installation_is_one_row"),)

    id: int = Field(default=1, primary_key=True)
    incarnation: str = Field(max_length=36)
    signing_key: str = Field(max_length=64, description="hex; signs the links of bookings")
