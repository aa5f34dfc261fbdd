"""Storeys of a lot on its map."""

import re

from test_map import ENVIRONMENT, lot_of, stall

from app.slots.map import LotMap, MapArea


def garage() -> LotMap:
    areas = [MapArea("A", "Area A", level=0), MapArea("B", "Area B", level=-1)]
    slots = [stall(position, area_code="AB"[position % 2], premium=position >= 8) for position in range(10)]
    return LotMap(lot_of(slots, areas=areas), ENVIRONMENT)


def storeys(markup: str) -> dict[str, tuple[bool, list[str]]]:
    """By level: whether it is hidden, and its slots."""
    groups = re.findall(
        r'<g class="map-slots" data-level="(-?\d+)"( hidden)?>(.*?)(?=<g class="map-)', markup, re.S
    )
    return {level: (bool(hidden), re.findall(r'id="(s\d+)"', tiles)) for level, hidden, tiles in groups}


def test_one_storey_is_shown_and_each_has_its_own_slots_and_states() -> None:
    markup = str(garage().render(bytes([0, 1] * 5), {"A": 4, "B": 0}, "/x/{slot}", free_by_level={0: 5}))
    assert storeys(markup) == {
        "0": (False, ["s0", "s2", "s4", "s6", "s8"]),
        "-1": (True, ["s1", "s3", "s5", "s7", "s9"]),
    }
    assert re.findall(r'id="s(\d)" class="slot" data-state="reserved"', markup) == list("13579")
    assert re.findall(r'href="\?level=(-?\d)"[^>]*aria-current', markup) == ["0"]
    assert '<span id="level-0">5</span>' in markup and '<span id="level--1">0</span>' in markup


def test_the_wanted_storey_is_shown_else_that_of_ones_own_slot_else_the_one_at_the_street() -> None:
    def shown(level: int | None, mine: tuple[int, ...] = ()) -> list[str]:
        markup = str(garage().render(bytes(10), {}, "/x/{slot}", mine, level=level))
        return [one for one, (hidden, _) in storeys(markup).items() if not hidden]

    assert [shown(-1), shown(None), shown(7), shown(None, (3,)), shown(0, (3,))] == [
        ["-1"], ["0"], ["0"], ["-1"], ["0"],
    ]  # fmt: skip


def test_ones_own_slot_is_not_marked_on_another_storey() -> None:
    drawn = str(garage().render(bytes(10), {}, "/x/{slot}", (3,), level=0))
    assert re.search(r'data-mark="mine" data-of="s3" data-level="-1" hidden', drawn)


def test_premium_slots_of_each_storey_have_a_sign_with_a_count_of_their_own() -> None:
    markup = str(garage().render(bytes(10), {"premium0": 1, "premium-1": 2}, "/x/{slot}"))
    assert re.findall(r'<tspan id="sign-(premium-?\d)">(\d)', markup) == [
        ("premium0", "1"),
        ("premium-1", "2"),
    ]


def test_a_lot_of_one_storey_has_no_switch() -> None:
    markup = str(LotMap(lot_of([stall(n) for n in range(3)]), ENVIRONMENT).render(bytes(3), {}, "/x/{slot}"))
    assert "map-levels" not in markup and 'id="sign-premium"' not in markup
