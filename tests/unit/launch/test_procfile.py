import pytest

from app.launch.procfile import Entry, ProcfileError, parse


def test_entries_keep_their_order_and_their_whole_command() -> None:
    text = "web: exec lotline serve\n\n# rest\n  status:exec python -m workers.status  \nodd-2: a: b # c\n"
    assert parse(text) == [
        Entry("web", "exec lotline serve"),
        Entry("status", "exec python -m workers.status"),
        Entry("odd-2", "a: b # c"),
    ]


def test_every_wrong_line_is_named_at_once() -> None:
    with pytest.raises(ProcfileError) as caught:
        parse("web: a\nno command\nweb: b\nempty:\n")
    assert str(caught.value).splitlines() == [
        "Line 2 of the Procfile is not 'name: command': no command",
        "Line 3 of the Procfile names web a second time.",
        "Line 4 of the Procfile is not 'name: command': empty:",
    ]


@pytest.mark.parametrize("text", ["", "\n# nothing\n"])
def test_a_procfile_without_a_process_is_refused(text: str) -> None:
    with pytest.raises(ProcfileError, match="names no process"):
        parse(text)
