"""The settings of one process: a frozen object, and the only code that reads the environment.

The variables, their defaults and their meaning are listed in ``docs/running.md``.
"""

import hashlib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

Profile = Literal["development", "production"]

DEFAULT_PORT = 8000
DEFAULT_HOST = "127.0.0.1"
DEFAULT_SCRUB_S = 600
LONGEST_SCRUB_S = 7 * 86_400
SHORTEST_SECRET = 32
LONGEST_ISSUER = 300
PROVIDERS = ("desk", "sandbox", "stripe")

# sockaddr_un.sun_path on Linux holds 108 bytes, the closing NUL among them.
SOCKET_PATH_LIMIT_BYTES = 107

_ASYNC_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}
_REDIS_SCHEMES = ("redis", "rediss", "unix")
# Any of a cluster's servers; the others are asked of these.
CLUSTER_SCHEME = "redis+cluster"
DEFAULT_REDIS_PORT = 6379
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_AUTHORITY = re.compile(r"(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?]+\]|[^/:?]+)?(?::(?P<port>[^/?]*))?")
_ROOT = Path(__file__).resolve().parents[1]


class SettingsError(ValueError):
    """One or more variables are wrong; ``problems`` has a sentence for each of them."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Settings:
    """What a process has to know from outside. URLs are in the form that the async drivers take."""

    port: int
    host: str
    database_url: str
    redis_url: str
    data_dir: Path
    profile: Profile = "development"
    worker_metrics_port: int | None = None
    scrub_s: int = DEFAULT_SCRUB_S
    forwarded_allow_ips: str = ""
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)
    payments: tuple[str, ...] = ("desk", "sandbox")
    issuer: str = ""
    stripe_api_key: str = field(default="", repr=False)
    stripe_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    stripe_api_base: str = ""
    tour: str = ""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Settings":
        """Reads ``env``; an empty variable counts as absent. SettingsError names every wrong one at once."""
        given = {name: value.strip() for name, value in env.items() if value.strip()}
        problems: list[str] = []
        data_dir = Path(given.get("LOTLINE_DATA", default_data_dir())).expanduser().absolute()
        settings = cls(
            port=_port(given, problems),
            host=_host(given, problems),
            database_url=_database_url(given, data_dir, problems),
            redis_url=_redis_url(given, data_dir, problems),
            data_dir=data_dir,
            profile=_profile(given, problems),
            worker_metrics_port=_worker_metrics_port(given, problems),
            scrub_s=_scrub_s(given, problems),
            forwarded_allow_ips=_forwarded_allow_ips(given, problems),
            signing_secrets=_secrets(given, "LOTLINE_SIGNING_SECRETS", problems),
            payments=_payments(given, problems),
            issuer=_issuer(given, problems),
            stripe_api_key=given.get("STRIPE_API_KEY", ""),
            stripe_webhook_secrets=_listed(given, "STRIPE_WEBHOOK_SECRETS"),
            stripe_api_base=given.get("STRIPE_API_BASE", ""),
            tour=_tour(given, problems),
        )
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def of_process(cls) -> "Settings":
        """The settings of this very process."""
        return cls.from_environment(os.environ)

    @property
    def redis_is_embedded(self) -> bool:
        """True where REDIS_URL names the server that ``lotline run`` starts itself."""
        return self.redis_url == embedded_redis_url(self.data_dir)

    @property
    def sqlite_path(self) -> str:
        """The file of a SQLite database; "" of any other."""
        found = re.match(r"sqlite[^:]*:///([^?]*)", self.database_url)
        return found[1] if found else ""

    def as_environment(self) -> dict[str, str]:
        """The variables from which another process reads these same settings."""
        return {
            "PORT": str(self.port),
            "HOST": self.host,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "LOTLINE_DATA": str(self.data_dir),
            "LOTLINE_PROFILE": self.profile,
            "LOTLINE_WORKER_METRICS_PORT": str(self.worker_metrics_port or ""),
            "LOTLINE_SCRUB_SECONDS": str(self.scrub_s),
            "FORWARDED_ALLOW_IPS": self.forwarded_allow_ips,
            "LOTLINE_SIGNING_SECRETS": ",".join(self.signing_secrets),
            "LOTLINE_PAYMENTS": ",".join(self.payments),
            "LOTLINE_ISSUER": self.issuer,
            "STRIPE_API_KEY": self.stripe_api_key,
            "STRIPE_WEBHOOK_SECRETS": ",".join(self.stripe_webhook_secrets),
            "STRIPE_API_BASE": self.stripe_api_base,
            "LOTLINE_TOUR": self.tour,
        }


def _issuer(given: Mapping[str, str], problems: list[str]) -> str:
    issuer = given.get("LOTLINE_ISSUER", "")
    if len(issuer) > LONGEST_ISSUER:
        problems.append(f"LOTLINE_ISSUER has more than {LONGEST_ISSUER} characters.")
    return issuer


def default_data_dir() -> Path:
    """``var/`` of the checkout, or of the current directory when the package is installed without one."""
    return (_ROOT if (_ROOT / "pyproject.toml").exists() else Path.cwd()) / "var"


def embedded_redis_socket(data_dir: Path) -> Path:
    """Where the embedded server listens: in ``data_dir``, or in ``/tmp`` where that path is too long.

    The short path follows from ``data_dir`` alone, so that every process finds the same one.
    """
    socket = data_dir / "redis.sock"
    if len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT_BYTES:
        return socket
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    # TMPDIR is not asked: it may differ between two terminals, and be as long as the path that was refused.
    return Path("/tmp") / f"lotline-{os.getuid()}-{digest}" / "redis.sock"  # noqa: S108


def embedded_redis_url(data_dir: Path) -> str:
    """The URL of the embedded server that belongs to ``data_dir`` (absolute)."""
    return f"unix://{quote(str(embedded_redis_socket(data_dir)))}"


def _port(given: Mapping[str, str], problems: list[str]) -> int:
    return _whole_number(given, "PORT", DEFAULT_PORT, 65535, problems)


def _worker_metrics_port(given: Mapping[str, str], problems: list[str]) -> int | None:
    return _whole_number(given, "LOTLINE_WORKER_METRICS_PORT", 0, 65535, problems) or None


def _scrub_s(given: Mapping[str, str], problems: list[str]) -> int:
    return _whole_number(given, "LOTLINE_SCRUB_SECONDS", DEFAULT_SCRUB_S, LONGEST_SCRUB_S, problems)


def _forwarded_allow_ips(given: Mapping[str, str], problems: list[str]) -> str:
    text = given.get("FORWARDED_ALLOW_IPS", "")
    for one in filter(None, map(str.strip, text.split(","))):
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            if one != "*" and not one.startswith("/"):
                problems.append(
                    f"FORWARDED_ALLOW_IPS has {one!r}; it must list addresses or networks, such as "
                    "127.0.0.1,10.0.0.0/8, or be * where nothing but a proxy can reach this process."
                )
    return text


def _listed(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, given.get(name, "").split(","))))


def _payments(given: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    """Who takes money. The sandbox is for trying out: in production nobody parks for made-up money."""
    is_production = given.get("LOTLINE_PROFILE") == "production"
    found = _listed(given, "LOTLINE_PAYMENTS") or (("desk",) if is_production else ("desk", "sandbox"))
    problems += [
        f"LOTLINE_PAYMENTS names {one!r}; it must name some of {', '.join(PROVIDERS)}."
        for one in found
        if one not in PROVIDERS
    ]
    if "sandbox" in found and is_production:
        problems.append("LOTLINE_PAYMENTS names the sandbox, but in production nobody parks for nothing.")
    if "stripe" in found:
        problems += [
            f"{name} is missing; LOTLINE_PAYMENTS names stripe."
            for name in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS")
            if name not in given
        ]
    return found


def _tour(given: Mapping[str, str], problems: list[str]) -> str:
    """The lot that newcomers are shown around in. Who takes the tour is signed in as an operator."""
    found = given.get("LOTLINE_TOUR", "")
    if found and given.get("LOTLINE_PROFILE") == "production":
        problems.append("LOTLINE_TOUR is set, but in production nobody is signed in for a tour.")
    return found


def _secrets(given: Mapping[str, str], name: str, problems: list[str]) -> tuple[str, ...]:
    """Secrets by commas, the newest first; what they are is not repeated."""
    found = _listed(given, name)
    if any(len(one) < SHORTEST_SECRET for one in found):
        problems.append(f"{name} has a secret of fewer than {SHORTEST_SECRET} characters.")
    return found


def _whole_number(
    given: Mapping[str, str], name: str, default: int, greatest: int, problems: list[str]
) -> int:
    """From 1 to ``greatest``, or the default where the variable is absent."""
    if name not in given:
        return default
    text = given[name]
    if re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= greatest:
        return int(text)
    problems.append(f"{name} is {text!r}; it must be a whole number from 1 to {greatest}.")
    return default


def _host(given: Mapping[str, str], problems: list[str]) -> str:
    text = given.get("HOST", DEFAULT_HOST)
    if not _HOST_NAME.fullmatch(text) and not _is_address(text):
        problems.append(
            f"HOST is {text!r}; it must be an address such as 127.0.0.1 or a name such as localhost."
        )
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _database_url(given: Mapping[str, str], data_dir: Path, problems: list[str]) -> str:
    text = given.get("DATABASE_URL", f"sqlite:///{data_dir / 'lotline.db'}")
    scheme, mark, rest = text.partition("://")
    driver = _ASYNC_DRIVERS.get(scheme.lower())
    if not mark or driver is None:
        # The URL may hold a password: it is not repeated.
        problems.append("DATABASE_URL must start with sqlite:///, postgresql:// or postgres://.")
        return text
    if driver == "sqlite+aiosqlite":
        return _sqlite_url(driver, rest, problems)
    if not _has_usable_port(rest):
        problems.append("DATABASE_URL has a port that is no number from 1 to 65535.")
    # libpq says sslmode, asyncpg says ssl; the values are the same words.
    return f"{driver}://" + re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)


def _has_usable_port(rest: str) -> bool:
    """Of what follows ``postgresql://``. A password may hold any sign but @, so urlsplit is not asked."""
    match = _AUTHORITY.match(rest)
    port = match["port"] if match else None
    return not port or bool(re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535)


def _sqlite_url(driver: str, rest: str, problems: list[str]) -> str:
    path, mark, query = rest.partition("?")
    file = path.removeprefix("/")
    if file in ("", ":memory:"):
        problems.append(
            "DATABASE_URL must name a file, as in sqlite:////srv/lotline.db: "
            "several processes share the database, so it cannot live in memory."
        )
        return rest
    if not Path(file).is_absolute():
        problems.append(
            "DATABASE_URL must name the file by its whole path, with four slashes, as in "
            "sqlite:////srv/lotline.db: each process may have another current folder."
        )
        return rest
    return f"{driver}:///{file}{mark}{query}"


def cluster_addresses(url: str) -> list[tuple[str, int]]:
    """The servers that the URL of a cluster names, ``redis+cluster://host:port,host:port``.

    ValueError, with what is wrong, where it is none; what it holds is not repeated.
    """
    scheme, _, rest = url.partition("://")
    if scheme != CLUSTER_SCHEME:
        raise ValueError(f"must begin with {CLUSTER_SCHEME}://")
    return [_cluster_address(one) for one in rest.removesuffix("/").split(",")]


def _cluster_address(text: str) -> tuple[str, int]:
    if "@" in text:
        raise ValueError("may hold no user and no password")
    if any(sign in text for sign in "/?#"):
        raise ValueError("may hold nothing but servers: a cluster has no databases")
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, DEFAULT_REDIS_PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError("has a port that is no number from 1 to 65535, or an address that is none") from None
    if port == 0:
        raise ValueError("has a port that is no number from 1 to 65535, or an address that is none")
    if not host:
        raise ValueError("must name a server before and after each comma")
    return host, port


def _redis_url(given: Mapping[str, str], data_dir: Path, problems: list[str]) -> str:
    text = given.get("REDIS_URL", embedded_redis_url(data_dir))
    if text.startswith(f"{CLUSTER_SCHEME}:"):
        try:
            cluster_addresses(text)
        except ValueError as error:
            problems.append(
                f"REDIS_URL of a cluster {error}. It must name some of its servers, as in "
                "redis+cluster://host:6379,other:6379."
            )
        return text
    try:
        parts = urlsplit(text)
        complete = bool(parts.path if parts.scheme == "unix" else parts.hostname)
    except ValueError:
        complete = False
    if not complete or parts.scheme not in _REDIS_SCHEMES:
        problems.append(
            "REDIS_URL must look like redis://host:6379/0, rediss://host:6379/0, unix:///path.sock "
            "or redis+cluster://host:6379,other:6379."
        )
    return text


def _profile(given: Mapping[str, str], problems: list[str]) -> Profile:
    text = given.get("LOTLINE_PROFILE", "development")
    if text == "production":
        return "production"
    if text != "development":
        problems.append(f"LOTLINE_PROFILE is {text!r}; it must be development or production.")
    return "development"
