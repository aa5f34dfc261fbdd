from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.launch.run_process import WEB, Run, assert_gone, free_port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """``start(*lines of the Procfile, name=, port=, data_dir=, env=)``. Ends what a test left running."""
    runs: list[Run] = []

    def started(
        *lines: str,
        name: str = "run",
        port: int = 0,
        data_dir: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> Run:
        entries = "\n".join(lines or (WEB,))
        runs.append(Run(tmp_path / name, entries, port or free_port(), data_dir, env))
        return runs[-1]

    yield started
    for run in runs:
        if run.process.poll() is None:
            family = run.family()
            run.process.kill()
            run.process.wait()
            assert_gone(family)
