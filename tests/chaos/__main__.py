"""``bin/chaos``: runs the long forms in turn for a while, and adds their figures to those of earlier runs."""

import argparse
import asyncio
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog
import uvloop

from app.settings import default_data_dir
from tests.chaos import table
from tests.chaos.checker import Violation
from tests.chaos.figures import Book, Figures
from tests.chaos.form import Form
from tests.chaos.forms import FORMS
from tests.chaos.history import History, save
from tests.chaos.site import Site, opened_site
from tests.chaos.trials import Result, Trial

PLACE = default_data_dir() / "chaos"
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_SHOWN = 10
_INTERRUPTED = 130


def main() -> int:
    """The exit code: 1 where a promise was broken."""
    given = _arguments()
    # What the work done from here has to say; the processes of a deployment have logs of their own.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        book = Book(given.figures)
    except (OSError, ValueError, TypeError) as error:
        sys.exit(f"bin/chaos: {given.figures} holds no figures: {error}")
    forms = [form for form in FORMS if not given.only or form.name in given.only]
    if given.write:
        if not given.figures.exists():
            sys.exit(f"bin/chaos: there are no figures in {given.figures}; {PAGE.name} stays as it is")
        table.write(book, PAGE)
        return 0
    if not given.table:
        seed = given.seed if given.seed is not None else random.randrange(2**32)
        print(f"seed {seed}; figures go to {given.figures}", flush=True)
        try:
            code = uvloop.run(_run(forms, book, f"{seed}", given.minutes * 60))
        except (asyncio.CancelledError, KeyboardInterrupt):
            print("stopped; what had ended is kept, the form under way is not", flush=True)
            code = _INTERRUPTED
    print("\n".join(table.lines(book, forms)))
    return 0 if given.table else code


def _arguments() -> argparse.Namespace:
    names = list(dict.fromkeys(form.name for form in FORMS))
    parser = argparse.ArgumentParser(
        prog="bin/chaos",
        description="Runs the long forms of the chaos suite in turn, those first that are furthest from "
        "their goals, and adds their figures to those of earlier runs. A broken promise ends the run with "
        "exit code 1.",
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=10.0, help="how long to run; 10 where it is not given"
    )
    parser.add_argument(
        "--seed", type=int, help="of all that is random; one is drawn and printed where none is given"
    )
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help=f"some of: {', '.join(names)}"
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=PLACE / "figures.json",
        help=f"the file of the figures; {PLACE}/figures.json",
    )
    parser.add_argument(
        "--table", action="store_true", help="print the figures so far as a table, and run nothing"
    )
    parser.add_argument("--write", action="store_true", help="put that table into docs/reliability.md")
    return parser.parse_args()


def _minutes(given: str) -> float:
    minutes = float(given)
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError("more than 0")
    return minutes


async def _run(forms: Sequence[Form], book: Book, seed: str, seconds: float) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    until_s = time.monotonic() + seconds
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="run-") as folder, opened_site(Path(folder)) as site:
        number = 0
        while fitting := [
            form for form in forms if form.least_s <= until_s - time.monotonic() or number == 0
        ]:
            form = min(fitting, key=lambda form: form.progress(book[form.key]))
            number += 1
            share_s = max(form.least_s, min(form.slice_s, seconds / len(forms)))
            slice_s = min(share_s, max(until_s - time.monotonic(), 0.0))
            if not await _turn(form, book, site, f"{seed}/{number}", slice_s):
                return 1
    return 0


async def _turn(form: Form, book: Book, site: Site, seed: str, slice_s: float) -> bool:
    """One run of one form; false where a promise was broken."""
    print(f"{form.key}, seed {seed} ...", flush=True)
    folder, history, began_s = Path(tempfile.mkdtemp(dir=site.folder)), History(), time.monotonic()
    try:
        result = await form.run(Trial(site, folder, seed, slice_s, history))
    except Exception as error:
        # Something did not come to pass, or a process ended that should not have.
        traceback.print_exc()
        result = Result([Violation("failed", repr(error)[:2000])])
    took_s = time.monotonic() - began_s
    book[form.key].add(took_s, len(result.found), result.sums, result.most)
    book.save()
    if result.found:
        _keep(form, seed, folder, history, result.found)
    else:
        this_run = Figures(sums=dict(result.sums), most=dict(result.most))
        print(f"    {took_s:.0f} s: {form.words(this_run)}", flush=True)
    shutil.rmtree(folder)
    return not result.found


def _keep(form: Form, seed: str, folder: Path, history: History, found: Sequence[Violation]) -> None:
    """Leaves the history and the logs where somebody may look at them, and says what was found."""
    place = PLACE / "violations" / f"{form.name}-{form.kind}-{seed.replace('/', '-')}"
    place.mkdir(parents=True, exist_ok=True)
    save(history.operations, place / "history.jsonl")
    (place / "violations.txt").write_text("".join(f"{violation}\n" for violation in found))
    for log in folder.glob("*.log"):
        shutil.copy(log, place)
    print(f"{form.key}, seed {seed}: violations: {len(found)}; {history.tally()}")
    for violation in found[:_SHOWN]:
        print(f"    {violation}")
    print(f"history and logs: {place}", flush=True)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
