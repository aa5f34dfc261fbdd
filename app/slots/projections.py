"""What the live feed shows of a lot's map: states for the tiles, and the counts beside it."""

from collections import Counter
from dataclasses import dataclass

from app.core.templating import token
from app.live.picture import Picture
from app.slots.layout import Layout
from app.slots.models import STATE_CODES, Size, State

FREE = STATE_CODES[State.FREE]


@dataclass(frozen=True)
class Counts:
    """A lot in figures. ``areas`` has the free slots that anyone may take, premium ones apart.

    ``levels`` has all free slots of a storey, ``premium_levels`` the premium ones by the code of their sign;
    both are empty where there is only one storey.
    """

    free: int
    reserved: int
    occupied: int
    closed: int
    premium: int
    accessible: int
    charging: int
    areas: dict[str, int]
    listed: dict[str, int]
    levels: dict[int, int]
    premium_levels: dict[str, int]

    @property
    def total(self) -> int:
        return self.free + self.reserved + self.occupied + self.closed

    @property
    def standard(self) -> int:
        """Free slots that anyone may take at the standard price."""
        return sum(self.areas.values())

    @property
    def states(self) -> dict[str, int]:
        """For the legend of states."""
        return {
            "free": self.free,
            "reserved": self.reserved,
            "occupied": self.occupied,
            "closed": self.closed,
        }

    @property
    def kinds(self) -> dict[str, int]:
        """For the legend of kinds: free slots with an attribute."""
        return {"premium": self.premium, "accessible": self.accessible, "charging": self.charging}

    @property
    def signs(self) -> dict[str, int]:
        """For the signs on the map."""
        return self.areas | {"premium": self.premium} | self.premium_levels


def count(picture: Picture) -> Counts:
    """Counts a picture's slots by state, and the free ones by area and kind; once for each change."""
    if "counts" not in picture.memo:
        picture.memo["counts"] = _count(picture)
    counts: Counts = picture.memo["counts"]
    return counts


def _count(picture: Picture) -> Counts:
    layout: Layout = picture.layout
    states = Counter(picture.shown)
    areas = {area.code: 0 for area in layout.areas}
    listed = dict(areas)
    kinds = Counter[str]()
    level_of = {area.code: area.level for area in layout.areas}
    levels = dict.fromkeys(level_of.values(), 0)
    premium_levels = {f"premium{level}": 0 for level in levels}
    for slot, code in zip(layout.slots, picture.states, strict=True):
        if code != FREE:
            continue
        listed[slot.area_code] += 1
        if slot.accessible:
            kinds["accessible"] += 1
        elif slot.charging:
            kinds["charging"] += 1
        elif slot.premium:
            kinds["premium"] += 1
            premium_levels[f"premium{level_of[slot.area_code]}"] += 1
        elif slot.size is Size.CAR:
            areas[slot.area_code] += 1
    for area_code, number in listed.items():
        levels[level_of[area_code]] += number
    return Counts(
        free=states[0],
        reserved=states[1],
        occupied=states[2],
        closed=states[3],
        premium=kinds["premium"],
        accessible=kinds["accessible"],
        charging=kinds["charging"],
        areas=areas,
        listed=listed,
        levels=levels if len(levels) > 1 else {},
        premium_levels=premium_levels if len(levels) > 1 else {},
    )


class MapProjection:
    """A lot's map with its counts, as drivers and attendants see it; it never names an entity."""

    name = "map"
    with_states = True

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        return ""

    def figures(self, picture: Picture) -> dict[str, int]:
        counts = count(picture)
        named = {"count": counts.states | counts.kinds, "sign": counts.signs, "list": counts.listed}
        found = {f"{place}-{token(name)}": n for place, all_of in named.items() for name, n in all_of.items()}
        return found | {f"level-{level}": n for level, n in counts.levels.items()}
