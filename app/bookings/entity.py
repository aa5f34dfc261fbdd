"""Who claims a slot: a number plate, a badge. What it is is not defined; how two compare is."""

import unicodedata

from app.core.languages import sentence

MAX_CHARACTERS = 120
# Control, format (among them those that turn the writing's direction), surrogate, private, not assigned.
_UNFIT = ("Cc", "Cf", "Cs", "Co", "Cn")
_HYPHENS = "-‐‑‒–—−"
# What is drawn as nothing though it is no format character: joiners, fillers, selectors of a letter's form.
_INVISIBLE = {0x034F, 0x115F, 0x1160, 0x3164, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}


def as_given(text: str) -> str:
    """The form that is kept for showing: trimmed, nothing else."""
    return text.strip()


def as_compared(text: str, *, plate: bool) -> str:
    """The form in which two entities are the same or not.

    Trimmed and NFKC; a plate also in upper case, without spaces and hyphens.
    """
    seen = "".join(letter for letter in text if ord(letter) not in _INVISIBLE)
    normal = unicodedata.normalize("NFKC", seen.strip()).strip()
    if not plate:
        return normal
    bare = "".join(letter for letter in normal.upper() if not letter.isspace() and letter not in _HYPHENS)
    # What stood apart, or was a small letter, may now be written as one letter.
    return unicodedata.normalize("NFKC", bare)


def what_is_wrong(text: str) -> str | None:
    """Why this can't be an entity, or ``None``."""
    given = as_given(text)
    if not given:
        return sentence("is missing")
    if len(given) > MAX_CHARACTERS:
        return sentence("has more than {most} characters", most=MAX_CHARACTERS)
    if any(unicodedata.category(letter) in _UNFIT for letter in given):
        return sentence("has a character that can't be shown")
    if not any(letter.isalnum() for letter in given):
        return sentence("has neither a letter nor a digit")
    # NFKC and upper case write some letters as several: what is stored must fit as well.
    if max(len(as_compared(given, plate=plate)) for plate in (False, True)) > MAX_CHARACTERS:
        return sentence(
            "has more than {most} characters when its letters are written out", most=MAX_CHARACTERS
        )
    return None
