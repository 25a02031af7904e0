"""Blocking connections to the addresses that a feed may reach, over its proxy if it has one."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping

from blockd.feeds.http.access import Access
from blockd.feeds.http.origin import Origin, origin_of
from blockd.feeds.http.secret_files import basic
from blockd.feeds.http_causes import http_cause

_SOME = 0.001  # seconds; a socket takes 0 for "do not wait"


class NotReached(OSError):
    """A server must not be connected to, or the proxy does not; its text continues the server's URL."""

    def __str__(self) -> str:
        return str(self.args[0])


def connected(origin: Origin, access: Access, seconds: float) -> socket.socket:
    """Return a socket that is connected to an origin, within `seconds` for an address and twice that for all.

    For https over a proxy it is a tunnel. Raises OSError and HTTPException, and NotReached.
    """
    if not access.proxy:
        return _direct(origin, access, seconds)
    if refusal := access.reach.refusal_of_host(origin):
        raise NotReached(refusal)
    _, host, port = origin_of(access.proxy)
    try:
        made = socket.create_connection((host, port), timeout=seconds)
    except OSError as error:
        raise NotReached(f"cannot be fetched: the proxy {http_cause(error)}") from error
    if origin[0] == "https":
        try:
            _open_tunnel(made, origin, access)
        except BaseException:
            made.close()
            raise
    return made


def asked_of_proxy(origin: Origin, target: str, access: Access) -> tuple[str, Mapping[str, str]]:
    """Return a request's target, and the headers for a proxy that passes it on (RFC 9112 section 3.2.2)."""
    if not access.proxy or origin[0] == "https":
        return target, {}
    return f"http://{_authority(origin)}{target}", _login(access)


def _direct(origin: Origin, access: Access, seconds: float) -> socket.socket:
    """Connect to the first address of an origin that may be reached and answers."""
    _, host, port = origin
    refusal, failure, deadline = "", None, time.monotonic() + 2 * seconds
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        refusal = access.reach.refusal(origin, str(address[0]))
        if refusal:
            continue
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(min(seconds, max(deadline - time.monotonic(), _SOME)))
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    if failure is not None:
        raise failure
    raise NotReached(refusal or "has a host name without an address")


def _open_tunnel(made: socket.socket, origin: Origin, access: Access) -> None:
    """Have the proxy connect to an origin (RFC 9110 section 9.3.6)."""
    lines = [f"CONNECT {_authority(origin)} HTTP/1.1", f"Host: {_authority(origin)}"]
    lines += [f"{name}: {value}" for name, value in _login(access).items()]
    made.sendall("\r\n".join((*lines, "", "")).encode("ascii"))
    response = http.client.HTTPResponse(made, method="CONNECT")
    try:
        response.begin()
    finally:
        response.close()
    if response.status == http.client.PROXY_AUTHENTICATION_REQUIRED:
        raise NotReached("cannot be fetched: the proxy does not let this machine through (407)")
    if not 200 <= response.status < 300:
        raise NotReached(f"cannot be fetched: the proxy does not connect to it ({response.status})")


def _login(access: Access) -> dict[str, str]:
    return {"Proxy-Authorization": basic(access.proxy_login)} if access.proxy_login else {}


def _authority(origin: Origin) -> str:
    _, host, port = origin
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
