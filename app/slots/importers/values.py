"""Single values as files spell them: text, yes and no, sizes, numbers, codes."""

import functools
import math
import re
import unicodedata
import zoneinfo

from babel.numbers import list_currencies

from app.slots.importers.plan import SIZES

_YES = frozenset({"true", "yes", "y", "1", "x", "on", "designated"})
_NO = frozenset({"", "false", "no", "n", "0", "off", "none"})
_OTHER_SIZES = {
    "motorbike": "motorcycle",
    "moto": "motorcycle",
    "small": "compact",
    "standard": "car",
    "normal": "car",
    "regular": "car",
    "hgv": "truck",
    "lorry": "truck",
    "goods": "truck",
    "coach": "bus",
    "caravan": "large",
    "motorhome": "large",
}
# ISO 4217 has them for "no currency" and for tests.
_NO_MONEY = frozenset({"XXX", "XTS"})
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def text_of(value: object, limit: int = 200) -> str:
    """One line of storable text: control characters and lone surrogates become a space, cut at ``limit``."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    return _NOT_TEXT.sub(" ", str(value)).strip()[:limit].rstrip()


def flag_of(text: str) -> bool | None:
    """True, False, or None for a word that is neither."""
    word = text.strip().lower()
    return True if word in _YES else False if word in _NO else None


def size_of(text: str) -> str | None:
    """One of SIZES ("" is the default, car), or None for a word that is no size."""
    word = text.strip().lower()
    if not word:
        return SIZES[0]
    return word if word in SIZES else _OTHER_SIZES.get(word)


def number_of(text: str, low: float, high: float) -> float | None:
    """A finite number in [low, high], a comma read as a decimal point; None for anything else."""
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and low <= number <= high else None


def is_time_zone(name: str) -> bool:
    """True for a name of the IANA time zone database, in its own spelling."""
    return name in _time_zones()


def is_currency(code: str) -> bool:
    """True for a currency's ISO 4217 code in capitals, also for one that is no longer used."""
    return code in _currencies()


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@functools.cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies()) - _NO_MONEY


def code_from(text: str) -> str:
    """A short code for addresses: "Herrick West" becomes "herrick-west"; "" if nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-")


def in_natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts B9 before B10."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", name)
    return tuple((int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts)


def letters(number: int) -> str:
    """The code of area 0, 1, …: A to Z without I and O, which look like digits, then AA, AB, …"""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    head, tail = divmod(number, len(alphabet))
    return (letters(head - 1) if head else "") + alphabet[tail]
