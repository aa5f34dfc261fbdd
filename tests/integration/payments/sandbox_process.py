"""A process of its own that uses a sandbox's file: ``… sandbox_process PATH``, an order by line, as JSON.

It says "ready", begins at the first line, and answers each with a line.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from app.core.clock import SystemClock
from app.payments.providers.protocol import ChargeOrder, ProviderAway, RefundOrder
from app.payments.providers.sandbox import Sandbox


async def answer(sandbox: Sandbox, what: str, facts: dict[str, Any]) -> list[str]:
    try:
        if what == "refund":
            back = await sandbox.refund(RefundOrder(**facts))
            return [back.fate, back.refund]
        if what == "confirm":
            charged = await sandbox.confirm(**facts)
        else:
            charged = await getattr(sandbox, what)(ChargeOrder(**facts))
    except ProviderAway as away:
        return ["away", str(away)]
    return [charged.fate, charged.charge]


async def main() -> None:
    sandbox = Sandbox(Path(sys.argv[1]), ["whsec_of_the_tests"], SystemClock())
    print("ready", flush=True)
    for line in sys.stdin:
        told = [await answer(sandbox, what, facts) for what, facts in json.loads(line)]
        print(json.dumps(told), flush=True)
    await sandbox.aclose()


if __name__ == "__main__":
    asyncio.run(main())
