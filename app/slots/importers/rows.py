"""Finds the rows of stalls: neighbours side by side that stand the same way."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import shapely
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.strtree import STRtree

from app.slots.importers.plan import Point, Ring

NEIGHBOUR_GAP_M = 1.6
"""Wide enough for the hatched strip beside an accessible stall, narrower than any aisle."""
SAME_WAY_DEG = 20.0
FRAGMENT_GAP_M = 12.0
"""Two pieces of one line are one row across a planting bed or a crossing drive."""
LONE_GAP_M = 4.0
"""Two lone stalls farther apart may as well stand on either side of a street."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stall:
    """A stall on the page: centre, unit vector of its long side, and both sides in metres."""

    number: int
    ring: Ring
    polygon: Polygon
    x: float
    y: float
    ux: float
    uy: float
    length_m: float
    width_m: float


@dataclass(slots=True)
class Row:
    """Stalls in order along (dx, dy), a unit vector."""

    stalls: list[Stall]
    dx: float
    dy: float

    def along(self, x: float, y: float) -> float:
        """How far the point lies along the row's direction, from the page's origin."""
        return x * self.dx + y * self.dy

    @property
    def centre(self) -> Point:
        """The mean of its stalls' centres."""
        n = len(self.stalls)
        return sum(s.x for s in self.stalls) / n, sum(s.y for s in self.stalls) / n

    @property
    def shape(self) -> BaseGeometry:
        """The hull of its stalls."""
        return LineString([point for stall in self.stalls for point in stall.ring]).convex_hull


def stall_from(number: int, ring: Ring) -> Stall:
    """Measures one outline; four corners keep their slant, others are measured by the box around them."""
    polygon = Polygon(ring)
    corners = ring if len(ring) == 4 else tuple(shapely.oriented_envelope(polygon).exterior.coords)[:4]
    across = _middle_line(corners[0], corners[1], corners[2], corners[3])
    other = _middle_line(corners[1], corners[2], corners[3], corners[0])
    longer = max(across, other, key=lambda line: math.hypot(*line))
    length = math.hypot(*longer)
    centre = polygon.centroid
    ux, uy = longer[0] / length, longer[1] / length
    return Stall(number, ring, polygon, centre.x, centre.y, ux, uy, length, polygon.area / length)


def _middle_line(a: Point, b: Point, c: Point, d: Point) -> Point:
    """From the middle of side ab to the middle of side cd."""
    return (c[0] + d[0] - a[0] - b[0]) / 2, (c[1] + d[1] - a[1] - b[1]) / 2


def turn_between(ax: float, ay: float, bx: float, by: float) -> float:
    """The angle between two undirected lines, in degrees, 0 to 90."""
    return math.degrees(math.acos(min(1.0, abs(ax * bx + ay * by))))


def close_pairs(stalls: Sequence[Stall]) -> list[tuple[int, int]]:
    """Index pairs, each once, that stand the same way within NEIGHBOUR_GAP_M."""
    polygons = [stall.polygon for stall in stalls]
    near = STRtree(polygons).query(polygons, predicate="dwithin", distance=NEIGHBOUR_GAP_M)
    return [
        (i, j)
        for i, j in zip(*near.tolist(), strict=True)
        if i < j and turn_between(stalls[i].ux, stalls[i].uy, stalls[j].ux, stalls[j].uy) <= SAME_WAY_DEG
    ]


def _apart(a: Stall, b: Stall) -> tuple[float, float]:
    """Their centres' distance across and along the long side, in widths and lengths."""
    dx, dy = b.x - a.x, b.y - a.y
    across = abs(dx * a.uy - dy * a.ux) / ((a.width_m + b.width_m) / 2)
    along = abs(dx * a.ux + dy * a.uy) / ((a.length_m + b.length_m) / 2)
    return across, along


def _side_by_side(a: Stall, b: Stall) -> bool:
    across, along = _apart(a, b)
    return 0.6 <= across <= 1.75 and along <= 0.6


def _end_to_end(a: Stall, b: Stall) -> bool:
    across, along = _apart(a, b)
    return across <= 0.5 and 0.9 <= along <= 1.4


def find_rows(stalls: Sequence[Stall]) -> list[Row]:
    """Every stall in exactly one row: stalls side by side, pieces on one line, then lone ones end to end."""
    close = close_pairs(stalls)
    beside = [(i, j) for i, j in close if _side_by_side(stalls[i], stalls[j])]
    joined = join_fragments([row_from(group) for group in grouped(stalls, beside)])
    lone = {row.stalls[0].number for row in joined if len(row.stalls) == 1}
    behind = [
        (i, j)
        for i, j in close
        if stalls[i].number in lone and stalls[j].number in lone and _end_to_end(stalls[i], stalls[j])
    ]
    chained = [row_from(g) for g in grouped(stalls, behind) if g[0].number in lone]
    return [row for row in joined if len(row.stalls) > 1] + chained


def grouped(items: Sequence[T], pairs: Iterable[tuple[int, int]]) -> list[list[T]]:
    """The items in groups that the index pairs connect, in the items' order."""
    parents = list(range(len(items)))
    for i, j in pairs:
        parents[root(parents, j)] = root(parents, i)
    groups: dict[int, list[T]] = defaultdict(list)
    for index, item in enumerate(items):
        groups[root(parents, index)].append(item)
    return list(groups.values())


def root(parents: list[int], index: int) -> int:
    """The representative of a disjoint set, halving the path on the way."""
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def row_from(stalls: Iterable[Stall]) -> Row:
    """A row along the line of its centres; a lone stall's row runs across its long side."""
    members = list(stalls)
    n = len(members)
    mean_x, mean_y = sum(s.x for s in members) / n, sum(s.y for s in members) / n
    xx = sum((s.x - mean_x) ** 2 for s in members)
    yy = sum((s.y - mean_y) ** 2 for s in members)
    xy = sum((s.x - mean_x) * (s.y - mean_y) for s in members)
    angle = math.atan2(2 * xy, xx - yy) / 2 if n > 1 else math.atan2(members[0].ux, -members[0].uy)
    dx, dy = math.cos(angle), math.sin(angle)
    if (dx, dy) < (-dx, -dy) or (abs(dx) < 1e-9 and dy < 0):
        dx, dy = -dx, -dy
    return Row(sorted(members, key=lambda s: (s.x * dx + s.y * dy, s.number)), dx, dy)


def join_fragments(rows: list[Row]) -> list[Row]:
    """Joins pieces that lie on one line with at most FRAGMENT_GAP_M between them."""
    shapes = [row.shape for row in rows]
    near = STRtree(shapes).query(shapes, predicate="dwithin", distance=FRAGMENT_GAP_M)
    pairs = [(i, j) for i, j in zip(*near.tolist(), strict=True) if i < j and _on_one_line(rows[i], rows[j])]
    return [row_from(stall for row in group for stall in row.stalls) for group in grouped(rows, pairs)]


def _on_one_line(a: Row, b: Row) -> bool:
    if turn_between(a.dx, a.dy, b.dx, b.dy) > 8.0 or _stands(a) != _stands(b):
        return False
    first, second = (a, b) if a.along(*a.centre) <= a.along(*b.centre) else (b, a)
    end, start = first.stalls[-1], second.stalls[0]
    dx, dy = start.x - end.x, start.y - end.y
    gap = dx * a.dx + dy * a.dy - (end.width_m + start.width_m) / 2
    both_lone = len(a.stalls) == len(b.stalls) == 1
    return -0.5 * end.width_m < gap <= (LONE_GAP_M if both_lone else FRAGMENT_GAP_M) and (
        abs(dx * a.dy - dy * a.dx) <= 1.5
    )


def _stands(row: Row) -> bool:
    """True where the stalls stand across the row, false where they lie along it."""
    stall = row.stalls[0]
    return turn_between(row.dx, row.dy, stall.ux, stall.uy) > 35.0


def page_angle(stalls: Sequence[Stall]) -> float:
    """By how many degrees to turn the page clockwise so that most rows run along x, in (-90, 90].

    Every pair of neighbours votes with the line between them; the fullest 7° window wins, its mean counts.
    """
    pairs = close_pairs(stalls)
    beside = [(i, j) for i, j in pairs if _side_by_side(stalls[i], stalls[j])]
    votes = [_direction(stalls[i], stalls[j]) for i, j in beside or pairs]
    votes = votes or [math.degrees(math.atan2(s.ux, -s.uy)) % 180 for s in stalls]
    bins = Counter(int(vote) % 180 for vote in votes)
    peak = max(range(180), key=lambda b: (sum(bins[(b + d) % 180] for d in range(-3, 4)), bins[b], -b)) + 0.5
    offsets = [(vote - peak + 90) % 180 - 90 for vote in votes]
    close = [offset for offset in offsets if abs(offset) <= 6]
    rows_run = peak + sum(close) / len(close)
    angle = round((90 - rows_run) % 180 - 90, 2)
    return 90.0 if angle == -90.0 else angle + 0.0


def _direction(a: Stall, b: Stall) -> float:
    return math.degrees(math.atan2(b.y - a.y, b.x - a.x)) % 180
