"""From longitude and latitude to a lot's page, in metres."""

import math
from dataclasses import dataclass, replace

from app.slots.importers.plan import Point, Ring

_EQUATOR_M = 6378137.0
_ECCENTRICITY_2 = 0.00669437999014
"""WGS 84: equatorial radius and squared first eccentricity (NIMA TR8350.2)."""


def metres_per_degree(latitude: float) -> Point:
    """How long one degree is there, of longitude and of latitude, on the WGS 84 ellipsoid."""
    sine = math.sin(math.radians(latitude))
    bend = 1 - _ECCENTRICITY_2 * sine * sine
    along_parallel = _EQUATOR_M / math.sqrt(bend) * math.cos(math.radians(latitude))
    along_meridian = _EQUATOR_M * (1 - _ECCENTRICITY_2) / bend**1.5
    return math.radians(along_parallel), math.radians(along_meridian)


@dataclass(frozen=True, slots=True)
class Frame:
    """A local equirectangular projection around a point, turned clockwise by ``angle_deg``, y down."""

    longitude: float
    latitude: float
    angle_deg: float = 0.0

    def turned(self, angle_deg: float) -> "Frame":
        """The same place with another angle."""
        return replace(self, angle_deg=angle_deg)

    def to_page(self, ring: Ring) -> Ring:
        """(longitude, latitude) points as page metres, rounded to the centimetre."""
        east_m, north_m = metres_per_degree(self.latitude)
        angle = math.radians(self.angle_deg)
        cosine, sine = math.cos(angle), math.sin(angle)
        page = []
        for longitude, latitude in ring:
            x, y = (longitude - self.longitude) * east_m, (self.latitude - latitude) * north_m
            page.append((round(x * cosine - y * sine, 2) + 0.0, round(x * sine + y * cosine, 2) + 0.0))
        return tuple(page)

    def heading_on_page(self, bearing_deg: float) -> float:
        """A compass bearing (0 north, 90 east) as a direction on the page (0 right, 90 down)."""
        return round((bearing_deg - 90.0 + self.angle_deg) % 360.0, 1) % 360.0
