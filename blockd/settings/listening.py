"""Where blockd listens: the section `listen`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

from blockd.settings.addresses import Listening, SocketAddress, socket_address_from_text
from blockd.settings.admin_tls import AdminTls
from blockd.settings.hostnames import HostName
from blockd.settings.paths_and_urls import ConfigPath, path_from_text
from blockd.settings.section import Section, setting
from blockd.settings.values import shown

MAX_LISTENED = 64  # addresses of one kind: each is a socket in every worker
MAX_ADMIN_NAMES = 64  # all are compared with a Host header
ADMIN_SOCKET = "admin.sock"  # in the state folder
MAX_SOCKET_PATH = 107  # octets: what the kernel takes for a Unix socket (unix(7))

UNIX = "unix:"  # before the path of a Unix socket


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A Unix socket to listen on, by its absolute path."""

    path: Path

    @property
    def text(self) -> str:
        """`unix:/run/blockd/decide.sock`."""
        return f"{UNIX}{self.path}"

    def __str__(self) -> str:
        return self.text


LocalAddress = SocketAddress | UnixSocket


def local_address_from_text(value: object, info: ValidationInfo) -> LocalAddress:
    """Parse `127.0.0.1:9054`, `[::1]:9054`, or `unix:/run/blockd/decide.sock`; raises ValueError."""
    if not isinstance(value, str) or not value.startswith(UNIX):
        try:
            return socket_address_from_text(value)
        except ValueError:
            expected = "ADDRESS:PORT or unix:PATH, such as 127.0.0.1:9054 or unix:/run/blockd/decide.sock"
            raise ValueError(f"expected {expected}, got {shown(value)}") from None
    if value.startswith(f"{UNIX}@"):
        raise ValueError(
            f"expected the path of a file: whoever finds a socket without one may connect; got {shown(value)}"
        )
    path = path_from_text(value.removeprefix(UNIX), info)
    if len(bytes(path)) > MAX_SOCKET_PATH:
        raise ValueError(f"expected a path of at most {MAX_SOCKET_PATH} octets for a Unix socket, got {shown(value)}")
    return UnixSocket(path)


def local_address_from_path_or_text(text: str) -> LocalAddress:
    """Parse as `local_address_from_text` does, with a path relative to the current folder; raises ValueError."""
    if text.startswith(UNIX):
        return UnixSocket(Path(text.removeprefix(UNIX)).absolute())
    return socket_address_from_text(text)


LocalListening = Annotated[LocalAddress, PlainValidator(local_address_from_text)]


class BlockPage(Section):
    """Where the sinkhole listens."""

    http: tuple[Listening, ...] = setting(
        ("127.0.0.1:8080",), "Where the block page answers HTTP.", max_length=MAX_LISTENED
    )
    https: tuple[Listening, ...] = setting(
        ("127.0.0.1:8444",), "Where TLS is counted and refused.", max_length=MAX_LISTENED
    )


class PublicPage(Section):
    """Where the page about orders listens, which may face everybody."""

    http: tuple[Listening, ...] = setting((), "Where it answers HTTP.", max_length=MAX_LISTENED)
    https: tuple[Listening, ...] = setting((), "Where it answers HTTPS; needs `certificates`.", max_length=MAX_LISTENED)

    @property
    def is_used(self) -> bool:
        """Whether it listens anywhere."""
        return bool(self.http or self.https)


class Listen(Section):
    """Where blockd listens."""

    dns: tuple[Listening, ...] = setting(
        ("127.0.0.1:8053", "[::1]:8053"),
        "Where DNS is answered, over UDP and TCP.",
        min_length=1,
        max_length=MAX_LISTENED,
    )
    dot: tuple[Listening, ...] = setting(
        (), "Where DNS is answered over TLS (RFC 7858); needs `certificates`.", max_length=MAX_LISTENED
    )
    doh: tuple[Listening, ...] = setting(
        (),
        "Where DNS is answered over HTTPS (RFC 8484); needs `certificates`, or `doh.plain_from`.",
        max_length=MAX_LISTENED,
    )
    block_page: BlockPage = setting({}, "Where the sinkhole listens.")
    public: PublicPage = setting({}, "Where the page about orders listens, which may face everybody.")
    decide: tuple[LocalListening, ...] = setting(
        (), "Where HTTP proxies ask whether a name is blocked: addresses, or unix:PATH.", max_length=MAX_LISTENED
    )
    admin: Listening = setting("127.0.0.1:9053", "Where metrics, health and the admin API are.")
    admin_names: tuple[HostName, ...] = setting(
        (),
        "The host names by which the admin port may be called, beside addresses and localhost; `/healthz`, `/readyz` "
        "and `/metrics` may be called by any.",
        max_length=MAX_ADMIN_NAMES,
    )
    admin_tls: AdminTls | None = setting(
        None, "Serve the admin port over TLS, with `certificates`; callers may be known by certificates of their own."
    )
    admin_socket: ConfigPath | None = setting(
        None,
        "The Unix socket of the admin API, for root, blockd's user and the group of its folder; without it "
        "`admin.sock` in the state folder.",
    )


def listened(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], type[Section], str]]:
    """Yield each setting of the file that names addresses to listen on: its path, section, the section's model, key."""
    listen = _section(data, "listen")
    page, public = _section(listen, "block_page"), _section(listen, "public")
    yield "listen.dns", listen, Listen, "dns"
    yield "listen.dot", listen, Listen, "dot"
    yield "listen.doh", listen, Listen, "doh"
    yield "listen.block_page.http", page, BlockPage, "http"
    yield "listen.block_page.https", page, BlockPage, "https"
    yield "listen.public.http", public, PublicPage, "http"
    yield "listen.public.https", public, PublicPage, "https"
    yield "listen.decide", listen, Listen, "decide"
    yield "listen.admin", listen, Listen, "admin"


def _section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}
