"""The command line: `bin/lotline COMMAND`. It talks to people; what it does stands in ``app.launch``."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from app.launch.tasks import ImportOutcome, OnProgress

_ROOT = Path(__file__).resolve().parents[1]
_REFUSALS_SHOWN = 50

cli = typer.Typer(
    name="lotline",
    help="Real-time parking: book a slot, watch it change, pay for it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point of the package. What a person can mend is said in a sentence, not in a traceback."""
    try:
        cli()
    except Exception as error:
        from app.launch.plain_words import in_plain_words

        sentence = in_plain_words(error, _settings_or_default())
        if sentence is None:
            raise
        sys.exit(sentence)


def _settings_or_default() -> Settings:
    with suppress(SettingsError):
        return Settings.of_process()
    return Settings.from_environment({})


@cli.command()
def run(
    simulate: Annotated[bool, typer.Option(help="Let made-up drivers use the demo lot.")] = True,
    procfile: Annotated[
        Path | None, typer.Option(help="Another list of processes than the project's Procfile.")
    ] = None,
) -> None:
    """Start everything on this machine: Redis, database, web, workers. Ctrl-C stops it."""
    from app.launch.procfile import ProcfileError, parse
    from app.launch.run import Plan
    from app.launch.run import run as run_plan

    source = procfile or _ROOT / "Procfile"
    settings = _settings()
    try:
        entries = parse(source.read_text())
    except (OSError, ProcfileError) as error:
        _fail(str(error))
    command = (sys.executable, "-m", "app.cli", "simulate") if simulate else None
    raise typer.Exit(run_plan(Plan(settings, entries, source.absolute().parent, simulate=command)))


@cli.command()
def serve() -> None:
    """Serve the pages and the API: one web process."""
    from app.launch import tasks
    from app.launch.serve import serve as serve_web

    settings = _settings()
    # What is wrong with the database is a sentence here; the server would make a traceback of it.
    asyncio.run(tasks.check_database(settings))
    raise typer.Exit(serve_web(settings))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from app.launch import tasks

    tasks.migrate(_settings())
    typer.echo("The database has the newest schema.")


@cli.command("import-slots")
def import_slots(
    file: Annotated[
        Path, typer.Argument(help="GeoJSON (OpenStreetMap) or CSV.", exists=True, dir_okay=False)
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")
    ] = False,
    time_zone: Annotated[str, typer.Option(help="Time zone of lots whose file names none.")] = "UTC",
    currency: Annotated[str, typer.Option(help="Currency of lots whose file names none.")] = "EUR",
    plates: Annotated[
        bool,
        typer.Option("--plates", help="Slots there are claimed by number plates: HKR 4821 is hkr-4821."),
    ] = False,
) -> None:
    """Import lots and slots. Exit code 1 when nothing was imported."""
    from app.launch import tasks
    from app.slots.importers.plan import ImportRefused

    settings = _settings()
    tasks.quiet_logs()
    try:
        with _progress("Importing") as on_progress:
            outcome = asyncio.run(
                tasks.import_slots(
                    settings,
                    file,
                    dry_run=dry_run,
                    time_zone=time_zone,
                    currency=currency,
                    plates=plates,
                    on_progress=on_progress,
                )
            )
    except ImportRefused as error:
        _fail(str(error))
    _report(outcome, dry_run)
    raise typer.Exit(0 if any(outcome.slots_by_lot.values()) else 1)


@cli.command("require-check-in")
def require_check_in(
    lot: Annotated[str, typer.Argument(help="Code of the lot.")],
    within: Annotated[
        int, typer.Option(help="Minutes after the time for which one booked.", min=1, max=1440)
    ] = 15,
    off: Annotated[bool, typer.Option("--off", help="Nobody has to check in any more.")] = False,
) -> None:
    """Give up slots of a lot whose drivers do not check in in time. Bookings made before stay as they are."""
    from app.launch import tasks

    settings = _settings()
    tasks.quiet_logs()
    try:
        asyncio.run(tasks.require_check_in(settings, lot, None if off else within))
    except ValueError as error:
        _fail(str(error))
    typer.echo("Nobody has to check in." if off else f"Who books has to check in within {within} min.")


@cli.command()
def tariff(
    lot: Annotated[str, typer.Argument(help="Code of the lot.")],
    area: Annotated[str | None, typer.Option(help="Code of an area of it.")] = None,
) -> None:
    """Print the rate lines in force as JSON."""
    from app.launch import tasks

    settings = _settings()
    tasks.quiet_logs()
    try:
        typer.echo(asyncio.run(tasks.tariff(settings, lot, area)))
    except ValueError as error:
        _fail(str(error))


@cli.command("set-tariff")
def set_tariff(
    lot: Annotated[str, typer.Argument(help="Code of the lot.")],
    file: Annotated[Path, typer.Argument(help="Rate lines as JSON.", exists=True, dir_okay=False)],
    area: Annotated[str | None, typer.Option(help="Code of an area: for it alone.")] = None,
    starts: Annotated[
        str | None, typer.Option("--from", help="When it begins to apply, 2026-12-01T00:00+01:00.")
    ] = None,
) -> None:
    """Publish rate lines as a new version of a tariff. Bookings that run keep the one they have."""
    from app.launch import tasks

    settings = _settings()
    tasks.quiet_logs()
    try:
        document = file.read_text(encoding="utf-8")
        version, gaps = asyncio.run(tasks.set_tariff(settings, lot, area, document, _instant(starts)))
    except OSError as error:
        _fail(f"{file} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        _fail(f"{file} is not UTF-8.")
    except ValueError as error:
        _fail(str(error))
    for gap in gaps:
        typer.echo(f"No line says what time costs: {gap}.")
    typer.echo(f"Version {version} is published.")


@cli.command()
def rebuild() -> None:
    """Write the status of every lot to Redis anew, from the database."""
    from app.launch import tasks

    settings = _settings()
    tasks.quiet_logs()
    with _progress("Rebuilding") as on_progress:
        lots = asyncio.run(tasks.rebuild(settings, on_progress))
    typer.echo(f"The status of {_counted(lots, 'lot')} was rebuilt.")


@cli.command()
def scrub() -> None:
    """Compare the status of every lot with the database and mend it. Exit code 1 when anything was wrong."""
    from app.launch import tasks

    settings = _settings()
    tasks.quiet_logs(logging.CRITICAL)
    try:
        with _progress("Comparing") as on_progress:
            findings = asyncio.run(tasks.scrub(settings, on_progress))
    except ValueError as error:
        _fail(str(error))
    for one in findings:
        typer.echo(f"{one.lot_code}: {_counted(one.places, 'place')} wrong, of the kind {one.kind}; mended.")
    if findings:
        typer.echo("What the kinds mean: docs/metrics.md")
        raise typer.Exit(1)
    typer.echo("The status is true to the database.")


@cli.command()
def simulate(
    lot: Annotated[str, typer.Option(help="Code of the lot.")] = "riverside",
    rate: Annotated[float, typer.Option(help="Arrivals per minute, on average.", min=0.1, max=6000)] = 6.0,
) -> None:
    """Let made-up drivers come and go in a lot until Ctrl-C."""
    from app.launch import tasks

    settings = _settings()
    # The desk writes down every refused try; here one line says that the database is away.
    tasks.quiet_logs(logging.CRITICAL)

    def warn(text: str) -> None:
        typer.echo(text, err=True)

    work = tasks.run_simulation(settings, lot=lot, per_minute=rate, say=typer.echo, warn=warn)
    try:
        _until_stopped(work)
    except ValueError as error:
        _fail(str(error))


@cli.command("create-operator")
def create_operator(
    name: Annotated[str, typer.Argument(help="How the operator is called.")],
    with_password: Annotated[
        bool, typer.Option("--with-password", help="Ask for a password to sign in with.")
    ] = False,
) -> None:
    """Create an operator and print a link that signs in once."""
    from app.launch import tasks

    settings = _settings()
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if with_password else None
    tasks.quiet_logs()
    try:
        asyncio.run(tasks.create_operator(settings, name, password))
    except ValueError as error:
        _fail(str(error))
    _print_link(settings, name)


@cli.command("sign-in-link")
def sign_in_link(
    name: Annotated[str | None, typer.Argument(help="The operator; without it, any.")] = None,
) -> None:
    """Print a link that signs an operator in once."""
    _print_link(_settings(), name)


def _instant(text: str | None) -> datetime | None:
    """ISO 8601 with an offset. ValueError otherwise."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--from is {text!r}: give a date and a time, such as 2026-12-01T00:00Z.") from None
    if found.tzinfo is None:
        raise ValueError("--from needs an offset: 2026-12-01T00:00Z, or +01:00 in place of the Z.")
    return found


def _settings() -> Settings:
    try:
        return Settings.of_process()
    except SettingsError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _until_stopped(work: Coroutine[None, None, None]) -> None:
    """Runs ``work`` until it ends by itself or by SIGINT or SIGTERM, which let it clean up."""

    async def supervised() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(supervised())


def _print_link(settings: Settings, name: str | None) -> None:
    from app.launch import readiness, tasks

    path = asyncio.run(tasks.sign_in_path(settings, name))
    if path is None:
        _fail(f"There is no operator{f' called {name}' if name else ''}: bin/lotline create-operator NAME")
    typer.echo(f"{readiness.url(settings.host, settings.port)}{path}")


def _report(outcome: "ImportOutcome", dry_run: bool) -> None:
    verb = "would be imported" if dry_run else "imported"
    for lot, slots in outcome.slots_by_lot.items():
        typer.echo(f"{lot}: {_counted(slots, 'slot')} {verb}.")
    for note in outcome.notes:
        typer.echo(note)
    if outcome.refusals:
        typer.echo(f"{_counted(len(outcome.refusals), 'refusal')}:")
    for refusal in outcome.refusals[:_REFUSALS_SHOWN]:
        places = [refusal.reference] if refusal.row is None else [f"row {refusal.row}", refusal.reference]
        typer.echo(f"  {', '.join(dict.fromkeys(places))}: {refusal.reason}")
    if len(outcome.refusals) > _REFUSALS_SHOWN:
        typer.echo(f"  and {len(outcome.refusals) - _REFUSALS_SHOWN} more")
    if not any(outcome.slots_by_lot.values()):
        typer.echo(f"Nothing {verb}.", err=True)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@cli.command()
def refund(
    payment: Annotated[str, typer.Argument(help="The payment's identifier.")],
    reason: Annotated[str, typer.Option(help="Why: it stays in the books.")],
    amount: Annotated[
        str | None, typer.Option(help="Such as 1.50; without it, all that is left of the payment.")
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(help="The refund's own, from 1: given again, it is done once.", min=1, max=9999),
    ] = None,
) -> None:
    """Give back what was paid, whole or in part."""
    from app.launch import money, tasks

    settings = _settings()
    tasks.quiet_logs()
    try:
        done, said = asyncio.run(money.give_back(settings, payment, amount, reason, number))
    except ValueError as error:
        _fail(str(error))
    typer.echo(f"Refund {done}: {said}")


audit = typer.Typer(help="The audit trail of what people and money did.", no_args_is_help=True)
cli.add_typer(audit, name="audit")


@audit.command("verify")
def verify_audit() -> None:
    """Reckon the chain of the audit trail again; the exit code is 1 where something in it was changed."""
    from app.launch import money

    verdict = asyncio.run(money.verify_audit(_settings()))
    for one in verdict.wrong:
        typer.echo(one, err=True)
    typer.echo(f"{verdict.sealed:,} sealed, {verdict.unsealed:,} not yet.")
    typer.echo(f"The newest digest: {verdict.digest}")
    if verdict.wrong:
        raise typer.Exit(1)


@contextmanager
def _progress(title: str) -> Iterator["OnProgress"]:
    """A progress bar on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    main()
