"""The commands as a person types them: what they say, and that nothing ends in a traceback."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.db import Database
from app.payments.models import Payment
from tests.integration.launch.run_process import free_port
from tests.integration.payments.made_up import Books

_ROOT = Path(__file__).parents[3]
DEMO = str(_ROOT / "app/slots/demo/osu.geojson")


@pytest.fixture
def data(tmp_path: Path, sqlite_template: Path) -> Path:
    """A data folder with a migrated, empty database."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "lotline.db").write_bytes(sqlite_template.read_bytes())
    return folder


def environment(data: Path, **env: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return {**kept, "LOTLINE_DATA": str(data), "PORT": str(free_port()), **env}


def lotline(data: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        env=environment(data, **env),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """What it said, with exit code 1 and no traceback."""
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert done.returncode == 1, said
    return said


def test_a_lot_is_told_to_ask_for_checking_in(data: Path) -> None:
    assert lotline(data, "import-slots", DEMO).returncode == 0
    told = lotline(data, "require-check-in", "riverside", "--within", "20")
    assert (told.returncode, told.stdout) == (0, "Who books has to check in within 20 min.\n")
    assert lotline(data, "require-check-in", "riverside", "--off").stdout == "Nobody has to check in.\n"
    assert "No lot has the code 'nowhere'" in refused(lotline(data, "require-check-in", "nowhere"))


def test_a_tariff_is_printed_changed_and_printed_again(data: Path, tmp_path: Path) -> None:
    assert lotline(data, "import-slots", DEMO).returncode == 0
    printed = lotline(data, "tariff", "riverside")
    assert printed.returncode == 0
    lines = json.loads(printed.stdout)
    assert [line["price_minor"] for line in lines] == [100, 150]
    lines[0]["price_minor"] = 120
    file = tmp_path / "tariff.json"
    file.write_text(json.dumps(lines))
    done = lotline(data, "set-tariff", "riverside", str(file))
    assert (done.returncode, done.stdout) == (0, "Version 2 is published.\n")
    assert json.loads(lotline(data, "tariff", "riverside").stdout) == lines
    file.write_text(json.dumps(lines[:1]))
    later = lotline(data, "set-tariff", "riverside", str(file), "--area", "A", "--from", "2100-01-01T00:00Z")
    assert later.stdout == (
        "No line says what time costs: premium: every day 00:00 to 24:00.\nVersion 1 is published.\n"
    )
    assert json.loads(lotline(data, "tariff", "riverside", "--area", "A").stdout) == lines


@pytest.mark.parametrize(
    ("document", "options", "said"),
    [
        ("{", (), "This is not JSON"),
        ("{}", (), "a JSON list of rate lines"),
        ('[{"kind": "free"}, {"kind": "grace", "lasts_s": 0}, {"kind": []}]', (), "lines.1.lasts_s"),
        ('[{"kind": "free"}, {"kind": "grace", "lasts_s": 0}, {"kind": []}]', (), "lines.2.kind"),
        ('[{"kind": "free"}]', ("--from", "tomorrow"), "--from is 'tomorrow'"),
        ('[{"kind": "free"}]', ("--from", "2100-01-01T00:00"), "needs an offset"),
        ('[{"kind": "free"}]', ("--from", "2020-01-01T00:00Z"), "has passed"),
        ('[{"kind": "free"}]', ("--area", "Z"), "has no area 'Z'"),
        ("\udcff", (), "not UTF-8"),
    ],
)
def test_a_tariff_that_cannot_be_published_is_told_why(
    data: Path, tmp_path: Path, document: str, options: tuple[str, ...], said: str
) -> None:
    assert lotline(data, "import-slots", DEMO).returncode == 0
    file = tmp_path / "tariff.json"
    file.write_text(document, errors="surrogateescape")
    assert said in refused(lotline(data, "set-tariff", "riverside", str(file), *options))
    assert len(json.loads(lotline(data, "tariff", "riverside").stdout)) == 2


def test_the_tariff_of_a_lot_that_is_not_there_is_told(data: Path) -> None:
    assert "No lot has the code 'nowhere'" in refused(lotline(data, "tariff", "nowhere"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--time-zone", "Mars/Base"), "The time zone Mars/Base is not known"),
        (("--currency", "XXXX"), "The currency XXXX is not known"),
    ],
)
def test_an_unknown_time_zone_or_currency_writes_nothing(
    data: Path, options: tuple[str, str], words: str
) -> None:
    before = (data / "lotline.db").read_bytes()
    assert words in refused(lotline(data, "import-slots", *options, DEMO))
    assert (data / "lotline.db").read_bytes() == before


def test_importing_a_second_time_names_the_lots_in_order_with_and_without_writing(data: Path) -> None:
    assert lotline(data, "import-slots", "--plates", DEMO).returncode == 0
    lots = ("riverside", "north-yard", "stadium-east", "herrick-west")
    wanted = [f"  {lot}: A lot with this code exists already; it stays as it is." for lot in lots]
    for options in ((), ("--dry-run",)):
        said = refused(lotline(data, "import-slots", *options, DEMO)).splitlines()
        assert said[:5] == ["4 refusals:", *wanted]


def test_single_slots_that_exist_are_named_in_the_order_of_the_file(data: Path, tmp_path: Path) -> None:
    names = [f"s{number}" for number in (7, 3, 9, 1, 8)]
    for lot, more in (("one", ""), ("two", "fresh,two,car\n")):
        rows = "".join(f"{name},{lot},car\n" for name in names)
        (tmp_path / f"{lot}.csv").write_text(f"identifier,lot,size\n{rows}{more},{lot},car\n")
    lotline(data, "import-slots", str(tmp_path / "one.csv"))
    said = [lotline(data, "import-slots", *dry, str(tmp_path / "two.csv")) for dry in (("--dry-run",), ())]
    for done, verb in zip(said, ("would be imported", "imported"), strict=True):
        assert done.stdout.splitlines() == [
            f"two: 1 slot {verb}.",
            "6 refusals:",
            "  row 8: identifier: it is missing.",
            *(f"  {name}: A slot with this identifier exists already." for name in names),
        ]


@pytest.mark.parametrize("command", ["run", "migrate", "rebuild", "scrub", "serve", "sign-in-link"])
def test_an_unreachable_postgresql_is_a_sentence(tmp_path: Path, command: str) -> None:
    said = refused(lotline(tmp_path, command, DATABASE_URL="postgresql://a:secret@127.0.0.1:1/x"))
    assert "Is DATABASE_URL right, and PostgreSQL running?" in said
    assert "secret" not in said


@pytest.mark.parametrize("command", ["run", "migrate", "rebuild", "scrub", "serve", "sign-in-link"])
def test_a_database_file_that_cannot_be_opened_is_a_sentence(tmp_path: Path, command: str) -> None:
    said = refused(lotline(tmp_path, command, DATABASE_URL="sqlite:////proc/nowhere/x.db"))
    assert "unable to open database file. May this user write /proc/nowhere/x.db" in said


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_a_data_folder_that_is_a_file_is_a_sentence(tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert str(file) in refused(lotline(file, command))


def test_a_data_folder_that_cannot_be_made_is_a_sentence() -> None:
    said = refused(lotline(Path("/proc/nowhere"), "run"))
    assert "/proc/nowhere cannot hold the data: " in said


def test_a_simulation_says_where_it_runs_and_how_to_stop_it(data: Path) -> None:
    lotline(data, "import-slots", DEMO)
    command = [sys.executable, "-m", "app.cli", "simulate", "--rate", "0.5"]
    with subprocess.Popen(
        command, env=environment(data, PYTHONUNBUFFERED="1"), cwd=_ROOT, stdout=-1, stderr=-2, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert line == "Made-up drivers come and go in riverside, 0.5 a minute. Ctrl-C stops them.\n"
    assert (process.returncode, rest) == (0, "")


def test_a_simulation_in_an_unknown_lot_is_refused(data: Path) -> None:
    assert "There is no lot called nowhere." in refused(lotline(data, "simulate", "--lot", "nowhere"))


def test_a_payment_is_given_back_once_under_its_number(data: Path) -> None:
    async def made() -> Payment:
        database = Database(f"sqlite+aiosqlite:///{data / 'lotline.db'}")
        payment = await Books(database, 1).paid(datetime(2026, 6, 1, tzinfo=UTC), 450)
        await database.close()
        return payment

    payment = asyncio.run(made()).id
    part = ("refund", payment, "--amount", "1,50", "--reason", "a broken gate", "--number", "1")
    for _ in range(2):
        done = lotline(data, *part)
        assert (done.returncode, done.stdout) == (0, "Refund 1: €1.50 given back.\n")
    rest = lotline(data, "refund", payment, "--reason", "all of it")
    assert rest.stdout == "Refund 2: €3.00 given back.\n"
    wrong = {
        "--amount=much": "Give an amount, such as €1.00.",
        "--amount=0.01": "Of this payment €0.00 is left",
        "--number=1": "Refund 1 is another one, by command line.",
    }
    for option, said in wrong.items():
        assert said in refused(lotline(data, "refund", payment, "--reason", "r", option))
    assert "There is no payment 'none'." in refused(lotline(data, "refund", "none", "--reason", "r"))
    assert "Say why" in refused(lotline(data, "refund", payment, "--reason", " "))
