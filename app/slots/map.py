"""The lot map: all markup is built once per layout version, and a page only puts the states in."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from jinja2 import Environment
from markupsafe import Markup, escape
from shapely.geometry import Polygon

from app.core.languages import say, say_in
from app.slots import map_geometry as geometry

STATES = ("free", "reserved", "occupied", "closed")  # by public code: what data-state says
PREMIUM_SIGN = "premium"
BLOCK_SLOTS = 48  # tiles that the page hides together while they are out of view

_GLYPH_M = 0.07  # metres per unit of a glyph's box of 24
_HOLE = re.compile("\x00([^\x00]*)\x00")


@dataclass(frozen=True)
class MapSlot:
    """A slot as the map needs it; ``outline`` in lot-local metres, None for a slot that nobody has drawn."""

    position: int
    name: str
    identifier: str
    area_code: str
    outline: geometry.Ring | None = None
    premium: bool = False
    accessible: bool = False
    charging: bool = False


@dataclass(frozen=True)
class MapArea:
    """An area and where its sign stands (m); without a place the map looks for one in the nearest aisle."""

    code: str
    name: str
    premium: bool = False
    sign_x: float | None = None
    sign_y: float | None = None
    sign_upright: bool = False
    level: int = 0


@dataclass(frozen=True)
class MapLot:
    """A lot as the map needs it; ``gate_heading_deg`` is the way in, 0 to the right, 90 down the page."""

    code: str
    name: str
    outline: geometry.Ring | None
    gate_x: float | None
    gate_y: float | None
    gate_heading_deg: float | None
    gate_name: str
    map_angle_deg: float
    attribution: str
    layout_version: int
    areas: Sequence[MapArea]
    slots: Sequence[MapSlot]


@dataclass(frozen=True)
class Sign:
    """A sign on the map: ``code`` is what ``free_by_sign`` and the id of its count are called after."""

    code: str
    name: str
    x: float
    y: float
    stacked: bool
    premium: bool
    level: int


@dataclass(frozen=True)
class Glyph:
    """An attribute's drawing in the middle of a tile, and where its small copy goes on a reserved one."""

    name: str
    transform: str
    corner: str


class LotMap:
    """One lot, one layout version. Building takes about 0.2 ms a slot; ``render`` joins prebuilt pieces."""

    def __init__(self, lot: MapLot, environment: Environment) -> None:
        escapes = environment.autoescape
        if not (escapes("slots/_tile.html") if callable(escapes) else escapes):
            raise ValueError("the map's markup is only safe from an environment that escapes")
        lot = _without_marker(lot)
        self.layout_version = lot.layout_version
        level_of = {area.code: area.level for area in lot.areas}
        slots = sorted(lot.slots, key=lambda slot: (level_of.get(slot.area_code, 0), slot.position))
        if len({slot.position for slot in slots}) != len(slots):
            raise ValueError("two slots have the same position")
        stalls, places = _stalls(lot, slots)
        tiles = [geometry.tile(stall) for stall in stalls]
        levels = [level_of.get(slot.area_code, 0) for slot in slots]
        self._level_of = {slot.position: level for slot, level in zip(slots, levels, strict=True)}
        self.levels = sorted(set(levels), reverse=True)
        self._storeys = []
        for level in self.levels:
            here = slice(levels.index(level), levels.index(level) + levels.count(level))
            pieces = _tile_pieces(environment, slots[here], tiles[here])
            self._storeys.append((level, [slot.position for slot in slots[here]], pieces))
        mark = environment.get_template("slots/_mark.html")
        self._marks = {
            slot.position: (mark, {"slot": slot, "tile": tile})
            for slot, tile in zip(slots, tiles, strict=True)
        }
        self._frame = _frame(environment, lot, slots, stalls, places, self.levels)

    def render(
        self,
        states: bytes | Sequence[int],
        free_by_sign: Mapping[str, int],
        select_url: str,
        mine: Collection[int] = (),
        *,
        pick: str = "free",
        level: int | None = None,
        free_by_level: Mapping[int, int] | None = None,
    ) -> Markup:
        """The map with these states.

        ``states`` holds a public code (0 to 3) per position; ``free_by_sign`` the free slots by area code,
        and by ``premium``. ``select_url`` has ``{slot}`` where the slot's name goes; if it is empty the page
        itself acts on ``lotline:select``. ``pick`` is what a coarse touch takes: the nearest ``free`` slot
        (a driver) or ``any`` (an attendant). ``level`` is the storey to be shown, if the lot has it. Raises
        ValueError for states that are too few or unknown.
        """
        shown = self._shown(level, mine)
        holes = {
            "select_url": escape(select_url),
            "pick": escape(pick),
            "level": str(shown),
            "tiles": self._filled(states, shown),
            "mine": "".join(self._mark(position, shown) for position in mine if position in self._marks),
        }
        for each in self.levels:
            holes[f"level:{each}"] = "" if each == shown else " hidden"
            holes[f"current:{each}"] = ' aria-current="true"' if each == shown else ""
            holes[f"free:{each}"] = str((free_by_level or {}).get(each, 0))
        pieces = [
            text if index % 2 == 0 else holes[text] if text in holes else str(free_by_sign.get(text[5:], 0))
            for index, text in enumerate(self._frame)
        ]
        return Markup("".join(pieces))  # noqa: S704 - every piece came escaped out of a template

    def _shown(self, level: int | None, mine: Collection[int]) -> int:
        """The wanted storey, else that of one's own slot, else the one at the street."""
        if level is not None and level in self.levels:
            return level
        own = next((self._level_of[position] for position in mine if position in self._level_of), None)
        return min(self.levels, key=abs, default=0) if own is None else own

    def _filled(self, states: bytes | Sequence[int], shown: int) -> str:
        drawn = []
        try:
            if any(code < 0 for code in states):
                raise ValueError("a state is below 0")
            for level, positions, tiles in self._storeys:
                pieces = tiles.copy()
                pieces[1::2] = [STATES[states[position]] for position in positions]
                hidden = "" if level == shown else " hidden"
                drawn += [f'<g class="map-slots" data-level="{level}"{hidden}>', *pieces, "</g>"]
        except IndexError as error:
            raise ValueError("a slot has no state, or one that is not public") from error
        return "".join(drawn)

    def _mark(self, position: int, shown: int) -> str:
        template, context = self._marks[position]
        level = self._level_of[position]
        return template.render(context, level=level, hidden=level != shown)


def _stalls(lot: MapLot, slots: Sequence[MapSlot]) -> tuple[list[Polygon], dict[str, tuple[float, float]]]:
    """A polygon per slot, and the place of the sign of every area that was laid out as a grid."""
    drawn = {slot.position: geometry.polygon(slot.outline) for slot in slots}
    known = [shape for shape in drawn.values() if shape is not None]
    bare: dict[str, list[int]] = {}
    for slot in slots:
        if drawn[slot.position] is None:
            bare.setdefault(slot.area_code, []).append(slot.position)
    floor = geometry.polygon(lot.outline)
    around = [*known, floor] if floor is not None else known
    left = min((shape.bounds[0] for shape in around), default=0.0)
    top = max((shape.bounds[3] for shape in around), default=0.0)
    rows, signs = geometry.grid([len(positions) for positions in bare.values()], left, top)
    for positions, shapes in zip(bare.values(), rows, strict=True):
        drawn.update(zip(positions, shapes, strict=True))
    stalls = [shape for slot in slots if (shape := drawn[slot.position]) is not None]
    return stalls, dict(zip(bare, signs, strict=True))


def _tile_pieces(
    environment: Environment, slots: Sequence[MapSlot], tiles: Sequence[geometry.Tile]
) -> list[str]:
    """Markup of a storey's tiles, split where states go: text, state, …, text. Neighbours are a block."""
    template = environment.get_template("slots/_tile.html")
    pieces = ['<g class="block">']
    area, first = (slots[0].area_code, 0) if slots else ("", 0)
    for index, (slot, tile) in enumerate(zip(slots, tiles, strict=True)):
        if slot.area_code != area or index - first >= BLOCK_SLOTS:
            pieces[-1] += '</g><g class="block">'
            area, first = slot.area_code, index
        has = [word for word in ("premium", "accessible", "charging") if getattr(slot, word)]
        text = template.render(
            slot=slot,
            tile=tile,
            has=has,
            glyph=_glyph(slot, tile),
            state="\x00",
            number=geometry.number,
        )
        before, after = text.split("\x00")
        pieces[-1] += before
        pieces += ["", after]
    pieces[-1] += "</g>"
    return pieces


def _without_marker(lot: MapLot) -> MapLot:
    """The lot without the character that marks the holes; no text of it may pass for one."""

    def clean(text: str) -> str:
        return text.replace("\x00", "")

    return replace(
        lot,
        name=clean(lot.name),
        gate_name=clean(lot.gate_name),
        attribution=clean(lot.attribution),
        areas=[replace(area, code=clean(area.code), name=clean(area.name)) for area in lot.areas],
        slots=[
            replace(slot, name=clean(slot.name), area_code=clean(slot.area_code))
            if "\x00" in slot.name + slot.area_code
            else slot
            for slot in lot.slots
        ],
    )


def _glyph(slot: MapSlot, tile: geometry.Tile) -> Glyph | None:
    """The one attribute that the tile shows; premium comes last, because the band below says it too."""
    name = (
        "accessible"
        if slot.accessible
        else "charging"
        if slot.charging
        else "premium"
        if slot.premium
        else ""
    )
    if not name:
        return None
    lean = math.radians(tile.lean_deg)
    right, up = tile.half_width * 0.42, -tile.half_height * 0.5
    dx = (right * math.cos(lean) - up * math.sin(lean)) / _GLYPH_M
    dy = (right * math.sin(lean) + up * math.cos(lean)) / _GLYPH_M
    place = (
        f"translate({geometry.number(tile.x)} {geometry.number(tile.y)})scale({_GLYPH_M})translate(-12 -12)"
    )
    corner = f"translate({geometry.number(12 + dx)} {geometry.number(12 + dy)})scale(.62)translate(-12 -12)"
    return Glyph(name, place, corner)


def _frame(
    environment: Environment,
    lot: MapLot,
    slots: Sequence[MapSlot],
    stalls: Sequence[Polygon],
    places: Mapping[str, tuple[float, float]],
    levels: Sequence[int],
) -> list[str]:
    """Everything around the tiles, as text, hole, text, hole, …, text."""
    template = environment.get_template("slots/_map.html")
    if not slots:
        return _HOLE.split(template.render(lot=lot, empty=True, hole=_hole))
    outline = geometry.polygon(lot.outline)
    bare = [stall for slot, stall in zip(slots, stalls, strict=True) if slot.area_code in places]
    floors = [] if outline is None else [outline]
    if outline is None or bare:
        floors.append(geometry.floor(stalls if outline is None else bare))
    level_of = {area.code: area.level for area in lot.areas}
    bands: list[tuple[int, str]] = []
    signs: list[Sign] = []
    for level in levels:
        here = [
            pair for pair in zip(slots, stalls, strict=True) if level_of.get(pair[0].area_code, 0) == level
        ]
        below = geometry.bands(
            [s for one, s in here if one.premium], [s for one, s in here if not one.premium]
        )
        bands += [(level, geometry.path(band.exterior.coords)) for band in below]
        aisles = geometry.Aisles(floors, [stall for _, stall in here])
        signs += _signs(lot, level, here, places, aisles, below)
    gate = None if lot.gate_x is None or lot.gate_y is None else (lot.gate_x, lot.gate_y)
    box = geometry.bounds([*floors, *stalls])
    return _HOLE.split(
        template.render(
            lot=lot,
            empty=False,
            box=_box(box),
            home=_box(geometry.home(stalls, gate)),
            scale=geometry.number(max(box[2] - box[0], box[3] - box[1]) / 700.0),
            floors=[geometry.path(floor.exterior.coords) for floor in floors],
            bands=bands,
            signs=signs,
            levels=levels,
            signed=signed,
            words=_words(),
            number=geometry.number,
            hole=_hole,
        )
    )


def _words() -> dict[str, str]:
    """What the script says of a slot: its state, what it has, and its area."""
    return {
        "free": say_in("a slot", "free"),
        "reserved": say_in("a slot", "reserved"),
        "occupied": say_in("a slot", "taken"),
        "closed": say_in("a slot", "closed"),
        "premium": say_in("a slot", "premium"),
        "accessible": say_in("a slot", "accessible"),
        "charging": say_in("a slot", "charging"),
        "area": say("area {area}", area="{area}"),
    }


def _box(bounds: geometry.Bounds) -> str:
    """Left, top, width and height, as a viewBox has them."""
    left, top, right, bottom = bounds
    return " ".join(geometry.number(value) for value in (left, top, right - left, bottom - top))


def _signs(
    lot: MapLot,
    level: int,
    here: Sequence[tuple[MapSlot, Polygon]],
    places: Mapping[str, tuple[float, float]],
    aisles: geometry.Aisles,
    bands: Sequence[Polygon],
) -> list[Sign]:
    """A storey's signs: one per area that has standard slots, and one for everything premium."""
    standard: dict[str, list[Polygon]] = {}
    for slot, stall in here:
        if not slot.premium:
            standard.setdefault(slot.area_code, []).append(stall)
    signs = []
    for area in sorted(lot.areas, key=lambda area: area.sign_x is None):
        if area.code not in standard:
            continue
        place = _given(area) or places.get(area.code)
        x, y = place or aisles.spot(standard[area.code])
        aisles.take(x, y)
        stacked = area.sign_upright if _given(area) else not places and aisles.runs_down(x, y)
        signs.append(Sign(area.code, area.name, x, y, stacked, premium=False, level=level))
    if bands:
        apart = [area for area in lot.areas if area.level == level and area.code not in standard]
        reserved = [given for area in apart if (given := _given(area))]
        x, y = reserved[0] if reserved else aisles.spot([max(bands, key=lambda band: band.area)])
        several = len({area.level for area in lot.areas}) > 1
        code = f"{PREMIUM_SIGN}{level}" if several else PREMIUM_SIGN
        signs.append(Sign(code, say("Premium"), x, y, aisles.runs_down(x, y), premium=True, level=level))
    return signs


def _given(area: MapArea) -> tuple[float, float] | None:
    return None if area.sign_x is None or area.sign_y is None else (area.sign_x, area.sign_y)


def signed(level: int) -> str:
    """A storey's number as people write it, with a real minus; 0 is at the street."""
    return f"−{-level}" if level < 0 else str(level)


def _hole(name: str) -> Markup:
    """Marks a place in the frame that ``render`` fills."""
    return Markup(f"\x00{name}\x00")  # noqa: S704 - names come from our own templates and from escaped codes
