"""Asking the running daemon, through its admin socket or its admin port."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockd.cli.asking.place import socket_at_a_glance, sockets_named
from blockd.cli.asking.token import known_token
from blockd.cli.asking.way import PortWay, SocketWay, Way, asked
from blockd.cli.doings import current
from blockd.errors import CommandError, ConfigError

if TYPE_CHECKING:
    from blockd.settings import Settings

SECONDS = 10.0  # for an answer that needs no fetching
TLS = "https://"  # before the address of an admin port that is served over TLS
PAUSE = 1.0  # seconds until what changes nothing is asked once more, if the daemon was too busy to answer


class DaemonAbsent(CommandError):
    """Nobody answers where the config says that blockd is."""


class DaemonRefused(CommandError):
    """The daemon answers, and does not do what it was asked, for the reason that it gives."""


class DaemonBusy(DaemonRefused):
    """A daemon runs, and is too busy for what it was asked, which changes nothing; it may not be in a second."""


class RunningDaemon:
    """The daemon at the first of some ways that is there. Once reached, it is asked in that way and in no other."""

    def __init__(self, ways: Iterable[Way]) -> None:
        self._ways = ways
        self._way: Way | None = None

    @property
    def is_at_socket(self) -> bool:
        """Whether it was reached at its admin socket."""
        return isinstance(self._way, SocketWay)

    def ask(self, path: str, body: Mapping[str, object] | None = None, seconds: float = SECONDS) -> dict[str, Any]:
        """Return the answer as `blockd.cli.admin_client.ask` does, and raise as it does."""
        if body is not None:
            current().asked()
            return self._answer(path, body, seconds)
        try:
            return self._answer(path, None, seconds)
        except DaemonBusy:
            time.sleep(min(PAUSE, seconds))
            return self._answer(path, None, seconds)

    def _answer(self, path: str, body: Mapping[str, object] | None, seconds: float) -> dict[str, Any]:
        self._way, connection, passed = _connected([self._way] if self._way else self._ways, seconds)
        return _answer(self._way, connection, passed, path, body)


def ask(
    config: Path | Settings, path: str, body: Mapping[str, object] | None = None, seconds: float = SECONDS
) -> dict[str, Any]:
    """Return the answer, JSON, of the daemon that runs with a config to a GET, or to a POST of `body`.

    A config that is not read yet is read whole only if the socket cannot be seen in it at a glance; then, and if nobody
    answers, ConfigError is raised for a wrong one.

    It is asked by the admin socket, which needs no token; if a token is named, or nobody can be reached there, by the
    admin port. Raises DaemonAbsent if no daemon answers, CommandError if another program does, DaemonBusy if it is too
    busy to, and DaemonRefused with the daemon's own sentence if it refuses. A GET is asked once more before it is given
    up as busy. A POST that is left without an answer may have been done; the sentence says so.
    """
    return RunningDaemon(DaemonWays(config)).ask(path, body, seconds)


def ask_at(
    address: str, path: str, body: Mapping[str, object] | None = None, seconds: float = SECONDS
) -> dict[str, Any]:
    """Return the answer of the daemon whose admin port is `address`; raises as `ask` does.

    That is HOST:PORT, or https://HOST:PORT if it is served over TLS, without which no token is sent elsewhere.
    """
    is_tls = address.lower().startswith(TLS)
    way = PortWay(address[len(TLS) :] if is_tls else address, known_token(), is_tls=is_tls)
    return RunningDaemon([way]).ask(path, body, seconds)


@dataclass(frozen=True, slots=True)
class DaemonWays:
    """The ways to the daemon of a config, found one after the other as they are needed; raises as `ask` does.

    With `guesses`, it is looked for although its config cannot be used: see `sockets_named`.
    """

    config: Path | Settings
    guesses: bool = False

    def __iter__(self) -> Iterator[Way]:
        token, first = known_token(), None
        if isinstance(self.config, Path):
            if not token and (first := socket_at_a_glance(self.config)) is not None:
                yield SocketWay(first)
            from blockd.settings import load  # which takes longer than asking

            try:
                settings = load(self.config)
            except ConfigError:
                if self.guesses and not token:
                    yield from map(SocketWay, sockets_named(self.config))
                raise
        else:
            settings = self.config
        if not token and settings.admin_socket != first:
            yield SocketWay(settings.admin_socket)
        is_tls, chains = settings.listen.admin_tls is not None, [one.chain for one in settings.certificates]
        yield PortWay(settings.listen.admin.text, token, is_tls=is_tls, chains=chains)


def _answer(
    way: Way, connection: http.client.HTTPConnection, passed: str, path: str, body: Mapping[str, object] | None
) -> dict[str, Any]:
    url = f"{way.text}{path if isinstance(way, PortWay) else ''}"
    try:
        status, headers, octets = asked(connection, way, path, None if body is None else json.dumps(body).encode())
    except (OSError, http.client.IncompleteRead, http.client.RemoteDisconnected) as error:
        raise _unanswered(url, error, is_change=body is not None) from error
    except http.client.HTTPException as error:
        raise CommandError(f"the server at {url} is not blockd") from error
    if status >= 400:
        if status == 503 and "Retry-After" in headers:
            raise DaemonBusy(f"blockd runs but is busy: {_sentence(status, octets)}")
        raise DaemonRefused(_sentence(status, octets) + (passed if status == 401 else ""))
    try:
        answer = json.loads(octets)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CommandError(f"the server at {url} is not blockd")
    return answer


def _connected(ways: Iterable[Way], seconds: float) -> tuple[Way, http.client.HTTPConnection, str]:
    """Return the first way that is there, a connection, and what a refusal is to say of those that are not.

    Raises CommandError if none is there.
    """
    failed: list[str] = []
    to_do = ""
    for way in ways:
        try:
            connection = way.connect(seconds)
        except OSError as error:
            failed.append(f"{way.text} ({_why(error)})")
            if isinstance(way, SocketWay) and isinstance(error, PermissionError):
                to_do = " It is for root, and for the group of the state folder."
        else:
            return (
                way,
                connection,
                "".join(f" The admin socket, which needs no token, cannot be reached: {one}." for one in failed)
                + to_do,
            )
    raise DaemonAbsent(
        f"no blockd answers at {' or '.join(reversed(failed))}. Is it running, and with this config's listen.admin?"
    )


def _unanswered(url: str, error: Exception, *, is_change: bool) -> CommandError:
    """Return what to raise if a daemon took a connection, and did not answer."""
    if is_change:
        return CommandError(
            f"the daemon was asked at {url} and did not answer ({_why(error)}). It may have done it, or do it yet: "
            "`blockd status` shows what it enforces, `blockd override list` the overrides, and `blockd audit` what was "
            "recorded"
        )
    busy = (
        f"blockd runs but is busy: the connection to {url} was taken, and no answer came ({_why(error)}). Nothing was "
        "changed by this; ask again, and see the log if it lasts"
    )
    return CommandError(busy) if isinstance(error, TimeoutError) else DaemonBusy(busy)  # who was patient is not again


def _why(error: Exception) -> str:
    """Return in words why nobody answered."""
    return str(getattr(error, "strerror", None) or error).lower()


def _sentence(status: int, octets: bytes) -> str:
    try:
        return str(json.loads(octets)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the daemon refused: {status}"
