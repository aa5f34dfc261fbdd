"""Plans an import from GeoJSON as OpenStreetMap has it.

A FeatureCollection in longitude and latitude (WGS 84), its properties flat or nested under "tags". Read are

- polygons with ``amenity=parking_space``: the slots;
- polygons and multipolygons with ``amenity=parking``: the lots; a slot is in the smallest around its centre;
- points with ``amenity=parking_entrance`` or ``barrier=lift_gate``: gates;
- lines with ``highway=*``, but those for walkers: where a gate may be, if none is mapped.

A prepared file can say more. On a lot: ``lotline:code``, ``lotline:name``, ``lotline:address``,
``lotline:time_zone``, ``lotline:currency``. On a stall: ``lotline:name``, ``lotline:area``, ``lotline:size``,
``lotline:premium`` (or ``premium``). On a point: ``lotline:gate`` (the gate's name, or "yes") and
``lotline:heading`` (the compass bearing of travel into the lot). A polygon with ``lotline:area`` (the code),
``lotline:name`` and ``lotline:premium`` makes one area of the stalls whose centres it holds.

A file that is no FeatureCollection, or names no slot at all, raises ImportRefused; whatever is wrong with one
feature refuses that feature. Lots without slots are left out, and a note says so.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.strtree import STRtree

from app.slots.importers.features import Feature, Features, read_features
from app.slots.importers.lots import Site, lay_out
from app.slots.importers.plan import (
    MAX_LOT_SLOTS,
    ImportDefaults,
    ImportPlan,
    ImportRefused,
    LotPlan,
    OnProgress,
    Point,
    Refusal,
    refuse_if_too_large,
)
from app.slots.importers.projection import metres_per_degree
from app.slots.importers.values import code_from, is_currency, is_time_zone, text_of

OVERLAP = 0.6
"""Two stalls that share more than this part of the smaller one are the same stall."""
NEARBY_M = 100.0
AT_ONCE = 500
MOST_MET = 60
"""Stalls that one stall touches or covers on average, itself included: a few on each of many storeys."""


def plan_geojson(data: bytes, defaults: ImportDefaults, on_progress: OnProgress | None = None) -> ImportPlan:
    """What the file would bring. ImportRefused: it is no FeatureCollection, has no slot, or is too large."""
    refuse_if_too_large(data)
    found = read_features(data)
    if not found.stalls and not found.refusals:
        raise ImportRefused("The file has no slots: they are polygons with amenity=parking_space.")
    stalls = _without_overlaps(_without_repeated_ids(found.stalls, found.refusals), found.refusals)
    held = _by_lot(found, stalls, defaults)
    notes = _notes(found, held)
    sites = _sites(found, held, defaults)
    lots = []
    for done, site in enumerate(sites, 1):
        if plan := _laid_out(site, found.refusals):
            lots.append(plan)
        if on_progress:
            on_progress(done, len(sites))
    return ImportPlan(tuple(lots), tuple(found.refusals), tuple(notes))


def _laid_out(site: Site, refusals: list[Refusal]) -> LotPlan | None:
    try:
        plan, clashes = lay_out(site)
    except shapely.errors.GEOSException:
        refusals.append(Refusal(None, site.name, "Its geometry cannot be worked out; check its outlines."))
        return None
    refusals.extend(clashes)
    return plan


def _without_repeated_ids(stalls: Sequence[Feature], refusals: list[Refusal]) -> list[Feature]:
    kept: dict[str, Feature] = {}
    for stall in stalls:
        if stall.reference in kept:
            refusals.append(Refusal(None, stall.reference, "The same id stands in the file twice."))
        else:
            kept[stall.reference] = stall
    return list(kept.values())


def _without_overlaps(stalls: list[Feature], refusals: list[Refusal]) -> list[Feature]:
    """Keeps the first of those that cover one another. Shares of area do not mind that units are degrees."""
    if not stalls:
        return []
    shapes = [stall.shape for stall in stalls]
    tree, met = STRtree(shapes), 0
    earlier: dict[int, list[int]] = defaultdict(list)
    for begin in range(0, len(shapes), AT_ONCE):
        first, second = tree.query(shapes[begin : begin + AT_ONCE], predicate="intersects")
        met += len(first)
        if met > MOST_MET * (begin + AT_ONCE):
            # No car park is like that, and to lay it out would take hours.
            raise ImportRefused("Too many slots of the file lie on one another; check its outlines.")
        for i, j in zip((first + begin).tolist(), second.tolist(), strict=True):
            if i < j and stalls[i].tags.get("level") == stalls[j].tags.get("level"):
                earlier[j].append(i)
    dropped: set[int] = set()
    for j in sorted(earlier):
        for i in sorted(earlier[j]):
            share = _shared(shapes[i], shapes[j])
            if i not in dropped and share > OVERLAP:
                dropped.add(j)
                reason = f"It covers {stalls[i].reference} by {share:.0%}; the first one counts."
                refusals.append(Refusal(None, stalls[j].reference, reason))
                break
    return [stall for index, stall in enumerate(stalls) if index not in dropped]


def _shared(a: BaseGeometry, b: BaseGeometry) -> float:
    try:
        return float(a.intersection(b).area / min(a.area, b.area))
    except shapely.errors.GEOSException:
        return 0.0


def _by_lot(found: Features, stalls: Sequence[Feature], defaults: ImportDefaults) -> dict[int, list[Feature]]:
    """Stalls by the index of their lot; with a code for a lot but no outline, they all make up one."""
    if not stalls:
        return {}
    if not found.lots and not found.refusals and defaults.lot_code:
        found.lots.append(_lot_around(stalls))
    centres = shapely.centroid([stall.shape for stall in stalls])
    around: dict[int, list[int]] = defaultdict(list)
    pairs = STRtree([lot.shape for lot in found.lots]).query(centres, predicate="intersects")
    for stall, lot in zip(*pairs.tolist(), strict=True):
        around[stall].append(lot)
    held: dict[int, list[Feature]] = defaultdict(list)
    for index, stall in enumerate(stalls):
        if index not in around:
            found.refusals.append(Refusal(None, stall.reference, "It lies in no lot of the file."))
            continue
        lot = min(around[index], key=lambda number: (found.lots[number].shape.area, number))
        if len(held[lot]) < MAX_LOT_SLOTS:
            held[lot].append(stall)
        else:
            reason = f"Its lot already has {MAX_LOT_SLOTS:,} slots; split the lot."
            found.refusals.append(Refusal(None, stall.reference, reason))
    return dict(sorted(held.items()))


def _lot_around(stalls: Sequence[Feature]) -> Feature:
    """A lot drawn around all stalls, six metres out: the aisle in front of the outermost row."""
    corners = shapely.multipoints([point for stall in stalls for point in stall.shape.exterior.coords])
    hull = corners.convex_hull.buffer(6.0 / metres_per_degree(corners.centroid.y)[1], join_style="mitre")
    return Feature(0, "the lot", {}, hull)


def _notes(found: Features, held: dict[int, list[Feature]]) -> list[str]:
    empty = [
        text_of(lot.tags.get("name"), 60) or lot.reference
        for n, lot in enumerate(found.lots)
        if n not in held
    ]
    if not empty:
        return []
    named = ", ".join(empty[:5]) + (f" and {len(empty) - 5:,} more" if len(empty) > 5 else "")
    return [f"Lots left out because the file has no slots in them: {named}."]


def _sites(found: Features, held: dict[int, list[Feature]], defaults: ImportDefaults) -> list[Site]:
    """The lots with slots, each with what lies around it; refused are those in no known zone or currency."""
    used: set[str] = set()
    outlines = {number: _one_outline(found.lots[number]) for number in held}
    sites = []
    for number, stalls in held.items():
        outline = outlines[number]
        site = _site(found.lots[number], outline, stalls, found.attribution, defaults)
        if wrong := _unknown_words(site):
            found.refusals.append(Refusal(None, found.lots[number].reference, f"{wrong} It is left out."))
            continue
        site.code = _unused(_code(found.lots[number], defaults if len(held) == 1 else ImportDefaults()), used)
        site.name = site.name or f"Lot {site.code}"
        site.entrances = _nearby(found.entrances, outline)
        site.ways = _nearby(found.ways, outline)
        site.neighbours = [_centre(other) for key, other in outlines.items() if key != number]
        site.area_marks = _marks(found.areas, stalls)
        sites.append(site)
    return sites


def _site(
    lot: Feature, outline: Polygon, stalls: list[Feature], attribution: str, defaults: ImportDefaults
) -> Site:
    tags = lot.tags
    street = f"{tags.get('addr:street', '')} {tags.get('addr:housenumber', '')}".strip()
    return Site(
        code="",
        name=text_of(tags.get("lotline:name") or tags.get("name") or tags.get("ref") or street, 120),
        address=text_of(tags.get("lotline:address") or street),
        time_zone=tags.get("lotline:time_zone", defaults.time_zone),
        currency=tags.get("lotline:currency", defaults.currency).upper(),
        attribution=attribution,
        outline=outline,
        stalls=stalls,
    )


def _unknown_words(site: Site) -> str:
    """What is wrong with the lot's time zone and currency, in sentences; "" where both are known."""
    wrong = []
    if not is_time_zone(site.time_zone):
        wrong.append(f"Its time zone {text_of(site.time_zone, 40)} is not known.")
    if not is_currency(site.currency):
        wrong.append(f"Its currency {text_of(site.currency, 40)} is not known.")
    return " ".join(wrong)


def _code(lot: Feature, defaults: ImportDefaults) -> str:
    words = (
        lot.tags.get("lotline:code"),
        defaults.lot_code,
        lot.tags.get("lotline:name"),
        lot.tags.get("name"),
    )
    codes = (code_from(word) for word in (*words, lot.reference, "lot") if word)
    return next(code for code in codes if code)


def _unused(code: str, used: set[str]) -> str:
    candidate, number = code, 1
    while candidate in used:
        number += 1
        candidate = f"{code}-{number}"
    used.add(candidate)
    return candidate


def _one_outline(lot: Feature) -> Polygon:
    """The lot's outer ring; around several parts a common one, since a map has one floor."""
    shape = lot.shape
    if not isinstance(shape, Polygon):
        shape = shapely.concave_hull(shape, ratio=0.3)
    return Polygon(shape.exterior)


def _centre(outline: Polygon) -> Point:
    return outline.centroid.x, outline.centroid.y


def _nearby(features: Sequence[Feature], outline: Polygon) -> list[Feature]:
    """Those whose box comes within NEARBY_M of the outline's box."""
    east_m, north_m = metres_per_degree(outline.centroid.y)
    dx, dy = NEARBY_M / east_m, NEARBY_M / north_m
    west, south, east, north = outline.bounds
    box = shapely.box(west - dx, south - dy, east + dx, north + dy)
    return [feature for feature in features if feature.shape.intersects(box)]


def _marks(areas: Sequence[Feature], stalls: Sequence[Feature]) -> dict[int, Feature]:
    """The marked area around each stall's centre, the smallest if there are several."""
    marks: dict[int, Feature] = {}
    smallest: dict[int, float] = defaultdict(lambda: math.inf)
    tree = STRtree([stall.shape.centroid for stall in stalls])
    for area in areas:
        for index in tree.query(area.shape, predicate="contains").tolist():
            number = stalls[index].number
            if area.shape.area < smallest[number]:
                smallest[number] = area.shape.area
                marks[number] = area
    return marks
