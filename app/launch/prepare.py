"""What has to be there before the web process starts: tables, a lot to look at, someone who may sign in.

It runs as a process of its own (``python -m app.launch.prepare``), so that Ctrl-C ends it like any other and
the supervisor stays small. Its last line on standard output is what it found, as JSON.
"""

import asyncio
import dataclasses
import json
import logging
import sys

from app.launch import tasks
from app.launch.plain_words import in_plain_words
from app.settings import Settings, SettingsError


@dataclasses.dataclass(frozen=True)
class Prepared:
    """``lot`` is the code of a lot to show on the wall; ``demo`` is True where it is the demo lot."""

    lot: str | None
    demo: bool
    sign_in_path: str | None

    def to_json(self) -> bytes:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Prepared":
        """Reads the last line of what the process wrote to standard output."""
        return cls(**json.loads(text.splitlines()[-1]))


async def prepare(settings: Settings) -> Prepared:
    """Imports the demo lot into a database that has no lot, and makes an operator where there is none."""
    lot = await tasks.first_lot(settings)
    if lot is None:
        _say("the database has no lot: importing the demo")
        lot = await tasks.import_demo(settings)
    if not await tasks.has_operator(settings):
        _say("there is no operator: creating one")
        await tasks.create_operator(settings, "Operator")
    return Prepared(lot, lot == tasks.DEMO_LOT, await tasks.sign_in_path(settings))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - standard error is the terminal


def main() -> int:
    """The process."""
    try:
        settings = Settings.of_process()
    except SettingsError as error:
        _say(str(error))
        return 1
    # That Redis is away the banner says; each lot would say it here again.
    tasks.quiet_logs(logging.ERROR)
    try:
        tasks.migrate(settings)
        prepared = asyncio.run(prepare(settings))
    except Exception as error:
        sentence = in_plain_words(error, settings)
        if sentence is None:
            raise
        _say(sentence)
        return 1
    sys.stdout.buffer.write(prepared.to_json() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
