"""What a template gets is a contract: its dataclass is enough, and what people typed stays text."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jinja2 import meta
from markupsafe import Markup

import app
from app.core.templating import furnished
from tests.unit.driver import samples

TEMPLATES = Path(app.__file__).parent / "templates"
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
FORBIDDEN = {
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)[^>]*>", re.IGNORECASE),
    "an inline stylesheet": re.compile(r"<style\b", re.IGNORECASE),
    "an event handler": re.compile(r"<[^>]*\s(?:hx-)?on[a-z:-]*\s*=", re.IGNORECASE),
    "a script address": re.compile(r"(?:javascript|js):", re.IGNORECASE),
    "another origin": re.compile(r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//", re.IGNORECASE),
}


@pytest.fixture(scope="module")
def environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    furnished(environment).globals["static"] = lambda path: f"/static/{path}"
    return environment


def render(environment: jinja2.Environment, case: str, view: object | None = None) -> str:
    template, sample = samples.CASES[case]
    return environment.get_template(template).render(view=sample if view is None else view)


def poisoned(value: Any) -> Any:
    """The same view with every free text replaced by markup; words that choose a branch stay."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, tuple):
        return tuple(poisoned(item) for item in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    kept = {"kind", "state", "slot_state", "tone", "start", "duration", "stylesheets", "scripts"}
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        now = getattr(value, field.name)
        if field.name in kept and not isinstance(now, tuple):
            continue
        if field.name in {"stylesheets", "scripts"}:
            continue
        changes[field.name] = HOSTILE if type(now) is str and now else poisoned(now)
    return dataclasses.replace(value, **changes)


@pytest.mark.parametrize("case", samples.CASES)
def test_a_template_renders_with_its_dataclass_and_nothing_else(
    environment: jinja2.Environment, case: str
) -> None:
    assert render(environment, case).strip()


@pytest.mark.parametrize("case", samples.CASES)
def test_hostile_text_is_escaped_wherever_it_stands(environment: jinja2.Environment, case: str) -> None:
    page = render(environment, case, poisoned(samples.CASES[case][1]))
    assert HOSTILE not in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    if case != "no bookings":  # it has no text of anyone's
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize("case", samples.CASES)
def test_an_id_stands_once_in_a_page(environment: jinja2.Environment, case: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', render(environment, case))
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("case", samples.CASES)
def test_what_describes_or_labels_a_field_is_there(environment: jinja2.Environment, case: str) -> None:
    page = render(environment, case)
    ids = set(re.findall(r'\sid="([^"]+)"', page))
    named = re.findall(r'\s(?:for|aria-describedby|aria-labelledby)="([^"]+)"', page)
    if samples.CASES[case][0].endswith("_panel.html") or "<html" in page:
        assert set(named) <= ids


def test_each_wrong_field_is_marked_and_the_first_one_has_the_focus(environment: jinja2.Environment) -> None:
    page = render(environment, "panel, wrong")
    wrong = re.findall(r'<input[^>]*\sid="([^"]+)"[^>]*aria-invalid="true"', page)
    assert wrong == ["entity", "start-at", "minutes"]
    focused = re.findall(r'<input[^>]*\sid="([^"]+)"[^>]*\sautofocus', page)
    assert focused == ["entity"]


def test_a_form_that_changes_something_works_without_script_and_carries_its_guards(
    environment: jinja2.Environment,
) -> None:
    for case in ("panel, book", "booking, running"):
        # The way to the other language changes nothing but how one is spoken to.
        form = re.search(
            r'<form(?! class="language")[^>]*method="post".*?</form>', render(environment, case), re.DOTALL
        )
        assert form is not None
        assert ' action="/' in form[0]
        assert 'name="idempotency_key" value="a-key"' in form[0]


def test_the_plate_is_never_part_of_a_refreshing_get(environment: jinja2.Environment) -> None:
    page = render(environment, "panel, book")
    before, choices = page.split('id="panel-choices"')
    assert 'name="entity"' in before
    assert 'name="entity"' not in choices


def test_the_feed_is_connected_only_where_a_page_asks_for_it(environment: jinja2.Environment) -> None:
    assert 'hx-ws:connect="/ws/lots/riverside"' in render(environment, "lot, book")
    assert "hx-ws:connect" not in render(environment, "lots")


@pytest.mark.parametrize(
    ("age_s", "state", "words"),
    [
        (0, "connecting", None),
        (6, "stale", "No update for 6 s."),
        (30, "lost", "No update for 30 s."),
        (7200, "lost", "No update for 2 h."),
    ],
)
def test_a_page_is_told_its_age_before_any_script_runs(
    environment: jinja2.Environment, age_s: int, state: str, words: str | None
) -> None:
    page = render(environment, f"lot, {age_s} s old")
    assert f'<html lang="en" data-feed="{state}" data-feed-age="{age_s}">' in page
    if words is not None:
        assert re.search(rf'data-shown="{state}".*{words}', page)


def test_a_panel_that_can_do_nothing_asks_again_and_has_no_form(environment: jinja2.Environment) -> None:
    page = render(environment, "panel, away")
    assert 'hx-get="/lots/x/slots/B75" hx-trigger="every' in page
    assert "<form" not in page


def test_every_slot_is_in_the_list_and_its_state_is_one_attribute(environment: jinja2.Environment) -> None:
    page = render(environment, "free list")
    assert '<li id="l74" data-state="free">' in page
    assert '<li id="l75" data-state="occupied">' in page


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_a_template_holds_nothing_that_the_content_security_policy_refuses(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    bare = re.sub(r"\{%.*?%\}", " ", text, flags=re.DOTALL)
    found = [name for name, pattern in FORBIDDEN.items() if pattern.search(bare)]
    assert not found, f"{path.name} has {', '.join(found)}"


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_a_template_names_only_templates_that_exist(path: Path, environment: jinja2.Environment) -> None:
    for name in meta.find_referenced_templates(environment.parse(path.read_text(encoding="utf-8"))):
        assert name is None or (TEMPLATES / name).is_file(), name
