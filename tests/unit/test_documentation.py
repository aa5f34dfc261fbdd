"""What the documentation lists is what there is."""

import dataclasses
import re
from pathlib import Path

from app.core.metrics import REGISTRY
from app.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_metric_is_explained() -> None:
    text = (DOCS / "metrics.md").read_text()
    for family in REGISTRY.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in text


def test_every_variable_of_the_settings_is_explained() -> None:
    text = (DOCS / "running.md").read_text()
    names = Settings.from_environment({}).as_environment()
    assert len(names) == len(dataclasses.fields(Settings))
    for name in names:
        assert f"| `{name}` |" in text


def test_every_script_of_redis_is_explained() -> None:
    text = (DOCS / "redis-keys.md").read_text()
    for path in (ROOT / "app" / "slots" / "lua").glob("*.lua"):
        assert f"`{path.stem}`" in text


def test_every_page_and_heading_of_the_documentation_that_is_linked_exists() -> None:
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for part in page.read_text().split("](")[1:]:
            target, _, heading = part.split(")")[0].partition("#")
            if target.startswith("http"):
                continue
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page.name} links {target}"
            assert not heading or heading in _headings(linked), f"{page.name} links {target}#{heading}"


def _headings(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    lines = [line.lstrip("#").strip() for line in page.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in lines}
