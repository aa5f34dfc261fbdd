"""``python -m tests.chaos.steps``: tries the whole table over both databases, and prints it as Markdown."""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.chaos.site import Kind, opened_site
from tests.chaos.steps.report import Score, details, summary, wrong
from tests.chaos.steps.whole import try_table


def main() -> int:
    """The exit code: 1 where a cell is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.steps", description=__doc__)
    parser.add_argument("--kind", choices=list(Kind), help="only over this kind of database")
    parser.add_argument(
        "--each", action="store_true", help="try each cell by itself, also where the same call is struck"
    )
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tried = []
    with tempfile.TemporaryDirectory() as folder, opened_site(Path(folder)) as site:
        for kind in [Kind(given.kind)] if given.kind else Kind:
            place = Path(folder) / kind
            place.mkdir()
            some = asyncio.run(try_table(site, kind, place, each=given.each))
            print("\n".join(["", f"## {kind}", "", *details(Score(some)), *wrong(some)]), flush=True)
            tried += some
            print("\n".join(["", *summary(Score(some)), "", Score(some).total]), flush=True)
    return 1 if wrong(tried) else 0


if __name__ == "__main__":
    sys.exit(main())
