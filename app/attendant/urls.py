"""Where the parts of the desk are."""

from urllib.parse import quote


def lot_url(lot_code: str) -> str:
    """The desk of one lot; everything else of the desk lies below it."""
    return f"/attendant/lots/{quote(lot_code)}"


def slot_url(lot_code: str, slot_name: str) -> str:
    """A slot's panel: the fragment for a partial request, else the whole desk with that slot chosen."""
    return f"{lot_url(lot_code)}/slots/{quote(slot_name, safe='')}"
