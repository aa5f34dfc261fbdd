"""Where one drives in.

A mapped entrance in or near the lot comes first; else the point of the edge where a way reaches it. Without
either, the lot's own shape speaks: a stretch of floor that leads away from the stalls is taken for the drive;
failing that, the edge towards the neighbouring lots, from where a road must come; failing that, the point of
the edge farthest from every stall.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points

from app.slots.importers.plan import Point

NEAR_M = 15.0
WAY_NEAR_M = 60.0
STUB_M = 12.0


@dataclass(frozen=True, slots=True)
class Entrance:
    """A mapped entrance on the page. ``rank`` 0 is surest; with a heading its place is taken as it stands."""

    x: float
    y: float
    rank: int
    name: str = ""
    heading_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """Where the gate stands on the page, and the direction of travel into the lot (0 right, 90 down)."""

    x: float
    y: float
    heading_deg: float
    name: str


def find_gate(
    floor: Polygon,
    stalls: Sequence[Point],
    entrances: Sequence[Entrance] = (),
    ways: Sequence[BaseGeometry] = (),
    neighbours: Sequence[Point] = (),
) -> Gate:
    """The lot's gate; every argument is on the lot's page, in metres."""
    edge = LineString([*floor.exterior.coords])
    centre = shapely.multipoints(stalls).centroid
    near = [e for e in entrances if floor.distance(shapely.Point(e.x, e.y)) <= NEAR_M]
    near = [e for e in near if e.rank == 0 or edge.distance(shapely.Point(e.x, e.y)) <= NEAR_M]
    if near:
        chosen = min(near, key=lambda e: (e.rank, math.dist((e.x, e.y), (centre.x, centre.y)), e.x, e.y))
        return _mapped(chosen, edge, floor)
    x, y = _by_way(edge, floor, ways) or _by_shape(edge, stalls, neighbours)
    return Gate(round(x, 2), round(y, 2), _inwards(edge, floor, (x, y)), "Gate 1")


def _mapped(entrance: Entrance, edge: LineString, floor: Polygon) -> Gate:
    name = entrance.name or "Gate 1"
    if entrance.heading_deg is not None:
        return Gate(round(entrance.x, 2), round(entrance.y, 2), entrance.heading_deg, name)
    on_edge = edge.interpolate(edge.project(shapely.Point(entrance.x, entrance.y)))
    heading = _inwards(edge, floor, (on_edge.x, on_edge.y))
    return Gate(round(on_edge.x, 2), round(on_edge.y, 2), heading, name)


def _by_way(edge: LineString, floor: Polygon, ways: Sequence[BaseGeometry]) -> Point | None:
    """Where the nearest way outside the lot comes closest to its edge, or crosses it."""
    outside = [way.difference(floor) for way in ways if floor.distance(way) <= WAY_NEAR_M]
    outside = [way for way in outside if not way.is_empty]
    if not outside:
        return None
    on_edge, _ = nearest_points(edge, min(outside, key=lambda way: (edge.distance(way), -way.length)))
    return on_edge.x, on_edge.y


def _by_shape(edge: LineString, stalls: Sequence[Point], neighbours: Sequence[Point]) -> Point:
    steps = max(8, min(2000, math.ceil(edge.length / 2)))
    samples = [edge.interpolate(n / steps, normalized=True) for n in range(steps)]
    parked = shapely.multipoints(stalls)
    hull = parked.convex_hull
    stub = max(samples, key=hull.distance)
    if hull.distance(stub) >= STUB_M or not neighbours:
        farthest = stub if hull.distance(stub) >= STUB_M else max(samples, key=parked.distance)
        return farthest.x, farthest.y
    others = shapely.multipoints(neighbours)
    nearest = min(samples, key=others.distance)
    return nearest.x, nearest.y


def _inwards(edge: LineString, floor: Polygon, point: Point) -> float:
    """The edge's normal there that leads inside, in whole degrees."""
    along = edge.project(shapely.Point(point))
    before = edge.interpolate(max(0.0, along - 0.5))
    after = edge.interpolate(min(edge.length, along + 0.5))
    angle = math.atan2(after.y - before.y, after.x - before.x) + math.pi / 2
    probe = shapely.Point(point[0] + 0.5 * math.cos(angle), point[1] + 0.5 * math.sin(angle))
    if not floor.contains(probe):
        angle += math.pi
    return float(round(math.degrees(angle)) % 360)
