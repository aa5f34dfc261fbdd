"""Who claims a slot: a number plate, a badge. What it is is not defined; how two compare is."""

import unicodedata

MAX_CHARACTERS = 120


def as_given(text: str) -> str:
    """The form that is kept for showing: trimmed, nothing else."""
    return text.strip()


def as_compared(text: str, *, plate: bool) -> str:
    """The form in which two entities are the same or not.

    Trimmed and NFKC; a plate also in upper case, without spaces and hyphens.
    """
    normal = unicodedata.normalize("NFKC", text.strip()).strip()
    if not plate:
        return normal
    bare = "".join(letter for letter in normal.upper() if not letter.isspace() and letter not in "-‐‑–—")
    # What stood apart, or was a small letter, may now be written as one letter.
    return unicodedata.normalize("NFKC", bare)


def what_is_wrong(text: str) -> str | None:
    """Why this can't be an entity, or ``None``."""
    given = as_given(text)
    if not given:
        return "is missing"
    if len(given) > MAX_CHARACTERS:
        return f"has more than {MAX_CHARACTERS} characters"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in given):
        return "has a character that can't be shown"
    if not as_compared(given, plate=True):
        return "has neither a letter nor a digit"
    # NFKC and upper case write some letters as several: what is stored must fit as well.
    if max(len(as_compared(given, plate=plate)) for plate in (False, True)) > MAX_CHARACTERS:
        return f"has more than {MAX_CHARACTERS} characters when its letters are written out"
    return None
