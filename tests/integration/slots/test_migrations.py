"""From one schema to the next, with rows in it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, delete, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import app.accounts.models
import app.bookings.models
import app.display.models
import app.payments.models
import app.slots.models  # noqa: F401 - all that the tables are made for
from app.bookings import records
from app.bookings.billing import stay_of
from app.core.db import Database
from app.core.migrate import alembic_config, upgrade_url
from app.payments.fees import FeeLine, fee, fee_of_what_is_covered, lines_from_stored
from app.payments.models import TariffVersion
from app.payments.queries import TARIFF, tariff_in_force, tariff_of
from app.payments.service import first_lines, set_tariff
from app.payments.tariffs.documents import as_text
from app.payments.tariffs.lines import PerIncrement
from tests import servers
from tests.conftest import as_settings_have_it

_NOTED = "INSERT INTO status_outbox (lot_id, slot_id, created_at_us) VALUES (1, {slot}, 7) RETURNING id"


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
        return
    async with servers.new_database(request.getfixturevalue("postgresql_url")) as url:
        yield as_settings_have_it(url)


async def answers(url: str, *statements: str) -> list[object]:
    """What each statement answers first."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        found = [(await connection.execute(text(one))).scalar() for one in statements]
    await engine.dispose()
    return found


async def upgrade_to(url: str, revision: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), revision))
    await engine.dispose()


async def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, upgrade_url(empty_url)) for _ in range(4)))
    assert await answers(empty_url, "SELECT count(*) FROM alembic_version") == [1]


async def test_a_file_that_cannot_be_made_is_named_at_once(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            await upgrade_url(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'lotline.db'}")


async def test_what_waits_in_the_outbox_is_kept_and_no_number_comes_twice(empty_url: str) -> None:
    await upgrade_to(empty_url, "0001")
    first, second = await answers(empty_url, _NOTED.format(slot=1), _NOTED.format(slot=2))
    await upgrade_url(empty_url)
    kept = await answers(empty_url, "SELECT count(*) FROM status_outbox", "SELECT max(id) FROM status_outbox")
    assert kept == [2, second]
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM status_outbox"))
    await engine.dispose()
    (third,) = await answers(empty_url, _NOTED.format(slot=3))
    assert len({first, second, third}) == 3


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
async def test_the_migrations_lead_to_the_tables_that_the_models_have(empty_url: str) -> None:
    await upgrade_url(empty_url)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))

    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []


# From one price for each started increment to rate lines.

SET_AT = datetime(2026, 2, 1, 8, 30, 0, 123456, tzinfo=UTC)
# The clock is put forward in Berlin in the second night of this stay.
START = datetime(2026, 3, 27, 22, 10, tzinfo=UTC)
EUROS, YEN = 1, 2
GONE_SLOT = 77
OLD_LINE = FeeLine("premium, per started increment", 1, "30 min", 9)


class OldPrice:
    """A tariff as it was: so much for each started ``increment_s``."""

    def __init__(self, currency: str, increment_s: int, price_minor: int, premium_price_minor: int) -> None:
        self.currency = currency
        self.row = {
            "currency": currency,
            "increment_s": increment_s,
            "price_minor": price_minor,
            "premium_price_minor": premium_price_minor,
        }
        self.step = timedelta(seconds=increment_s)
        length = {"increment_s": increment_s, "per_s": increment_s}
        self.lines = (
            PerIncrement(premium=False, price_minor=price_minor, **length),
            PerIncrement("premium", premium=True, price_minor=premium_price_minor, **length),
        )

    def amount_minor(self, lasted: timedelta, *, premium: bool) -> int:
        each = self.row["premium_price_minor" if premium else "price_minor"]
        return max(0, -(-lasted // self.step)) * int(each)


OLD_PRICES = {EUROS: OldPrice("EUR", 1800, 100, 150), YEN: OldPrice("JPY", 90, 70, 111)}


@pytest.fixture
async def priced(empty_url: str) -> AsyncIterator[Database]:
    """A database of the new schema with what the one before it held.

    A lot with a price in euros, another one of whose areas has one in yen; in each a premium slot for vans,
    of which a booking runs and another one has ended. One had a slot that there is no more.
    """
    await upgrade_to(empty_url, "0006")
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        tables = await connection.run_sync(_reflected)
        for table, row in _old_rows():
            await connection.execute(insert(tables[table]).values(**row))
    await engine.dispose()
    await upgrade_url(empty_url)
    database = Database(empty_url)
    yield database
    await database.close()


def _reflected(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return dict(metadata.tables)


def _old_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with its table, those first to which others refer."""

    def row(table: str, **values: Any) -> tuple[str, dict[str, Any]]:
        return table, values

    for lot, code, zone in ((EUROS, "euros", "Europe/Berlin"), (YEN, "yen", "Asia/Tokyo")):
        old = OLD_PRICES[lot]
        plain: dict[str, Any] = {"map_angle_deg": 0.0, "outline": []}
        plain |= dict.fromkeys(("address", "gate_name", "attribution"), "")
        plain |= dict.fromkeys(("entities_are_plates", "exclusive", "closed"), False)
        plain |= dict.fromkeys(("layout_version", "order_version"), 1)
        yield row("lot", **_named(lot, code), time_zone=zone, currency=old.currency, **plain)
        yield row("area", **_named(lot, "A"), lot_id=lot, level=0, premium=True, sign_upright=False)
        place = {"identifier": f"{code}-A1", "position": 0, "rank": 0, "outline": [], "revision": 1}
        kind = {"size": "van", "premium": True, "accessible": False, "charging": False}
        yield row("slot", id=lot, lot_id=lot, area_id=lot, name="A1", **place, **kind)
        area = lot if lot == YEN else None
        yield row("tariff", id=lot + 100, lot_id=lot, area_id=area, version=1, created_at=SET_AT, **old.row)
        stay = {"slot_id": lot, "lot_id": lot, "tariff_id": lot + 100, "premium": True, "exclusive": True}
        stay |= {"entity": f"V {lot}", "entity_given": f"v {lot}", "source": "api"}
        stay |= dict.fromkeys(("created_at", "expected_at", "start_at"), START)
        yield row("reservation", id=f"runs {lot}", **stay)
        end = {"ended_at": START, "amount_minor": 9, "currency": old.currency, "lines": [asdict(OLD_LINE)]}
        yield row("reservation_history", id=f"ended {lot}", **stay, **end)
        if lot == EUROS:
            yield row("reservation_history", id="gone", **stay | {"slot_id": GONE_SLOT}, **end)


def _named(number: int, code: str) -> dict[str, Any]:
    return {"id": number, "code": code, "name": code}


async def test_one_price_becomes_a_line_for_standard_and_one_for_premium_slots(priced: Database) -> None:
    async with priced.look() as connection:
        rows = (await connection.execute(select(TARIFF).order_by(TARIFF.c.id))).mappings().all()
        in_force = [
            await tariff_in_force(connection, lot, area, at)
            for lot, area in ((EUROS, EUROS), (EUROS, None), (YEN, YEN), (YEN, None))
            for at in (SET_AT, SET_AT - timedelta(microseconds=1))
        ]
    assert [row["lines"] for row in rows] == [as_text(old.lines) for old in OLD_PRICES.values()]
    assert rows[0]["lines"] == as_text(first_lines("EUR"))
    kept = [(row["lot_id"], row["area_id"], row["version"], row["currency"]) for row in rows]
    assert kept == [(EUROS, None, 1, "EUR"), (YEN, YEN, 1, "JPY")]
    new = [(row["time_zone"], row["valid_from"], row["created_at"], row["created_by"]) for row in rows]
    assert new == [("Europe/Berlin", SET_AT, SET_AT, ""), ("Asia/Tokyo", SET_AT, SET_AT, "")]
    found = [tariff.id if tariff is not None else None for tariff in in_force]
    assert found == [101, None, 101, None, 102, None, None, None]


async def test_bookings_get_the_size_of_their_slot_and_no_codes(priced: Database) -> None:
    async with priced.look() as connection:
        running = [await records.active(connection, id=f"runs {lot}") for lot in OLD_PRICES]
        ended = [await records.ended(connection, id=one) for one in ("ended 1", "ended 2", "gone")]
    assert [(one.size, one.premium, one.codes) for one in running if one] == [("van", True, [])] * 2
    told = [(one.size, one.premium, one.codes, one.amount_minor) for one in ended if one]
    # Whose slot is no more is of the size that is meant where none is named.
    assert told == [("van", True, [], 9), ("van", True, [], 9), ("car", True, [], 9)]
    assert [lines_from_stored(one.lines) for one in ended if one] == [(OLD_LINE,)] * 3


@pytest.mark.parametrize("lot", OLD_PRICES)
async def test_a_booking_costs_what_it_would_have_cost_by_the_old_price(lot: int, priced: Database) -> None:
    old = OLD_PRICES[lot]
    async with priced.look() as connection:
        booking = await records.active(connection, id=f"runs {lot}")
        assert booking is not None
        tariff = await tariff_of(connection, booking.tariff_id)
    instant, hour = timedelta(microseconds=1), timedelta(hours=1)
    lengths = [-hour, timedelta(0), instant, old.step - instant, old.step, old.step + instant]
    lengths += [2 * hour + instant, 27 * hour, 36 * hour - instant, 40 * hour, timedelta(days=366)]
    for lasted in lengths:
        for premium in (True, False):
            booking.premium = premium
            stay = stay_of(booking, START + lasted)
            expected = (old.amount_minor(lasted, premium=premium), old.currency)
            for found in (fee(tariff, stay), fee_of_what_is_covered(tariff, stay)):
                assert (found.amount_minor, found.currency) == expected, lasted
                assert sum(line.amount_minor for line in found.lines) == expected[0]


async def test_no_lot_and_no_area_has_two_tariffs_of_one_version(priced: Database) -> None:
    for lot, area in ((EUROS, None), (YEN, YEN)):
        again = TariffVersion(
            lot_id=lot,
            area_id=area,
            version=1,
            currency="EUR",
            time_zone="UTC",
            lines="[]",
            valid_from=SET_AT,
            created_at=SET_AT,
        )
        with pytest.raises(IntegrityError, match="tariff_version"):
            async with priced.unit_of_work() as connection:
                await connection.execute(insert(TARIFF).values(**again.model_dump(exclude={"id"})))
    async with priced.unit_of_work() as connection:
        for lot, area, version in ((EUROS, None, 2), (EUROS, EUROS, 1), (YEN, None, 1), (YEN, YEN, 2)):
            lines = first_lines("EUR")
            given = await set_tariff(connection, lot, area, "EUR", "UTC", lines, SET_AT, SET_AT)
            assert given == version


async def test_a_tariff_that_a_booking_was_made_at_stays(priced: Database) -> None:
    """SQLite makes the table anew; what refers to it goes on doing so."""
    for tariff_id in (101, 102):
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            async with priced.unit_of_work() as connection:
                await connection.execute(delete(TARIFF).where(TARIFF.c.id == tariff_id))
