"""Brings the catalogues of the other languages up to date with the sentences in the code.

bin/messages            adds what is new, drops what is no longer said
bin/messages --missing  prints what has no translation yet
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from app.core.languages import ENGLISH, LANGUAGES, LOCALES

APP = LOCALES.parent
ROOMS = ("accounts", "attendant", "display", "driver", "operator")
ELSEWHERE = "core"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"encoding": "utf-8", "trim_blocks": "true", "lstrip_blocks": "true"}}
KEYWORDS = {"say": None, "sentence": None, "say_html": None, "say_many": (1, 2), "say_in": ((1, "c"), 2)}
WIDTH = 110


@cache
def said(folder: Path = APP) -> dict[str, Catalog]:
    """Every sentence of the code with the files that say it, by room."""
    found: dict[str, Catalog] = defaultdict(Catalog)
    for file, _, message, comments, context in extract_from_dir(folder, METHODS, OPTIONS, KEYWORDS):
        found[_room(file)].add(message, None, [(file, 0)], auto_comments=comments, context=context)
    return found


def read(code: str, room: str) -> Catalog:
    """A catalogue as it lies there; an empty one where there is none."""
    path = _path(code, room)
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def missing(known: Catalog) -> Iterator[str]:
    """Sentences without a translation."""
    for message in known:
        if message.id and not (all(message.string) if isinstance(message.string, tuple) else message.string):
            yield message.id if isinstance(message.id, str) else message.id[0]


def update(code: str, room: str) -> Catalog:
    """Writes the catalogue anew, with every translation that still has its sentence."""
    known = read(code, room)
    fresh = Catalog(locale=code)
    for message in said()[room]:
        if message.id:
            before = known.get(message.id, message.context)
            fresh.add(
                message.id,
                None if before is None else before.string,
                sorted(message.locations),
                context=message.context,
            )
    path = _path(code, room)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, fresh, width=WIDTH, omit_header=True, sort_output=True, include_lineno=False)
    return fresh


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="print what has no translation yet")
    only_missing = parser.parse_args().missing
    for code in LANGUAGES:
        if code == ENGLISH:
            continue
        for room in sorted(said()):
            known = read(code, room) if only_missing else update(code, room)
            without = list(missing(known))
            if only_missing:
                sys.stdout.writelines(f"{room}: {one}\n" for one in without)
            sys.stderr.write(f"{code}/{room}: {len(known)} sentences, {len(without)} without a translation\n")
    return 0


def _room(file: str) -> str:
    parts = Path(file).parts
    name = parts[1] if parts[0] == "templates" else parts[0]
    return name if name in ROOMS else ELSEWHERE


def _path(code: str, room: str) -> Path:
    return LOCALES / code / f"{room}.po"


if __name__ == "__main__":
    sys.exit(main())
