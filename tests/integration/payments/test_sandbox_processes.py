"""Several processes with one sandbox's file, which is new to all of them."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import SystemClock
from app.payments.providers.protocol import Fate
from app.payments.providers.sandbox import AWAY, SUCCESS, THREE_D, Sandbox
from tests.unit.payments.providers.orders import SECRET, given_back, ordered

PROCESSES = 3
Work = list[tuple[str, dict[str, Any]]]


@contextlib.contextmanager
def process(path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.integration.payments.sandbox_process", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        try:
            assert one.stdout.readline() == "ready\n"
            yield one
        finally:
            one.kill()


def tell(one: "subprocess.Popen[str]", work: Work) -> None:
    assert one.stdin is not None
    one.stdin.write(json.dumps(work) + "\n")
    one.stdin.flush()


def hear(one: "subprocess.Popen[str]") -> list[list[str]]:
    assert one.stdout is not None
    return [list(told) for told in json.loads(one.stdout.readline())]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.db"


@pytest.fixture
def processes(path: Path) -> Iterator[Sequence["subprocess.Popen[str]"]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(process(path)) for _ in range(PROCESSES)]


def all_at_once(processes: Sequence["subprocess.Popen[str]"], works: Sequence[Work]) -> list[list[list[str]]]:
    for one, work in zip(processes, works, strict=True):
        tell(one, work)
    return [hear(one) for one in processes]


def test_what_all_of_them_order_at_once_is_charged_once(
    processes: Sequence["subprocess.Popen[str]"],
) -> None:
    work: Work = [("charge", asdict(ordered(f"p-{number}", SUCCESS))) for number in range(40)]
    works = [work, work[::-1], work[20:] + work[:20]]
    told = all_at_once(processes, works)
    charged = [
        {facts["payment"]: tuple(said) for (_, facts), said in zip(asked, answers, strict=True)}
        for asked, answers in zip(works, told, strict=True)
    ]
    assert charged[0] == charged[1] == charged[2]
    assert {fate for fate, _ in charged[0].values()} == {"paid"}
    assert len({name for _, name in charged[0].values()}) == len(work)


def test_refunds_of_all_of_them_together_are_no_more_than_was_paid(
    processes: Sequence["subprocess.Popen[str]"],
) -> None:
    all_at_once(processes[:1], [[("charge", asdict(ordered(means=SUCCESS, amount_minor=1_000)))]])
    works: list[Work] = [
        [("refund", asdict(given_back(f"r-{one}-{n}", amount_minor=70))) for n in range(10)]
        for one in range(PROCESSES)
    ]
    told = all_at_once(processes, works)
    fates = [fate for answers in told for fate, _ in answers]
    assert fates.count("paid") == 1_000 // 70
    assert fates.count("declined") == len(fates) - 1_000 // 70


def test_a_charge_is_either_cancelled_or_confirmed_for_all_of_them(
    processes: Sequence["subprocess.Popen[str]"],
) -> None:
    orders = [asdict(ordered(f"p-{number}", THREE_D)) for number in range(30)]
    all_at_once(processes[:1], [[("charge", order) for order in orders]])
    yes: Work = [("confirm", {"payment": order["payment"], "ok": True}) for order in orders]
    no: Work = [("confirm", {"payment": order["payment"], "ok": False}) for order in orders]
    told = all_at_once(processes, [yes, no, [("cancel", order) for order in orders]])
    for answers in zip(*told, strict=True):
        assert len({tuple(said) for said in answers}) == 1
        assert answers[0][0] in ("paid", "declined", "cancelled")


async def test_what_a_killed_process_has_charged_is_charged(
    processes: Sequence["subprocess.Popen[str]"], path: Path
) -> None:
    """Whether it has answered or not: a charge under way is charged once by whoever orders it again."""
    orders = [ordered(f"p-{number}", SUCCESS) for number in range(200)]
    told = all_at_once(processes[:1], [[("charge", asdict(ordered("p-away", AWAY)))]])
    assert told[0][0][0] == "away"
    tell(processes[0], [("charge", asdict(order)) for order in orders])
    sandbox = Sandbox(path, [SECRET], SystemClock())
    while (await sandbox.ask(orders[0])).fate is Fate.UNKNOWN:
        pass
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    before = [await sandbox.ask(order) for order in orders]
    fates = [one.fate for one in before]
    done = fates.count(Fate.PAID)
    assert fates == [Fate.PAID] * done + [Fate.UNKNOWN] * (len(orders) - done)
    after = [await sandbox.charge(order) for order in orders]
    assert after[:done] == before[:done]
    assert {one.fate for one in after} == {Fate.PAID}
    assert (await sandbox.ask(ordered("p-away"))).fate is Fate.PAID
    await sandbox.aclose()
