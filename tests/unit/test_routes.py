"""Every address says who may use it, and the table as a whole is what it should be."""

from starlette.routing import Mount, Route, WebSocketRoute

from app.accounts.access import Access, GuardedRoute, GuardedSocket
from app.main import routes

# The only address that declares nothing: files that are the same for everybody.
WITHOUT_ACCESS = {"static"}
# Who a path is for, by how it begins; what is not here is public.
BY_PREFIX = {
    "/parking": Access.PROGRAM,
    "/metrics": Access.PROGRAM,
    "/tour": Access.HERE,
    "/attendant": Access.ATTENDANT,
    "/ws/attendant": Access.ATTENDANT,
    "/operator": Access.OPERATOR,
    "/bookings/{token}": Access.HOLDER,
}


def test_every_route_declares_its_access() -> None:
    for route in routes():
        if isinstance(route, Mount):
            assert route.name in WITHOUT_ACCESS, f"{route.path} is mounted and declares no access"
            continue
        assert isinstance(route, GuardedRoute | GuardedSocket), f"{route} declares no access"
        assert isinstance(route.access, Access)


def test_every_route_is_for_whom_its_path_says() -> None:
    for route in routes():
        if isinstance(route, GuardedRoute | GuardedSocket):
            expected = next(
                (access for prefix, access in BY_PREFIX.items() if route.path.startswith(prefix)),
                Access.PUBLIC,
            )
            assert route.access is expected, route.path


def test_no_plain_route_slips_in() -> None:
    """A plain Route would be served without asking anybody."""
    plain = [one for one in routes() if type(one) in (Route, WebSocketRoute)]
    assert plain == []


def test_no_address_is_declared_twice() -> None:
    seen = set()
    for route in routes():
        for method in getattr(route, "methods", None) or {"WEBSOCKET"}:
            key = (route.path, method)  # type: ignore[attr-defined]
            assert key not in seen, key
            seen.add(key)


def test_a_change_is_never_made_by_reading() -> None:
    """GET changes nothing that a crawler or a prefetch could change, but for a link that signs in."""
    for route in routes():
        if isinstance(route, GuardedRoute) and "POST" in (route.methods or ()):
            assert "GET" not in route.methods, route.path
