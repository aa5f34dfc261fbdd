"""The screens' languages: who is spoken to in which, and that every sentence is there in each."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from babel.messages.catalog import Message
from markupsafe import Markup
from starlette.types import Receive, Scope, Send

from app.core.errors import Unavailable
from app.core.languages import (
    ENGLISH,
    LANGUAGES,
    Languages,
    catalogue,
    preferred,
    say,
    say_html,
    sentence,
    speaking,
    spoken_with,
    this_page,
)
from app.core.money import Money
from app.core.templating import environment
from app.core.words import day, span
from app.launch import messages

OTHERS = [code for code in LANGUAGES if code != ENGLISH]
ROOMS = sorted(messages.said())


def strings(message: Message) -> list[str]:
    """All forms of a translation."""
    return list(message.string) if isinstance(message.string, tuple) else [message.string]


def blanks(sentence: str) -> set[str]:
    """The names of the values that a sentence leaves open."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_there_in_every_language(code: str, room: str) -> None:
    wanted = {(one.id, one.context) for one in messages.said()[room] if one.id}
    known = messages.read(code, room)
    there = {(one.id, one.context) for one in known if one.id}
    assert there == wanted, "run bin/messages"
    assert not list(messages.missing(known))


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_leaves_open_what_the_sentence_leaves_open(code: str, room: str) -> None:
    for one in messages.read(code, room):
        if one.id:
            allowed = set().union(*map(blanks, one.id if isinstance(one.id, tuple) else [one.id]))
            for translated in strings(one):
                assert blanks(translated) <= allowed, translated
            # Only the form for one may leave the number out.
            assert blanks(strings(one)[-1]) == allowed, strings(one)[-1]


@pytest.mark.parametrize("code", OTHERS)
def test_a_sentence_said_in_two_rooms_is_the_same_in_both(code: str) -> None:
    seen: dict[tuple[object, object], object] = {}
    for room in ROOMS:
        for one in messages.read(code, room):
            if one.id:
                assert seen.setdefault((one.id, one.context), one.string) == one.string, room


@pytest.mark.parametrize("code", OTHERS)
def test_markup_in_a_sentence_is_kept_by_its_translation(code: str) -> None:
    for room in ROOMS:
        for one in filter(lambda message: message.id, messages.read(code, room)):
            for source in [one.id] if isinstance(one.id, str) else one.id:
                for translated in strings(one):
                    assert source.count("<") == translated.count("<"), translated


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,fr;q=0.9,de;q=0.7,en;q=0.3", "de"),
        ("fr, en;q=0.2, de;q=0.1", "en"),
        ("de;q=0, en", "en"),
        ("*", "en"),
        ("de;q=much, en;q=", "en"),
        ("x" * 100_000 + ",de", "en"),
    ],
)
def test_a_browser_gets_the_first_of_its_languages_that_we_speak(accepted: str, code: str) -> None:
    assert preferred(accepted) == code


def scope(kind: str = "http", **headers: str) -> dict[str, object]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "headers": raw}


def test_who_has_chosen_a_language_keeps_it_whatever_the_browser_asks_for() -> None:
    asked = scope(accept="text/html", accept_language="en", cookie="a=b; lotline_language=de")
    assert spoken_with(asked) == "de"
    unknown = scope(accept="text/html", accept_language="de", cookie="lotline_language=xx")
    assert spoken_with(unknown) == "de"


def test_a_program_is_answered_in_english_and_a_feed_in_the_readers_language() -> None:
    assert spoken_with(scope(accept="application/json", accept_language="de")) == "en"
    assert spoken_with(scope("websocket", accept_language="de")) == "de"
    assert spoken_with(scope(hx_request="true", accept_language="de")) == "de"


@pytest.mark.parametrize(
    ("referer", "page"),
    [
        ("http://here:8000/bookings/abc?paying=done", "/bookings/abc?paying=done"),
        ("http://elsewhere/bookings/abc", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
async def test_from_the_answer_to_a_form_one_comes_back_to_the_page_that_had_it(
    referer: str, page: str
) -> None:
    seen = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(this_page())

    asked = scope(host="here:8000", referer=referer) | {
        "method": "POST",
        "path": "/bookings/abc/extend",
        "query_string": b"",
    }
    await Languages(answer)(asked, None, None)  # type: ignore[arg-type]
    await Languages(answer)(asked | {"method": "GET", "query_string": b"a=1"}, None, None)  # type: ignore[arg-type]
    assert seen == [page, "/bookings/abc/extend?a=1"]


def test_money_days_and_lengths_are_written_as_the_reader_writes_them() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert (Money(123_480, "EUR").text(), day(noon, "UTC")) == ("€1,234.80", "Mon 23 Nov 2026")
    with speaking("de"):
        assert Money(123_480, "EUR").text() == "1.234,80\xa0€"
        assert day(noon, "UTC") == "Mo. 23. Nov. 2026"
        assert span(timedelta(days=2, minutes=5)) == "2 Tg. 5 min"


def test_the_language_ends_with_its_block_also_after_a_fault() -> None:
    with pytest.raises(ValueError, match="meant"), speaking("de"):
        assert say("Password") == "Passwort"
        raise ValueError("meant")
    assert say("Password") == "Password"


def test_what_is_put_into_a_sentence_with_markup_is_escaped() -> None:
    assert say_html("until <b>{time}</b>", time="<i>") == Markup("until <b>&lt;i&gt;</b>")


def test_a_sentence_of_a_rule_is_english_to_programs_and_the_readers_own_on_a_page() -> None:
    with speaking("de"):
        refused = Unavailable("The database", retry_after_s=1)
        assert refused.document()["detail"] == "Send the same request again in a second."
        shown = environment().from_string("{{ detail }}").render(detail=refused.detail)
        assert shown == "Schicken Sie dieselbe Anfrage in einer Sekunde noch einmal."
        amount = sentence("{count} seconds", count=Money(480, "EUR"))
        assert (amount, amount.told()) == ("€4.80 seconds", "4,80\xa0€ Sekunden")


def test_english_needs_no_catalogue() -> None:
    assert catalogue(ENGLISH).gettext("never said") == "never said"
