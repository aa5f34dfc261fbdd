import io
from pathlib import Path

from app.launch.banner import banner
from app.launch.output import Lines, Output
from app.launch.prepare import Prepared
from app.launch.readiness import url


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_lines_stand_behind_the_name_of_their_process() -> None:
    stream = io.StringIO()
    output = Output(stream)
    output.line("web", "one")
    output.line("simulate", "two")
    output.line("web", "three")
    assert stream.getvalue() == "web    | one\nsimulate | two\nweb      | three\n"


def test_names_are_coloured_on_a_terminal_only_each_in_its_own_colour() -> None:
    stream = Terminal()
    output = Output(stream)
    for name in ("web", "status", "web"):
        output.line(name, "x")
    first, second, third = stream.getvalue().splitlines()
    assert first == third == "\x1b[36mweb    |\x1b[0m x"
    assert second.startswith("\x1b[33m")


def test_bytes_are_cut_into_lines_wherever_they_were_torn() -> None:
    stream = io.StringIO()
    lines = Lines(Output(stream), "web")
    for piece in (b"Stra\xc3", b"\x9fe\r\nhal", b"f\nlast \xff", b""):
        lines.feed(piece)
    assert stream.getvalue() == "web    | Straße\nweb    | half\nweb    | last �\n"


def test_a_reader_who_has_gone_stops_nothing() -> None:
    Output(Gone()).line("web", "unheard")


def test_the_banner_says_where_everything_is() -> None:
    text = banner("http://h:1", Prepared("riverside", True, "/sign-in/abc"), Path("/srv/var"), simulates=True)
    for wanted in ("http://h:1/sign-in/abc", "http://h:1/display/riverside", "http://h:1/docs", "/srv/var"):
        assert wanted in text
    assert "--no-simulate" in text
    assert "bin/lotline sign-in-link" in text
    assert "Redis" not in text


def test_the_banner_says_that_redis_is_away() -> None:
    prepared = Prepared("riverside", True, None)
    text = banner("http://h:1", prepared, Path("/srv/var"), simulates=False, away={"redis"})
    assert "Redis cannot be reached (REDIS_URL)" in text


def test_the_banner_leaves_out_what_is_not_there() -> None:
    text = banner("http://h:1", Prepared(None, False, None), Path("/srv/var"), simulates=False)
    assert "Attendant" not in text
    assert "Wall" not in text
    assert "--no-simulate" not in text


def test_a_prepared_survives_its_way_through_standard_output() -> None:
    prepared = Prepared("a b", False, None)
    assert Prepared.from_json(b"noise\n" + prepared.to_json() + b"\n") == prepared


def test_the_url_is_one_that_a_browser_on_this_machine_can_open() -> None:
    assert url("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert url("::", 8000) == "http://[::1]:8000"
    assert url("localhost", 8000) == "http://localhost:8000"
