"""Identifiers, and tokens that nobody can make up."""

import base64
import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import digest, new_id, new_secret, read_signed_id, short_code, sign_id

KEY = bytes(range(32))
identifiers = st.uuids().map(str)


@given(identifiers, st.binary(min_size=1, max_size=64))
def test_a_token_leads_to_what_it_was_made_of(identifier: str, key: bytes) -> None:
    token = sign_id(key, identifier)
    assert len(token) == 36
    assert read_signed_id(key, token) == identifier
    assert sign_id(key, identifier) == token


@given(identifiers, st.integers(0, 35), st.characters(codec="ascii"))
def test_no_other_letter_anywhere_passes(identifier: str, place: int, letter: str) -> None:
    token = sign_id(KEY, identifier)
    forged = token[:place] + letter + token[place + 1 :]
    assert read_signed_id(KEY, forged) == (identifier if forged == token else None)


@given(identifiers)
def test_the_other_base64_alphabet_does_not_spell_the_same_token(identifier: str) -> None:
    token = sign_id(KEY, identifier)
    other = token.replace("-", "+").replace("_", "/")
    assert read_signed_id(KEY, other) == (identifier if other == token else None)


@given(identifiers, st.integers(0, 26 * 8))
def test_no_flipped_bit_passes(identifier: str, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sign_id(KEY, identifier)))
    raw[bit // 8] ^= 1 << (bit % 8)
    assert read_signed_id(KEY, base64.urlsafe_b64encode(raw).decode()) is None


@given(st.text(max_size=50) | st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_was_never_given_out_leads_nowhere(token: str) -> None:
    assert read_signed_id(KEY, token) is None


@given(identifiers)
def test_every_installation_has_its_own_tokens(identifier: str) -> None:
    assert read_signed_id(b"another key", sign_id(KEY, identifier)) is None


def test_a_token_of_another_length_leads_nowhere() -> None:
    token = sign_id(KEY, new_id())
    for wrong in (
        "",
        token[:-1],
        token[:-4],
        token + "AAAA",
        token + "=",
        " " + token,
        token + "\n",
        token * 2,
    ):
        assert read_signed_id(KEY, wrong) is None


def test_identifiers_are_of_version_7_and_sort_by_their_making() -> None:
    made = [new_id() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    for one in made:
        found = uuid.UUID(one)
        assert (found.version, found.variant) == (7, uuid.RFC_4122)
    stamps = [uuid.UUID(one).int >> 80 for one in made]
    assert stamps == sorted(stamps)
    assert abs(stamps[-1] - time.time_ns() // 1_000_000) < 60_000


def test_secrets_differ_and_only_their_digest_is_stored() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        assert len(digest(secret)) == 64
        assert secret not in digest(secret)


@given(identifiers)
def test_a_short_code_can_be_read_out_and_holds_nothing_that_is_mistaken(identifier: str) -> None:
    code = short_code(KEY, identifier)
    assert len(code) == 9
    assert code[4] == " "
    assert not set(code) & set("01ILOU")
    assert code == short_code(KEY, identifier) != short_code(b"other", identifier)
