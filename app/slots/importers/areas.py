"""Gathers rows into areas that a person would recognise on a sign.

Rows that run the same way and lie together are a block. A block is cut between aisles, never through one,
into areas of about AREA_SLOTS slots; rows too few for a sign of their own join the nearest area.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from shapely.geometry.base import BaseGeometry
from shapely.strtree import STRtree

from app.slots.importers.plan import Point
from app.slots.importers.rows import Row, Stall, grouped, turn_between

AREA_SLOTS = 95
MAX_AREAS = 24
FEWEST_SLOTS = 12
AISLE_M = 12.0
"""The widest aisle across which two rows still belong together."""
END_GAP_M = 20.0
BACK_TO_BACK_M = 1.5
OTHER_WAY_M = 10.0
"""How much farther an area may lie that runs the same way, to be preferred for a few left-over rows."""


@dataclass(slots=True)
class Area:
    """Rows under one sign. ``aisles`` are its rows by the aisle they share; ``others`` run another way.

    (dx, dy) is the rows' direction. Counting goes along it, and row by row across it, or against it (-1).
    """

    aisles: list[list[Row]]
    dx: float
    dy: float
    others: list[Row] = field(default_factory=list)
    count_along: int = 1
    count_across: int = 1

    @property
    def rows(self) -> list[Row]:
        """All rows, those of the aisles first."""
        return [row for aisle in self.aisles for row in aisle] + self.others

    @property
    def stalls(self) -> list[Stall]:
        """All stalls, in no promised order."""
        return [stall for row in self.rows for stall in row.stalls]

    @property
    def runs_down(self) -> bool:
        """True where its aisles run down the page rather than across."""
        return abs(self.dy) > abs(self.dx)


@dataclass(slots=True)
class Block:
    """Rows that run the same way and lie together, already cut into areas along (-dy, dx)."""

    areas: list[Area]

    @property
    def runs_down(self) -> bool:
        """As its areas do."""
        return self.areas[0].runs_down

    def distance(self, point: Point) -> float:
        """Metres from the point to the nearest stall."""
        return min(math.dist(point, (s.x, s.y)) for area in self.areas for s in area.stalls)


def areas_of(rows: Sequence[Row], gate: Point) -> list[Area]:
    """Every row in exactly one area, areas and all in them in the order in which a sign would count them."""
    blocks, leftovers = _blocks(rows)
    total = sum(len(row.stalls) for row in rows)
    size = max(AREA_SLOTS, math.ceil(total / MAX_AREAS))
    cut = [Block(_cut(block, size)) for block in blocks]
    _attach(leftovers, [area for block in cut for area in block.areas])
    cut.sort(key=lambda block: (block.runs_down, block.distance(gate)))
    return [area for block in cut for area in count_from(block.areas, gate)]


def count_from(areas: list[Area], gate: Point) -> list[Area]:
    """The areas of one block from the gate's end on; their rows and slots are counted the same way."""
    rows = [row for area in areas for aisle in area.aisles for row in aisle]
    across = _from_gate(rows, gate, across=True)
    for area in areas:
        area.count_across = across
        area.count_along = _from_gate(rows, gate, across=False)
    return areas if across > 0 else areas[::-1]


def slots_in_order(area: Area, gate: Point) -> list[Stall]:
    """The area's stalls row by row, in its way of counting; rows that run another way come last."""
    forward = area.count_along
    stalls: list[Stall] = []
    for level in _levels([row for aisle in area.aisles for row in aisle], area.count_across):
        for row in sorted(level, key=lambda r: forward * (r.centre[0] * area.dx + r.centre[1] * area.dy)):
            same_way = row.dx * area.dx + row.dy * area.dy > 0
            stalls += row.stalls if same_way == (forward > 0) else row.stalls[::-1]
    for row in sorted(area.others, key=lambda r: (math.dist(gate, r.centre), r.centre)):
        near_end = math.dist(gate, _at(row.stalls[0])) <= math.dist(gate, _at(row.stalls[-1]))
        stalls += row.stalls if near_end else row.stalls[::-1]
    return stalls


def _at(stall: Stall) -> Point:
    return stall.x, stall.y


def _from_gate(rows: Sequence[Row], gate: Point, *, across: bool) -> int:
    """1 where counting upwards begins at the gate's side, else -1; across the rows or along them."""
    dx, dy = _mean_direction(rows)
    ax, ay = (-dy, dx) if across else (dx, dy)
    marks = [s.x * ax + s.y * ay for row in rows for s in row.stalls]
    return 1 if gate[0] * ax + gate[1] * ay <= (min(marks) + max(marks)) / 2 else -1


def _blocks(rows: Sequence[Row]) -> tuple[list[list[Row]], list[Row]]:
    """Rows that belong together, and the rows of groups too small for a sign (never all of them)."""
    shapes = [row.shape for row in rows]
    near = STRtree(shapes).query(shapes, predicate="dwithin", distance=END_GAP_M)
    pairs = [
        (i, j)
        for i, j in zip(*near.tolist(), strict=True)
        if i < j and _belong_together(rows[i], rows[j], shapes[i], shapes[j])
    ]
    ordered = sorted(grouped(rows, pairs), key=_count, reverse=True)
    total = sum(_count(group) for group in ordered)
    fewest = min(FEWEST_SLOTS, total)
    keep = max(1, sum(_count(group) >= max(fewest, total / 60) for group in ordered))
    keep = min(keep, MAX_AREAS)
    return ordered[:keep], [row for group in ordered[keep:] for row in group]


def _count(rows: Sequence[Row]) -> int:
    return sum(len(row.stalls) for row in rows)


def _belong_together(a: Row, b: Row, a_shape: BaseGeometry, b_shape: BaseGeometry) -> bool:
    if turn_between(a.dx, a.dy, b.dx, b.dy) > 25.0:
        return False
    a_low, a_high = a.along(*_at(a.stalls[0])), a.along(*_at(a.stalls[-1]))
    marks = a.along(*_at(b.stalls[0])), a.along(*_at(b.stalls[-1]))
    overlap = min(a_high, max(marks)) - max(a_low, min(marks))
    if overlap >= 0:
        return bool(a_shape.distance(b_shape) <= AISLE_M)
    ends = [(s, t) for s in (a.stalls[0], a.stalls[-1]) for t in (b.stalls[0], b.stalls[-1])]
    s, t = min(ends, key=lambda pair: math.dist(_at(pair[0]), _at(pair[1])))
    sideways = abs((t.x - s.x) * a.dy - (t.y - s.y) * a.dx)
    return sideways <= 8.0


def _mean_direction(rows: Sequence[Row]) -> Point:
    """The rows' common direction, longer rows counting more; as unit vector to the right, or else down."""
    double = [(math.atan2(row.dy, row.dx) * 2, len(row.stalls)) for row in rows]
    angle = math.atan2(sum(n * math.sin(a) for a, n in double), sum(n * math.cos(a) for a, n in double)) / 2
    dx, dy = math.cos(angle), math.sin(angle)
    return (-dx, -dy) if dy < -0.7072 else (dx, dy)


def _levels(rows: Sequence[Row], way: int) -> list[list[Row]]:
    """Rows grouped by the line they lie on, across the common direction; ``way`` -1 turns the order round."""
    dx, dy = _mean_direction(rows)
    spans = []
    for row in rows:
        marks = [y * dx - x * dy for stall in row.stalls for x, y in ((stall.x, stall.y),)]
        spans.append((sum(marks) / len(marks), row))
    spans.sort(key=lambda span: (span[0], span[1].centre))
    levels: list[list[Row]] = []
    last = -math.inf
    for middle, row in spans:
        depth = min(_depth(row, dx, dy), _depth(levels[-1][0], dx, dy)) if levels else 0.0
        if levels and middle - last < depth / 2 and not _beside(row, levels[-1], dx, dy):
            levels[-1].append(row)
        else:
            levels.append([row])
            last = middle
    return levels[::-1] if way < 0 else levels


def _depth(row: Row, dx: float, dy: float) -> float:
    """How deep a row is across the direction: the reach of one of its stalls."""
    marks = [y * dx - x * dy for x, y in row.stalls[0].ring]
    return max(marks) - min(marks)


def _beside(row: Row, level: Sequence[Row], dx: float, dy: float) -> bool:
    """True if the row overlaps one of that level lengthwise, so that it can't be on the same line."""

    def reach(other: Row) -> tuple[float, float]:
        marks = [s.x * dx + s.y * dy for s in other.stalls]
        return min(marks), max(marks)

    low, high = reach(row)
    return any(low <= reach(other)[1] and reach(other)[0] <= high for other in level)


def _cut(rows: Sequence[Row], size: int) -> list[Area]:
    """One block as areas of about ``size`` slots, cut between its aisles as evenly as can be."""
    dx, dy = _mean_direction(rows)
    aisles = _aisles(_levels(rows, 1), dx, dy)
    wanted = max(1, min(len(aisles), round(_count(rows) / size)))
    ends = _even_cuts([_count(aisle) for aisle in aisles], wanted)
    return [Area(aisles[start:end], dx, dy) for start, end in itertools.pairwise([0, *ends])]


def _aisles(levels: list[list[Row]], dx: float, dy: float) -> list[list[Row]]:
    """Levels paired over the aisle they share. One that backs onto its partner-to-be stays for the next."""
    aisles: list[list[Row]] = []
    index = 0
    while index < len(levels):
        pair = levels[index : index + 2]
        if len(pair) == 2 and BACK_TO_BACK_M < _gap(pair[0], pair[1], dx, dy) <= AISLE_M:
            aisles.append([*pair[0], *pair[1]])
            index += 2
        else:
            aisles.append(list(pair[0]))
            index += 1
    return aisles


def _gap(upper: Sequence[Row], lower: Sequence[Row], dx: float, dy: float) -> float:
    """Free metres between two levels, from middle to middle less half the depth of each."""

    def middle(rows: Sequence[Row]) -> float:
        marks = [s.y * dx - s.x * dy for row in rows for s in row.stalls]
        return sum(marks) / len(marks)

    return middle(lower) - middle(upper) - (_depth(upper[0], dx, dy) + _depth(lower[0], dx, dy)) / 2


def _even_cuts(counts: Sequence[int], parts: int) -> list[int]:
    """Where to end each of ``parts`` runs so that their sums differ least (least squares)."""
    sums = [0, *itertools.accumulate(counts)]
    n = len(counts)
    best: dict[tuple[int, int], tuple[float, list[int]]] = {(0, 0): (0.0, [])}
    for part in range(1, parts + 1):
        for end in range(part, n - parts + part + 1):
            choices = (
                (best[part - 1, start][0] + float(sums[end] - sums[start]) ** 2, best[part - 1, start][1])
                for start in range(part - 1, end)
                if (part - 1, start) in best
            )
            cost, ends = min(choices)
            best[part, end] = (cost, [*ends, end])
    return best[parts, n][1]


def _attach(leftovers: Sequence[Row], areas: Sequence[Area]) -> None:
    """Gives each left-over row to the nearest area, with OTHER_WAY_M against one that runs another way."""
    shapes = [[row.shape for row in area.rows] for area in areas] if leftovers else []
    for row in leftovers:
        own = row.shape

        def cost(index: int, row: Row = row, own: BaseGeometry = own) -> float:
            area = areas[index]
            other_way = turn_between(row.dx, row.dy, area.dx, area.dy) > 25.0
            return min(float(own.distance(shape)) for shape in shapes[index]) + OTHER_WAY_M * other_way

        areas[min(range(len(areas)), key=cost)].others.append(row)
