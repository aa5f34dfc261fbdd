"""What the templates of signing in are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SignInNotice = Literal["", "signed-out", "link-expired", "session-ended"]


@dataclass(frozen=True, slots=True)
class SignInPage:
    """`accounts/sign_in.html`.

    `next_url` is a path of this site to go on to. `problem` concerns the form as a whole (wrong name or
    password, too many tries); the other two stand at their fields. The password never comes back.
    """

    next_url: str = ""
    name: str = ""
    name_error: str = ""
    password_error: str = ""
    problem: str = ""
    notice: SignInNotice = ""
