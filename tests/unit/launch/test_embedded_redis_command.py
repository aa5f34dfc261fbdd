from pathlib import Path

from app.launch import embedded_redis


def option(name: str, data_dir: Path = Path("/srv/lotline")) -> str:
    command = embedded_redis.command(data_dir)
    return command[command.index(f"--{name}") + 1]


def test_the_server_is_durable_never_evicts_and_opens_no_port() -> None:
    assert (option("appendonly"), option("appendfsync"), option("save")) == ("yes", "everysec", "")
    assert option("maxmemory-policy") == "noeviction"
    assert (option("port"), option("unixsocketperm")) == ("0", "700")


def test_everything_lies_in_the_data_folder() -> None:
    assert option("dir") == "/srv/lotline"
    assert option("unixsocket") == "/srv/lotline/redis.sock"
    assert option("logfile") == "/srv/lotline/redis.log"


def test_the_binary_comes_with_the_package() -> None:
    assert embedded_redis.binary().is_file()
