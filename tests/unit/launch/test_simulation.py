import random
import re
import statistics

from app.launch.simulation import DRIVES_UP, MEDIAN_STAY_S, made_up_driver, stay_s


def source() -> random.Random:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def test_half_of_the_drivers_stay_less_than_the_median_and_one_in_ten_more_than_an_hour() -> None:
    numbers = source()
    stays = [stay_s(numbers) for _ in range(20_000)]
    assert 0.95 < statistics.median(stays) / MEDIAN_STAY_S < 1.05
    assert 0.08 < sum(stay > 3600 for stay in stays) / len(stays) < 0.13


def test_drivers_differ_in_plate_in_wish_and_in_whether_they_booked() -> None:
    numbers = source()
    drivers = [made_up_driver(numbers) for _ in range(5_000)]
    assert all(re.fullmatch(r"[A-Z]{3} \d{4}", driver.plate) for driver in drivers)
    assert len({driver.plate for driver in drivers}) > 4_900
    there = sum(driver.way_s is None for driver in drivers) / len(drivers)
    assert abs(there - DRIVES_UP) < 0.05
    for name in ("premium", "charging", "accessible"):
        assert 0.01 < sum(bool(getattr(driver.wish, name)) for driver in drivers) / len(drivers) < 0.2
