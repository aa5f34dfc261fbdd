"""Shapes of the lot map, in lot-local metres with y down. Nothing here knows of states or of HTML."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union
from shapely.strtree import STRtree

Ring = Sequence[Sequence[float]]
Bounds = tuple[float, float, float, float]  # left, top, right, bottom

INSET_M = 0.11  # on each side, so that neighbours never touch
CORNER_M = 0.35
OBLIQUE_DEG = (
    3.0  # below this a stall's own frame and the page's look alike, and a transform costs paint time
)
STALL_M = (2.5, 5.0)
GRID_COLUMNS = 20
AISLE_M = 6.0
BAND_M = 0.35  # how far the premium band stands out around its stalls
HOME_GAP_M = 20.0  # stalls farther apart than this are another part of the lot
BAND_GAP_M = 1.2  # stalls closer than this lie on one band


def number(value: float) -> str:
    """A coordinate to the centimetre, as short as it goes: ``-.5`` for -0.4999, ``3`` for 3.0."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    if text in ("-0", ""):
        return "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def polygon(ring: Ring | None) -> Polygon | None:
    """The ring as a valid polygon, or None where there is none (missing, degenerate, not finite)."""
    if ring is None or len(ring) < 3 or not all(math.isfinite(value) for point in ring for value in point):
        return None
    shape: BaseGeometry = Polygon([(point[0], point[1]) for point in ring])
    if not shape.is_valid:
        shape = shape.buffer(0)
    if isinstance(shape, MultiPolygon):
        shape = max(shape.geoms, key=lambda part: part.area)
    return shape if isinstance(shape, Polygon) and shape.area > 0.01 else None


def path(ring: Iterable[Sequence[float]]) -> str:
    """A closed ring as the ``d`` of a path, corners as they are."""
    points = list(ring)
    points = points[:-1] if len(points) > 1 and tuple(points[0]) == tuple(points[-1]) else points
    return "M" + "L".join(f"{number(point[0])} {number(point[1])}" for point in points) + "Z"


def rounded_path(shape: Polygon, corner_m: float) -> str:
    """A polygon as the ``d`` of a path, every corner rounded by at most ``corner_m``.

    Points after the first are relative, which saves a third of a map's bytes; each is reckoned from where the
    rounded numbers before it have led, so that errors do not add up.
    """
    points = list(shape.exterior.coords)[:-1]
    parts: list[str] = []
    pen = (0.0, 0.0)
    for index, corner in enumerate(points):
        start = _towards(corner, points[index - 1], corner_m)
        end = _towards(corner, points[(index + 1) % len(points)], corner_m)
        text, moved = _relative([start], pen)
        parts.append(("l" if parts else "M") + text)
        text, pen = _relative([corner, end], moved)
        parts.append("q" + text)
    return "".join(parts) + "z"


def _towards(point: Sequence[float], other: Sequence[float], by_m: float) -> tuple[float, float]:
    length = math.dist(point, other) or 1.0
    share = min(by_m, length / 2.5) / length
    return point[0] + (other[0] - point[0]) * share, point[1] + (other[1] - point[1]) * share


def _relative(points: Sequence[Sequence[float]], pen: tuple[float, float]) -> tuple[str, tuple[float, float]]:
    """Points as text, relative to the pen, and where the last of them leaves it."""
    texts = [number(point[axis] - pen[axis]) for point in points for axis in (0, 1)]
    joined = "".join(
        text if index == 0 or text.startswith("-") else f" {text}" for index, text in enumerate(texts)
    )
    return joined, (pen[0] + float(texts[-2]), pen[1] + float(texts[-1]))


def lean_deg(shape: Polygon) -> float:
    """By how much the stall's smallest rectangle leans from the page's axes, in (-45, 45], clockwise."""
    corners = list(shape.minimum_rotated_rectangle.exterior.coords)
    angle = math.degrees(math.atan2(corners[1][1] - corners[0][1], corners[1][0] - corners[0][0]))
    return (angle + 45.0) % 90.0 - 45.0


@dataclass(frozen=True)
class Tile:
    """One stall as it is drawn: ``d`` in the frame of ``transform``; centre and half sizes in m."""

    d: str
    transform: str
    x: float
    y: float
    half_width: float
    half_height: float
    lean_deg: float


def tile(shape: Polygon) -> Tile:
    """The stall, inset and rounded. An oblique one gets its own frame, so that its state leans with it."""
    lean = lean_deg(shape)
    centre = shape.minimum_rotated_rectangle.centroid
    oblique = abs(lean) > OBLIQUE_DEG
    transform = ""
    if oblique:
        shape = affinity.translate(
            affinity.rotate(shape, -lean, origin=(centre.x, centre.y)), -centre.x, -centre.y
        )
        transform = f"translate({number(centre.x)} {number(centre.y)})rotate({number(lean)})"
    plain = shape.simplify(0.05)
    inset = plain.buffer(-INSET_M, join_style="mitre")
    drawn = inset if isinstance(inset, Polygon) and not inset.is_empty else plain
    left, top, right, bottom = drawn.bounds
    return Tile(
        d=rounded_path(drawn, CORNER_M),
        transform=transform,
        x=centre.x,
        y=centre.y,
        half_width=(right - left) / 2,
        half_height=(bottom - top) / 2,
        lean_deg=lean if oblique else 0.0,
    )


def grid(
    counts: Sequence[int], left: float, top: float
) -> tuple[list[list[Polygon]], list[tuple[float, float]]]:
    """Stalls for areas without outlines: rows back to back in pairs, an aisle above each pair.

    Returns the stalls by area, in order, and by area the point in its first aisle where its sign stands.
    """
    width, depth = STALL_M
    areas: list[list[Polygon]] = []
    signs = []
    y = top
    for count in counts:
        signs.append((left + 2 * width, y + AISLE_M / 2))
        stalls: list[Polygon] = []
        columns = min(GRID_COLUMNS, max(1, math.ceil(count / 2)))
        for index in range(count):
            row, column = divmod(index, columns)
            if column == 0:
                y += AISLE_M if row % 2 == 0 else 0.0
                y += depth if row else 0.0
            stalls.append(box(left + column * width, y, left + (column + 1) * width, y + depth))
        y += depth
        areas.append(stalls)
    return areas, signs


def bands(premium: Sequence[Polygon], others: Sequence[Polygon]) -> list[Polygon]:
    """The floor under each contiguous block of premium stalls: a rectangle where the others leave room."""
    joined = unary_union([stall.buffer(BAND_GAP_M / 2, join_style="mitre") for stall in premium])
    parts = list(joined.geoms) if isinstance(joined, MultiPolygon) else [joined]
    tree = STRtree([stall.buffer(-0.3) for stall in others])
    found: list[Polygon] = []
    for part in parts:
        if part.is_empty:
            continue
        core = part.buffer(-BAND_GAP_M / 2, join_style="mitre").simplify(0.1)
        plain = core.minimum_rotated_rectangle
        fits = not len(tree.query(plain, predicate="intersects"))
        shape = (plain if fits else core).buffer(BAND_M, join_style="mitre")
        found.extend(shape.geoms if isinstance(shape, MultiPolygon) else [shape])
    return found


def floor(stalls: Sequence[Polygon]) -> Polygon:
    """A floor for a lot without an outline: the box around its stalls, one aisle wider."""
    left, top, right, bottom = unary_union(stalls).bounds
    return box(left - 4.0, top - AISLE_M, right + 4.0, bottom + AISLE_M)


def bounds(shapes: Sequence[Polygon]) -> Bounds:
    """The box around all of these."""
    boxes = [shape.bounds for shape in shapes]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def home(stalls: Sequence[Polygon], gate: tuple[float, float] | None) -> Bounds:
    """What the map shows first: the largest part of the lot that hangs together, and the gate if it is near.

    A lot may have a far corner with a few stalls; fitting that in would make every stall too small to see.
    """
    joined = unary_union([box(*stall.bounds).buffer(HOME_GAP_M / 2, join_style="mitre") for stall in stalls])
    parts = list(joined.geoms) if isinstance(joined, MultiPolygon) else [joined]
    main = max(parts, key=lambda part: part.area).buffer(AISLE_M - HOME_GAP_M / 2, join_style="mitre")
    if gate is not None and main.distance(Point(gate)) < 2 * HOME_GAP_M:
        return bounds([main, Point(gate).buffer(2.0)])
    return bounds([main])


class Aisles:
    """The floor that stalls leave free: where a sign may stand."""

    def __init__(self, floors: Sequence[Polygon], stalls: Sequence[Polygon]) -> None:
        self._floor = unary_union(floors)
        self._stalls = STRtree(stalls)
        self._taken: list[tuple[float, float]] = []

    def take(self, x: float, y: float) -> None:
        """Keep later signs away from this point."""
        self._taken.append((x, y))

    def spot(self, near: Sequence[Polygon], apart_m: float = 15.0) -> tuple[float, float]:
        """The free point nearest to the middle of these stalls, away from the aisle's edges if it is wide.

        Where there is no free point at all it is the middle of the stalls itself.
        """
        middle = unary_union(near).centroid
        x, y = next(self._candidates(middle, apart_m), (middle.x, middle.y))
        self.take(x, y)
        return x, y

    def _candidates(self, middle: Point, apart_m: float) -> Iterator[tuple[float, float]]:
        for reach_m, clear_m in ((12.0, 3.2), (12.0, 2.4), (45.0, 3.2), (45.0, 2.0)):
            steps = [reach_m * step / 24 for step in range(-24, 25)]
            for dx, dy in sorted(product(steps, steps), key=lambda step: math.hypot(*step)):
                x, y = middle.x + dx, middle.y + dy
                apart = all(math.dist((x, y), other) >= apart_m for other in self._taken)
                if apart and self._is_free(Point(x, y), clear_m):
                    yield x, y

    def runs_down(self, x: float, y: float) -> bool:
        """Whether the aisle at this point runs down the page: more room up and down than left and right."""
        return self._reach(x, y, 0.0, 1.0) > self._reach(x, y, 1.0, 0.0)

    def _is_free(self, point: Point, clear_m: float) -> bool:
        disc = point.buffer(clear_m)
        return not len(self._stalls.query(disc, predicate="intersects")) and bool(self._floor.contains(disc))

    def _reach(self, x: float, y: float, dx: float, dy: float) -> float:
        total = 0.0
        for sign in (-1.0, 1.0):
            line = LineString([(x, y), (x + sign * dx * 30.0, y + sign * dy * 30.0)])
            hits = self._stalls.query(line, predicate="intersects")
            total += min((self._stalls.geometries[hit].distance(Point(x, y)) for hit in hits), default=30.0)
        return total
