"""Alembic's entry: migrates over the connection that ``app.core.migrate`` hands in."""

from alembic import context
from sqlmodel import SQLModel

import app.accounts.models
import app.audit.models
import app.bookings.models
import app.display.models
import app.payments.models
import app.slots.models  # noqa: F401

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
