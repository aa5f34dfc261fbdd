"""The REST surface, as a gate or an app uses it while the browsers watch."""

from itertools import count
from typing import Any

from playwright.async_api import APIRequestContext

_numbers = count(1000)


def new_plate() -> str:
    """A number plate that no other test uses."""
    return f"TST {next(_numbers)}"


class Rest:
    """Calls that must succeed."""

    def __init__(self, client: APIRequestContext) -> None:
        self._client = client

    async def reserve(self, slot: str, entity: str, **more: Any) -> dict[str, Any]:
        return await self._post("reserve", slot=slot, entityIdentifier=entity, **more)

    async def unreserve(self, slot: str, entity: str) -> dict[str, Any]:
        return await self._post("unreserve", slot=slot, entityIdentifier=entity)

    async def check_in(self, **what: Any) -> dict[str, Any]:
        return await self._post("check-in", **what)

    async def put(self, **slot: Any) -> dict[str, Any]:
        answer = await self._client.put("/parking", data=slot)
        assert answer.ok, await answer.text()
        return await answer.json()  # type: ignore[no-any-return]

    async def price(self, slot: str, start: int, end: int) -> dict[str, Any]:
        """What a stay between these Unix seconds would cost."""
        return await self._calculate(slot=slot, startTime=start, endTime=end)

    async def price_of(self, reservation: str) -> dict[str, Any]:
        """What a booking costs so far."""
        return await self._calculate(reservation=reservation)

    async def _calculate(self, **body: Any) -> dict[str, Any]:
        answer = await self._client.post("/parking/payment?action=calculate", data=body)
        assert answer.ok, await answer.text()
        return await answer.json()  # type: ignore[no-any-return]

    async def slots(self, lot: str = "riverside", **wanted: str) -> list[dict[str, Any]]:
        """Slots as SQL has them."""
        answer = await self._client.get("/parking", params={"lot": lot, "limit": "1000", **wanted})
        assert answer.ok, await answer.text()
        return (await answer.json())["slotDetails"]  # type: ignore[no-any-return]

    async def slot_named(self, name: str, lot: str = "riverside") -> dict[str, Any]:
        """The slot with this name."""
        (found,) = [one for one in await self.slots(lot) if one["name"] == name]
        return found

    async def status(self, slot: str) -> str:
        (found,) = await self.slots(slot=slot)
        return str(found["status"])

    async def free_slot(self, area: str = "B", lot: str = "riverside") -> dict[str, Any]:
        """A free slot of the ordinary kind, with its area's last number."""
        free = await self.slots(lot, area=area, status="free", premium="false")
        return [slot for slot in free if not slot["accessible"] and not slot["charging"]][-1]

    async def _post(self, action: str, **body: Any) -> dict[str, Any]:
        answer = await self._client.post(f"/parking?action={action}", data=body)
        assert answer.ok, await answer.text()
        return await answer.json()  # type: ignore[no-any-return]
