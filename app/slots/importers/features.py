"""Reads a FeatureCollection into stalls, lots, marked areas, entrances and ways, or refuses each by name."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import shapely
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from app.slots.importers.plan import ImportRefused, Point, Refusal, Ring
from app.slots.importers.projection import metres_per_degree
from app.slots.importers.values import text_of

MIN_STALL_M2 = 3.0
MAX_STALL_M2 = 120.0
MAX_LOT_M2 = 5_000_000.0
MAX_LATITUDE = 85.0
MAX_CORNERS = 100_000
_FOR_WALKERS = frozenset({"footway", "path", "steps", "cycleway", "pedestrian", "corridor", "bridleway"})


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing of the file: ``tags`` are its properties, flat; ``number`` its place in the file, from 1."""

    number: int
    reference: str
    tags: dict[str, str]
    shape: BaseGeometry


@dataclass(slots=True)
class Features:
    """The file's features by what they are. Lots are polygons or multipolygons, in degrees."""

    stalls: list[Feature] = field(default_factory=list)
    lots: list[Feature] = field(default_factory=list)
    areas: list[Feature] = field(default_factory=list)
    entrances: list[Feature] = field(default_factory=list)
    ways: list[Feature] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    attribution: str = ""
    skipped: int = 0


class _Unfit(Exception):
    """Why one feature is refused."""


def read_features(data: bytes) -> Features:
    """The file's features; raises ImportRefused if it is no FeatureCollection at all."""
    document = _document(data)
    entries = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(entries, list):
        raise ImportRefused("The file is JSON but no GeoJSON FeatureCollection.")
    found = Features(attribution=text_of(document.get("attribution") or document.get("copyright"), 120))
    for number, entry in enumerate(entries, 1):
        _sort_in(found, number, entry)
    if not found.attribution and any(_from_openstreetmap(f.reference) for f in (*found.lots, *found.stalls)):
        found.attribution = "© OpenStreetMap contributors"
    return found


def _document(data: bytes) -> dict[str, object]:
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ImportRefused(f"The file is not UTF-8 text (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ImportRefused(f"The file is not JSON: {error.msg} ({where}).") from None
    except (ValueError, RecursionError):
        raise ImportRefused(
            "The file is not usable JSON: nested too deeply, or a number is too long."
        ) from None
    if not isinstance(document, dict):
        raise ImportRefused("The file is JSON but no GeoJSON FeatureCollection.")
    return document


def _sort_in(found: Features, number: int, entry: object) -> None:
    """Puts one feature where it belongs. What is neither stall, lot, entrance nor way is skipped."""
    if not isinstance(entry, dict):
        found.refusals.append(Refusal(None, f"feature {number}", "It is not a GeoJSON feature."))
        return
    tags = _tags(entry)
    reference = _reference(entry, number)
    kind = _kind(tags, entry.get("geometry"))
    if kind is None:
        found.skipped += 1
        return
    target: list[Feature] = getattr(found, kind)
    try:
        target.append(Feature(number, reference, tags, _shape(kind, entry.get("geometry"))))
    except _Unfit as unfit:
        if kind in ("entrances", "ways"):
            found.skipped += 1
        else:
            found.refusals.append(Refusal(None, reference, str(unfit)))


def _tags(entry: dict[str, object]) -> dict[str, str]:
    """Properties and those nested under "tags", as text; the nested ones win."""
    properties = entry.get("properties")
    if not isinstance(properties, dict):
        return {}
    nested = properties.get("tags")
    merged = {**properties, **nested} if isinstance(nested, dict) else properties
    return {str(key): text_of(value) for key, value in merged.items() if value is not None}


def _reference(entry: dict[str, object], number: int) -> str:
    properties = entry.get("properties")
    own = properties if isinstance(properties, dict) else {}
    for value in (own.get("id"), own.get("@id"), entry.get("id")):
        if text := text_of(value, 80):
            return text
    return f"feature {number}"


def _from_openstreetmap(reference: str) -> bool:
    return reference.startswith(("way/", "relation/", "node/"))


def _kind(tags: dict[str, str], geometry: object) -> str | None:
    form = geometry.get("type") if isinstance(geometry, dict) else None
    amenity = tags.get("amenity")
    if amenity == "parking_space":
        return "stalls"
    if amenity == "parking":
        return "lots"
    if form == "Point" and (
        amenity == "parking_entrance" or tags.get("barrier") == "lift_gate" or "lotline:gate" in tags
    ):
        return "entrances"
    if form == "LineString" and tags.get("highway", "footway") not in _FOR_WALKERS:
        return "ways"
    if form == "Polygon" and tags.get("lotline:area"):
        return "areas"
    return None


def _shape(kind: str, geometry: object) -> BaseGeometry:
    """The geometry in degrees, checked for that kind; raises _Unfit."""
    if not isinstance(geometry, dict):
        raise _Unfit("It has no geometry.")
    form, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "entrances":
        return shapely.Point(_point(coordinates))
    if kind == "ways":
        return LineString(_points(coordinates, 2))
    if form == "Polygon":
        shape = _polygon(coordinates)
    elif form == "MultiPolygon":
        shape = _multipolygon(coordinates)
    else:
        raise _Unfit(f"Its geometry is a {text_of(form, 30) or 'nothing'}; only an outline can be drawn.")
    if not shape.is_valid:
        raise _Unfit("Its outline crosses or touches itself.")
    _check_area(kind, shape)
    return shape


def _check_area(kind: str, shape: BaseGeometry) -> None:
    east_m, north_m = metres_per_degree(shape.centroid.y)
    area_m2 = shape.area * east_m * north_m
    if kind == "stalls" and isinstance(shape, MultiPolygon):
        raise _Unfit("It has several outlines; a slot has one.")
    if kind == "stalls" and not MIN_STALL_M2 <= area_m2 <= MAX_STALL_M2:
        size = f"{area_m2:.1f}" if area_m2 < 1000 else f"{area_m2:.0f}"
        raise _Unfit(f"Its area of {size} m² is not between {MIN_STALL_M2:.0f} and {MAX_STALL_M2:.0f} m².")
    if kind != "stalls" and not MIN_STALL_M2 <= area_m2 <= MAX_LOT_M2:
        raise _Unfit(f"Its area of {area_m2:.0f} m² is not that of a lot.")


def _multipolygon(coordinates: object) -> BaseGeometry:
    if not isinstance(coordinates, list) or not coordinates:
        raise _Unfit("Its outline has no points.")
    parts = [_polygon(part) for part in coordinates]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _polygon(coordinates: object) -> Polygon:
    if not isinstance(coordinates, list) or not coordinates:
        raise _Unfit("Its outline has no points.")
    rings = [_points(ring, 3) for ring in coordinates]
    return Polygon(rings[0], rings[1:])


def _points(coordinates: object, least: int) -> Ring:
    if not isinstance(coordinates, list) or len(coordinates) > MAX_CORNERS:
        raise _Unfit("Its outline has no points, or too many.")
    ring = tuple(_without_repeats(_point(pair) for pair in coordinates))
    if least == 3 and len(ring) > 1 and ring[0] == ring[-1]:
        ring = ring[:-1]
    if len(ring) < least:
        raise _Unfit(f"Its outline has {len(ring)} different points; it needs {least}.")
    return ring


def _without_repeats(points: Iterable[Point]) -> Iterator[Point]:
    previous = None
    for point in points:
        if point != previous:
            yield point
        previous = point


def _point(pair: object) -> Point:
    if not isinstance(pair, list) or len(pair) < 2 or not all(_is_number(value) for value in pair[:2]):
        raise _Unfit("A coordinate is not a number.")
    try:
        longitude, latitude = float(pair[0]), float(pair[1])
    except OverflowError:
        longitude = latitude = math.inf
    if not (-180 <= longitude <= 180 and -MAX_LATITUDE <= latitude <= MAX_LATITUDE):
        raise _Unfit("A coordinate is no longitude and latitude in degrees (WGS 84).")
    return longitude, latitude


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
