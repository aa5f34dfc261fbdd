"""The desk's and the sign-in page's templates with their declared views."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any, get_args

import pytest
from jinja2 import Environment
from markupsafe import Markup

from app.accounts.views import SignInNotice, SignInPage
from app.attendant.money_views import LotMoney, MoneyPage, OwedRow, PaymentRow
from app.attendant.slot_views import (
    Action,
    ActionName,
    Day,
    Fact,
    Means,
    SlotPanel,
    SlotState,
    Stay,
    Take,
)
from app.attendant.undo import Undo
from app.attendant.urls import slot_url
from app.attendant.views import (
    Arrival,
    Arriving,
    Closed,
    Event,
    Hit,
    HomePage,
    JustNow,
    Line,
    LotPage,
    LotRow,
    Results,
    Stretch,
    Task,
    Todo,
    Waiters,
    Works,
)
from app.core.languages import speaking
from app.core.templating import environment

HOSTILE = '"><script>alert(1)</script>'
URL = slot_url("riverside", "C41")
DAY = Day((Stay("12:35 to now", HOSTILE, "€4.80", 755, 922, 875),), 7, 19, 922)
ACTION_NAMES = get_args(ActionName)
ALL_ACTIONS = tuple(Action(name) for name in ACTION_NAMES)
PANEL = SlotPanel(
    "riverside", "C41", 7, "C", "occupied", (Fact("Plate", HOSTILE),), ALL_ACTIONS, DAY, "token", "key-1", 12
)
RESULTS = Results(HOSTILE, (Hit("HKR", HOSTILE, "C41", "", URL), Hit("HKR", " 0188", "", "left 13:40")), 3)
TODO = Todo((Task("C41", 7, HOSTILE, "+47 min", "owes €2.40", URL, "danger", True),))
ARRIVING = Arriving((Arrival("15:25", "B19", HOSTILE, URL),), 30)
UNDO = Undo.of(URL, "open", version=3, to=HOSTILE)
JUST_NOW = JustNow(
    (
        Event("15:22:09", "B19", "Reserved", HOSTILE, URL, "reserved-1"),
        Event("15:22:04", "B20", "Left", HOSTILE, URL, "left-1", "€2.40 unpaid", URL),
        Event("15:21:40", "C102", "Closed", HOSTILE, URL, "close-1", undo=UNDO),
        Event("15:21:40", "9 slots", "Closed", HOSTILE, "", "close-2"),
    )
)
WAITING = Line(3, (Waiters("2, the first since 14:05", HOSTILE), Waiters("1, since 14:07", "any slot")))
CLOSED = Closed((Stretch(HOSTILE, 9, "", URL, True), Stretch("B4", 1, "when released", URL, False)), 10, 2)
TAKE = Take("quote", "€2.40", (Means("cash", "Cash", "P"), Means("terminal", "Card terminal", "T")))
MONEY = MoneyPage(
    attendant="Mara K.",
    is_operator=True,
    lot="Riverside",
    lot_code="riverside",
    lots=(LotMoney("riverside", HOSTILE, 2), LotMoney("b", "B", 0)),
    today="Mon 23 Nov 2026",
    to_give=(),
    payments=(PaymentRow("12:37", "C41", "€4.80", "Cash", HOSTILE, "paid", "/receipts/1", "p-1"),),
    sums=(("Cash", "€4.80"),),
    desk_url="/attendant/lots/riverside",
    owed=(OwedRow("r-1", HOSTILE, "C41", "13:40", TAKE),),
)
WORKS = Works("riverside", HOSTILE, closed=False, areas=("A", HOSTILE), idempotency_key="key-2")
ACTS = ("close", "open")
PAGE = LotPage(
    code="riverside",
    name="Riverside",
    attendant="Mara K.",
    time_zone="Europe/Berlin",
    clock="15:22",
    now_s=1_790_000_000.0,
    feed_url="/ws/x?a=1&b=2",
    map=Markup('<div id="map"></div>'),
    legend=Markup('<b id="count-free">96</b>'),
    results=RESULTS,
    todo=TODO,
    arriving=ARRIVING,
    waiting=WAITING,
    closed=CLOSED,
    just_now=JUST_NOW,
    slot=PANEL,
    works=WORKS,
    stylesheets=("css/map.css",),
    scripts=("js/map.js",),
)
EMPTY_PAGE = replace(
    PAGE,
    results=Results(),
    todo=Todo(()),
    arriving=Arriving((), 30),
    waiting=Line(0, ()),
    closed=Closed((), 0),
    just_now=JustNow(()),
    slot=None,
)
# While the database is away.
AWAY = replace(PANEL, facts=(), actions=(), day=None, version=-1, away=True)
AWAY_PAGE = replace(
    PAGE,
    results=Results(),
    todo=None,
    arriving=None,
    waiting=None,
    closed=None,
    just_now=None,
    slot=AWAY,
    age_s=45,
    code="a&b",
)
UNBUILT = LotRow("y", "New", "Quay", None, None, None, None)
LOTS = HomePage("Mara K.", (LotRow("x", "Lot", "Street", 1, 2, 3, 4, 5), UNBUILT))


@pytest.fixture(scope="module")
def templates() -> Environment:
    return environment()


def every_view() -> Iterator[tuple[str, Any]]:
    states: tuple[SlotState, ...] = ("free", "reserved", "occupied", "closed")
    yield from (("attendant/_slot.html", replace(PANEL, state=state)) for state in states)
    yield "attendant/_slot.html", None
    late = replace(PANEL, alert="47 min over", tag=HOSTILE, owes="€2.40")
    yield "attendant/_slot.html", replace(late, conflict=HOSTILE)
    yield "attendant/_slot.html", replace(PANEL, notice=HOSTILE, plate=HOSTILE, plate_error="Letters only.")
    yield "attendant/_slot.html", replace(PANEL, actions=(Action("close", HOSTILE),), day=Day((), 0, 24, 0))
    yield "attendant/_slot.html", replace(PANEL, refused=HOSTILE, closing=True, move_to=HOSTILE)
    yield "attendant/_slot.html", replace(PANEL, move_to=HOSTILE, move_error=HOSTILE)
    yield "attendant/_slot.html", replace(PANEL, notice=HOSTILE, undo=UNDO, take=TAKE)
    yield "attendant/_slot.html", replace(PANEL, take=replace(TAKE, under_way=HOSTILE))
    yield "attendant/_slot.html", AWAY
    yield "attendant/_works.html", WORKS
    yield "attendant/_works.html", replace(WORKS, closed=True, notice=HOSTILE)
    yield "attendant/_works.html", replace(WORKS, area="A", first=HOSTILE, last=HOSTILE, error=HOSTILE)
    yield from (("attendant/_works.html", replace(WORKS, area=HOSTILE, asks=act, count=9)) for act in ACTS)
    yield from (("attendant/_waiting.html", view) for view in (WAITING, Line(0, ())))
    yield from (("attendant/_closed.html", view) for view in (CLOSED, replace(CLOSED, lot_closed=True)))
    under_way = replace(MONEY, owed=(OwedRow("r", "p", "s", "t", replace(TAKE, under_way=HOSTILE)),))
    yield from (("attendant/money.html", view) for view in (MONEY, replace(MONEY, lot=""), under_way))
    yield "attendant/money.html", replace(MONEY, owed=(), payments=(), typed=HOSTILE, refused=HOSTILE)
    yield from (("attendant/_results.html", view) for view in (RESULTS, Results(), Results(HOSTILE)))
    yield from (("attendant/_todo.html", view) for view in (TODO, Todo(())))
    yield from (("attendant/_arriving.html", view) for view in (ARRIVING, Arriving((), 30)))
    yield from (("attendant/_just_now.html", view) for view in (JUST_NOW, JustNow(())))
    yield from (("attendant/lot.html", view) for view in (PAGE, EMPTY_PAGE, AWAY_PAGE))
    yield from (
        ("attendant/lots.html", view)
        for view in (LOTS, HomePage("M", ()), replace(LOTS, age_s=9), replace(LOTS, is_operator=True))
    )
    notices: tuple[SignInNotice, ...] = ("", "signed-out", "link-expired", "session-ended")
    yield from (("accounts/sign_in.html", SignInPage("t", notice=notice)) for notice in notices)
    yield "accounts/sign_in.html", SignInPage("t", "/attendant", HOSTILE, "Bad.", "Bad.", HOSTILE)


@pytest.mark.parametrize(("name", "view"), list(every_view()))
def test_every_template_renders_its_view_and_escapes_what_people_typed(
    templates: Environment, name: str, view: object
) -> None:
    html = templates.get_template(name).render(view=view)
    assert "<script>" not in html
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\shx-on|=\"js:", html)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_every_form_that_changes_a_slot_carries_its_guards(templates: Environment) -> None:
    html = templates.get_template("attendant/_slot.html").render(view=PANEL)
    forms = re.findall(r"<form.*?</form>", html, flags=re.DOTALL)
    assert len(forms) == len(ALL_ACTIONS)
    for form, action in zip(forms, ALL_ACTIONS, strict=True):
        assert f'action="{URL}/{action.name}"' in form
        assert f'hx-post="{URL}/{action.name}"' in form
        assert 'method="post"' in form
        for field in ("idempotency_key", "version"):
            assert f'name="{field}"' in form


def test_release_asks_before_it_sends_also_without_a_script(templates: Environment) -> None:
    html = templates.get_template("attendant/_slot.html").render(view=PANEL)
    question = re.search(r"<details.*?</details>", html, flags=re.DOTALL)
    assert question is not None
    assert f'action="{URL}/release"' in question[0]
    assert PANEL.release_question in question[0]
    assert "<details open" not in question[0]


@pytest.mark.parametrize(("closed", "act"), [(False, "close lot"), (True, "open lot")])
def test_a_whole_lot_is_closed_and_opened_after_a_question(
    templates: Environment, closed: bool, act: str
) -> None:
    html = templates.get_template("attendant/_works.html").render(view=replace(WORKS, closed=closed))
    question = re.search(r'<details class="confirm".*?</details>', html, flags=re.DOTALL)
    assert question is not None
    assert f'name="act" value="{act}"' in question[0]
    assert "the whole lot?" in question[0]
    assert html.count('name="act" value="open lot"') + html.count('name="act" value="close lot"') == 1


def test_each_key_of_a_panel_does_one_thing() -> None:
    together = (
        ("walk-in", "close", "delete"),
        ("open", "delete"),
        ("check-in", "release", "move", "close-when-free"),
        ("check-in", "release", "move", "keep-open"),
        ("open", "delete"),
    )
    for names in together:
        keys = [Action(name).key for name in names]  # type: ignore[arg-type]
        assert len(keys) == len(set(keys))


def test_a_whole_area_is_asked_for_and_the_safe_answer_has_the_focus(templates: Environment) -> None:
    view = replace(WORKS, area="A", asks="close", count=107)
    html = templates.get_template("attendant/_works.html").render(view=view)
    question = re.search(r'<div class="works-ask".*?</div>', html, flags=re.DOTALL)
    assert question is not None
    assert "107 slots" in question[0]
    assert 'name="sure" value="yes"' in question[0]
    assert re.search(r'<a [^>]*id="works-no"[^>]*autofocus', question[0])
    assert "works-ask" not in templates.get_template("attendant/_works.html").render(view=WORKS)


def test_money_of_who_left_is_taken_only_after_a_question(templates: Environment) -> None:
    html = templates.get_template("attendant/money.html").render(view=MONEY)
    question = re.search(r'<details class="owed-take".*?</details>', html, flags=re.DOTALL)
    assert question is not None
    assert "Do you have €2.40 of" in question[0]
    assert html.count('action="/attendant/money/take"') == question[0].count('name="quote"') == 1


@pytest.mark.parametrize(("name", "view"), [("lot.html", PAGE), ("money.html", MONEY), ("lots.html", LOTS)])
def test_the_desk_says_nothing_in_english_to_who_reads_german(
    templates: Environment, name: str, view: object
) -> None:
    english = templates.get_template(f"attendant/{name}").render(view=view)
    with speaking("de"):
        german = templates.get_template(f"attendant/{name}").render(view=view)
    given = str(view)
    same = texts(english) & texts(german)
    assert {text for text in same if text not in given and not text.isupper()} <= {"Enter", "Esc", "Code"}


def texts(page: str) -> set[str]:
    """What the page's content says between its tags, with two letters or more, without what people typed."""
    content = page[page.index("<main") : page.index("</main>")]
    bare = re.sub(r"<(svg|script)\b.*?</\1>", "", content, flags=re.DOTALL)
    found = (unescape(text).replace(HOSTILE, "").strip() for text in re.findall(r">([^<>]+)<", bare))
    return {text for text in found if re.search(r"[A-Za-z]{2}", text)} - {"Cash,", ": C102, Closed"}


def test_an_impossible_action_says_why_and_has_no_form(templates: Environment) -> None:
    view = replace(PANEL, actions=(Action("close", "a car stands here"),))
    html = templates.get_template("attendant/_slot.html").render(view=view)
    assert "Close slot: a car stands here" in html
    assert "<form" not in html


def test_the_page_shows_the_same_fragments_as_the_requests_for_parts(templates: Environment) -> None:
    page = templates.get_template("attendant/lot.html").render(view=PAGE)
    lists = (
        ("_todo", TODO),
        ("_arriving", ARRIVING),
        ("_waiting", WAITING),
        ("_closed", CLOSED),
        ("_just_now", JUST_NOW),
        ("_results", RESULTS),
    )
    for name, view in (("_slot", PANEL), ("_works", WORKS), *lists):
        assert templates.get_template(f"attendant/{name}.html").render(view=view) in page


def test_counts_that_are_not_known_are_not_zero(templates: Environment) -> None:
    html = templates.get_template("attendant/lots.html").render(view=replace(LOTS, lots=(UNBUILT,)))
    assert html.count("not known") == 4
    assert not re.search(r"<dd[^>]*>\s*0", html)


def test_what_is_not_known_is_said_and_asked_for_again(templates: Environment) -> None:
    html = templates.get_template("attendant/lot.html").render(view=AWAY_PAGE)
    for part in ("todo", "arriving", "just-now"):
        assert re.search(rf'hx-get="[^"]*/{part}" hx-trigger="every \d+s" hx-target="#{part}"', html)
    assert "Nothing to do" not in html
    assert "Only the state is known." in html
    assert 'data-feed="lost" data-feed-age="45"' in html


@pytest.mark.parametrize(
    ("age_s", "said"), [(None, None), (5, None), (6, "6 s. Counts may"), (90, "1 min. What you see is not")]
)
def test_the_list_of_lots_says_how_old_its_counts_are(
    templates: Environment, age_s: int | None, said: str | None
) -> None:
    html = templates.get_template("attendant/lots.html").render(view=replace(LOTS, age_s=age_s))
    words = re.sub(r"<[^>]+>", "", html)
    assert ("No update for" in words) == (said is not None)
    assert said is None or f"No update for {said}" in words


def test_a_drawn_day_keeps_within_its_hours() -> None:
    assert (DAY.x(0), DAY.x(7 * 60), DAY.x(13 * 60), DAY.x(24 * 60)) == (0.0, 0.0, 500.0, 1000.0)
    assert DAY.hours == ("07", "10", "13", "16", "19")


def test_the_password_never_comes_back(templates: Environment) -> None:
    view = SignInPage("t", name="mara", problem="No.")
    html = templates.get_template("accounts/sign_in.html").render(view=view)
    field = re.search(r'<input[^>]*id="password"[^>]*>', html)
    assert field is not None
    assert 'value=""' in field[0]
