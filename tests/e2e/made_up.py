"""Lots that nobody has built, as GeoJSON: a campus of 5,000 slots, and a garage of three storeys."""

import json
import math
import random
from collections.abc import Iterator
from typing import Any

from app.slots.importers.plan import Ring
from app.slots.importers.projection import metres_per_degree

HERE = (10.0, 50.0)
STALL_M = (2.5, 5.0)
PAIR_M = 16.5  # two rows back to back, and the aisle beside them
CAMPUS_SLOTS = 5000


def campus(slots: int = CAMPUS_SLOTS, seed: int = 5) -> bytes:
    """Blocks of different length and turn, an area each; now and then a slot of a kind of its own."""
    chance = random.Random(seed)
    features: list[dict[str, Any]] = []
    left = top = deepest = 0.0
    made = block = 0
    while made < slots:
        columns, rows = chance.randint(18, 34), chance.choice((4, 6, 8, 10))
        turn_deg = chance.choice((0, 0, 0, 4, -6, 12))
        width, depth = columns * STALL_M[0] + 14, rows // 2 * PAIR_M + 12
        if left + width > 420:
            left, top, deepest = 0.0, top + deepest + 10, 0.0
        kinds = {"lotline:premium": "yes"} if block % 9 == 4 else {}
        for stall in _block(columns, rows, (left, top), turn_deg, slots - made):
            made += 1
            kind = kinds or _kind(chance.random())
            one = _feature(stall, id=f"way/{made}", amenity="parking_space")
            one["properties"] |= kind | {"lotline:area": _letters(block)}
            features.append(one)
        left, deepest = left + width, max(deepest, depth)
        block += 1
    floor = ((-12.0, -12.0), (440.0, -12.0), (440.0, top + deepest + 12), (-12.0, top + deepest + 12))
    return _file(_lot(floor, "campus", "Campus West"), _gate(440.0, 40.0, 270), *features)


def garage(levels: tuple[int, ...] = (0, -1, -2), columns: int = 12) -> bytes:
    """Storeys over one another, each with two areas of two rows; premium slots below, chargers at the top."""
    stalls = []
    for level in levels:
        for n, (x, y) in enumerate(_grid(columns, 4)):
            kind = {"lotline:premium": "yes"} if level == min(levels) and n % columns < 3 else {}
            if level == max(levels) and n % columns == 0:
                kind = {"capacity:charging": "1"}
            one = _feature(_box(x, y), id=f"way/{100 * (level + 50) + n}", amenity="parking_space")
            one["properties"] |= kind | {"level": str(level)}
            stalls.append(one)
    floor = ((-7.0, -7.0), (columns * 2.5 + 7, -7.0), (columns * 2.5 + 7, 40.0), (-7.0, 40.0))
    return _file(_lot(floor, "garage", "Market Garage"), _gate(-7.0, 8.0, 90), *stalls)


def _kind(chance: float) -> dict[str, str]:
    if chance < 0.02:
        return {"parking_space": "disabled"}
    return {"capacity:charging": "1"} if chance < 0.06 else {}


def _block(columns: int, rows: int, at: tuple[float, float], turn_deg: float, most: int) -> Iterator[Ring]:
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    for n, (x, y) in enumerate(_grid(columns, rows)):
        if n >= most:
            return
        yield tuple(
            (at[0] + px * cosine - py * sine, at[1] + px * sine + py * cosine) for px, py in _box(x, y)
        )


def _grid(columns: int, rows: int) -> Iterator[tuple[float, float]]:
    for row in range(rows):
        for column in range(columns):
            yield column * STALL_M[0], row // 2 * PAIR_M + row % 2 * STALL_M[1]


def _box(x: float, y: float) -> Ring:
    width, depth = STALL_M
    return ((x, y), (x + width, y), (x + width, y + depth), (x, y + depth))


def _letters(number: int) -> str:
    return chr(65 + number) if number < 26 else chr(64 + number // 26) + chr(65 + number % 26)


def _lot(floor: Ring, code: str, name: str) -> dict[str, Any]:
    lot = _feature(floor, id=f"way/{code}", amenity="parking")
    lot["properties"] |= {"lotline:code": code, "lotline:name": name}
    return lot


def _gate(x: float, y: float, heading_deg: float) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"lotline:gate": "Gate 1", "lotline:heading": heading_deg},
        "geometry": {"type": "Point", "coordinates": _on_earth(x, y)},
    }


def _feature(ring: Ring, **properties: str) -> dict[str, Any]:
    corners = [_on_earth(x, y) for x, y in (*ring, ring[0])]
    return {
        "type": "Feature",
        "properties": dict(properties),
        "geometry": {"type": "Polygon", "coordinates": [corners]},
    }


def _on_earth(x: float, y: float) -> list[float]:
    east_m, north_m = metres_per_degree(HERE[1])
    return [round(HERE[0] + x / east_m, 7), round(HERE[1] - y / north_m, 7)]


def _file(*features: dict[str, Any]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()
