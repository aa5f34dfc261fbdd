import pytest
from typer.testing import CliRunner

from app.cli import cli

_COMMANDS = (
    "run",
    "serve",
    "migrate",
    "import-slots",
    "tariff",
    "set-tariff",
    "rebuild",
    "scrub",
    "simulate",
    "create-operator",
    "sign-in-link",
)


def test_every_command_stands_in_the_help() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    assert [command for command in _COMMANDS if command not in shown.output] == []


@pytest.mark.parametrize("command", ["run", "serve", "migrate", "rebuild", "scrub"])
def test_wrong_settings_are_said_before_anything_else(command: str) -> None:
    done = CliRunner().invoke(cli, [command], env={"PORT": "x", "HOST": "?"})
    assert done.exit_code == 1
    assert "PORT is 'x'" in done.output
    assert "HOST is '?'" in done.output
