"""The wall's templates with their declared views."""

import re

import pytest
from jinja2 import Environment

from app.core.templating import environment
from app.display.views import (
    Arrow,
    WallCells,
    WallExtra,
    WallFigure,
    WallPremium,
    WallView,
    arrange,
    arrow_towards,
)

NOW_S = 1_790_000_000.0
LETTERS = "ABCDEFGHIJKLMNOP"


@pytest.fixture(scope="module")
def templates() -> Environment:
    return environment()


def cells_of(
    counts: list[int | None], *, premium: int | None = 6, with_premium: bool = True, closed: bool = False
) -> WallCells:
    areas = [WallFigure(LETTERS[place], free, "left") for place, free in enumerate(counts)]
    known = [free for free in counts if free is not None]
    column = WallPremium(WallFigure("premium", premium, "up"), ("Beside the gate",))
    return arrange(
        areas,
        premium=column if with_premium else None,
        extras=(WallExtra("accessible", known[0] if known else None),),
        now_s=NOW_S,
        whole_free=sum(known) if len(known) == len(counts) else None,
        closed=closed,
    )


def fragment(templates: Environment, cells: WallCells) -> str:
    return templates.get_template("display/_cells.html").render(view=cells)


def figures(html: str) -> list[str]:
    return re.findall(r'<span class="figure[^>]*><span class="fit">([^<]*)</span>', html)


@pytest.mark.parametrize("count", range(17))
def test_any_number_of_areas_renders_with_at_most_five_figures(templates: Environment, count: int) -> None:
    for with_premium in (True, False):
        cells = cells_of([7] * count, with_premium=with_premium)
        html = fragment(templates, cells)
        assert len(figures(html)) <= 5
        assert 1 <= len(cells.figures) + (cells.premium is not None) <= 5
        shown = {figure.code for figure in (*cells.figures, *cells.further)}
        assert shown >= set(LETTERS[:count])


def test_areas_stand_by_letter_and_what_does_not_fit_goes_to_the_foot() -> None:
    areas = [WallFigure(code, 1) for code in ("C", "AA", "B", "A", "D", "E")]
    cells = arrange(areas, premium=None, extras=(), now_s=NOW_S, whole_free=6)
    assert [figure.code for figure in cells.figures] == ["A", "B", "C", "D", "E"]
    assert [figure.code for figure in cells.further] == ["AA"]
    assert not cells.merged


def test_more_areas_than_the_foot_holds_become_one_figure_for_the_lot() -> None:
    cells = cells_of([3] * 12)
    assert cells.merged
    assert [(figure.code, figure.free) for figure in cells.figures] == [("", 36)]
    assert len(cells.further) == 12


def test_a_lot_without_any_slot_is_not_full() -> None:
    cells = arrange([], premium=None, extras=(), now_s=NOW_S, whole_free=0)
    assert [(figure.free, figure.word) for figure in cells.figures] == [(None, "")]


def test_a_lot_of_premium_slots_alone_shows_only_the_yellow_column() -> None:
    cells = cells_of([])
    assert cells.figures == ()
    assert cells.premium is not None


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8, 12])
def test_what_is_not_known_is_never_a_number_or_a_word(templates: Environment, count: int) -> None:
    html = fragment(templates, cells_of([None] * count, premium=None))
    said = re.sub(r"<svg.*?</svg>|<[^>]*>", " ", html, flags=re.DOTALL)
    assert figures(html) == []
    assert not re.search(r"\d", said)
    assert "FULL" not in html
    assert "full" not in said
    assert "not known" in said


def test_one_unknown_area_leaves_the_figures_of_the_others(templates: Environment) -> None:
    assert figures(fragment(templates, cells_of([4, None, 0]))) == ["4", "FULL", "6"]


def test_a_closed_lot_shows_no_figure_at_all(templates: Environment) -> None:
    assert set(figures(fragment(templates, cells_of([4, 5, 0], closed=True)))) == {"CLOSED"}


def test_the_page_and_the_push_show_the_same_cells(templates: Environment) -> None:
    view = WallView("riverside", "Riverside", "Europe/Berlin", "07:52", "/ws/x", 3, 1, cells_of([4, 38]))
    page = templates.get_template("display/wall.html").render(view=view)
    assert fragment(templates, view.cells) in page


@pytest.mark.parametrize(("age_s", "state"), [(None, "connecting"), (29, "connecting"), (30, "lost")])
def test_a_wall_whose_picture_is_too_old_is_blank_from_the_first_moment(
    templates: Environment, age_s: int | None, state: str
) -> None:
    view = WallView("x", "Lot", "Europe/Berlin", "07:52", "/ws/x", 3, age_s, cells_of([4]))
    page = templates.get_template("display/wall.html").render(view=view)
    assert f'data-wall="{state}"' in page
    assert ('id="message" role="status" hidden' in page) == (state != "lost")


@pytest.mark.parametrize("age_s", [None, 0, 8])
def test_the_wall_says_the_age_of_its_counts_before_any_script_runs(
    templates: Environment, age_s: int | None
) -> None:
    view = WallView("x", "Lot <1>", "Europe/Berlin", "07:52", "/ws/x?a=1&b=2", 3, age_s, cells_of([4]))
    page = templates.get_template("display/wall.html").render(view=view)
    assert ("is not known" in page) if age_s is None else (f"{age_s} s old" in page)
    assert "Lot &lt;1&gt;" in page
    assert '"pauseOnBackground":false' in page
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\shx-on", page)


@pytest.mark.parametrize(
    ("point", "heading_deg", "expected"),
    [
        ((0.0, -50.0), 270.0, "up"),
        ((50.0, 0.0), 270.0, "right"),
        ((-50.0, 0.0), 270.0, "left"),
        ((0.0, 50.0), 270.0, "down"),
        ((50.0, 0.0), 0.0, "up"),
        ((50.0, 50.0), 0.0, "up-right"),
        ((-50.0, 0.0), 180.0, "up"),
        ((-50.0, 50.0), 180.0, "up-left"),
        ((0.0, 0.0), 0.0, None),
    ],
)
def test_arrows_point_the_way_a_driver_sees_it_at_the_gate(
    point: tuple[float, float], heading_deg: float, expected: Arrow | None
) -> None:
    assert arrow_towards((0.0, 0.0), heading_deg, point) == expected
