"""Reads a Procfile: one ``name: command`` a line, as every Procfile runner understands it."""

import re
from dataclasses import dataclass

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")


class ProcfileError(ValueError):
    """The Procfile cannot be read; the message names every line at fault."""


@dataclass(frozen=True)
class Entry:
    """One process: ``command`` is a line for ``sh -c``."""

    name: str
    command: str


def parse(text: str) -> list[Entry]:
    """The entries of ``text`` in their order. Blank lines and lines that start with ``#`` are skipped."""
    entries: list[Entry] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            problems.append(f"Line {number} of the Procfile is not 'name: command': {stripped}")
        elif any(entry.name == match["name"] for entry in entries):
            problems.append(f"Line {number} of the Procfile names {match['name']} a second time.")
        else:
            entries.append(Entry(match["name"], match["command"]))
    if not entries and not problems:
        problems.append("The Procfile names no process.")
    if problems:
        raise ProcfileError("\n".join(problems))
    return entries
