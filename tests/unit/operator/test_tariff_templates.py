"""The operator's templates with their declared views."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jinja2 import Environment

from app.core.templating import environment
from app.operator.tariff_form import LIMITS, Band, Typed
from app.operator.views import (
    BAND_PARTS,
    FIELD_NAMES,
    AreaLink,
    BandRow,
    CostLine,
    Meanwhile,
    OwnStay,
    Preview,
    PreviewAnswer,
    SampleStay,
    Stretch,
    TariffPage,
    TariffRow,
    TariffsPage,
    Week,
    tariff_url,
)

HOSTILE = '"><script>alert(1)</script>'
URL = tariff_url('a"b', HOSTILE)
BAND = Band(0, HOSTILE, "premium", HOSTILE, HOSTILE, HOSTILE, HOSTILE, "flat", HOSTILE)
TYPED = Typed((BAND, Band(3)), dict.fromkeys(LIMITS, HOSTILE), HOSTILE, HOSTILE, HOSTILE, HOSTILE)
DAY = (Stretch(0, 420, "t2", HOSTILE), Stretch(420, 1440, "none", "no price"))
WEEK = Week("", (DAY,) * 7, (("every day", HOSTILE),), (0, 420, 1440))
STAYS = (
    SampleStay(
        "Tue 10:05 to 12:35", HOSTILE, "€7.00", "now €6.00", (CostLine(HOSTILE, "10 × €0.70", "€7.00"),)
    ),
    SampleStay("Sat", "standard", "", "now not priced", (), HOSTILE, 0),
)
PREVIEW = Preview(
    STAYS, (WEEK, replace(WEEK, label="Premium slots")), (HOSTILE,), (), ((0, "t2"), (3, "none"))
)
WRONG = {f"band-0-{part}": HOSTILE for part in BAND_PARTS} | dict.fromkeys(FIELD_NAMES, HOSTILE)
PAGE = TariffPage(
    operator=HOSTILE,
    lot_code='a"b',
    area=HOSTILE,
    title=HOSTILE,
    about=HOSTILE,
    currency_symbol="€",
    time_zone="Berlin",
    earliest_day="2026-11-24",
    made_from=3,
    typed=TYPED,
    errors={},
    bands=(BandRow(BAND, 1, "t2"), BandRow(Band(3), 2, "none")),
    usual_days=("Mon to Fri",),
    areas=(AreaLink("Whole lot", URL, False, True), AreaLink(HOSTILE, URL, True, True)),
    preview=PREVIEW,
    own_stay=OwnStay(HOSTILE, HOSTILE, True, "", HOSTILE),
)
WRONG_PAGE = replace(
    PAGE,
    errors=WRONG,
    own_stay=OwnStay(error=HOSTILE),
    notice=HOSTILE,
    coming=HOSTILE,
    meanwhile=Meanwhile(HOSTILE, (HOSTILE,), (HOSTILE,)),
    preview=replace(PREVIEW, wrong=(("grace", HOSTILE, HOSTILE),)),
)
EMPTY_PAGE = replace(PAGE, bands=(), areas=(), typed=Typed(), preview=Preview((), (), (), (), ()))
ROW = TariffRow(URL, HOSTILE, "", HOSTILE, 3, HOSTILE, HOSTILE, HOSTILE)


@pytest.fixture(scope="module")
def templates() -> Environment:
    return environment()


def every_view() -> Iterator[tuple[str, Any]]:
    yield from (("operator/tariff.html", view) for view in (PAGE, WRONG_PAGE, EMPTY_PAGE))
    yield "operator/_preview.html", PreviewAnswer(PREVIEW, URL)
    yield "operator/tariffs.html", TariffsPage(HOSTILE, (ROW, replace(ROW, area=HOSTILE, version=None)))
    yield "operator/tariffs.html", TariffsPage("Ines", ())


@pytest.mark.parametrize(("name", "view"), list(every_view()))
def test_every_template_renders_its_view_and_escapes_what_people_typed(
    templates: Environment, name: str, view: object
) -> None:
    html = templates.get_template(name).render(view=view)
    assert "<script>" not in html
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\shx-on|=\"js:", html)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("view", [PAGE, WRONG_PAGE])
def test_every_field_has_a_label_and_what_describes_it_is_there(
    templates: Environment, view: TariffPage
) -> None:
    html = templates.get_template("operator/tariff.html").render(view=view)
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', html))
    ids = set(re.findall(r'\sid="([^"]+)"', html))
    for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", html):
        if 'type="hidden"' not in tag:
            found = re.search(r' id="([^"]+)"', tag)
            assert found is not None and found[1] in labelled, tag
    for name in re.findall(r'aria-describedby="([^"]+)"', html):
        assert name in ids


def test_every_wrong_field_says_so_where_it_stands_and_one_has_the_focus(templates: Environment) -> None:
    html = templates.get_template("operator/tariff.html").render(view=WRONG_PAGE)
    for name in WRONG:
        tag = re.search(rf'<(?:input|select|textarea)[^>]* id="{name}"[^>]*>', html)
        assert tag is not None, name
        assert f'aria-describedby="{name}-note"' in tag[0]
        assert 'aria-invalid="true"' in tag[0]
    assert len(re.findall(r"<[^>]* autofocus[^>]*>", html)) == 1


def test_enter_in_a_field_publishes_nothing(templates: Environment) -> None:
    html = templates.get_template("operator/tariff.html").render(view=PAGE)
    form = html[html.index('<form class="tariff"') :]
    first = re.search(r"<button[^>]*>", form)
    assert first is not None
    assert 'value="look"' in first[0]


def test_the_answer_to_a_draft_is_the_preview_of_the_page(templates: Environment) -> None:
    html = templates.get_template("operator/_preview.html").render(view=PreviewAnswer(PREVIEW, PAGE.url))
    page = templates.get_template("operator/tariff.html").render(view=PAGE)
    samples, rest = html.split('<div hx-swap-oob="innerHTML:#week">')
    assert samples.strip() in page
    assert rest.split("</div>\n<span")[0].strip() in page


def test_the_week_is_told_in_words_as_well(templates: Environment) -> None:
    html = templates.get_template("operator/tariff.html").render(view=PAGE)
    assert html.count('role="img" aria-label="The week') == 2
    assert "<dt>every day</dt>" in html


def test_what_has_no_price_is_not_shown_as_costing_nothing(templates: Environment) -> None:
    html = templates.get_template("operator/_preview.html").render(view=PreviewAnswer(PREVIEW, URL))
    unpriced = html.split('<li class="sample">')[2]
    assert "now not priced" in unpriced
    assert "<b>" not in unpriced
