"""The demo's four lots are real; what the importer makes of them must look as a person would draw it."""

import math
from collections import Counter
from itertools import pairwise

import pytest
from shapely.geometry import Point, Polygon

from app.slots.demo import demo_file
from app.slots.importers import ImportDefaults, LotPlan, SlotPlan, plan_geojson

PLAN = plan_geojson(demo_file(), ImportDefaults())
LOTS = {lot.code: lot for lot in PLAN.lots}
every_lot = pytest.mark.parametrize("lot", PLAN.lots, ids=lambda lot: lot.code)


def centre(slot: SlotPlan) -> Point:
    return Polygon(slot.outline).centroid


def from_gate_m(lot: LotPlan, slot: SlotPlan) -> float:
    assert lot.gate_x is not None and lot.gate_y is not None
    return Point(lot.gate_x, lot.gate_y).distance(centre(slot))


def test_it_holds_four_lots_and_refuses_nothing() -> None:
    counts = {lot.code: len(lot.slots) for lot in PLAN.lots}
    assert counts == {"riverside": 441, "north-yard": 435, "stadium-east": 51, "herrick-west": 38}
    assert PLAN.refusals == ()
    assert PLAN.notes == ()


@every_lot
def test_it_carries_place_money_and_attribution(lot: LotPlan) -> None:
    assert (lot.time_zone, lot.currency) == ("America/New_York", "USD")
    assert lot.attribution == "© OpenStreetMap contributors"
    assert lot.latitude == pytest.approx(40.008, abs=0.01)
    assert lot.longitude == pytest.approx(-83.02, abs=0.02)


@every_lot
def test_every_stall_is_there_once_with_a_name_of_its_own(lot: LotPlan) -> None:
    assert len({slot.name for slot in lot.slots}) == len(lot.slots)
    assert len({slot.outline for slot in lot.slots}) == len(lot.slots)
    assert {slot.identifier for slot in lot.slots} == {f"{lot.code}-{slot.name}" for slot in lot.slots}


@every_lot
def test_names_count_from_one_without_a_gap_in_the_order_of_positions(lot: LotPlan) -> None:
    for area in lot.areas:
        names = [slot.name for slot in lot.slots if slot.area_code == area.code]
        assert names == [f"{area.code}{n}" for n in range(1, len(names) + 1)]


@every_lot
def test_neighbouring_numbers_are_neighbouring_stalls(lot: LotPlan) -> None:
    """A number that is not beside the one before it begins a row, and there are few rows."""
    for area in lot.areas:
        slots = [slot for slot in lot.slots if slot.area_code == area.code]
        jumps = sum(centre(a).distance(centre(b)) > 8.0 for a, b in pairwise(slots))
        assert jumps <= len(slots) / 4.5


@every_lot
def test_ranks_grow_with_the_distance_from_the_gate(lot: LotPlan) -> None:
    ordered = sorted(lot.slots, key=lambda slot: slot.rank)
    assert [slot.rank for slot in ordered] == list(range(len(lot.slots)))
    ways_m = [from_gate_m(lot, slot) for slot in ordered]
    assert all(a <= b + 0.02 for a, b in pairwise(ways_m))


@every_lot
def test_signs_stand_over_no_slot_and_nearest_to_their_own_area(lot: LotPlan) -> None:
    for area in lot.areas:
        assert area.sign_x is not None and area.sign_y is not None
        sign = Point(area.sign_x, area.sign_y)
        nearest = min(lot.slots, key=lambda slot: Polygon(slot.outline).distance(sign))
        assert nearest.area_code == area.code
        assert Polygon(nearest.outline).distance(sign) >= 2.0
        assert Polygon(lot.outline).contains(sign)


@every_lot
def test_the_gate_is_at_the_edge_and_leads_inside(lot: LotPlan) -> None:
    assert lot.gate_x is not None and lot.gate_y is not None and lot.gate_heading_deg is not None
    floor = Polygon(lot.outline)
    assert floor.exterior.distance(Point(lot.gate_x, lot.gate_y)) <= 5.0
    heading = math.radians(lot.gate_heading_deg)
    ahead = Point(lot.gate_x + 8 * math.cos(heading), lot.gate_y + 8 * math.sin(heading))
    assert floor.contains(ahead)
    assert lot.gate_name == "Gate 1"


@pytest.mark.parametrize("code", ["riverside", "north-yard", "stadium-east"])
def test_most_rows_lie_with_the_page(code: str) -> None:
    """The long side of most stalls runs down the page, within three degrees."""
    upright = 0
    for slot in LOTS[code].slots:
        box = Polygon(slot.outline).minimum_rotated_rectangle.exterior.coords
        long_side = max(pairwise(box), key=lambda pair: math.dist(*pair))
        (ax, ay), (bx, by) = long_side
        lean_deg = (math.degrees(math.atan2(bx - ax, by - ay)) + 90) % 180 - 90
        upright += abs(lean_deg) <= 3
    assert upright >= 0.55 * len(LOTS[code].slots)


@every_lot
def test_the_page_is_centred_on_the_outline(lot: LotPlan) -> None:
    assert Polygon(lot.outline).centroid.distance(Point(0, 0)) < 0.05
    assert lot.outline[0] != lot.outline[-1]


@pytest.mark.parametrize("code", ["riverside", "north-yard"])
def test_a_big_lot_has_four_to_six_areas(code: str) -> None:
    sizes = Counter(slot.area_code for slot in LOTS[code].slots)
    assert 4 <= len(sizes) <= 6
    assert [area.code for area in LOTS[code].areas] == sorted(sizes)
    assert min(sizes.values()) >= 40


@pytest.mark.parametrize("code", ["riverside", "north-yard"])
def test_premium_and_charging_slots_lie_near_the_gate_in_blocks(code: str) -> None:
    lot = LOTS[code]
    premium = [slot for slot in lot.slots if slot.premium]
    charging = [slot for slot in lot.slots if slot.charging]
    assert 30 <= len(premium) <= 40
    assert 5 <= len(charging) <= 9
    assert not any(slot.premium and (slot.charging or slot.accessible) for slot in lot.slots)
    assert max(from_gate_m(lot, slot) for slot in premium) <= 55.0
    for slot in premium:
        others = [Polygon(other.outline) for other in premium if other is not slot]
        assert sum(Polygon(slot.outline).distance(other) < 0.3 for other in others) >= 1
    numbers = [int(slot.name[1:]) for slot in charging]
    assert {slot.area_code for slot in charging} == {"E"}
    assert numbers == list(range(1, len(charging) + 1))


def test_the_stalls_marked_for_disabled_drivers_stay_accessible() -> None:
    counts = {code: sum(slot.accessible for slot in lot.slots) for code, lot in LOTS.items()}
    assert counts == {"riverside": 0, "north-yard": 2, "stadium-east": 2, "herrick-west": 6}
