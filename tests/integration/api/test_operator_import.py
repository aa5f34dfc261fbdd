"""An operator's imports: the dry run tells what the import then does, and nothing is made twice."""

import asyncio
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio
from httpx2 import AsyncClient, Response

from app.accounts.models import Role
from app.operator import import_runs
from app.operator.import_runs import Imports
from app.operator.uploads import MOST_BYTES, MOST_FILES, RUNNING, Upload, Uploads
from app.slots.demo import demo_file
from tests.integration.api.calls import RESERVE
from tests.integration.api.test_tariffs import sign_in, words_of

TABLE = (
    "lot,area,name,identifier,size,premium\n"
    "Quay,A,A1,quay-A1,car,no\n"
    "Quay,A,A2,quay-A2,car,yes\n"
    "Quay,B,B1,quay-B1,ship,no\n"
)
FIELDS = {"time_zone": "Europe/Berlin", "currency": "EUR", "lot": "", "plates": "1"}


@pytest_asyncio.fixture
async def operator(client: AsyncClient) -> AsyncClient:
    await sign_in(client, "Ines", Role.OPERATOR)
    client.headers["accept"] = "text/html"
    return client


async def send(operator: AsyncClient, data: str | bytes, name: str = "quay.csv", **fields: str) -> Response:
    raw = data.encode() if isinstance(data, str) else data
    return await operator.post(
        "/operator/import", data=FIELDS | fields, files={"file": (name, io.BytesIO(raw), "text/plain")}
    )


async def tried(operator: AsyncClient, data: str | bytes, name: str = "quay.csv", **fields: str) -> str:
    """The address of a dry run."""
    sent = await send(operator, data, name, **fields)
    assert sent.status_code == 303, words_of(sent)
    return str(sent.headers["location"])


async def imported(operator: AsyncClient, url: str) -> str:
    """Begins the import and returns the words of its end."""
    assert (await operator.post(url, data={"act": "import"})).status_code == 303
    for _ in range(600):
        shown = await operator.get(url)
        if "hx-trigger" not in shown.text:
            return words_of(shown)
        await asyncio.sleep(0.05)
    raise AssertionError("the import does not end")


def figures(text: str) -> list[int]:
    """Made, changed, left alone, refused."""
    found = re.search(
        r"(?:to be )?made ([\d,]+) (?:to be )?changed ([\d,]+) left alone ([\d,]+) refused ([\d,]+)", text
    )
    assert found is not None, text
    return [int(one.replace(",", "")) for one in found.groups()]


async def slots(operator: AsyncClient, lot: str) -> dict[str, Any]:
    answer = await operator.get("/parking", params={"lot": lot, "limit": 1000})
    return {one["name"]: one for one in answer.json()["slotDetails"]}


async def test_a_dry_run_tells_and_writes_nothing_and_the_import_does_what_it_told(
    operator: AsyncClient,
) -> None:
    url = await tried(operator, TABLE)
    shown = words_of(await operator.get(url))
    assert figures(shown) == [2, 0, 0, 1]
    assert "row 4" in shown and "size: &#34;ship&#34; is not car" in shown and "Import 2 slots" in shown
    assert "No lot yet" in words_of(await operator.get("/operator"))
    assert figures(await imported(operator, url)) == [2, 0, 0, 1]
    assert list(await slots(operator, "quay")) == ["A1", "A2"]
    wish = {"entityIdentifier": "HH A 1", "lot": "quay"}
    assert (await operator.post(RESERVE, json=wish)).status_code == 200


async def test_the_same_file_again_makes_nothing_and_one_that_differs_changes_what_differs(
    operator: AsyncClient,
) -> None:
    await imported(operator, await tried(operator, TABLE))
    again = words_of(await operator.get(await tried(operator, TABLE)))
    assert figures(again) == [0, 0, 2, 1] and "There is nothing to import." in again
    wish = {"entityIdentifier": "HH A 1", "lot": "quay"}
    assert (await operator.post(RESERVE, json=wish)).status_code == 200
    other = TABLE.replace("A1,car,no", "A1,van,no").replace("A2,car,yes", "A2,car,no").replace("ship", "bus")
    url = await tried(operator, other)
    shown = words_of(await operator.get(url))
    assert figures(shown) == [1, 1, 0, 1], "one slot is taken, and keeps its size"
    assert "premium: yes → no" in shown
    assert "size: the slot is taken; this can change when it is free." in shown
    assert figures(await imported(operator, url)) == [1, 1, 0, 1]
    now = await slots(operator, "quay")
    assert (now["A1"]["size"], now["A2"]["premium"], now["B1"]["size"]) == ("car", False, "bus")


async def test_a_map_goes_into_a_lot_that_was_made_before_with_a_picture_of_it_first(
    operator: AsyncClient,
) -> None:
    new = {"name": "My Lot", "time_zone": "Europe/Berlin", "currency": "EUR"}
    await operator.post("/operator/new-lot", data=new)
    one = only_lot("herrick-west")
    url = await tried(operator, one, "west.geojson", lot="my-lot")
    page = await operator.get(url)
    assert figures(words_of(page)) == [38, 0, 0, 0]
    assert page.text.count('class="tile"') == 38 or page.text.count("data-state=") >= 38
    assert "OpenStreetMap contributors" in page.text
    await imported(operator, url)
    made = await slots(operator, "my-lot")
    assert len(made) == 38 and all(slot["identifier"].startswith("my-lot-") for slot in made.values())
    assert (await operator.get("/lots/my-lot")).status_code == 200
    again = words_of(await operator.get(await tried(operator, one, "west.geojson", lot="my-lot")))
    assert figures(again) == [0, 0, 38, 0]


def only_lot(code: str) -> bytes:
    """The demo's file without the outlines of its other lots."""
    import json

    whole = json.loads(demo_file())
    kept = [
        feature
        for feature in whole["features"]
        if feature["properties"].get("amenity") != "parking"
        or feature["properties"].get("lotline:code") == code
    ]
    from shapely.geometry import shape

    (outline,) = [shape(f["geometry"]) for f in kept if f["properties"].get("lotline:code") == code]
    kept = [f for f in kept if shape(f["geometry"]).centroid.within(outline.buffer(0.00005))]
    return json.dumps({"type": "FeatureCollection", "features": kept}).encode()


async def test_a_closed_lot_that_is_filled_stays_closed(operator: AsyncClient) -> None:
    new = {"name": "Quay", "time_zone": "Europe/Berlin", "currency": "EUR"}
    await operator.post("/operator/new-lot", data=new)
    await operator.post("/operator/lots/quay/works", data={"act": "close", "idempotency_key": "k"})
    await imported(operator, await tried(operator, TABLE))
    wish = {"entityIdentifier": "HH A 1", "lot": "quay"}
    assert (await operator.post(RESERVE, json=wish)).status_code in (404, 409)
    await operator.post("/operator/lots/quay/works", data={"act": "open", "idempotency_key": "l"})
    assert (await operator.post(RESERVE, json=wish)).status_code == 200


async def test_what_is_no_such_file_is_told_at_the_field(operator: AsyncClient) -> None:
    for data, said in (
        ("", "The file is empty."),
        ("name,size\na,b\n", "The header has no column named identifier"),
        ('{"type": "Feature"}', "FeatureCollection"),
        (b"\xff\xff\xff", "not UTF-8"),
    ):
        answer = await send(operator, data)
        assert answer.status_code == 422 and said in words_of(answer), (data, words_of(answer))
        assert 'id="file-note"' in answer.text
    nothing = await operator.post("/operator/import", data=FIELDS, files={"other": ("a", io.BytesIO(b"x"))})
    assert nothing.status_code == 422 and "Choose a file." in words_of(nothing)
    wrong = await send(operator, TABLE, time_zone="Mars", currency="??", lot="")
    assert wrong.status_code == 422
    assert 'id="time_zone-note"' in wrong.text and 'id="currency-note"' in wrong.text
    assert (await send(operator, TABLE, lot="none")).status_code == 422
    plain = await operator.post("/operator/import", data=FIELDS)
    assert plain.status_code == 415


async def test_a_file_that_is_too_large_or_has_too_many_slots_is_refused(
    operator: AsyncClient, monkeypatch: Any
) -> None:
    huge = await send(operator, b"identifier\n" + b"x" * MOST_BYTES)
    assert huge.status_code == 422 and "larger than 16 MB" in words_of(huge)
    monkeypatch.setattr(import_runs, "MOST_SLOTS", 1)
    many = await send(operator, TABLE)
    assert many.status_code == 422 and "at most 1 are imported at once" in words_of(many)


async def test_an_import_that_broke_off_is_told_of_and_goes_on_without_doubles(
    operator: AsyncClient, monkeypatch: Any
) -> None:
    head = "lot,area,name,identifier\n"
    await imported(operator, await tried(operator, head + "Quay,A,A0,quay-A0\n"))
    rows = "".join(f"Quay,A,A{n},quay-A{n}\n" for n in range(1, 101))
    url = await tried(operator, head + rows)
    # The process dies after 50 slots: nobody is left who has claimed the file.
    imports: Imports = operator.app.state.parts.get(Imports)  # type: ignore[attr-defined]
    upload = imports.uploads.find(url.rpartition("/")[2])
    assert upload is not None
    half = await tried(operator, head + "".join(f"Quay,A,A{n},quay-A{n}\n" for n in range(1, 51)))
    await imported(operator, half)
    imports.uploads.note(replace(upload, state=RUNNING, done=50, total=100))
    shown = words_of(await operator.get(url))
    assert "The import broke off. The server was stopped meanwhile." in shown and "50 of 100 slots" in shown
    assert figures(await imported(operator, url)) == [50, 0, 50, 0]
    assert len(await slots(operator, "quay")) == 101


async def test_five_thousand_slots_are_imported_with_their_progress(operator: AsyncClient) -> None:
    rows = "".join(f"Field,{'ABCDE'[n // 1000]},{n},field-{n},car\n" for n in range(5_000))
    url = await tried(operator, "lot,area,name,identifier,size\n" + rows)
    seen: list[int] = []
    imports: Imports = operator.app.state.parts.get(Imports)  # type: ignore[attr-defined]
    keep = imports.uploads.note

    def note(upload: Upload) -> None:
        seen.append(upload.done)
        keep(upload)

    imports.uploads.note = note  # type: ignore[method-assign]
    assert figures(await imported(operator, url)) == [5_000, 0, 0, 0]
    assert seen == sorted(seen) and seen[-1] == 5_000
    assert "5000 free of 5000" in words_of(await operator.get("/operator/lots/field"))


def test_kept_files_are_few_and_nothing_but_their_number_names_them(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "imports")
    made = Upload("", "a.csv", "Ines", "UTC", "EUR")
    ids = [uploads.keep(made, b"x").id for _ in range(MOST_FILES + 5)]
    assert len(list((tmp_path / "imports").glob("*.data"))) == MOST_FILES
    assert uploads.find(ids[-1]) is not None
    assert uploads.find("../../etc/passwd") is None and uploads.find("0" * 32) is None


def test_a_file_is_imported_by_one_at_a_time(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "imports")
    kept = uploads.keep(Upload("", "a.csv", "Ines", "UTC", "EUR"), b"x")
    with uploads.claimed(kept.id) as mine:
        assert mine and uploads.is_claimed(kept.id)
    assert not uploads.is_claimed(kept.id)
