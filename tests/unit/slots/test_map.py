"""The lot map: one tile per slot, states in the right places, nothing a name can break."""

import re
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from shapely.geometry import Polygon, box

from app.core.templating import furnished
from app.slots import map_geometry as geometry
from app.slots.map import STATES, LotMap, MapArea, MapLot, MapSlot

TEMPLATES = Path(__file__).parents[3] / "app" / "templates"
ENVIRONMENT = furnished(Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True))
HOSTILE = "\"><script>alert('1')</script>&\x00"
STATE = re.compile(r'data-state="[a-z]+"')


def stall(position: int, area_code: str = "A", **more: object) -> MapSlot:
    """A stall of 2.5 by 5 m in rows of ten, back to back in pairs with an aisle of 6 m above each pair."""
    row, column = divmod(position, 10)
    left, top = column * 2.5, row * 5.0 + (row // 2) * 6.0
    fields: dict[str, object] = {
        "position": position,
        "name": f"{area_code}{position}",
        "identifier": f"lot-{area_code}{position}",
        "area_code": area_code,
        "outline": [(left, top), (left + 2.5, top), (left + 2.5, top + 5.0), (left, top + 5.0)],
        **more,
    }
    return MapSlot(**fields)  # type: ignore[arg-type]


def lot_of(slots: list[MapSlot], **more: object) -> MapLot:
    fields: dict[str, object] = {
        "code": "riverside",
        "name": "Riverside",
        "outline": [(-8.0, -8.0), (33.0, -8.0), (33.0, 60.0), (-8.0, 60.0)],
        "gate_x": 33.0,
        "gate_y": 10.0,
        "gate_heading_deg": 180.0,
        "gate_name": "Gate 1",
        "map_angle_deg": 12.5,
        "attribution": "© OpenStreetMap contributors",
        "layout_version": 3,
        "areas": [MapArea(code, f"Area {code}") for code in sorted({slot.area_code for slot in slots})],
        "slots": slots,
        **more,
    }
    return MapLot(**fields)  # type: ignore[arg-type]


def drawn(lot: MapLot, states: bytes | None = None, mine: tuple[int, ...] = ()) -> str:
    states = bytes(len(lot.slots)) if states is None else states
    return str(LotMap(lot, ENVIRONMENT).render(states, {"A": 7, "premium": 2}, "/lots/x?slot={slot}", mine))


def tree(markup: str) -> ElementTree.Element:
    """The markup as XML; the boolean attributes of HTML get a value first."""
    closed = re.sub(
        r" (hidden|data-say|data-counts|data-fit|data-premium|data-stacked)(?=[ >])", r' \1=""', markup
    )
    return ElementTree.fromstring(closed.replace("<img", ""))


def tiles(markup: str) -> dict[str, ElementTree.Element]:
    return {
        element.get("id", ""): element for element in tree(markup).iter() if element.get("class") == "slot"
    }


def test_each_slot_is_one_path_with_its_state():
    states = bytes([0, 1, 2, 3] * 5)
    found = tiles(drawn(lot_of([stall(position) for position in range(20)]), states))
    assert list(found) == [f"s{position}" for position in range(20)]
    assert [tile.get("data-state") for tile in found.values()] == [STATES[code] for code in states]
    assert all(tile.tag.endswith("path") and tile.get("d") for tile in found.values())


def test_states_follow_the_position_and_not_the_order_in_which_slots_come():
    slots = [stall(position) for position in (4, 0, 7)]
    found = tiles(drawn(lot_of(slots), bytes([3, 0, 0, 0, 1, 0, 0, 2])))
    assert {key: tile.get("data-state") for key, tile in found.items()} == {
        "s0": "closed",
        "s4": "reserved",
        "s7": "occupied",
    }


@cache
def drawing_of_thirty() -> LotMap:
    stalls = [
        stall(position, premium=position % 3 == 0, charging=position % 5 == 0) for position in range(30)
    ]
    return LotMap(lot_of(stalls), ENVIRONMENT)


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=30, max_size=30), st.binary(min_size=30, max_size=30))
def test_two_renderings_differ_in_data_state_alone(one: bytes, other: bytes):
    first, second = (
        drawing_of_thirty().render(bytes(code % 4 for code in states), {"A": 1}, "/x/{slot}")
        for states in (one, other)
    )
    assert STATE.sub("", first) == STATE.sub("", second)


@pytest.mark.parametrize("states", [bytes(9), bytes([4] * 10), [0] * 9, [-1] * 10])
def test_states_that_are_missing_or_not_public_are_refused(states: bytes | list[int]):
    drawing = LotMap(lot_of([stall(position) for position in range(10)]), ENVIRONMENT)
    with pytest.raises(ValueError, match="state"):
        drawing.render(states, {}, "/x/{slot}")


def test_two_slots_cannot_have_one_position():
    with pytest.raises(ValueError, match="same position"):
        LotMap(lot_of([stall(1), stall(1)]), ENVIRONMENT)


def test_an_environment_that_does_not_escape_is_refused():
    with pytest.raises(ValueError, match="escapes"):
        LotMap(lot_of([stall(0)]), Environment(loader=FileSystemLoader(TEMPLATES)))


def test_hostile_names_stay_text_everywhere():
    slots = [stall(position, name=f"{HOSTILE}{position}", premium=position < 3) for position in range(6)]
    slots = [MapSlot(**{**vars(slot), "area_code": HOSTILE}) for slot in slots]
    lot = lot_of(
        slots, name=HOSTILE, gate_name=HOSTILE, attribution=HOSTILE, areas=[MapArea(HOSTILE, HOSTILE)]
    )
    url = HOSTILE.replace("\x00", "")
    markup = str(LotMap(lot, ENVIRONMENT).render(bytes(6), {HOSTILE: 3}, url, (1,), pick=url))
    assert "<script" not in markup
    assert "\x00" not in markup
    assert tiles(markup)["s4"].get("data-name") == url + "4"
    assert tree(markup).get("data-select-url") == url


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.text(max_size=5))
def test_no_name_can_add_or_move_a_tile(name: str, code: str):
    slots = [stall(0, name=name, area_code=code), stall(1)]
    markup = drawn(lot_of(slots, name=name, gate_name=name), bytes([2, 1]))
    assert re.findall(r'<path id="s(\d+)" class="slot" data-state="([a-z]+)"', markup) == [
        ("0", "occupied"),
        ("1", "reserved"),
    ]


def test_slots_without_an_outline_are_a_grid_that_overlaps_nothing():
    slots = [stall(position, "AB"[position % 2], outline=None) for position in range(61)]
    slots += [stall(position, "C") for position in range(61, 65)]
    markup = drawn(lot_of(slots, gate_x=None, gate_y=None))
    shapes = [shape_of(tile) for tile in tiles(markup).values()]
    assert len(shapes) == 65
    assert all(one.intersection(other).area < 1e-9 for one, other in combinations(shapes, 2))


def shape_of(tile: ElementTree.Element) -> Polygon:
    """The tile's corners as a polygon; only for tiles without a frame of their own."""
    assert tile.get("transform") is None
    return Polygon(corners(tile.get("d", "")))


def corners(d: str) -> list[tuple[float, float]]:
    """Where the pen of a path of ours goes: one M, then l and q with relative points."""
    points: list[tuple[float, float]] = []
    for command, text in re.findall(r"([Mlq])([^Mlqz]*)", d):
        values = [float(value) for value in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", text)]
        x, y = points[-1] if points and command != "M" else (0.0, 0.0)
        points += [(x + values[at], y + values[at + 1]) for at in range(0, len(values), 2)]
    return points


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=4))
def test_a_grid_has_a_stall_for_each_slot_and_room_between_areas(counts: list[int]):
    areas, signs = geometry.grid(counts, -3.0, 8.0)
    assert [len(stalls) for stalls in areas] == counts
    assert len(signs) == len(counts)
    shapes = [shape for stalls in areas for shape in stalls]
    assert sum(shape.area for shape in shapes) == pytest.approx(geometry.unary_union(shapes).area)


@pytest.mark.parametrize(
    "outline",
    [None, [], [(0.0, 0.0), (1.0, 1.0)], [(0.0, 0.0)] * 4, [(0.0, 0.0), (float("nan"), 1.0), (2.0, 0.0)]],
)
def test_a_degenerate_outline_counts_as_none(outline: object):
    markup = drawn(lot_of([stall(0, outline=outline), stall(1, outline=outline)], outline=outline))
    assert len(tiles(markup)) == 2
    assert 'class="map-floor"' in markup


def test_a_lot_needs_neither_gate_nor_outline():
    markup = drawn(lot_of([stall(0)], outline=None, gate_x=None, gate_y=None, gate_heading_deg=None))
    assert 'class="gate"' not in markup
    assert 'class="map-floor"' in markup


def test_a_lot_without_slots_says_so():
    markup = drawn(lot_of([], areas=[]))
    assert "No slots yet" in markup
    assert 'class="slot"' not in markup


def test_a_sign_counts_its_own_area_and_premium_has_one_of_its_own():
    slots = [stall(position, "A" if position < 10 else "B", premium=position < 4) for position in range(20)]
    texts = {
        element.get("id"): element.text for element in tree(drawn(lot_of(slots))).iter() if element.get("id")
    }
    assert (texts["sign-A"], texts["sign-B"], texts["sign-premium"]) == ("7", "0", "2")


def test_an_area_that_is_premium_throughout_has_only_the_premium_sign():
    slots = [stall(position, "P", premium=True) for position in range(4)]
    lot = lot_of(slots, areas=[MapArea("P", "Premium", True, 5.0, -3.0)])
    markup = drawn(lot)
    assert 'id="sign-P"' not in markup
    assert 'data-code="premium" data-at="5 -3"' in markup


def test_a_sign_without_a_place_finds_one_off_the_stalls():
    slots = [stall(position) for position in range(40)]
    sign = re.search(r'data-code="A" data-at="(\S+) (\S+)"', drawn(lot_of(slots)))
    assert sign is not None
    x, y = map(float, sign.groups())
    stalls = [geometry.polygon(slot.outline) for slot in slots]
    assert all(shape is not None and shape.distance(box(x - 2, y - 2, x + 2, y + 2)) > 0 for shape in stalls)


def test_my_slot_is_marked_over_its_tile_and_a_stranger_to_the_lot_is_not():
    markup = drawn(lot_of([stall(position) for position in range(3)]), mine=(1, 99))
    assert re.findall(r'data-mark="mine" data-of="(\w+)"', markup) == ["s1"]


def test_only_the_glyph_of_the_rarest_attribute_is_drawn():
    slots = [stall(0, premium=True, accessible=True), stall(1, premium=True, charging=True), stall(2)]
    assert re.findall(r'data-glyph="(\w+)"', drawn(lot_of(slots))) == ["accessible", "charging"]


def test_an_oblique_stall_is_drawn_in_a_frame_of_its_own():
    leaning = geometry.tile(Polygon([(0, 0), (2.4, 0.7), (1.0, 5.5), (-1.4, 4.8)]))
    upright = geometry.tile(box(0, 0, 2.5, 5))
    assert leaning.transform
    assert abs(leaning.lean_deg) == pytest.approx(16.26, abs=0.1)
    assert upright.transform == ""
    assert (upright.half_width, upright.half_height) == pytest.approx((1.14, 2.39))


def test_a_band_follows_a_block_and_leaves_other_stalls_out():
    premium = [box(column * 2.5, 0, column * 2.5 + 2.5, 5) for column in range(4)]
    far = box(60, 0, 62.5, 5)
    bands = geometry.bands([*premium, far], [box(10, 0, 12.5, 5)])
    assert len(bands) == 2
    assert bands[0].contains(premium[0]) or bands[1].contains(premium[0])


def test_a_notched_block_is_no_rectangle_where_that_would_lie_under_others():
    premium = [box(0, 0, 2.5, 5), box(2.5, 0, 5, 5), box(0, 5, 2.5, 10)]
    other = box(2.5, 5, 5, 10)
    (band,) = geometry.bands(premium, [other])
    assert band.intersection(other).area < 0.5 * other.area


def test_the_map_first_shows_the_part_where_most_slots_are():
    main = [box(column * 2.5, 0, column * 2.5 + 2.5, 5) for column in range(20)]
    left, _, right, _ = geometry.home([*main, box(300, 0, 302.5, 5)], gate=(55.0, 2.0))
    assert left == pytest.approx(-6.0)
    assert right == pytest.approx(57.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.001, "0"), (3.0, "3"), (-0.4999, "-.5"), (10.5, "10.5"), (100.0, "100")],
)
def test_coordinates_are_as_short_as_a_centimetre_allows(value: float, text: str):
    assert geometry.number(value) == text


@given(st.lists(st.integers(-9000, 9000), min_size=4, max_size=4), st.floats(-180, 180))
def test_a_rounded_path_stays_within_its_stall(place: list[int], angle_deg: float):
    x, y, width, depth = place[0] / 100, place[1] / 100, 1.5 + abs(place[2]) / 4000, 3 + abs(place[3]) / 2000
    stall = geometry.affinity.rotate(box(x, y, x + width, y + depth), angle_deg)
    shape = Polygon(corners(geometry.rounded_path(stall, geometry.CORNER_M)))
    assert stall.buffer(0.02).contains(shape)
    assert shape.area > 0.85 * stall.area
