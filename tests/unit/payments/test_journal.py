"""The journal: whoever is told that it was accepted finds it on the disk, whatever dies then."""

import asyncio
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.payments import journal
from app.payments.journal import Entry, Journal, end, files, read
from app.payments.quotes import Quote

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(number: int, means: str = "card") -> Entry:
    quote = Quote(f"booking-{number}", 1, 100 + number, "EUR", 0, 1, 1)
    return Entry(f"entry-{number}", quote, "sandbox", means, "Zoë", AT, leaves=bool(number % 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


async def test_what_was_accepted_is_read_as_it_was_written(folder: Path) -> None:
    written = Journal(folder)
    wanted = [entry(number) for number in range(50)]
    await asyncio.gather(*(written.accept(one) for one in wanted))
    (path,) = files(folder)
    pages = read(path)
    assert pages is not None
    assert sorted(pages.entries, key=lambda one: one.quote.amount_minor) == wanted
    assert (pages.is_ended, pages.unreadable) == (False, 0)
    assert path.stat().st_mode & 0o077 == 0


async def test_the_same_payment_is_accepted_once_by_one_process(folder: Path) -> None:
    written = Journal(folder)
    first, again = entry(1), entry(1, means="other card")
    found = await asyncio.gather(written.accept(first), written.accept(again), written.accept(first))
    assert found == [first, first, first]
    pages = read(files(folder)[0])
    assert pages is not None
    assert pages.entries == (first,)


async def test_a_file_ends_when_its_process_has_left_it_and_another_is_begun(folder: Path) -> None:
    written = Journal(folder)
    await written.accept(entry(1))
    (first,) = files(folder)
    await written.sql_is_back()
    left = read(first)
    assert left is not None
    assert left.is_ended
    await written.accept(entry(2))
    _, second = files(folder)
    going_on = read(second)
    assert going_on is not None
    assert not going_on.is_ended
    end(left)
    assert files(folder) == [second]
    assert read(first) is None


async def test_it_is_on_the_disk_before_anyone_is_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def note_size(fd: int) -> None:
        sync(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(journal.os, "fsync", note_size)
    await Journal(folder).accept(entry(1))
    assert synced[-1] == len(entry(1).line())


async def test_those_who_wait_together_are_synced_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Journal(folder)
    await written.accept(entry(0))
    synced: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(journal.os, "fsync", lambda fd: (synced.append(fd), sync(fd))[1])
    await asyncio.gather(*(written.accept(entry(number)) for number in range(1, 101)))
    assert 1 <= len(synced) <= 2


async def test_a_disk_that_is_full_refuses_and_leaves_nothing_to_be_charged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Journal(folder)
    await written.accept(entry(1))
    sync = os.fsync

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.os, "fsync", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            await written.accept(entry(2))
    monkeypatch.setattr(journal.os, "fsync", sync)
    await written.accept(entry(3))
    pages = [read(path) for path in files(folder)]
    assert [[one.id for one in page.entries] for page in pages if page and page.entries] == [
        ["entry-1"],
        ["entry-3"],
    ]
    assert [page.is_ended for page in pages if page and page.entries] == [True, False]


async def test_a_process_that_dies_while_it_writes_loses_what_it_did_not_acknowledge(folder: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    drawn = random.Random(seed)
    lines = [entry(number).line() for number in range(5)]
    whole = b"".join(lines)
    folder.mkdir()
    path = folder / "dead.journal"
    for cut in [0, len(whole), *drawn.sample(range(1, len(whole)), 60)]:
        path.write_bytes(whole[:cut])
        pages = read(path)
        assert pages is not None
        ended_lines = whole[:cut].count(b"\n")
        assert [one.id for one in pages.entries] == [f"entry-{number}" for number in range(ended_lines)]
        assert (pages.is_ended, pages.unreadable) == (True, 0)


async def test_a_line_that_is_not_as_it_was_written_is_put_aside_for_somebody_to_look_at(
    folder: Path,
) -> None:
    folder.mkdir()
    path = folder / "spoilt.journal"
    spoilt = entry(2).line().replace(b'"amount_minor":102', b'"amount_minor":902')
    assert spoilt != entry(2).line()
    path.write_bytes(entry(1).line() + spoilt + entry(3).line())
    pages = read(path)
    assert pages is not None
    assert ([one.id for one in pages.entries], pages.unreadable) == (["entry-1", "entry-3"], 1)
    end(pages)
    assert files(folder) == []
    assert (folder / "spoilt.unreadable").exists()
