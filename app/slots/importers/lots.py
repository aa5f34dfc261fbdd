"""Lays one lot out: turns it for the page, finds gate, rows and areas, names and ranks its slots."""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry
from shapely.strtree import STRtree

from app.slots.importers.areas import Area, areas_of, count_from, slots_in_order
from app.slots.importers.features import Feature
from app.slots.importers.gates import Entrance, Gate, find_gate
from app.slots.importers.plan import AreaPlan, LotPlan, Point, Refusal, Ring, SlotPlan
from app.slots.importers.projection import Frame
from app.slots.importers.rows import Stall, find_rows, page_angle, stall_from
from app.slots.importers.signs import place_sign
from app.slots.importers.values import flag_of, in_natural_order, letters, number_of, size_of, text_of


@dataclass(slots=True)
class Site:
    """One lot as the file has it, in degrees, with the words already settled."""

    code: str
    name: str
    address: str
    time_zone: str
    currency: str
    attribution: str
    outline: Polygon
    stalls: list[Feature]
    entrances: Sequence[Feature] = ()
    ways: Sequence[Feature] = ()
    neighbours: Sequence[Point] = ()
    area_marks: dict[int, Feature] = field(default_factory=dict)
    """The marked area that a stall lies in, by the stall's number in the file."""


@dataclass(frozen=True, slots=True)
class _NamedArea:
    area: Area
    code: str
    name: str
    level: int
    premium: bool


def lay_out(site: Site) -> tuple[LotPlan, list[Refusal]]:
    """The lot's plan, and the stalls whose own names clash."""
    frame = _frame(site)
    outline = frame.to_page(ring_of(site.outline))
    floor = _floor(outline)
    stalls = {f.number: stall_from(f.number, frame.to_page(ring_of(f.shape))) for f in site.stalls}
    gate = _gate(site, frame, floor, list(stalls.values()))
    named = _named_areas(site, stalls, (gate.x, gate.y))
    features = {feature.number: feature for feature in site.stalls}
    slots, refusals = _slots(site, named, features, gate)
    return _plan(site, frame, outline, gate, _area_plans(named, slots, floor), slots), refusals


def ring_of(shape: BaseGeometry) -> Ring:
    """A polygon's outer ring, open."""
    return tuple((x, y) for x, y, *_ in shape.exterior.coords[:-1])


def _floor(outline: Ring) -> Polygon:
    """The outline as a valid polygon; rounding to the centimetre can make a narrow neck touch itself."""
    floor = Polygon(outline)
    if floor.is_valid:
        return floor
    parts = getattr(floor.buffer(0), "geoms", [floor.buffer(0)])
    return max(parts, key=lambda part: part.area)


def _frame(site: Site) -> Frame:
    """The page around the outline's centroid, turned so that most rows run along x."""
    centre = site.outline.centroid
    upright = Frame(centre.x, centre.y)
    stalls = [stall_from(f.number, upright.to_page(ring_of(f.shape))) for f in site.stalls]
    return upright.turned(page_angle(stalls))


def _gate(site: Site, frame: Frame, floor: Polygon, stalls: Sequence[Stall]) -> Gate:
    entrances = [_entrance(feature, frame) for feature in site.entrances]
    ways = [type(f.shape)(frame.to_page(tuple(f.shape.coords))) for f in site.ways]
    centres = [(stall.x, stall.y) for stall in stalls]
    return find_gate(floor, centres, entrances, ways, frame.to_page(tuple(site.neighbours)))


def _entrance(feature: Feature, frame: Frame) -> Entrance:
    tags = feature.tags
    x, y = frame.to_page(((feature.shape.x, feature.shape.y),))[0]
    own = tags.get("lotline:gate", "")
    rank = 0 if own else 1 if tags.get("amenity") == "parking_entrance" else 2
    name = text_of(own if own and flag_of(own) is None else tags.get("name", ""), 60)
    bearing = number_of(tags.get("lotline:heading", ""), -360, 360)
    return Entrance(x, y, rank, name, None if bearing is None else frame.heading_on_page(bearing))


def _named_areas(site: Site, stalls: dict[int, Stall], gate: Point) -> list[_NamedArea]:
    """All areas from the gate on: those the file names keep their code, the others get the free letters."""
    groups: dict[tuple[int, str], list[Stall]] = defaultdict(list)
    for feature in site.stalls:
        groups[_level(feature), _given_area(site, feature)].append(stalls[feature.number])
    taken = {code for _, code in groups}
    free = (code for code in map(letters, itertools.count()) if code not in taken)
    named, used = [], set[str]()
    for (level, given), members in sorted(groups.items(), key=lambda item: item[0]):
        areas = count_from([_as_one(members)], gate) if given else areas_of(find_rows(members), gate)
        for area in areas:
            wishes = (given, f"{given}-{level}") if given else ()
            code = next((wish for wish in wishes if wish not in used), "") or next(free)
            used.add(code)
            mark = _mark_of(site, area) if given else None
            name = text_of(mark.tags.get("lotline:name", ""), 120) if mark else ""
            premium = mark is not None and is_premium(mark)
            named.append(_NamedArea(area, code, name or f"Area {code}", level, premium))
    return named


def _as_one(members: Sequence[Stall]) -> Area:
    """An area that the file itself marks: all its rows, whichever way they run."""
    rows = sorted(find_rows(members), key=lambda row: -len(row.stalls))
    longest = rows[0]
    along = [r for r in rows if abs(r.dx * longest.dx + r.dy * longest.dy) > 0.9]
    others = [r for r in rows if abs(r.dx * longest.dx + r.dy * longest.dy) <= 0.9]
    return Area([[row] for row in along], longest.dx, longest.dy, others)


def _mark_of(site: Site, area: Area) -> Feature | None:
    return site.area_marks.get(area.stalls[0].number)


def _given_area(site: Site, feature: Feature) -> str:
    mark = site.area_marks.get(feature.number)
    own = feature.tags.get("lotline:area") or (mark.tags.get("lotline:area", "") if mark else "")
    return text_of(own, 28)


def _level(feature: Feature) -> int:
    level = number_of(feature.tags.get("level", "").split(";")[0], -99, 999)
    return math.floor(level) if level is not None else 0


def is_premium(feature: Feature) -> bool:
    """The mark of a premium stall or area, ours or the plain word."""
    return bool(flag_of(feature.tags.get("lotline:premium", feature.tags.get("premium", ""))))


def _is_accessible(tags: dict[str, str]) -> bool:
    """OpenStreetMap's ways to say so: parking_space=disabled, wheelchair=designated, capacity:disabled."""
    if tags.get("parking_space") == "disabled" or "designated" in (
        tags.get("wheelchair"),
        tags.get("disabled"),
    ):
        return True
    return flag_of(tags.get("capacity:disabled", "")) is not False


def _is_charging(tags: dict[str, str]) -> bool:
    if tags.get("parking_space") == "charging" or flag_of(tags.get("amenity:charging", "")):
        return True
    return flag_of(tags.get("capacity:charging", tags.get("charging", ""))) is not False


def _size(tags: dict[str, str]) -> str:
    """The size the stall is marked for; access tags such as hgv=designated count as well."""
    marked = size_of(tags.get("lotline:size", "") or tags.get("parking_space", ""))
    if marked not in (None, "car"):
        return str(marked)
    for key, size in (("motorcycle", "motorcycle"), ("hgv", "truck"), ("bus", "bus"), ("tourist_bus", "bus")):
        if tags.get(key) == "designated":
            return size
    return "car"


def _slots(
    site: Site, named: Sequence[_NamedArea], features: dict[int, Feature], gate: Gate
) -> tuple[list[SlotPlan], list[Refusal]]:
    """All slots in the order of their names, ranked by the way from the gate."""
    refusals: list[Refusal] = []
    own_names = _own_names(site, refusals)
    taken = set(own_names.values())
    refused = {refusal.reference for refusal in refusals}
    slots, far = [], {}
    for entry in named:
        counter = itertools.count(1)
        for stall in slots_in_order(entry.area, (gate.x, gate.y)):
            feature = features[stall.number]
            if feature.reference in refused:
                continue
            name = own_names.get(stall.number) or next(
                name for name in (f"{entry.code}{n}" for n in counter) if name not in taken
            )
            far[name] = math.dist((gate.x, gate.y), (stall.x, stall.y))
            slots.append(_slot(site, entry, feature, stall, name))
    order = sorted(slots, key=lambda slot: (round(far[slot.name], 2), in_natural_order(slot.name)))
    ranks = {slot.name: rank for rank, slot in enumerate(order)}
    return [replace(slot, rank=ranks[slot.name]) for slot in slots], refusals


def _own_names(site: Site, refusals: list[Refusal]) -> dict[int, str]:
    """Names that the file gives. A second lotline:name is refused, a second OpenStreetMap ref forgotten."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for feature in site.stalls:
        ours = text_of(feature.tags.get("lotline:name", ""), 64)
        name = ours or text_of(feature.tags.get("ref", ""), 64)
        if name and name not in taken:
            names[feature.number] = name
            taken.add(name)
        elif ours:
            refusals.append(Refusal(None, feature.reference, f"The name {ours} is used twice in this lot."))
    return names


def _slot(site: Site, entry: _NamedArea, feature: Feature, stall: Stall, name: str) -> SlotPlan:
    centre = feature.shape.centroid
    return SlotPlan(
        identifier=f"{site.code}-{name}",
        name=name,
        area_code=entry.code,
        rank=0,
        size=_size(feature.tags),
        premium=entry.premium or is_premium(feature),
        accessible=_is_accessible(feature.tags),
        charging=_is_charging(feature.tags),
        latitude=round(centre.y, 7),
        longitude=round(centre.x, 7),
        outline=stall.ring,
    )


def _area_plans(
    named: Sequence[_NamedArea], slots: Sequence[SlotPlan], floor: Polygon
) -> tuple[AreaPlan, ...]:
    """The areas with their signs; one whose slots are all premium is premium itself."""
    plans = []
    kinds: dict[str, set[bool]] = defaultdict(set)
    for slot in slots:
        kinds[slot.area_code].add(slot.premium)
    for level in sorted({entry.level for entry in named}):
        here = [entry for entry in named if entry.level == level]
        stalls = [stall for entry in here for stall in entry.area.stalls]
        tree = STRtree([stall.polygon for stall in stalls])
        for entry in here:
            x, y = place_sign(entry.area, stalls, tree, floor)
            premium = kinds[entry.code] == {True}
            plans.append(AreaPlan(entry.code, entry.name, level, premium, x, y, entry.area.runs_down))
    return tuple(plans)


def _plan(
    site: Site,
    frame: Frame,
    outline: Ring,
    gate: Gate,
    areas: tuple[AreaPlan, ...],
    slots: Sequence[SlotPlan],
) -> LotPlan:
    return LotPlan(
        code=site.code,
        name=site.name,
        address=site.address,
        time_zone=site.time_zone,
        currency=site.currency,
        latitude=round(frame.latitude, 7),
        longitude=round(frame.longitude, 7),
        outline=outline,
        map_angle_deg=frame.angle_deg,
        gate_x=gate.x,
        gate_y=gate.y,
        gate_heading_deg=gate.heading_deg,
        gate_name=gate.name,
        attribution=site.attribution,
        areas=areas,
        slots=tuple(slots),
    )
