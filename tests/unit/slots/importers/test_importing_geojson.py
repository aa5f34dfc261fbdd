"""GeoJSON from anywhere: what is good is placed, what is not is refused by name."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_lots import HERE, box, collection, feature, lot, on_earth, row, stall
from shapely.geometry import Point, Polygon

from app.slots.importers import ImportDefaults, ImportRefused, LotPlan, plan_geojson, plan_import
from app.slots.importers.projection import metres_per_degree

DEFAULTS = ImportDefaults("Europe/Berlin", "EUR")
FLOOR = box(-20, -20, 120, 80)


def only_lot(*features: dict[str, Any]) -> LotPlan:
    plan = plan_geojson(collection(*features), DEFAULTS)
    assert plan.refusals == ()
    assert len(plan.lots) == 1
    return plan.lots[0]


def refused(*features: dict[str, Any]) -> dict[str, str]:
    plan = plan_geojson(collection(*features), DEFAULTS)
    return {refusal.reference: refusal.reason for refusal in plan.refusals}


@settings(max_examples=30, deadline=None)
@given(
    columns=st.integers(3, 12),
    rows=st.integers(1, 8),
    turn_deg=st.floats(-180, 180),
    longitude=st.floats(-170, 170),
    latitude=st.floats(-70, 70),
)
def test_a_grid_anywhere_is_found_row_by_row(
    columns: int, rows: int, turn_deg: float, longitude: float, latitude: float
) -> None:
    """Rows back to back in pairs, aisles of 6.5 m between the pairs, at any place and angle."""
    place = (longitude, latitude)
    tops = [n // 2 * 16.5 + n % 2 * 5.0 for n in range(rows)]
    stalls = [
        feature(
            "Polygon", [on_earth(box(c * 2.5, top), place, turn_deg)], id=f"{r}/{c}", amenity="parking_space"
        )
        for r, top in enumerate(tops)
        for c in range(columns)
    ]
    floor = on_earth(box(-8, -8, columns * 2.5 + 16, tops[-1] + 21), place, turn_deg)
    plan = plan_geojson(collection(feature("Polygon", [floor], amenity="parking"), *stalls), DEFAULTS)

    assert plan.refusals == ()
    made = plan.lots[0]
    assert len(made.slots) == rows * columns
    off_deg = (made.map_angle_deg + turn_deg + 45) % 90 - 45
    assert abs(off_deg) < 0.6
    for start in range(0, len(made.slots), columns):
        line = made.slots[start : start + columns]
        assert len({slot.area_code for slot in line}) == 1
        centres = [Polygon(slot.outline).centroid for slot in line]
        assert max(c.y for c in centres) - min(c.y for c in centres) < 0.5
        steps = [b.x - a.x for a, b in pairwise(centres)]
        assert all(abs(abs(step) - 2.5) < 0.1 for step in steps)
        assert len({step > 0 for step in steps}) == 1
        numbers = [int(slot.name.removeprefix(slot.area_code)) for slot in line]
        assert numbers == list(range(numbers[0], numbers[0] + columns))
    for area in made.areas:
        assert all(Polygon(s.outline).distance(Point(area.sign_x, area.sign_y)) > 0.9 for s in made.slots)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-15, 90), st.floats(-15, 50), st.sampled_from([0, 30, 87, 90]) | st.floats(0, 180)
        ),
        min_size=1,
        max_size=40,
    )
)
def test_stalls_in_no_order_at_all_are_each_placed_or_refused(
    places: list[tuple[float, float, float]],
) -> None:
    stalls = []
    for number, (x, y, turn_deg) in enumerate(places):
        east_m, north_m = metres_per_degree(HERE[1])
        ring = on_earth(box(0, 0), (HERE[0] + x / east_m, HERE[1] - y / north_m), turn_deg)
        stalls.append(feature("Polygon", [ring], id=f"way/{number}", amenity="parking_space"))
    plan = plan_geojson(collection(lot(FLOOR), *stalls), DEFAULTS)
    slots = [slot for made in plan.lots for slot in made.slots]
    assert len(slots) + len(plan.refusals) == len(places)
    assert len({slot.identifier for slot in slots}) == len(slots)
    assert sorted(slot.rank for slot in slots) == list(range(len(slots)))
    assert {slot.area_code for slot in slots} == {area.code for made in plan.lots for area in made.areas}


def test_flat_and_nested_properties_mean_the_same() -> None:
    nested = [{**f, "properties": {"id": f["properties"]["id"], "tags": f["properties"]}} for f in row(4)]
    assert only_lot(lot(FLOOR), *nested) == only_lot(lot(FLOOR), *row(4))


def test_a_stall_goes_into_the_smallest_lot_around_it() -> None:
    plan = plan_geojson(
        collection(
            lot(FLOOR, "way/1", name="Whole"),
            lot(box(-1, -1, 12, 8), "way/2", name="Part"),
            *row(4),
            stall(50, 30, "x"),
        ),
        DEFAULTS,
    )
    assert {made.name: len(made.slots) for made in plan.lots} == {"Whole": 1, "Part": 4}


def test_lots_without_stalls_are_left_out_with_a_note() -> None:
    plan = plan_geojson(collection(lot(FLOOR), lot(box(500, 500, 50, 50), "way/7"), *row(3)), DEFAULTS)
    assert [made.code for made in plan.lots] == ["way-1"]
    assert plan.notes == ("Lots left out because the file has no slots in them: way/7.",)


def test_what_is_wrong_is_refused_by_name_and_the_rest_stays() -> None:
    bow_tie = [on_earth(((0, 20), (5, 25), (5, 20), (0, 25)))]
    not_a_number = [[[math.nan, 50.0], [10.0, 50.0], [10.0, 50.1]]]
    plan = plan_geojson(
        collection(
            lot(FLOOR),
            *row(4),
            stall(300, 300, "way/outside"),
            feature("Polygon", bow_tie, id="way/bow-tie", amenity="parking_space"),
            feature("Polygon", not_a_number, id="way/nan", amenity="parking_space"),
            feature("Polygon", [on_earth(box(0, 20, 1, 1))], id="way/tiny", amenity="parking_space"),
            feature("Polygon", [on_earth(box(0, 20, 20, 20))], id="way/huge", amenity="parking_space"),
            feature("Point", list(HERE), id="node/point", amenity="parking_space"),
            stall(0.4, 0.3, "way/again"),
            stall(60, 0, "way/100"),
            {
                "type": "Feature",
                "properties": {"id": "way/bare", "amenity": "parking_space"},
                "geometry": None,
            },
        ),
        DEFAULTS,
    )
    assert len(plan.lots[0].slots) == 4
    reasons = {refusal.reference: refusal.reason for refusal in plan.refusals}
    assert reasons == {
        "way/outside": "It lies in no lot of the file.",
        "way/bow-tie": "Its outline crosses or touches itself.",
        "way/nan": "A coordinate is no longitude and latitude in degrees (WGS 84).",
        "way/tiny": "Its area of 1.0 m² is not between 3 and 120 m².",
        "way/huge": "Its area of 400.0 m² is not between 3 and 120 m².",
        "node/point": "Its geometry is a Point; only an outline can be drawn.",
        "way/again": reasons["way/again"],
        "way/100": "The same id stands in the file twice.",
        "way/bare": "It has no geometry.",
    }
    assert reasons["way/again"].startswith("It covers way/100 by ")


def test_stalls_on_two_levels_may_lie_over_one_another() -> None:
    upper = [stall(n * 2.5, 0, f"way/{n}", level="1") for n in range(4)]
    made = only_lot(lot(FLOOR), *row(4), *upper)
    assert [(area.code, area.level) for area in made.areas] == [("A", 0), ("B", 1)]


def test_the_mapped_entrance_near_the_edge_is_the_gate() -> None:
    far = feature("Point", on_earth(((300, 0),))[0], amenity="parking_entrance", name="Far")
    near = feature("Point", on_earth(((104, 10),))[0], amenity="parking_entrance", name="East")
    made = only_lot(lot(FLOOR), *row(8), far, near)
    assert (made.gate_name, made.gate_heading_deg) == ("East", 180)
    assert made.gate_x == pytest.approx(60.0, abs=0.1)
    assert made.slots[0].name == "A1"
    assert made.slots[0].rank == 0
    assert made.slots[0].outline[0][0] > made.slots[-1].outline[0][0]


def test_without_entrance_the_gate_is_where_a_way_comes_in() -> None:
    road = feature("LineString", on_earth(((30, -90), (30, 10), (40, 30)))[:-1], highway="service")
    path = feature("LineString", on_earth(((-90, 0), (30, 0)))[:-1], highway="footway")
    made = only_lot(lot(FLOOR), *row(8), road, path)
    assert (made.gate_x, made.gate_y) == pytest.approx((-10, -40), abs=0.1)
    assert made.gate_heading_deg == 90


def test_without_entrance_and_ways_the_gate_is_at_the_end_of_the_drive() -> None:
    floor = ((-5, -5), (30, -5), (30, 4), (70, 4), (70, 9), (30, 9), (30, 12), (-5, 12))
    made = only_lot(lot(floor), *row(10))
    centre_x = Polygon(floor).centroid.x
    assert made.gate_x == pytest.approx(70 - centre_x, abs=1.0)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, ("car", False, False, False)),
        ({"parking_space": "disabled"}, ("car", False, True, False)),
        ({"wheelchair": "designated"}, ("car", False, True, False)),
        ({"wheelchair": "yes"}, ("car", False, False, False)),
        ({"capacity__disabled": "1"}, ("car", False, True, False)),
        ({"capacity__disabled": "no"}, ("car", False, False, False)),
        ({"parking_space": "charging"}, ("car", False, False, True)),
        ({"capacity__charging": 1}, ("car", False, False, True)),
        ({"parking_space": "motorcycle"}, ("motorcycle", False, False, False)),
        ({"parking_space": "compact"}, ("compact", False, False, False)),
        ({"hgv": "designated"}, ("truck", False, False, False)),
        ({"parking_space": "normal"}, ("car", False, False, False)),
        ({"premium": True}, ("car", True, False, False)),
        ({"lotline__premium": "yes"}, ("car", True, False, False)),
    ],
)
def test_tags_say_what_a_slot_is(tags: dict[str, Any], expected: tuple[str, bool, bool, bool]) -> None:
    slot = only_lot(lot(FLOOR), stall(0, 0, "way/2", **tags)).slots[0]
    assert (slot.size, slot.premium, slot.accessible, slot.charging) == expected


def test_a_prepared_file_names_lot_area_and_slot() -> None:
    marked = feature(
        "Polygon",
        [on_earth(box(-1, -1, 7, 8))],
        lotline__area="VIP",
        lotline__name="By the door",
        lotline__premium="yes",
    )
    own = stall(40, 0, "way/9", lotline__name="Porter")
    made = only_lot(
        lot(
            FLOOR,
            lotline__code="Depot 1",
            lotline__name="Depot",
            lotline__time_zone="Asia/Tokyo",
            lotline__currency="jpy",
        ),
        *row(6),
        own,
        marked,
    )
    assert (made.code, made.name, made.time_zone, made.currency) == ("depot-1", "Depot", "Asia/Tokyo", "JPY")
    areas = {area.code: (area.name, area.premium) for area in made.areas}
    assert areas == {"A": ("Area A", False), "VIP": ("By the door", True)}
    names = {slot.name for slot in made.slots}
    assert names == {"VIP1", "VIP2", "A1", "A2", "A3", "A4", "Porter"}
    assert [slot.identifier for slot in made.slots if slot.name == "Porter"] == ["depot-1-Porter"]


def test_a_name_given_twice_is_refused() -> None:
    twins = [stall(n * 2.5, 0, f"way/{n}", lotline__name="Twin") for n in range(2)]
    assert refused(lot(FLOOR), *twins) == {"way/1": "The name Twin is used twice in this lot."}


def test_a_file_without_lots_makes_one_if_a_code_is_given() -> None:
    data = collection(*row(5))
    plan = plan_geojson(data, ImportDefaults(lot_code="Yard"))
    assert [(made.code, len(made.slots)) for made in plan.lots] == [("yard", 5)]
    assert len(plan_geojson(data, DEFAULTS).refusals) == 5


def test_a_multipolygon_with_a_hole_holds_the_stalls_around_the_hole() -> None:
    rings = [on_earth(FLOOR), on_earth(box(40, 0, 20, 20))]
    floor = feature(
        "MultiPolygon", [rings, [on_earth(box(110, 0, 30, 30))]], id="relation/1", amenity="parking"
    )
    assert len(only_lot(floor, *row(4), *row(3, x=112, first=200)).slots) == 7
    assert refused(floor, *row(4), stall(45, 5, "way/hole")) == {"way/hole": "It lies in no lot of the file."}


def test_parallel_bays_along_a_kerb_are_one_row() -> None:
    bays = [
        feature("Polygon", [on_earth(box(n * 6.2, 0, 6.0, 2.2))], id=f"way/{n}", amenity="parking_space")
        for n in range(8)
    ]
    made = only_lot(lot(box(-5, -5, 60, 14)), *bays)
    assert abs(made.map_angle_deg) < 0.5
    xs = [slot.outline[0][0] for slot in made.slots]
    assert xs in (sorted(xs), sorted(xs, reverse=True))


def test_slanted_stalls_are_one_row() -> None:
    slanted = [
        feature(
            "Polygon",
            [on_earth(((n * 3, 0), (n * 3 + 3, 0), (n * 3 + 6, 4.5), (n * 3 + 3, 4.5)))],
            id=f"way/{n}",
            amenity="parking_space",
        )
        for n in range(9)
    ]
    made = only_lot(lot(FLOOR), *slanted)
    assert abs(made.map_angle_deg) < 0.5
    assert [slot.name for slot in made.slots] == [f"A{n}" for n in range(1, 10)]


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"null",
        b'{"type": "Feature"}',
        b'{"type": "FeatureCollection", "features": {}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"type": "FeatureCollection", "features": [' + b"9" * 5000 + b"]}",
    ],
)
def test_what_is_no_feature_collection_is_refused_as_a_whole(data: bytes) -> None:
    with pytest.raises(ImportRefused):
        plan_geojson(data, DEFAULTS)


@pytest.mark.parametrize(
    "features",
    [
        (),
        (feature("Point", [10, 50], amenity="parking_entrance"),),
        (feature("Point", [10, 50]),),
        (lot(FLOOR),),
    ],
)
def test_a_file_without_slots_is_refused_as_a_whole(features: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ImportRefused, match="no slots: they are polygons with amenity=parking_space"):
        plan_geojson(collection(*features), DEFAULTS)


def test_a_file_whose_slots_are_all_wrong_names_each() -> None:
    assert list(refused(feature("Point", [10, 50], id="way/5", amenity="parking_space"))) == ["way/5"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"lotline__time_zone": "Mars/Base"}, "Its time zone Mars/Base is not known. It is left out."),
        ({"lotline__currency": "XXXX"}, "Its currency XXXX is not known. It is left out."),
        ({"lotline__currency": "XYZ"}, "Its currency XYZ is not known. It is left out."),
    ],
)
def test_a_lot_in_an_unknown_time_zone_or_currency_is_refused(words: dict[str, str], reason: str) -> None:
    plan = plan_geojson(collection(lot(FLOOR, **words), *row(3)), DEFAULTS)
    assert plan.lots == ()
    assert [(refusal.reference, refusal.reason) for refusal in plan.refusals] == [("way/1", reason)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
coordinates = st.lists(
    st.lists(st.lists(st.floats(-180, 180) | st.integers(-(10**400), 10**400), max_size=3), max_size=6),
    max_size=2,
)
odd_features = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("Feature"),
        "id": anything,
        "properties": anything
        | st.fixed_dictionaries(
            {"amenity": st.sampled_from(["parking", "parking_space", "parking_entrance"])},
            optional={
                "tags": anything,
                "id": anything,
                "level": anything,
                "ref": anything,
                "lotline:area": anything,
            },
        ),
        "geometry": anything
        | st.fixed_dictionaries(
            {
                "type": st.sampled_from(["Polygon", "MultiPolygon", "Point", "LineString"]),
                "coordinates": anything | coordinates,
            }
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(odd_features | anything, max_size=4))
def test_odd_features_are_refused_or_skipped_never_a_crash(odd: list[Any]) -> None:
    data = json.dumps(
        {"type": "FeatureCollection", "features": [lot(FLOOR), *row(2), *odd]}, default=str
    ).encode()
    plan = plan_geojson(data, DEFAULTS)
    assert any(len(made.slots) >= 2 for made in plan.lots)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(["a.csv", "a.json", "a"])
)
def test_garbage_raises_nothing_but_the_refusal(data: bytes, name: str) -> None:
    try:
        plan_import(name, data, DEFAULTS)
    except ImportRefused as refusal:
        assert str(refusal).endswith(".")


@settings(max_examples=100, deadline=None)
@given(st.lists(odd_features | anything, max_size=3))
def test_odd_features_alone_are_refused_in_words_too(odd: list[Any]) -> None:
    try:
        plan_geojson(json.dumps({"type": "FeatureCollection", "features": odd}).encode(), DEFAULTS)
    except ImportRefused as refusal:
        assert str(refusal).endswith(".")


def test_a_file_whose_slots_lie_on_one_another_is_refused_before_it_is_laid_out() -> None:
    stacked = [stall(1, 1, f"s{number}", level=str(number)) for number in range(2_000)]
    with pytest.raises(ImportRefused, match="Too many slots of the file lie on one another"):
        plan_geojson(collection(lot(FLOOR), *stacked), DEFAULTS)
