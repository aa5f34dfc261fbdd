"""Where one is led after signing in: to a page of this site, whatever the address says."""

import pytest

from app.accounts.routes import _own

ELSEWHERE = [
    "//evil.test",
    "/\\evil.test",
    "http://evil.test",
    "javascript:alert(1)",
    "evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\t/[",
    "\t//evil.test",
    "///evil.test",
    "/\t\\evil.test",
    "https:evil.test",
    "",
]


@pytest.mark.parametrize("address", ELSEWHERE, ids=ascii)
def test_an_address_elsewhere_leads_nowhere(address: str) -> None:
    """As a browser reads it: tabs and line ends are dropped, a backslash is a slash."""
    read = "".join(letter for letter in _own(address) if letter not in "\t\r\n").replace("\\", "/")
    assert not read.startswith("//")
    assert not read or read.startswith("/")


@pytest.mark.parametrize("address", ["/attendant", "/attendant/lots/here?q=a%2Fb", "/", "/a//b", "/a:b"])
def test_an_address_of_this_site_is_kept(address: str) -> None:
    assert _own(address) == address


def test_no_address_leads_nowhere() -> None:
    assert _own(None) == ""
