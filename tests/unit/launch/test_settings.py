from pathlib import Path

import pytest

from app.settings import (
    SOCKET_PATH_LIMIT_BYTES,
    Settings,
    SettingsError,
    cluster_addresses,
    embedded_redis_socket,
)


def settings(**env: str) -> Settings:
    return Settings.from_environment(env)


def test_the_defaults_keep_everything_in_the_data_folder() -> None:
    found = settings(LOTLINE_DATA="/srv/lotline")
    assert found == Settings(
        port=8000,
        host="127.0.0.1",
        database_url="sqlite+aiosqlite:////srv/lotline/lotline.db",
        redis_url="unix:///srv/lotline/redis.sock",
        data_dir=Path("/srv/lotline"),
        profile="development",
        worker_metrics_port=None,
        scrub_s=600,
    )
    assert found.redis_is_embedded


def test_without_a_variable_the_data_folder_is_var_of_the_checkout() -> None:
    assert settings().data_dir == Path(__file__).parents[3] / "var"


def test_an_empty_variable_counts_as_absent() -> None:
    assert settings(PORT="", HOST=" ", REDIS_URL="") == settings()


def test_a_relative_data_folder_is_meant_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings(LOTLINE_DATA="here").data_dir == tmp_path / "here"


@pytest.mark.parametrize("url", ["sqlite:///x.db", "sqlite:///var/x.db", "sqlite://x.db", "sqlite:///~/x.db"])
def test_a_database_file_without_its_whole_path_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="whole path, with four slashes"):
        settings(DATABASE_URL=url)


@pytest.mark.parametrize("port", ["abc", "0", "65536"])
def test_a_port_of_the_database_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL has a port"):
        settings(DATABASE_URL=f"postgresql://a:b@c:{port}/d")


def test_only_a_sqlite_database_has_a_file() -> None:
    assert settings(DATABASE_URL="sqlite:////srv/x.db?mode=rw").sqlite_path == "/srv/x.db"
    assert settings(DATABASE_URL="postgresql://a@b/c").sqlite_path == ""


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgres://a:b@c:5433/d", "postgresql+asyncpg://a:b@c:5433/d"),
        ("postgresql://a@/d?host=/run/pg", "postgresql+asyncpg://a@/d?host=/run/pg"),
        ("postgresql://c/d?x=1&sslmode=require", "postgresql+asyncpg://c/d?x=1&ssl=require"),
        ("postgresql://a:b#/:c@[::1]:5433/d", "postgresql+asyncpg://a:b#/:c@[::1]:5433/d"),
        ("postgresql+asyncpg://c/d", "postgresql+asyncpg://c/d"),
        ("sqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db"),
        ("sqlite+aiosqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db"),
    ],
)
def test_a_database_url_is_given_the_async_driver(given: str, taken: str) -> None:
    assert settings(DATABASE_URL=given).database_url == taken


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://u:p@h", "unix:///run/redis.sock"])
def test_a_redis_of_ones_own_is_not_the_embedded_one(url: str) -> None:
    found = settings(REDIS_URL=url)
    assert (found.redis_url, found.redis_is_embedded) == (url, False)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("redis+cluster://a:1,b:2", [("a", 1), ("b", 2)]),
        ("redis+cluster://a", [("a", 6379)]),
        (
            "redis+cluster://db-1.example.org:7000,10.0.0.7:7001/",
            [("db-1.example.org", 7000), ("10.0.0.7", 7001)],
        ),
        ("redis+cluster://[::1]:7000,[2001:db8::2]", [("::1", 7000), ("2001:db8::2", 6379)]),
    ],
)
def test_a_cluster_is_named_by_some_of_its_servers(url: str, addresses: list[tuple[str, int]]) -> None:
    found = settings(REDIS_URL=url)
    assert (found.redis_url, found.redis_is_embedded) == (url, False)
    assert cluster_addresses(found.redis_url) == addresses


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("redis+cluster:a:1", "must begin with redis\\+cluster://"),
        ("redis+cluster://", "must name a server"),
        ("redis+cluster://a:1,", "must name a server"),
        ("redis+cluster://,a:1", "must name a server"),
        ("redis+cluster://:1", "must name a server"),
        ("redis+cluster://a:0", "has a port"),
        ("redis+cluster://a:65536", "has a port"),
        ("redis+cluster://a:b", "has a port"),
        ("redis+cluster://a:1:2", "has a port"),
        ("redis+cluster://[::1", "an address that is none"),
        ("redis+cluster://a:1/0", "a cluster has no databases"),
        ("redis+cluster://a:1?x=1", "a cluster has no databases"),
        ("redis+cluster://u:secret@a:1,b:2", "no user and no password"),
    ],
)
def test_a_cluster_that_is_wrongly_named_is_refused_with_what_is_wrong(url: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=f"^REDIS_URL of a cluster .*{wrong}.*as in redis") as caught:
        settings(REDIS_URL=url)
    assert "secret" not in str(caught.value)


def test_every_wrong_variable_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        settings(PORT="web", HOST="a b", DATABASE_URL="mysql://x", REDIS_URL="h:1", LOTLINE_PROFILE="live")
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "PORT",
        "HOST",
        "DATABASE_URL",
        "REDIS_URL",
        "LOTLINE_PROFILE",
    ]


def test_an_issuer_that_fits_on_no_receipt_is_refused() -> None:
    with pytest.raises(SettingsError, match="LOTLINE_ISSUER"):
        settings(LOTLINE_ISSUER="x" * 301)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8000.0", "٨٠٠٠", "1e3"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="PORT"):
        settings(PORT=port)


def test_a_worker_serves_its_metrics_only_where_a_port_is_named() -> None:
    assert settings(LOTLINE_WORKER_METRICS_PORT="9101").worker_metrics_port == 9101
    assert settings(LOTLINE_WORKER_METRICS_PORT="").worker_metrics_port is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOTLINE_WORKER_METRICS_PORT", "0"),
        ("LOTLINE_WORKER_METRICS_PORT", "65536"),
        ("LOTLINE_SCRUB_SECONDS", "0"),
        ("LOTLINE_SCRUB_SECONDS", "604801"),
        ("LOTLINE_SCRUB_SECONDS", "1e3"),
        ("LOTLINE_SCRUB_SECONDS", "ten"),
    ],
)
def test_a_number_that_is_none_or_too_great_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is '{text}'; it must be a whole number from 1 to"):
        settings(**{name: text})


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+aiosqlite://"])
def test_a_database_in_memory_is_refused_because_processes_share_it(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot live in memory"):
        settings(DATABASE_URL=url)


@pytest.mark.parametrize("url", ["redis://", "unix://", "http://h", "redis://[", "unix:"])
def test_a_redis_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL"):
        settings(REDIS_URL=url)


def test_a_wrong_database_url_does_not_show_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        settings(DATABASE_URL="mysql://user:secret@h/d")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "::", "localhost", "db-1.example.org"])
def test_a_host_may_be_an_address_or_a_name(host: str) -> None:
    assert settings(HOST=host).host == host


def test_in_production_nobody_is_signed_in_for_a_tour() -> None:
    assert settings(LOTLINE_TOUR="riverside").tour == "riverside"
    with pytest.raises(SettingsError, match="LOTLINE_TOUR is set, but in production"):
        settings(LOTLINE_TOUR="riverside", LOTLINE_PROFILE="production")


def test_what_is_handed_to_a_child_reads_back_the_same() -> None:
    found = settings(
        PORT="8001",
        LOTLINE_DATA="/srv/a b%c",
        DATABASE_URL="postgres://c/d?sslmode=require",
        LOTLINE_WORKER_METRICS_PORT="9101",
        LOTLINE_SCRUB_SECONDS="60",
        LOTLINE_TOUR="riverside",
        LOTLINE_ISSUER="Harbour Parking Ltd; Quay 1",
    )
    assert Settings.from_environment(found.as_environment()) == found
    assert found.redis_is_embedded


def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_one_that_everybody_finds() -> None:
    folder = Path("/srv") / ("x" * 200)
    socket = embedded_redis_socket(folder)
    assert len(str(socket)) <= SOCKET_PATH_LIMIT_BYTES
    assert socket == embedded_redis_socket(folder)
    assert socket != embedded_redis_socket(folder / "y")
    assert settings(LOTLINE_DATA=str(folder)).redis_is_embedded


def test_the_longest_path_that_fits_is_kept() -> None:
    room = SOCKET_PATH_LIMIT_BYTES - len("/srv/" + "/redis.sock")
    assert embedded_redis_socket(Path("/srv") / ("x" * room)).parent == Path("/srv") / ("x" * room)
    assert embedded_redis_socket(Path("/srv") / ("x" * (room + 1))).parent != Path("/srv") / (
        "x" * (room + 1)
    )
