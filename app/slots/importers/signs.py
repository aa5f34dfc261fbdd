"""Where an area's sign stands: in the area's own aisle, over no slot."""

import math
from collections.abc import Iterator, Sequence

import shapely
from shapely.geometry import Polygon
from shapely.strtree import STRtree

from app.slots.importers.areas import Area
from app.slots.importers.plan import Point
from app.slots.importers.rows import Row, Stall

CLEAR_M = 3.2
"""Half of a usual aisle: a sign that far from every stall stands in the middle of it."""
LEAST_CLEAR_M = 1.0
LABEL_M, LABEL_CLEAR_M = 7.0, 2.0
"""The count stands beside the letter, along the aisle: there, too, it should be over no slot."""
_STEPS_M = (2.6, CLEAR_M, 4.0, 6.0, 9.0)


def place_sign(area: Area, stalls: Sequence[Stall], tree: STRtree, floor: Polygon) -> Point:
    """The best free point near the middle of the area's largest aisle.

    ``stalls`` are all of the lot's on that level and ``tree`` holds their polygons in that order. Wanted, in
    this order: off every slot, its own slots the nearest ones, on the lot's floor, clear by CLEAR_M, central.
    """
    aisle = max(area.aisles, key=lambda rows: sum(len(row.stalls) for row in rows))
    target = _middle(aisle)
    candidates = list(_candidates(aisle, target))
    own = {stall.number for stall in area.stalls}
    points = shapely.points(candidates)
    indexes, gaps = tree.query_nearest(points, return_distance=True, all_matches=False)
    inside = shapely.contains(floor, points)
    # Right of the letter, or below it where the aisle runs down the page.
    dx, dy = (1, 0) if abs(aisle[0].dx) >= abs(aisle[0].dy) else (0, 1)
    labels = shapely.points([(x + LABEL_M * dx, y + LABEL_M * dy) for x, y in candidates])
    label_gaps = tree.query_nearest(labels, return_distance=True, all_matches=False)[1]
    costs = []
    for n, (point, gap, label_gap) in enumerate(zip(candidates, gaps, label_gaps, strict=True)):
        foreign = stalls[indexes[1][n]].number not in own
        cost = math.dist(point, target) + 40.0 * foreign + 25.0 * (not inside[n])
        cost += 20.0 * max(0.0, LABEL_CLEAR_M - label_gap)
        cost += 30.0 * max(0.0, CLEAR_M - gap) + 10_000.0 * (gap < LEAST_CLEAR_M)
        costs.append((cost, n))
    best = candidates[min(costs)[1]]
    return round(best[0], 2), round(best[1], 2)


def _middle(rows: Sequence[Row]) -> Point:
    """Between the rows, where they overlap lengthwise."""
    first = rows[0]
    reaches = [[first.along(s.x, s.y) for s in row.stalls] for row in rows]
    low, high = max(min(reach) for reach in reaches), min(max(reach) for reach in reaches)
    if low > high:
        low, high = min(min(reach) for reach in reaches), max(max(reach) for reach in reaches)
    across = [row.centre[1] * first.dx - row.centre[0] * first.dy for row in rows]
    along, aside = (low + high) / 2, sum(across) / len(across)
    return along * first.dx - aside * first.dy, along * first.dy + aside * first.dx


def _candidates(rows: Sequence[Row], target: Point) -> Iterator[Point]:
    """The target, points before and behind every stall of the rows, and points beyond the rows' ends."""
    yield target
    for row in rows:
        for stall in row.stalls:
            reach = stall.length_m / 2
            for step in _STEPS_M:
                for sign in (1, -1):
                    far = sign * (reach + step)
                    yield stall.x + far * stall.ux, stall.y + far * stall.uy
        for stall, sign in ((row.stalls[0], -1), (row.stalls[-1], 1)):
            for step in (4.0, 6.0, 20.0, 60.0):
                yield stall.x + sign * step * row.dx, stall.y + sign * step * row.dy
