"""Lots for the importers' tests, drawn in metres and put anywhere on Earth."""

import json
import math
from typing import Any

from app.slots.importers.plan import Ring
from app.slots.importers.projection import metres_per_degree

HERE = (10.0, 50.0)
STALL_M = (2.5, 5.0)


def box(x: float, y: float, width: float = STALL_M[0], height: float = STALL_M[1]) -> Ring:
    """A rectangle from its upper left corner, in metres, y down."""
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def on_earth(ring: Ring, place: tuple[float, float] = HERE, turn_deg: float = 0.0) -> list[list[float]]:
    """The ring turned clockwise at (longitude, latitude), closed, in OpenStreetMap's seven decimals."""
    east_m, north_m = metres_per_degree(place[1])
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    points = [
        [
            round(place[0] + (x * cosine - y * sine) / east_m, 7),
            round(place[1] - (x * sine + y * cosine) / north_m, 7),
        ]
        for x, y in ring
    ]
    return [*points, points[0]]


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    """One GeoJSON feature; double underscores in property names stand for colons."""
    named = {key.replace("__", ":"): value for key, value in properties.items()}
    return {
        "type": "Feature",
        "properties": named,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def lot(ring: Ring, ref: str = "way/1", **properties: Any) -> dict[str, Any]:
    """A lot's outline at HERE."""
    return feature("Polygon", [on_earth(ring)], id=ref, amenity="parking", **properties)


def stall(x: float, y: float, ref: str, **properties: Any) -> dict[str, Any]:
    """A stall of the usual size at HERE."""
    return feature("Polygon", [on_earth(box(x, y))], id=ref, amenity="parking_space", **properties)


def row(count: int, x: float = 0.0, y: float = 0.0, first: int = 100) -> list[dict[str, Any]]:
    """Stalls side by side at HERE, with ids from ``first`` on."""
    return [stall(x + n * STALL_M[0], y, f"way/{first + n}") for n in range(count)]


def collection(*features: dict[str, Any], **members: Any) -> bytes:
    """The features as a file."""
    return json.dumps({"type": "FeatureCollection", "features": features, **members}).encode()
