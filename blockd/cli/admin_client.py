"""Asking the running daemon, through its admin port."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from blockd.cli.doings import current
from blockd.daemon.operator.admin_secret import known_secret
from blockd.errors import CommandError
from blockd.settings import Settings

SECONDS = 10.0  # for an answer that needs no fetching
MAX_ANSWER = 16 << 20  # octets
PAUSE = 1.0  # seconds until what changes nothing is asked once more, if the daemon was too busy to answer


class DaemonRefused(CommandError):
    """The daemon answers, and does not do what it was asked, for the reason that it gives."""


class DaemonBusy(DaemonRefused):
    """A daemon runs, and is too busy for what it was asked, which changes nothing; it may not be in a second."""


def ask(
    settings: Settings, path: str, body: Mapping[str, object] | None = None, seconds: float = SECONDS
) -> dict[str, Any]:
    """Return the daemon's JSON answer to a GET, or to a POST of `body`.

    Raises CommandError if no daemon answers, DaemonBusy if it is too busy to, and DaemonRefused with the daemon's own
    sentence if it refuses. A GET is asked once more before it is given up as busy. A POST that is left without an
    answer may have been done; the sentence says so. It carries the secret in the state folder of the config.
    """
    secret = "" if body is None else known_secret(settings.state_dir)
    return ask_at(settings.listen.admin.text, path, body, seconds, secret=secret)


def ask_at(
    address: str,
    path: str,
    body: Mapping[str, object] | None = None,
    seconds: float = SECONDS,
    *,
    secret: str = "",
) -> dict[str, Any]:
    """Return the answer of the daemon whose admin port is `address` (HOST:PORT); raises as `ask` does."""
    if body is not None:
        current().asked()
        return _answer(address, path, body, seconds, secret)
    try:
        return _answer(address, path, None, seconds, secret)
    except DaemonBusy:
        time.sleep(min(PAUSE, seconds))
        return _answer(address, path, None, seconds, secret)


def _answer(address: str, path: str, body: Mapping[str, object] | None, seconds: float, secret: str) -> dict[str, Any]:
    url = f"http://{address}{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {secret}"} if secret else {})}
    request = urllib.request.Request(url, data, headers)
    try:
        with _DIRECT.open(request, timeout=seconds) as response:
            answer = json.loads(response.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 503 and "Retry-After" in error.headers:
                raise DaemonBusy(f"blockd runs but is busy: {_sentence(error)}") from error
            raise DaemonRefused(_sentence(error)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        if _was_asked(error):
            raise _unanswered(url, error, is_change=body is not None) from error
        raise CommandError(
            f"no blockd answers at {url} ({_why(error)}). Is it running, and with this config's listen.admin?"
        ) from error
    if not isinstance(answer, dict):
        raise CommandError(f"the server at {url} is not blockd")
    return answer


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy


def _was_asked(error: Exception) -> bool:
    """Return whether a connection was lost, or took too long, once it was there: a failure to connect is a URLError."""
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, ConnectionResetError | BrokenPipeError)
    return isinstance(error, OSError | http.client.IncompleteRead)


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
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason).lower()


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(MAX_ANSWER))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"the daemon refused: {error.code} {error.reason}"
