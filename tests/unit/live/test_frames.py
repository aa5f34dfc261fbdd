"""A lot's feed: what a viewer is sent, by what it has seen."""

import asyncio
import json
from typing import Any

from app.live.feed import KEPT_FRAMES, Feed
from app.live.picture import Picture


class Counting:
    """A projection that counts how often it was drawn."""

    name = "counting"
    with_states = True

    def __init__(self) -> None:
        self.drawn = 0

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        self.drawn += 1
        return f"<b>{self.drawn}</b>"

    def figures(self, picture: Picture) -> dict[str, int]:
        return {"count-free": picture.states.count(0)}


def picture(states: bytes = bytes(5), **other: Any) -> Picture:
    return Picture(
        **{
            "lot_id": 1,
            "layout": None,
            "layout_version": 3,
            "epoch": "e",
            "seq": 7,
            "states": bytearray(states),
            "as_of": 1_790_000_000.1234,
        }
        | other
    )


def feed(states: bytes = bytes(5)) -> Feed:
    made = Feed(picture(states), Counting())
    made.number = made.viewers = 1
    return made


def read(frame: str) -> dict[str, Any]:
    """A frame without the instant at which it was made."""
    found: dict[str, Any] = json.loads(frame)
    assert found.pop("now") > 1_600_000_000
    return found


def change(one: Feed, position: int, state: int) -> None:
    one.picture.states[position] = state
    one.picture.seq += 1
    one.tick({position})


def test_a_new_viewer_gets_all_of_it() -> None:
    assert [read(frame) for frame in feed(bytes([0, 1, 2, 3, 4])).after(0)] == [
        {
            "lot": 1,
            "seq": "e:7",
            "layout": 3,
            "as_of": 1790000000.123,
            "whole": True,
            "states": "01231",
            "figures": {"count-free": 1},
            "content": "<b>1</b>",
        }
    ]


def test_who_has_seen_the_last_one_gets_only_what_changed() -> None:
    one = feed()
    change(one, 3, 2)
    change(one, 0, 4)
    frames = [read(frame) for frame in one.after(1)]
    assert [frame["tiles"] for frame in frames] == [[3, 2], [0, 1]]
    assert [frame["figures"]["count-free"] for frame in frames] == [4, 3]
    assert [frame["seq"] for frame in frames] == ["e:8", "e:9"]
    assert one.after(3) == []


def test_a_held_slot_shows_as_reserved_in_every_frame() -> None:
    one = feed(bytes([4, 4, 4, 4, 4]))
    assert read(one.after(0)[0])["states"] == "11111"
    change(one, 2, 4)
    assert read(one.after(1)[0])["tiles"] == [2, 1]


def test_a_slow_viewer_gets_one_frame_with_the_newest_state() -> None:
    one = feed()
    for number in range(KEPT_FRAMES + 1):
        change(one, 1, number % 4)
    frames = one.after(1)
    assert len(frames) == 1
    newest = read(frames[0])
    assert newest["states"] == f"0{KEPT_FRAMES % 4}000"
    assert newest["seq"] == f"e:{7 + KEPT_FRAMES + 1}"


def test_a_frame_is_drawn_and_encoded_once_for_all_viewers() -> None:
    one = feed()
    change(one, 1, 1)
    seen = [one.after(1) for _ in range(100)]
    assert one.projection.drawn == 1  # type: ignore[attr-defined]
    assert all(frames[0] is seen[0][0] for frames in seen)
    snapshots = [one.after(0) for _ in range(100)]
    assert one.projection.drawn == 2  # type: ignore[attr-defined]
    assert all(frames[0] is snapshots[0][0] for frames in snapshots)


def test_a_whole_says_so_also_where_no_states_tell_it() -> None:
    """A list or a wall has none: a page takes another epoch up only by a whole."""
    one = feed()
    one.projection.with_states = False  # type: ignore[misc]
    assert read(one.after(0)[0])["whole"] is True
    change(one, 1, 1)
    one.beat()
    assert ["whole" in read(frame) for frame in one.after(1)] == [False, False]
    one.renew(picture(epoch="another"))
    assert read(one.after(one.number - 1)[0])["whole"] is True


def test_another_picture_is_sent_whole_to_everybody() -> None:
    one = feed()
    change(one, 1, 1)
    one.renew(picture(bytes([3, 3, 3, 3, 3]), epoch="f", seq=1))
    for number in (1, 2):
        assert read(one.after(number)[0])["states"] == "33333"
    change(one, 0, 0)
    assert read(one.after(2)[0])["states"] == "03333"
    assert read(one.after(3)[0])["tiles"] == [0, 0]


def test_a_beat_says_only_how_current_the_picture_is() -> None:
    one = feed()
    one.beat()
    assert read(one.after(1)[0]) == {"lot": 1, "seq": "e:7", "layout": 3, "as_of": 1790000000.123}
    one.picture.as_of = None
    one.beat()
    assert "as_of" not in read(one.after(2)[0])


async def test_all_that_wait_are_woken_by_one_frame() -> None:
    one = feed()
    waiting = [asyncio.create_task(one.news(1)) for _ in range(50)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    change(one, 0, 1)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await asyncio.wait_for(one.news(1), 5)


def test_where_nobody_watches_nothing_is_drawn_and_who_comes_gets_all_of_it() -> None:
    one = feed()
    one.viewers = 0
    change(one, 1, 1)
    one.beat()
    assert one.projection.drawn == 0  # type: ignore[attr-defined]
    assert read(one.after(1)[0])["states"] == read(one.after(0)[0])["states"] == "01000"
