"""CSV from a spreadsheet: every separator, every spelling, every wrong field named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.slots.importers import ImportDefaults, ImportRefused, plan_csv, plan_import
from app.slots.importers import csv as csv_importer

DEFAULTS = ImportDefaults("Europe/Berlin", "EUR")


def reasons(text: str) -> dict[int | None, str]:
    return {refusal.row: refusal.reason for refusal in plan_csv(text.encode(), DEFAULTS).refusals}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_line_ends_and_a_byte_order_mark_make_no_difference(
    separator: str, start: str, end: str
) -> None:
    rows = [["Identier", "Location", "SIZE", "premium", "lot"], ["n-1", "Hall 1", "van", "Yes", "North"]]
    text = start + end.join(separator.join(row) for row in rows)
    plan = plan_csv(text.encode(), DEFAULTS)
    assert plan.refusals == ()
    (lot,) = plan.lots
    (slot,) = lot.slots
    assert (lot.code, lot.name, lot.time_zone, lot.currency) == ("north", "North", "Europe/Berlin", "EUR")
    assert (slot.identifier, slot.location, slot.size, slot.premium) == ("n-1", "Hall 1", "van", True)


@pytest.mark.parametrize(
    "title", ["identifier", "Identifier", "Identier", "slotIdentifer", "Slot Identifier", "SLOT"]
)
def test_the_identifier_is_found_under_every_spelling(title: str) -> None:
    assert plan_csv(f"{title}\ns1\n".encode(), DEFAULTS).lots[0].slots[0].identifier == "s1"


def test_utf_16_as_spreadsheets_save_it_is_read() -> None:
    assert plan_csv("identifier\tname\nö1\tÖ 1\n".encode("utf-16"), DEFAULTS).lots[0].slots[0].name == "Ö 1"


def test_rows_go_to_their_lots_and_areas_in_the_order_of_the_file() -> None:
    plan = plan_csv(
        b"identifier,lot,area,premium\nnorth-2,North,B,1\nsouth-1,South,A,0\nnorth-1,North,A,1\nnorth-3,North,A,0\n",
        DEFAULTS,
    )
    north, south = plan.lots
    assert [(slot.identifier, slot.name, slot.rank) for slot in north.slots] == [
        ("north-2", "2", 0),
        ("north-1", "1", 1),
        ("north-3", "3", 2),
    ]
    assert [(area.code, area.premium, area.sign_x) for area in north.areas] == [
        ("B", True, None),
        ("A", False, None),
    ]
    assert [slot.identifier for slot in south.slots] == ["south-1"]
    assert north.gate_x is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ('"40.01, -83.02"', (40.01, -83.02)),
        ('"{""type"":""Point"",""coordinates"":[-83.02,40.01]}"', (40.01, -83.02)),
        ("Row 3", (None, None)),
        ('"95, 10"', (None, None)),
        ('"{""type"":"', (None, None)),
    ],
)
def test_a_location_may_be_a_point(location: str, expected: tuple[float | None, float | None]) -> None:
    slot = plan_csv(f"identifier,location\ns1,{location}\n".encode(), DEFAULTS).lots[0].slots[0]
    assert (slot.latitude, slot.longitude) == expected


def test_every_wrong_field_of_a_row_is_named() -> None:
    text = "identifier,size,premium,area,latitude,longitude,name\n,plane,maybe,!,91,,\nok,,,,,,\n"
    assert reasons(text) == {
        2: "identifier: it is missing; "
        'size: "plane" is not car, motorcycle, compact, large, van, bus or truck; '
        'area: "!" is not a code of at most 32 letters and digits; '
        'premium: "maybe" is not yes or no; '
        'latitude: "91" is not a number from -90 to 90; '
        "longitude: it is missing."
    }


def test_duplicates_are_refused_with_their_row() -> None:
    text = "identifier,lot,name\ns1,n,1\ns1,n,2\n\ns2,n,1\ns3,m,1\n"
    assert reasons(text) == {
        3: "identifier: s1 stands in an earlier row.",
        5: "name: 1 is already used in lot n.",
    }


def test_a_refused_row_leaves_no_trace() -> None:
    plan = plan_csv(b"identifier,lot,size\ns1,ghost,plane\ns1,real,car\n", DEFAULTS)
    assert [(lot.code, len(lot.slots)) for lot in plan.lots] == [("real", 1)]


def test_rows_without_a_lot_fill_the_home_lot_and_then_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_importer, "CONTINUED_LOT_SLOTS", 2)
    data = "identifier\n" + "".join(f"s{n}\n" for n in range(5))
    counts = [(lot.code, len(lot.slots)) for lot in plan_csv(data.encode(), DEFAULTS).lots]
    assert counts == [("main", 2), ("main-2", 2), ("main-3", 1)]
    assert plan_csv(b"identifier\ns\n", ImportDefaults(lot_code="Yard")).lots[0].code == "yard"


def test_a_lot_that_is_too_large_refuses_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_importer, "MAX_LOT_SLOTS", 2)
    text = "identifier,lot\n" + "".join(f"s{n},n\n" for n in range(3))
    assert reasons(text) == {4: "lot: n already has 2 slots."}


def test_a_row_that_cannot_be_read_is_refused_and_the_next_is_read() -> None:
    plan = plan_csv(b"identifier,name\ns1,\x00\n" + b"s2," + b"x" * 200_000 + b"\ns3,ok\n", DEFAULTS)
    assert [refusal.row for refusal in plan.refusals] == [2, 3]
    assert [slot.identifier for lot in plan.lots for slot in lot.slots] == ["s3"]


def test_unknown_columns_are_noted() -> None:
    plan = plan_csv(b"identifier,colour,owner\ns1,red,me\n", DEFAULTS)
    assert plan.notes == (
        "Columns left out because they are not known: colour, owner. Known are: identifier, location, size, "
        "premium, lot, area, name, accessible, charging, latitude, longitude.",
    )


def test_a_wrong_header_is_told_which_columns_are_known() -> None:
    with pytest.raises(ImportRefused, match=r"no column named identifier\. Known are: identifier, location"):
        plan_csv(b"identifer x,size\ns1,car\n", DEFAULTS)


def test_a_header_without_rows_is_refused() -> None:
    with pytest.raises(ImportRefused, match="no rows below it"):
        plan_csv(b"identifier,size\n", DEFAULTS)


@pytest.mark.parametrize("time_zone", ["Mars/Base", "europe/berlin", "", "../etc/passwd"])
def test_a_time_zone_that_is_none_is_refused_before_the_file_is_read(time_zone: str) -> None:
    with pytest.raises(ImportRefused, match="time zone"):
        plan_import("a.csv", b"identifier\ns1\n", ImportDefaults(time_zone, "EUR"))


@pytest.mark.parametrize("currency", ["XXXX", "XYZ", "XXX", "XTS", "", "€"])
def test_a_currency_that_is_none_is_refused_before_the_file_is_read(currency: str) -> None:
    with pytest.raises(ImportRefused, match="currency"):
        plan_import("a.csv", b"identifier\ns1\n", ImportDefaults("UTC", currency))


def test_a_currency_may_be_typed_in_small_letters() -> None:
    assert plan_import("a.csv", b"identifier\ns1\n", ImportDefaults("UTC", "usd")).lots[0].currency == "USD"


@pytest.mark.parametrize(
    "data", [b"", b"  \n", b"\n\n", b"name,size\nA,car\n", b"id,identifier\n1,2\n", b"identifier\n\xe4\n"]
)
def test_a_file_without_usable_header_is_refused_as_a_whole(data: bytes) -> None:
    with pytest.raises(ImportRefused):
        plan_import("slots.csv", data, DEFAULTS)


def test_too_many_rows_or_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_importer, "MAX_ROWS", 2)
    assert len(plan_csv(b"identifier\na\nb\n", DEFAULTS).lots[0].slots) == 2
    with pytest.raises(ImportRefused, match="more than 2 rows"):
        plan_csv(b"identifier\na\nb\nc\n", DEFAULTS)
    monkeypatch.setattr("app.slots.importers.plan.MAX_BYTES", 5)
    with pytest.raises(ImportRefused, match="MiB"):
        plan_csv(b"identifier\n", DEFAULTS)


def test_progress_is_reported_and_ends_at_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_importer, "PROGRESS_EVERY", 10)
    seen: list[tuple[int, int]] = []
    data = "identifier\n" + "".join(f"s{n}\n" for n in range(35))
    plan_csv(data.encode(), DEFAULTS, lambda done, total: seen.append((done, total)))
    assert seen == [(10, 36), (20, 36), (30, 36), (36, 36)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=7), min_size=1, max_size=6))
def test_odd_cells_are_refused_by_row_never_a_crash(rows: list[list[str]]) -> None:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    head = "identifier,name,lot,area,size,premium,location"
    data = "\n".join([head, *lines]).encode("utf-8", "replace")
    plan = plan_csv(data, DEFAULTS)
    kept = sum(len(lot.slots) for lot in plan.lots)
    assert kept + len(plan.refusals) <= len(data.splitlines())
    assert all(refusal.row and refusal.reason.endswith(".") for refusal in plan.refusals)


def test_a_location_far_too_long_for_a_point_is_words() -> None:
    location = "1" + " " * 60_000 + "x"
    slot = plan_csv(f"identifier,location\ns1,{location}\n".encode(), DEFAULTS).lots[0].slots[0]
    assert slot.latitude is None
