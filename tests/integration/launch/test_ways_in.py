"""The files of bin/ on a machine that lacks something; the rest of the machine is a stand-in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_COMMANDS = (
    "sh",
    "dirname",
    "cat",
    "cut",
    "sha256sum",
    "mkdir",
    "flock",
    "date",
    "tail",
    "grep",
    "find",
    "head",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone on a machine with a few commands, in ``clone/../commands``."""
    root = tmp_path / "clone"
    shutil.copytree(_ROOT / "bin", root / "bin")
    for name in ("uv.lock", "pyproject.toml", "hatch_build.py"):
        shutil.copy(_ROOT / name, root / name)
    commands = tmp_path / "commands"
    commands.mkdir()
    for command in _COMMANDS:
        (commands / command).symlink_to(shutil.which(command) or "missing")
    return root


def has(clone: Path, command: str, script: str) -> None:
    """Puts a stand-in for ``command`` on the machine."""
    file = clone.parent / "commands" / command
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def call(clone: Path, name: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": str(clone.parent / "commands"), "HOME": str(clone.parent)}
    return subprocess.run(
        [clone / "bin" / name], env=env, cwd=clone.parent, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["run", "lotline", "check"])
def test_without_venv_a_user_is_told_the_one_line_to_type(clone: Path, name: str) -> None:
    has(clone, "python3", "exit 1")
    has(clone, "apt-get", "exit 1")
    has(clone, "id", "echo 1000")
    done = call(clone, name)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].strip() == (
        "su -c 'apt-get update && apt-get install -y --no-install-recommends python3-venv'"
    )


def test_everything_that_the_tests_lack_is_one_line_too(clone: Path) -> None:
    has(clone, "apt-get", "exit 1")
    has(clone, "sudo", "exit 1")
    has(clone, "id", "echo 1000")
    has(clone, "ldconfig", "echo libatomic.so.1")
    done = call(clone, "test")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].strip() == (
        "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends"
        " python3 python3-venv curl faketime chromium-headless-shell'"
    )


def test_root_gets_it_installed_and_hears_why_where_that_fails(clone: Path) -> None:
    has(clone, "python3", "exit 1")
    has(clone, "apt-get", 'echo "no network for: $*"; exit 100')
    has(clone, "id", "echo 0")
    done = call(clone, "run")
    assert done.returncode == 1
    assert "Installing python3-venv with apt-get ... failed:" in done.stderr
    assert "no network for: update" in done.stderr


def test_another_system_is_told_what_is_missing(clone: Path) -> None:
    has(clone, "python3", "exit 1")
    done = call(clone, "run")
    assert done.returncode == 1
    assert "Lotline needs what Debian calls: python3-venv." in done.stderr


def test_every_way_in_may_be_called() -> None:
    names = ["bin/run", "bin/lotline", "bin/check", "bin/test", ".ci/run"]
    assert [name for name in names if not os.access(_ROOT / name, os.X_OK)] == []
