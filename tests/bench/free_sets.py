"""Which structure holds the free slots of a class best? Memory per slot, and the server's time to give out
the nearest free slot and take one back, side by side on the embedded Redis.

    bin/bench free-sets [--slots 1000000] [--lot-slots 500]
"""

import argparse
import random
import tempfile
from pathlib import Path
from time import perf_counter

import redis

from tests import servers

BITMAP = """
for i = 1, ARGV[1] do
  local rank = redis.call('BITPOS', KEYS[1], 1)
  redis.call('SETBIT', KEYS[1], rank, 0)
  redis.call('SETBIT', KEYS[1], rank, 1)
end
return redis.call('BITCOUNT', KEYS[1])"""
SORTED = """
for i = 1, ARGV[1] do
  local found = redis.call('ZRANGE', KEYS[1], 0, 0)
  redis.call('ZREM', KEYS[1], found[1])
  redis.call('ZADD', KEYS[1], found[1], found[1])
end
return redis.call('ZCARD', KEYS[1])"""
SET = """
for i = 1, ARGV[1] do
  local any = redis.call('SPOP', KEYS[1])
  redis.call('SADD', KEYS[1], any)
end
return redis.call('SCARD', KEYS[1])"""
NOTHING = "for i = 1, ARGV[1] do redis.call('ECHO', '1') end return 0"
ROUNDS, CALLS = 7, 2000


def fill(client: "redis.Redis", kind: str, lots: int, lot_slots: int) -> None:
    free = [rank for rank in range(lot_slots) if rank % 3]
    bits = bytearray(-(-lot_slots // 8))
    for rank in free:
        bits[rank // 8] |= 0x80 >> rank % 8
    pipeline = client.pipeline(transaction=False)
    for lot in range(lots):
        key = f"{{{lot}}}:{kind}"
        if kind == "bitmap":
            pipeline.set(key, bytes(bits))
        elif kind == "sorted set":
            pipeline.zadd(key, {rank: rank for rank in free})
        else:
            pipeline.sadd(key, *free)
        if lot % 200 == 0:
            pipeline.execute()
    pipeline.execute()


def measure(client: "redis.Redis", script: str, keys: list[str]) -> float:
    """Microseconds of the server for one slot given out and taken back, the loop's own cost taken off."""
    run = client.register_script(script)
    best = []
    for _ in range(ROUNDS):
        key = random.choice(keys)
        began = perf_counter()
        run(keys=[key], args=[CALLS])
        best.append(perf_counter() - began)
    return sorted(best)[ROUNDS // 2] / CALLS * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--lot-slots", type=int, default=500)
    asked = parser.parse_args()
    lots = asked.slots // asked.lot_slots
    print(f"{lots} lots of {asked.lot_slots} slots, two thirds free, one class each")
    print(f"{'structure':<14}{'bytes per slot':>16}{'µs per give and take':>24}  nearest first")
    with tempfile.TemporaryDirectory() as folder, servers.start_redis(Path(folder)) as url:
        client = redis.Redis.from_url(url)
        floor = measure(client, NOTHING, ["nothing"])
        for kind, script, nearest in (
            ("bitmap", BITMAP, "yes"),
            ("sorted set", SORTED, "yes"),
            ("set", SET, "no, any"),
        ):
            client.execute_command("FLUSHALL", "SYNC")
            before = client.info("memory")["used_memory"]
            fill(client, kind, lots, asked.lot_slots)
            used = client.info("memory")["used_memory"] - before
            took_us = measure(client, script, [f"{{{lot}}}:{kind}" for lot in range(lots)])
            print(f"{kind:<14}{used / asked.slots:>16.2f}{took_us:>24.2f}  {nearest}")
        print(f"a command that does nothing takes {floor:.2f} µs")


if __name__ == "__main__":
    main()
