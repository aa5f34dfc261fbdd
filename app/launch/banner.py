"""What stands in the terminal when everything is up."""

from collections.abc import Collection
from pathlib import Path

from app.launch.prepare import Prepared


def banner(
    base_url: str, prepared: Prepared, data_dir: Path, simulates: bool, away: Collection[str] = ()
) -> str:
    """The block of text that says where everything is; ``away`` are parts that do not answer."""
    rows = [("Driver", f"{base_url}/")]
    if prepared.sign_in_path:
        rows.append(("Attendant", f"{base_url}{prepared.sign_in_path}"))
        rows.append(("", "(signs in once; bin/lotline sign-in-link makes another link)"))
    if prepared.lot:
        rows.append(("Wall", f"{base_url}/display/{prepared.lot}"))
    rows += [("API", f"{base_url}/docs"), ("Data", str(data_dir))]
    lines = ["", "  Lotline is ready.", ""]
    lines += [f"  {name:<10}  {text}" for name, text in rows]
    lines.append("")
    if "redis" in away:
        lines.append("  Redis cannot be reached (REDIS_URL): bookings go by the database until it is back.")
    if simulates:
        lines.append("  Made-up drivers come and go, gently; bin/run --no-simulate leaves the lot alone.")
    lines += ["  Ctrl-C stops everything and keeps the data.", ""]
    return "\n".join(lines)
