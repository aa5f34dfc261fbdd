"""Real lots to try the system with; where they come from stands in README.md."""

from importlib.resources import files


def demo_file() -> bytes:
    """The demo's GeoJSON, as an operator would upload it."""
    return files(__name__).joinpath("osu.geojson").read_bytes()
