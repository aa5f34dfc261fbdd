"""The README's commands, as they are printed there, against a server that has just begun."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, prepared_database, start_lotline

README = Path(__file__).parents[2] / "README.md"
PRINTED = "http://127.0.0.1:8000"


def printed_commands() -> list[tuple[str, list[str]]]:
    """Each curl command of the README with the lines of its answer, as printed."""
    found = []
    for block in re.findall(r"```sh\n(curl .*?)```", README.read_text(), flags=re.S):
        lines = block.strip().splitlines()
        answer = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
        found.append(("\n".join(line for line in lines if not line.startswith("# ")), answer))
    return found


def is_as_printed(printed: str, answer: str) -> bool:
    """Whether the answer is what is printed, where ``…`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in printed.split("…"))
    return re.search(pattern, answer, flags=re.S) is not None


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    database = prepared_database(tmp_path_factory.mktemp("demo"))
    with start_lotline(tmp_path_factory.mktemp("readme"), database) as installation:
        yield installation


def test_the_commands_of_the_readme_answer_as_they_are_printed(fresh: Installation) -> None:
    commands = printed_commands()
    assert len(commands) == 8
    for command, printed in commands:
        run = subprocess.run(
            ["sh", "-c", command.replace(PRINTED, fresh.base).replace("curl ", "curl -s ", 1)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed, command
        for line in printed:
            assert is_as_printed(line, run.stdout), f"{command}\nprinted {line}\nanswered {run.stdout}"


def test_an_answer_that_is_not_as_printed_is_noticed() -> None:
    assert is_as_printed('{"a":1,…"b":2}', '{"a":1,"x":0,"b":2}')
    assert not is_as_printed('{"a":1,…"b":2}', '{"a":1,"x":0,"b":3}')
