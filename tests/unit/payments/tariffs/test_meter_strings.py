"""The texts of San Diego's parking meters: what each of them comes to, or why it is refused.

The amounts were worked out by hand. At $1.25 an hour a minute costs 2.08 ¢, 15 minutes 31.25 ¢, half an hour
62.5 ¢; what is left of a cent at the end is dropped.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.payments.fees import NotCovered, Stay, fee
from app.payments.tariffs.documents import read, written
from app.payments.tariffs.lines import WEEK, Free, Line, LongestStay, NoParking, PerIncrement, Tariff, Window
from app.payments.tariffs.meter_strings import Refused, read_meter_string
from app.payments.tariffs.meter_table import names_from, page

SAN_DIEGO = ZoneInfo("America/Los_Angeles")
NAMES = Path(__file__).parent / "san_diego_config_names.csv"
ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "tariff-strings.md"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONDAY = datetime(2026, 6, 1, tzinfo=SAN_DIEGO)
MON_TO_SAT, MON_TO_FRI = frozenset(range(6)), frozenset(range(5))
HOUR_S = 3600

LONGER_THAN_15_MIN = "the longest stay is 15 min"
LONGER_THAN_30_MIN = "the longest stay is 30 min"
LONGER_THAN_1_H = "the longest stay is 60 min"
LONGER_THAN_2_H = "the longest stay is 2 h"
LONGER_THAN_4_H = "the longest stay is 4 h"
LONGER_THAN_8_H = "the longest stay is 8 h"
LONGER_THAN_9_H = "the longest stay is 9 h"
NO_PARKING_FROM_5 = "nobody may park there from 17:00 to 02:00"
NO_PARKING_FROM_6 = "nobody may park there from 18:00 to 02:00"


@dataclass(frozen=True)
class Meaning:
    """Texts that mean the same, and what stays cost there: cents, or why a stay has no price.

    A stay lies in the week of 2026-06-01. One that ends no later than it begins ends in the week after.
    """

    texts: tuple[str, ...]
    stays: dict[str, int | str]


MEANINGS = {
    "2 h, $1.25, Mon-Sat 8-18": Meaning(
        (
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat",
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat (Mobile Pay)",
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat    (Mobile Pay) ",
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat     (Mobile Pay) ",
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat      (Mobile Pay) ",
            "MSPM 2 Hour Max $1.25 HR 8am-6pm Mon-Sat",
            "MSPM 2 Hour Max $1.25 HR 8am-6pm Mon-Sat (Fort Stockton)",
        ),
        {
            "Mon 08:00 to 10:00": 250,
            "Mon 09:00 to 09:00:01": 2,
            "Mon 09:00 to 09:30:01": 64,
            "Mon 07:30 to 08:30": 62,
            "Tue 17:30 to 19:00": 62,
            "Wed 17:00 to Thu 09:00": 250,
            "Sat 17:00 to Mon 09:00": 250,
            "Sun 09:00 to 21:00": 0,
            "Mon 08:00 to 10:00:01": LONGER_THAN_2_H,
            "Mon 07:00 to 19:00": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Sat 10-20": Meaning(
        (
            "2 Hour Max $1.25 HR 10am-8pm Mon-Sat",
            "2 Hour Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay)",
            "MSPM 2 Hour Max $1.25 HR 10am-8pm Mon-Sat",
        ),
        {
            "Mon 10:00 to 12:00": 250,
            "Mon 09:00 to 11:00": 125,
            "Sat 19:45 to Sun 12:00": 31,
            "Sun 10:00 to 20:00": 0,
            "Sat 10:00 to 12:01": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Sat 8-16": Meaning(
        (
            "2 Hour Max $1.25 HR 8am-4pm Mon-Sat",
            "2 Hour Max $1.25 HR 8am-4pm Mon-Sat  (Mobile Pay) ",
        ),
        {
            "Mon 08:30 to 10:00": 187,
            "Mon 15:00 to 18:00": 125,
            "Mon 16:00 to 23:00": 0,
            "Sun 08:00 to 16:00": 0,
            "Fri 13:00 to 15:30": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Sat 10-17": Meaning(
        ("2 Hour Max $1.25 HR 10am-5pm Mon-Sat (Mobile Pay)",),
        {
            "Sat 10:00 to 11:00": 125,
            "Mon 16:00 to 19:00": 125,
            "Mon 08:00 to 10:30": 62,
            "Sun 10:00 to 17:00": 0,
            "Mon 10:00 to 12:30": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Sat 8:30-18:30": Meaning(
        ("2 Hour Max $1.25 HR 8:30am-6:30pm Mon-Sat  (Mobile Pay)",),
        {
            "Mon 08:00 to 09:00": 62,
            "Mon 18:00 to 19:00": 62,
            "Mon 16:30 to 18:30": 250,
            "Sun 08:30 to 18:30": 0,
            "Mon 08:30 to 10:31": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Fri 8-18": Meaning(
        (
            "2 Hour Max $1.25 HR 8am-6pm Mon-Fri (Mobile Pay)",
            "MSPM 2 Hour Max $1.25 HR 8am-6pm Mon-Fri",
        ),
        {
            "Fri 16:00 to 18:00": 250,
            "Fri 17:30 to Mon 08:30": 125,
            "Sat 08:00 to 18:00": 0,
            "Sun 08:00 to 18:00": 0,
            "Thu 08:00 to 10:01": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Fri 9-16": Meaning(
        ("2 Hour Max $1.25 HR 9am-4pm Mon-Fri (Mobile Pay)",),
        {
            "Mon 08:00 to 10:00": 125,
            "Mon 09:00 to 11:00": 250,
            "Fri 15:45 to 17:00": 31,
            "Sat 09:00 to 16:00": 0,
            "Mon 14:00 to 16:00": 250,
            "Mon 13:59 to 16:00": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Fri 8-16, Sat 8-18": Meaning(
        ("2 Hour Max $1.25 HR 8am-4pm Mon-Fri 8am-6pm Sat",),
        {
            "Fri 15:30 to 18:00": 62,
            "Sat 15:30 to 17:30": 250,
            "Sat 17:30 to Sun 09:00": 62,
            "Sun 09:00 to 17:00": 0,
            "Fri 13:59 to 16:00": LONGER_THAN_2_H,
            "Sat 15:30 to 18:00": LONGER_THAN_2_H,
        },
    ),
    "2 h, $1.25, Mon-Fri 9-18, Sat 8-18": Meaning(
        ("2 Hour Max $1.25 HR 9am-6pm Mon-Fri 8am-6pm Sat",),
        {
            "Fri 08:00 to 10:00": 125,
            "Sat 08:00 to 10:00": 250,
            "Fri 17:30 to Sat 08:30": 125,
            "Sun 08:00 to 18:00": 0,
            "Fri 08:00 to 11:00": 250,
            "Sat 08:00 to 11:00": LONGER_THAN_2_H,
        },
    ),
    "1 h, $1.25, Mon-Sat 8-18": Meaning(
        (
            "1 Hour Max $1.25 HR 8am-6pm Mon-Sat",
            "1 Hour Max $1.25 HR 8am-6pm Mon-Sat (Mobile Pay)",
        ),
        {
            "Mon 12:00 to 12:45": 93,
            "Mon 08:00 to 09:00": 125,
            "Mon 17:30 to 20:00": 62,
            "Sun 08:00 to 18:00": 0,
            "Mon 08:00 to 09:01": LONGER_THAN_1_H,
        },
    ),
    "1 h, $1.25, Mon-Sat 10-20": Meaning(
        (
            "1 Hour Max $1.25 HR 10am-8pm Mon-Sat",
            "1 Hour Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay)",
            "MSPM 1 Hour Max $1.25 HR 10am-8pm Mon-Sat",
        ),
        {
            "Mon 19:00 to 20:00": 125,
            "Mon 09:30 to 10:30": 62,
            "Mon 19:30 to Tue 10:30": 125,
            "Sun 10:00 to 20:00": 0,
            "Sat 18:30 to 20:00": LONGER_THAN_1_H,
        },
    ),
    "1 h, $1.25, Mon-Sat 8-16": Meaning(
        ("1 Hour Max $1.25 HR 8am-4pm Mon-Sat",),
        {
            "Sat 15:00 to 16:00": 125,
            "Sat 15:30 to 18:00": 62,
            "Mon 07:00 to 08:15": 31,
            "Sun 08:00 to 16:00": 0,
            "Mon 08:00 to 09:30": LONGER_THAN_1_H,
        },
    ),
    "1 h, $1.25, Mon-Sat 9-18": Meaning(
        ("MSPM 1 Hour Max $1.25 HR 9am-6pm Mon-Sat",),
        {
            "Mon 09:00 to 10:00": 125,
            "Mon 08:00 to 09:30": 62,
            "Mon 17:45 to 18:45": 31,
            "Sun 09:00 to 18:00": 0,
            "Mon 08:00 to 10:01": LONGER_THAN_1_H,
        },
    ),
    "1 h, $1.25, Mon-Fri 8-16, Sat 8-18": Meaning(
        ("1 Hour Max $1.25 HR 8am-4pm Mon-Fri 8am-6pm Sat",),
        {
            "Mon 15:30 to 17:30": 62,
            "Sat 16:30 to 17:30": 125,
            "Sat 17:30 to 19:30": 62,
            "Sun 08:00 to 18:00": 0,
            "Sat 15:30 to 17:30": LONGER_THAN_1_H,
        },
    ),
    "30 min, $1.25, Mon-Sat 8-18": Meaning(
        (
            "30 Min Max $1.25 HR 8am-6pm Mon-Sat",
            "30 Min Max $1.25 HR 8am-6pm Mon-Sat (Mobile Pay)",
            "30 Min Max $1.25 HR 8am-6pm Mon-Sat  (Mobile Pay) ",
        ),
        {
            "Mon 08:00 to 08:30": 62,
            "Mon 09:00 to 09:20": 41,
            "Mon 17:45 to 18:30": 31,
            "Mon 17:30 to Tue 08:30": 125,
            "Sun 08:00 to 18:00": 0,
            "Mon 08:00 to 08:31": LONGER_THAN_30_MIN,
        },
    ),
    "30 min, $1.25, Mon-Sat 10-20": Meaning(
        (
            "30 Min Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay)",
            "30 Min Max $1.25 HR 10am-8pm Mon-Sat  (Mobile Pay)",
        ),
        {
            "Mon 10:00 to 10:30": 62,
            "Mon 08:00 to 10:15": 31,
            "Mon 19:40 to 22:00": 41,
            "Sun 10:00 to 20:00": 0,
            "Mon 19:00 to 19:45": LONGER_THAN_30_MIN,
        },
    ),
    "30 min, $1.25, Mon-Sat 8-20": Meaning(
        ("30 Min Max $1.25 HR 8am-8pm Mon-Sat (Mobile Pay)",),
        {
            "Mon 19:30 to 20:00": 62,
            "Mon 19:30 to 23:00": 62,
            "Mon 07:30 to 08:15": 31,
            "Sun 08:00 to 20:00": 0,
            "Mon 18:00 to 18:40": LONGER_THAN_30_MIN,
        },
    ),
    "15 min, $1.25, Mon-Sat 8-18": Meaning(
        (
            "15 Min Max $1.25 HR 8am-6pm Mon-Sat",
            "15 Min Max $1.25 HR 8am-6pm M-Sat",
            "15 Min Max $1.25 HR 8am-6pm Mon-Sat (Mobile Pay)",
            "15 Min Max $1.25 HR 8am-6pm Mon-Sat  (Mobile Pay)",
        ),
        {
            "Mon 12:00 to 12:15": 31,
            "Sat 12:00 to 12:10": 20,
            "Mon 07:50 to 08:10": 20,
            "Mon 17:50 to 18:10": 20,
            "Mon 17:45 to Tue 08:15": 62,
            "Sun 08:00 to 18:00": 0,
            "Mon 12:00 to 12:15:01": LONGER_THAN_15_MIN,
        },
    ),
    "15 min, $1.25, Mon-Sat 10-20": Meaning(
        (
            "15 Min Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay)",
            "15 Min Max $1.25 HR 10am-8pm Mon-Sat  (Mobile Pay)",
        ),
        {
            "Sat 12:00 to 12:15": 31,
            "Mon 09:00 to 10:10": 20,
            "Mon 19:50 to 21:00": 20,
            "Sun 10:00 to 20:00": 0,
            "Mon 10:00 to 10:16": LONGER_THAN_15_MIN,
        },
    ),
    "15 min, $1.25, Mon-Fri 10-20": Meaning(
        ("15 Min Max $1.25 HR 10am-8pm Mon-Fri  (Mobile Pay)",),
        {
            "Fri 12:00 to 12:15": 31,
            "Fri 19:45 to Mon 10:15": 62,
            "Mon 09:00 to 10:10": 20,
            "Sat 10:00 to 20:00": 0,
            "Fri 10:00 to 10:16": LONGER_THAN_15_MIN,
        },
    ),
    "4 h, $1.00, Mon-Sat 8-18": Meaning(
        (
            "4 Hour Max $1.00 HR 8am-6pm Mon-Sat",
            "4 Hour Max $1.00 HR 8am-6pm Mon-Sat (Mobile Pay)",
            "4 Hour Max $1.00 HR 8am-6pm Mon-Sat (Mobile Pay) ",
            "MSPM 4 Hour Max $1.00 HR 8am-6pm Mon-Sat",
        ),
        {
            "Mon 08:00 to 12:00": 400,
            "Mon 07:15 to 08:15": 25,
            "Mon 16:30 to 22:00": 150,
            "Sun 08:00 to 18:00": 0,
            "Mon 08:00 to 12:01": LONGER_THAN_4_H,
        },
    ),
    "4 h, $1.00, Mon-Sat 10-20": Meaning(
        ("MSPM 4 Hour Max $1.00 HR 10am-8pm Mon-Sat",),
        {
            "Mon 15:00 to 19:00": 400,
            "Mon 08:00 to 11:30": 150,
            "Mon 18:00 to 22:00": 200,
            "Sun 10:00 to 20:00": 0,
            "Mon 15:59 to 20:00": LONGER_THAN_4_H,
        },
    ),
    "4 h, $1.00, Mon-Fri 8:30-18, Sat 8-18": Meaning(
        ("MSPM 4 Hour Max $1.00 HR 8:30am-6pm Mon-Fri/Sat 8am-6pm",),
        {
            "Fri 08:00 to 09:00": 50,
            "Sat 08:00 to 09:00": 100,
            "Fri 17:00 to Sat 09:00": 200,
            "Sun 08:00 to 18:00": 0,
            "Fri 08:00 to 12:30": 400,
            "Sat 08:00 to 12:30": LONGER_THAN_4_H,
        },
    ),
    "4 h, $1.25, Mon-Sat 8-18": Meaning(
        ("MSPM 4 Hour Max $1.25 HR 8am-6pm Mon-Sat",),
        {
            "Mon 08:00 to 12:00": 500,
            "Mon 06:00 to 09:30": 187,
            "Mon 15:00 to 20:00": 375,
            "Sun 08:00 to 18:00": 0,
            "Mon 09:00 to 13:01": LONGER_THAN_4_H,
        },
    ),
    "4 h, $1.25, Mon-Sat 10-20": Meaning(
        ("MSPM 4 Hour Max $1.25 HR 10am-8pm Mon-Sat",),
        {
            "Mon 16:00 to 20:00": 500,
            "Mon 08:00 to 10:30": 62,
            "Mon 18:00 to 23:00": 250,
            "Sun 10:00 to 20:00": 0,
            "Mon 12:00 to 17:00": LONGER_THAN_4_H,
        },
    ),
    "8 h, $0.50, Mon-Sat 10-20": Meaning(
        ("MSPM 8 Hour Max $0.50 HR 10am-8pm Mon-Sat (Normal Street)",),
        {
            "Mon 10:00 to 18:00": 400,
            "Mon 09:00 to 10:30": 25,
            "Mon 19:00 to 22:00": 50,
            "Sun 10:00 to 20:00": 0,
            "Mon 10:00 to 18:01": LONGER_THAN_8_H,
        },
    ),
    "9 h, $0.50, Mon-Sat 8-18": Meaning(
        (
            "9 Hour Max $0.50 HR 8am-6pm Mon-Sat",
            "9 Hour Max $0.50 HR 8am-6pm Mon-Sat.",
            "9 Hour Max $0.50 HR 8am-6pm M-Sat",
            "9 Hour Max $0.50 HR 8am-6pm M-Sat  (Mobile Pay)",
            "9 Hour Max $0.50 HR 8am-6pm Mon-Sat (Mobile Pay) ",
            "9 Hour Max $0.50 HR 8am-6pm Mon-Sat  (Mobile Pay) ",
            "9 Hour Max $0.50 HR 8am-6pm Mon-Sat    (Mobile Pay)",
            "9 Hour Max $0.50 HR 8am-6pm Mon-Sat.  (Mobile Pay) ",
            "MSPM 9 Hour Max $0.50 HR 8am-6pm Mon-Sat",
        ),
        {
            "Mon 08:00 to 17:00": 450,
            "Mon 09:00 to 10:00": 50,
            "Mon 06:00 to 08:30": 25,
            "Sat 17:00 to Mon 08:00": 50,
            "Sun 08:00 to 18:00": 0,
            "Mon 08:00 to 17:01": LONGER_THAN_9_H,
        },
    ),
    "9 h, $0.50, Mon-Sat 8:30-18": Meaning(
        ("MSPM 9 Hour Max $0.50 HR 8:30am-6pm Mon-Sat",),
        {
            "Mon 08:30 to 17:30": 450,
            "Mon 08:00 to 09:00": 25,
            "Mon 17:00 to 20:00": 50,
            "Sun 08:30 to 18:00": 0,
            "Mon 08:00 to 18:00": LONGER_THAN_9_H,
        },
    ),
    "9 h, $0.75, Mon-Sat 8-18": Meaning(
        (
            "9 Hour Max $0.75 HR 8am-6pm Mon-Sat",
            "9 Hour Max $0.75 HR 8am-6pm Mon-Sat (Mobile Pay)",
            "9 Hour Max $0.75 HR 8am-6pm Mon-Sat  (Mobile Pay) ",
            "MSPM 9 Hour Max $0.75 HR 8am-6pm Mon-Sat",
        ),
        {
            "Mon 09:00 to 18:00": 675,
            "Mon 07:00 to 10:00": 150,
            "Mon 17:30 to 19:00": 37,
            "Sun 08:00 to 18:00": 0,
            "Mon 08:00 to 18:00": LONGER_THAN_9_H,
        },
    ),
    "9 h, $0.75, Mon-Sat 10-20": Meaning(
        ("MSPM 9 Hour Max $0.75 HR 10am-8pm Mon-Sat",),
        {
            "Mon 10:00 to 19:00": 675,
            "Mon 09:30 to 10:20": 25,
            "Mon 18:00 to 21:00": 150,
            "Sun 10:00 to 20:00": 0,
            "Mon 10:00 to 20:00": LONGER_THAN_9_H,
        },
    ),
    "2 h, $1.25, Mon-Sat 8-18, no parking 18-2": Meaning(
        ("2 Hour Max $1.25 HR 8am-6pm Mon-Sat, No Parking 6pm-2am, 3 Min Passenger Loading  (Mobile Pay)",),
        {
            "Mon 16:00 to 18:00": 250,
            "Mon 17:59 to 18:02": 2,
            "Mon 18:00 to 18:03": 0,
            "Tue 02:00 to 08:30": 62,
            "Sun 02:00 to 18:00": 0,
            "Mon 10:00 to 12:01": LONGER_THAN_2_H,
            "Mon 18:00 to 18:03:01": NO_PARKING_FROM_6,
            "Mon 17:00 to 19:00": NO_PARKING_FROM_6,
            "Sun 20:00 to 21:00": NO_PARKING_FROM_6,
        },
    ),
    "2 h, $1.25, Mon-Sat 8-17, no parking 17-2": Meaning(
        ("2 Hour Max $1.25 HR 8am-5pm Mon-Sat, No Parking 5pm-2am, 3 Min Passenger Loading",),
        {
            "Mon 15:00 to 17:00": 250,
            "Mon 16:30 to 17:02": 62,
            "Sun 08:00 to 17:00": 0,
            "Mon 14:00 to 16:01": LONGER_THAN_2_H,
            "Mon 16:30 to 17:04": NO_PARKING_FROM_5,
            "Mon 01:00 to 03:00": NO_PARKING_FROM_5,
        },
    ),
    "1 h, $1.25, Mon-Sat 8-17, no parking 17-2": Meaning(
        ("1 Hour Max $1.25 HR 8am-5pm Mon-Sat, No Parking 5pm-2am, 3 Min Passenger Loading",),
        {
            "Mon 16:00 to 17:00": 125,
            "Mon 16:00 to 17:03": 125,
            "Mon 07:00 to 08:30": 62,
            "Sun 02:00 to 17:00": 0,
            "Mon 08:00 to 09:01": LONGER_THAN_1_H,
            "Mon 16:59 to Tue 08:00": NO_PARKING_FROM_5,
        },
    ),
    "30 min, $1.25, Mon-Sat 8-17, no parking 17-2": Meaning(
        ("30 Min Max $1.25 HR 8am-5pm Mon-Sat, No Parking 5pm-2am, 3 Min Passenger Loading",),
        {
            "Mon 16:30 to 17:00": 62,
            "Mon 02:00 to 08:15": 31,
            "Sun 08:00 to 17:00": 0,
            # One night: what is left of the three minutes at midnight goes on after it.
            "Mon 23:58 to Tue 00:01": 0,
            "Mon 23:58 to Tue 00:02": NO_PARKING_FROM_5,
            "Sun 23:59 to Mon 00:03": NO_PARKING_FROM_5,
            "Mon 01:58 to 08:00": 0,
            "Mon 01:56 to 02:30": NO_PARKING_FROM_5,
            "Mon 08:00 to 08:31": LONGER_THAN_30_MIN,
        },
    ),
}
WHEN_LOADING = 'when "3 Min Passenger Loading" is meant is not said: no "No Parking" stands before it'
REFUSED = {
    "--": '"--" says nothing',
    "San Diego Default": '"San Diego Default" names a default, and not what it is',
    "MSPM Ballpark Special Event": '"Ballpark Special Event" is named, and not what parking costs then',
    "Single Space 2 hour meters Petco Special Event (Mobile Pay)": (
        '"Petco Special Event" is named, and not what parking costs then'
    ),
    "Single Space 30 min meters Petco Special Event Parking (Mobile Pay)": (
        '"Petco Special Event" is named, and not what parking costs then'
    ),
    '33333---2 Hour Max $1.25 HR 8am-4pm Mon-Fri 4pm-6pm "TOW AWAY" 8am-6pm Sat': (
        '"33333---2" stands where a longest stay such as "2 Hour Max" should'
    ),
    "15 Min Max $1.25 7am-7pm Daily": 'how long "$1.25" lasts is not said: no "HR" stands behind it',
    "15 Min Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay), 3 Min Passenger Loading": WHEN_LOADING,
    "30 Min Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay), 3 Min Passenger Loading": WHEN_LOADING,
    "2 Hour Max $1.25 HR 10am-8pm Mon-Sat (Mobile Pay), 3 Min Passenger Loading": WHEN_LOADING,
}


def names() -> list[tuple[str, int]]:
    with NAMES.open(encoding="utf-8", newline="") as file:
        return names_from(file)


def tariff(text: str) -> Tariff:
    return Tariff(1, 1, "USD", "America/Los_Angeles", read_meter_string(text))


def instant(told: str) -> datetime:
    day, _, clock = told.partition(" ")
    return datetime.combine(
        MONDAY.date() + timedelta(days=DAYS.index(day)), time.fromisoformat(clock), tzinfo=SAN_DIEGO
    )


def stay(told: str) -> Stay:
    """``Mon 08:00 to 10:00``, ``Sat 17:00 to Mon 09:00``."""
    begins, _, ends = told.partition(" to ")
    start = instant(begins)
    end = instant(ends if " " in ends else f"{begins[:3]} {ends}")
    return Stay(start, end if end > start else end + timedelta(days=7))


def price_or_reasons(text: str, one: Stay) -> int | str:
    try:
        return fee(tariff(text), one).amount_minor
    except NotCovered as why:
        return "; ".join(why.reasons)


def outcome(text: str) -> tuple[Line, ...] | None:
    try:
        return read_meter_string(text)
    except Refused:
        return None


def test_every_text_of_the_city_stands_in_one_of_the_tables() -> None:
    told = [text for meaning in MEANINGS.values() for text in meaning.texts] + list(REFUSED)
    assert len(told) == 78
    assert sorted(told) == sorted(text for text, _ in names())
    assert sum(meters for _, meters in names()) == 4_931


@pytest.mark.parametrize(
    ("text", "told", "expected"),
    [
        pytest.param(text, told, expected, id=f"{text}: {told}")
        for meaning in MEANINGS.values()
        for text in meaning.texts
        for told, expected in meaning.stays.items()
    ],
)
def test_a_stay_costs_what_the_text_says(text: str, told: str, expected: int | str) -> None:
    assert price_or_reasons(text, stay(told)) == expected


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=MEANINGS)
def test_texts_that_mean_the_same_become_the_same_lines(meaning: Meaning) -> None:
    assert len({read_meter_string(text) for text in meaning.texts}) == 1
    assert len(meaning.stays) >= 4


def test_texts_that_mean_something_else_become_other_lines() -> None:
    assert len({read_meter_string(meaning.texts[0]) for meaning in MEANINGS.values()}) == len(MEANINGS)


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_a_text_that_is_no_whole_tariff_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        read_meter_string(text)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # 2026-03-08: 02:00 becomes 03:00, so the hours without parking end then.
        ("2026-03-08 01:57-08:00", "2026-03-08 03:00-07:00", 0),
        ("2026-03-08 01:57-08:00", "2026-03-08 17:00-07:00", 0),
        ("2026-03-08 01:56-08:00", "2026-03-08 03:00-07:00", NO_PARKING_FROM_5),
        # 2026-11-01: 02:00 becomes 01:00 again, so they last an hour longer.
        ("2026-11-01 01:58-07:00", "2026-11-01 01:01-08:00", 0),
        ("2026-11-01 01:30-08:00", "2026-11-01 01:34-08:00", NO_PARKING_FROM_5),
        ("2026-11-01 01:57-08:00", "2026-11-01 09:00-08:00", 0),
    ],
)
def test_a_night_without_parking_ends_at_two_also_when_the_clock_is_changed(
    start: str, end: str, expected: int | str
) -> None:
    text = "1 Hour Max $1.25 HR 8am-5pm Mon-Sat, No Parking 5pm-2am, 3 Min Passenger Loading"
    one = Stay(datetime.fromisoformat(start).astimezone(UTC), datetime.fromisoformat(end).astimezone(UTC))
    assert price_or_reasons(text, one) == expected


def test_a_text_becomes_a_price_a_longest_stay_and_free_time() -> None:
    windows = (Window(MON_TO_SAT, 8 * HOUR_S, 18 * HOUR_S),)
    assert read_meter_string("2 Hour Max $1.25 HR 8am-6pm Mon-Sat") == (
        PerIncrement(price_minor=125, per_s=HOUR_S, increment_s=60, windows=windows),
        LongestStay(lasts_s=2 * HOUR_S, windows=windows),
        Free(),
    )


def test_hours_without_parking_that_pass_midnight_are_one_window_of_every_day() -> None:
    lines = read_meter_string("2 Hour Max $1.25 HR 8am-5pm Mon-Sat, No Parking 5pm-2am")
    assert lines[2:] == (NoParking(windows=(Window(WEEK, 17 * HOUR_S, 2 * HOUR_S),)), Free())


@pytest.mark.parametrize(
    ("hours", "windows"),
    [
        ("8am-6pm Daily", [Window(WEEK, 8 * HOUR_S, 18 * HOUR_S)]),
        ("8am-6pm", [Window(WEEK, 8 * HOUR_S, 18 * HOUR_S)]),
        ("Mon-Fri 8am-6pm", [Window(MON_TO_FRI, 8 * HOUR_S, 18 * HOUR_S)]),
        ("12am-12pm Wed", [Window(frozenset({2}), 0, 12 * HOUR_S)]),
        ("12pm-12am Wed", [Window(frozenset({2}), 12 * HOUR_S, 24 * HOUR_S)]),
        ("8am-6pm Sat-Mon", [Window(frozenset({5, 6, 0}), 8 * HOUR_S, 18 * HOUR_S)]),
        ("8pm-2am Daily", [Window(WEEK, 20 * HOUR_S, 2 * HOUR_S)]),
        (
            "Mon-Fri 8am-10am Mon-Fri 4pm-6pm",
            [Window(MON_TO_FRI, 8 * HOUR_S, 10 * HOUR_S), Window(MON_TO_FRI, 16 * HOUR_S, 18 * HOUR_S)],
        ),
    ],
)
def test_hours_and_days_are_read_in_the_ways_in_which_they_are_clear(
    hours: str, windows: list[Window]
) -> None:
    assert read_meter_string(f"2 Hour Max $1.25 HR {hours}")[0].windows == tuple(windows)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("Loading zone", '"Loading zone" names no price that can be read'),
        ("$1.25 HR 8am-6pm", '"$1.25" stands where a longest stay such as "2 Hour Max" should'),
        ("2 Hour $1.25 HR 8am-6pm", '"$1.25" stands where a longest stay such as "2 Hour Max" should'),
        ("2.5 Hour Max $1.25 HR 8am-6pm", '"2.5" stands where a longest stay such as "2 Hour Max" should'),
        ("0 Hour Max $1.25 HR 8am-6pm", '"0" is no length that parking has'),
        (f"{'9' * 5000} Min Max $1 HR 8am-6pm", f'"{"9" * 39}…" is no length that parking has'),
        ("2 Hour Max $1.255 HR 8am-6pm", '"2 Hour Max $1.255 HR 8am-6pm" names no price that can be read'),
        ("2 Hour Max 8am-6pm $1.25 HR", '"8am-6pm" stands where a price such as "$1.25 HR" should'),
        ("2 Hour Max $1.25 HR", 'it ends where hours and days such as "8am-6pm Mon-Sat" should stand'),
        (
            "2 Hour Max $1.25 HR 8am-6pm Mon-Caturday",
            '"Caturday" stands where hours and days such as "8am-6pm Mon-Sat" should',
        ),
        ("2 Hour Max $1.25 HR 13pm-6pm", '"13pm" is no time of the day'),
        ("2 Hour Max $1.25 HR 8am-6pmMon", '"6pmMon" stands where hours such as "8am-6pm" should'),
        ("2 Hour Max $1.25 HR 8:60am-6pm", '"8:60am" is no time of the day'),
        ("2 Hour Max $1.25 HR 8am-8am", '"8am-8am" ends when it begins'),
        ("2 Hour Max $1.25 HR 8am to 6pm", '"to" stands where hours such as "8am-6pm" should'),
        (
            "2 Hour Max $1.25 HR 8am-6pm Mon-Mon",
            "days that end with the day that they begin with may be one or all seven",
        ),
        (
            "2 Hour Max $1.25 HR 8am-10am Mon-Fri 4pm-6pm",
            'on which days "4pm-6pm" holds is not said',
        ),
        # Days between two stretches of hours may belong to either.
        ("2 Hour Max $1.25 HR 8am-4pm Mon-Fri Sat 8am-6pm", '"Sat" cannot be read'),
        (
            "2 Hour Max $1.25 HR 8am-4pm Mon-Fri 8am-6pm Fri-Sat",
            "two stretches of hours hold on Friday from 08:00 to 16:00",
        ),
        (
            "2 Hour Max $1.25 HR 8pm-2am Mon-Sat",
            '"8pm-2am Mon-Sat" ends on the day after, which is read for every day alone',
        ),
        (
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat, No Parking 5pm-2am",
            "one may park and may not park on Monday from 17:00 to 18:00",
        ),
        (
            "2 Hour Max $1.25 HR 8am-6pm, No Parking 7pm-8pm, No Parking 9pm-10pm",
            '"No Parking" is said twice',
        ),
        (
            "2 Hour Max $1.25 HR 8am-6pm, 3 Min Passenger Loading, No Parking 7pm-8pm",
            WHEN_LOADING,
        ),
        (
            "2 Hour Max $1.25 HR 8am-6pm, No Parking 7pm-8pm, 3 Min Passenger Loading, "
            "4 Min Passenger Loading",
            '"4 Min Passenger Loading" is a second time for loading',
        ),
        ("2 Hour Max $1.25 HR 8am-6pm Mon-Sat (Permit B)", 'what the note "(permit b)" means is not known'),
        ("2 Hour Max $1.25 HR 8am-6pm Mon-Sat Permit B", '"Permit" cannot be read'),
        ("2 Hour Max $1.25 HR 8am-6pm Mon-Sat (Mobile Pay", '"(Mobile" cannot be read'),
        (
            "2 Hour Max $1.25 HR 8am-6pm Mon-Sat,",
            'it ends where "No Parking" or a time for loading should stand',
        ),
        (
            " / ".join(["2 Hour Max $1.25 HR 1am-2am Mon", *["1am-2am Mon"] * 20]),
            "more than 20 stretches of hours are named",
        ),
    ],
)
def test_what_cannot_be_read_is_quoted_and_not_guessed(text: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        read_meter_string(text)
    assert str(refused.value) == why


spaces = st.text(" \t\n\u00a0", min_size=1, max_size=3)


@given(st.data(), st.sampled_from(names()))
def test_spaces_and_capitals_do_not_change_what_a_text_means(
    data: st.DataObject, name: tuple[str, int]
) -> None:
    words = name[0].split()
    respaced = "".join(data.draw(spaces) + word for word in words) + data.draw(spaces)
    capitals = data.draw(st.lists(st.booleans(), min_size=len(respaced), max_size=len(respaced)))
    changed = "".join(
        letter.upper() if capital else letter.lower()
        for letter, capital in zip(respaced, capitals, strict=True)
    )
    assert outcome(changed) == outcome(name[0])


PIECES = """30|Hour|Min|Max|$1.25|$0|HR|8am|12am|5:30pm|-|/|,|.|Mon|Sat|Daily|M-Sat|8am-4pm|MSPM|(Mobile Pay)
(Mobile, Pay)|(|)|Parking|Passenger|No Parking 5pm-2am|, 3 Min Passenger Loading|²|ſ"""
HOURS = """8am-4pm|8am-4pm Mon-Fri|8am-6pm Sat|Sun 9am-5pm|6pm-12am Daily|12am-5:30am Tue|Sat-Mon 5am-7am
8pm-2am|8pm-2am Mon"""
RULES = (
    """|(Mobile Pay)|.|, No Parking 7pm-2am|, No Parking 8am-9am Sun (Mobile Pay)|, 3 Min Passenger Loading"""
)
pieces, hours, rules = (
    st.sampled_from(lines.replace("\n", "|").split("|")) for lines in (PIECES, HOURS, RULES)
)
nearly_texts = st.builds(
    lambda prefix, stretches, between, behind: prefix + between.join(stretches) + " ".join(behind),
    st.sampled_from(["2 Hour Max $1.25 HR ", "MSPM 999 min max $999999 hr ", ""]),
    st.lists(hours, max_size=4) | st.lists(pieces, max_size=6),
    st.sampled_from([" ", "/"]),
    st.lists(rules, max_size=3) | st.lists(pieces, max_size=3),
)


@given(st.text() | nearly_texts)
def test_any_text_is_refused_or_becomes_lines_that_a_tariff_may_have(text: str) -> None:
    lines = outcome(text)
    if lines is not None:
        assert read(written(lines)) == lines


@given(
    minutes=st.integers(1, 999),
    price_minor=st.integers(0, 99_999_999),
    between=st.lists(st.integers(0, 1_439), min_size=2, max_size=2, unique=True).map(sorted),
    first=st.integers(0, 6),
    later=st.integers(1, 6),
)
def test_what_is_written_down_as_a_text_is_what_is_read(
    minutes: int, price_minor: int, between: list[int], first: int, later: int
) -> None:
    clocks = "-".join(f"{time(minute // 60, minute % 60):%I:%M%p}" for minute in between)
    days = f"{DAYS[first]}-{DAYS[(first + later) % 7]}"
    price = f"${price_minor // 100}.{price_minor % 100:02}"
    on_days = frozenset((first + day) % 7 for day in range(later + 1))
    windows = (Window(on_days, between[0] * 60, between[1] * 60),)
    assert read_meter_string(f"{minutes} Min Max {price} HR {clocks} {days}") == (
        PerIncrement(price_minor=price_minor, per_s=HOUR_S, increment_s=60, windows=windows),
        LongestStay(lasts_s=minutes * 60, windows=windows),
        Free(),
    )


def test_the_page_about_the_texts_says_what_becomes_of_them() -> None:
    renewed_by = (
        f"python -m app.payments.tariffs.meter_table {NAMES.relative_to(ROOT)} > {PAGE.relative_to(ROOT)}"
    )
    assert PAGE.read_text(encoding="utf-8") == page(names()), f"renew it: {renewed_by}"
