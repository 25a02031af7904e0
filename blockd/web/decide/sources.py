"""Which hosts a request of a proxy names, by the path that its recipe asks: one source each.

A client can send the header of another recipe to a proxy that passes it on. So a path reads its own source and nothing
else, but for `/decide`, which judges all that are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from blockd.errors import BadName
from blockd.web.decide.hosts import Host, host_of, host_of_url
from blockd.web.decide.request import ProxyRequest

MAX_HOSTS = 16  # of one request: proxies in a row add one each
MAX_QUERY = 1 << 14  # octets of a query that are read: a URL in it may be long
MAX_PARAMETERS = 64  # `&` in a client's URL that a recipe passes on unescaped begins another
ALLOWED = 204
ENVOY_ALLOWED = 200  # the one status by which ext_authz lets a request pass

_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_ENVOY = b"/decide/envoy"

Parameters = dict[bytes, list[bytes]]


@dataclass(frozen=True, slots=True)
class ProxyQuestion:
    """What a request asks: about these hosts, to be answered so.

    `allowed` is the status of an answer that lets the request pass. `status` is that of one that does not, 0 for the
    order's own. `counts` is whether a block counts as a hit.
    """

    hosts: tuple[Host, ...]
    allowed: int = ALLOWED
    status: int = 0
    counts: bool = True


class BadQuestion(Exception):
    """A request that cannot be answered: the status, and why, as a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def asked_by(request: ProxyRequest) -> ProxyQuestion:
    """Return what a request asks; raises BadQuestion."""
    absolute = _ABSOLUTE.match(request.target)  # RFC 9112 section 3.2.2
    path, _, query = request.target[absolute.end() if absolute else 0 :].partition(b"?")
    if path == _ENVOY or path.startswith(_ENVOY + b"/"):
        return ProxyQuestion(_read(_by_host, request, {}), ENVOY_ALLOWED)  # the rest of it is the client's
    source = _SOURCES.get(path)
    if source is None:
        raise BadQuestion(404, "there is nothing here; the paths are /decide, /decide/url and those of the recipes")
    parameters = _parameters(query)
    return ProxyQuestion(
        _read(source, request, parameters),
        status=_status(parameters.get(b"status", ())),
        counts=b"no" not in parameters.get(b"counts", ()),
    )


Source = Callable[[ProxyRequest, Parameters], list[Host]]


def _read(source: Source, request: ProxyRequest, parameters: Parameters) -> tuple[Host, ...]:
    try:
        hosts = source(request, parameters)
    except BadName as error:
        raise BadQuestion(400, f"a host cannot be read: {error}") from error
    if not hosts:
        raise BadQuestion(400, "no host is named by what this path reads")
    if len(hosts) > MAX_HOSTS:
        raise BadQuestion(400, f"more than {MAX_HOSTS} hosts are named")
    return tuple(dict.fromkeys(hosts))


def _by_url(_request: ProxyRequest, parameters: Parameters) -> list[Host]:
    """Return the hosts of the parameters `url` and `host`."""
    urls, names = parameters.get(b"url", ()), parameters.get(b"host", ())
    return [*map(host_of_url, urls[: MAX_HOSTS + 1]), *map(host_of, names[: MAX_HOSTS + 1])]


def _by_forwarded(request: ProxyRequest, _parameters: Parameters) -> list[Host]:
    """Return those of X-Forwarded-Host: a client's own may stand before the proxy's, and is judged too."""
    return [host_of(one) for one in request.list(b"x-forwarded-host")[: MAX_HOSTS + 1]]


def _by_original(request: ProxyRequest, _parameters: Parameters) -> list[Host]:
    """Return those of X-Original-URL."""
    return [host_of_url(one) for one in request.all(b"x-original-url")[: MAX_HOSTS + 1]]


def _by_host(request: ProxyRequest, _parameters: Parameters) -> list[Host]:
    """Return that of Host, which may be there once (RFC 9112 section 3.2)."""
    return [host_of(one) for one in request.all(b"host")]


def _by_all(request: ProxyRequest, parameters: Parameters) -> list[Host]:
    """Return those of all sources but Host, which is this server itself."""
    return [*_by_url(request, parameters), *_by_forwarded(request, parameters), *_by_original(request, parameters)]


_SOURCES: dict[bytes, Source] = {
    b"/decide": _by_all,
    b"/decide/url": _by_url,
    b"/decide/forwarded": _by_forwarded,
    b"/decide/original": _by_original,
}


def paths() -> list[str]:
    """Return the paths that are answered; below that for Envoy all others are."""
    return [path.decode("ascii") for path in (*_SOURCES, _ENVOY)]


def _parameters(query: bytes) -> Parameters:
    """Return the parameters of a query; raises BadQuestion."""
    if len(query) > MAX_QUERY or query.count(b"&") >= MAX_PARAMETERS:
        raise BadQuestion(414, "the query is too long")
    found: Parameters = {}
    if query:
        for part in query.split(b"&"):
            name, _, value = part.partition(b"=")
            found.setdefault(name, []).append(unquote_to_bytes(value))
    return found


def _status(wanted: Sequence[bytes]) -> int:
    """Return the status that a block is to have: one of a refusal alone, since a client's URL may ask for it too."""
    for one in wanted:
        if len(one) != 3 or not one.isdigit() or one[:1] != b"4":
            raise BadQuestion(400, "`status` is not one of 400 to 499")
        return int(one)
    return 0
