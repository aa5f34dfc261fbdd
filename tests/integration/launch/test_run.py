"""`lotline run`, from outside: what is up, what comes back, and that nothing is left."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import redis

from app.launch.readiness import is_ready
from app.settings import embedded_redis_socket
from tests.integration.launch.run_process import WEB, Run, assert_gone, free_port, is_running, wait_until

Start = Callable[..., Run]
STATUS = "status: exec sleep 1001"


def client(run: Run) -> "redis.Redis":
    return redis.Redis(unix_socket_path=str(embedded_redis_socket(run.data_dir)))


async def test_once_it_says_that_it_is_ready_every_part_is_up(start: Start) -> None:
    run = start(WEB, STATUS).until("Ctrl-C")
    assert await is_ready("127.0.0.1", run.port)
    with client(run) as connection:
        assert connection.ping()
    for word in ("1000", "1001", "valkey-server"):
        assert run.child(word)
    assert f"http://127.0.0.1:{run.port}/sign-in/secret" in run.output


def test_ctrl_c_leaves_no_process_and_keeps_what_redis_holds(start: Start) -> None:
    first = start(WEB, STATUS, data_dir=None).until("Ctrl-C")
    with client(first) as connection:
        connection.set("kept", "yes")
    family = first.family()
    assert first.interrupt() == 0
    assert_gone([*family])
    assert "Traceback" not in first.output

    second = start(name="again", data_dir=first.data_dir).until("Ctrl-C")
    with client(second) as connection:
        assert connection.get("kept") == b"yes"


def test_a_killed_child_is_started_again(start: Start) -> None:
    run = start(WEB, STATUS).until("Ctrl-C")
    killed = run.child("1001")
    killed.kill()
    run.until("status | was ended by SIGKILL; starts again in 0.2 s")
    wait_until(lambda: any("1001" in child.cmdline() for child in run.family()), "another status process")
    assert run.child("1001").pid != killed.pid


def test_a_killed_redis_comes_back_with_its_data(start: Start) -> None:
    run = start().until("Ctrl-C")
    with client(run) as connection:
        connection.set("kept", "yes")
        # A kill keeps what the process has written, also where the disk has not confirmed it yet.
        run.child("valkey-server").kill()
    run.until("redis  | was ended by SIGKILL")
    wait_until(lambda: _answer(run) == b"yes", "Redis answers again, with what it held")


def _answer(run: Run) -> object:
    try:
        with client(run) as connection:
            return connection.get("kept")
    except redis.RedisError:
        return None


def test_what_a_dead_child_left_behind_is_ended_before_it_starts_again(start: Start) -> None:
    run = start(WEB, "status: sleep 1002 & sleep 1003; true").until("Ctrl-C")
    left_behind = run.child("1002")
    run.child("1003").parent().kill()
    run.until("status | was ended by SIGKILL")
    assert_gone([left_behind])


def test_the_death_of_the_supervisor_itself_leaves_nothing_running(start: Start) -> None:
    run = start(WEB, STATUS, "deep: sleep 1004 & sleep 1005").until("Ctrl-C")
    family = run.family()
    assert len(family) >= 7, family
    run.process.kill()
    run.process.wait()
    assert_gone(family)


def test_after_the_death_of_the_supervisor_the_next_start_just_works(start: Start) -> None:
    killed = start().until("Ctrl-C")
    killed.process.kill()
    killed.process.wait()
    run = start(name="next", port=killed.port, data_dir=killed.data_dir).until("Ctrl-C")
    assert run.interrupt() == 0


def test_a_child_that_ignores_the_end_is_killed_at_the_second_ctrl_c(start: Start) -> None:
    run = start(WEB, "stubborn: trap '' TERM; echo deaf; while :; do sleep 1006; done").until("Ctrl-C")
    run.until("stubborn | deaf")
    family = run.family()
    run.process.send_signal(signal.SIGINT)
    run.until("stopping")
    assert run.interrupt() == 0
    assert_gone(family)


def test_two_copies_run_side_by_side(start: Start) -> None:
    one, other = start(name="one"), start(name="other")
    for run in (one, other):
        run.until("Ctrl-C")
    with client(one) as here, client(other) as there:
        here.set("only", "here")
        assert there.get("only") is None
    survivors = other.family()
    assert one.interrupt() == 0
    assert all(is_running(process) for process in survivors)


def test_a_second_start_on_the_same_data_says_so_and_touches_nothing(start: Start) -> None:
    first = start().until("Ctrl-C")
    second = start(name="second", data_dir=first.data_dir)
    assert second.process.wait(30) == 1
    assert f"Lotline already runs on {first.data_dir} (process {first.process.pid})" in second.output
    assert first.process.poll() is None
    with client(first) as connection:
        assert connection.ping()


def test_a_port_in_use_is_said_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = start(port=port)
        assert run.process.wait(30) == 1
    assert f"Port {port} is in use; try PORT=" in run.output
    assert "starting" not in run.output


def test_a_web_process_that_cannot_start_ends_the_run_with_a_sentence(start: Start) -> None:
    run = start("web: echo broken; exit 3")
    assert run.process.wait(30) == 1
    assert "web    | broken" in run.output
    assert "The web process ended 3 times at its start." in run.output
    assert "Traceback" not in run.output


def test_ctrl_c_before_it_is_ready_stops_it_as_well(start: Start) -> None:
    run = start("web: exec sleep 1007").until("waiting for")
    wait_until(lambda: any("1007" in child.cmdline() for child in run.family()), "the web process")
    family = run.family()
    assert run.interrupt() == 0
    assert_gone(family)


def test_a_data_folder_with_a_path_too_long_for_a_socket_works(start: Start, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    run = start(data_dir=long).until("Ctrl-C")
    socket_path = embedded_redis_socket(long)
    assert socket_path.parent != long
    assert socket_path.parent.stat().st_mode & 0o777 == 0o700
    with client(run) as connection:
        assert connection.ping()
    assert run.interrupt() == 0
    socket_path.parent.rmdir()


def test_a_data_folder_with_odd_signs_in_its_name_works(start: Start, tmp_path: Path) -> None:
    run = start(data_dir=tmp_path / "a b'c\"d%20é").until("Ctrl-C")
    with client(run) as connection:
        connection.set("kept", "yes")
    assert run.interrupt() == 0
    assert (run.data_dir / "redis-aof").is_dir()


def test_the_data_folder_is_closed_to_others_and_redis_opens_no_port(start: Start) -> None:
    run = start().until("Ctrl-C")
    assert run.data_dir.stat().st_mode & 0o777 == 0o700
    listening = run.child("valkey-server").net_connections(kind="inet")
    assert [one for one in listening if one.status == psutil.CONN_LISTEN] == []


def test_a_redis_of_ones_own_is_used_instead_of_the_embedded_one(start: Start, tmp_path: Path) -> None:
    run = start(port=free_port(), env={"REDIS_URL": "redis://127.0.0.1:1"}).until("Ctrl-C")
    assert not any("valkey" in word for child in run.family() for word in child.cmdline())


def test_a_redis_that_is_away_stands_in_the_banner_and_stops_nothing(start: Start, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    env = {**os.environ, "LOTLINE_DATA": str(data_dir), "REDIS_URL": "redis://127.0.0.1:1"}
    subprocess.run([sys.executable, "-m", "app.launch.prepare"], env=env, check=True, stdout=-3)
    run = start("web: exec lotline serve", data_dir=data_dir, env={"REDIS_URL": env["REDIS_URL"]})
    run.until("Redis cannot be reached (REDIS_URL)").until("Ctrl-C")
    assert "Traceback" not in run.output
    assert run.interrupt() == 0
