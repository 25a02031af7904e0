"""Asking the running daemon, through its admin port."""

from __future__ import annotations

import http.client
import json
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


class DaemonRefused(CommandError):
    """The daemon answers, and does not do what it was asked, for the reason that it gives."""


def ask(
    settings: Settings, path: str, body: Mapping[str, object] | None = None, seconds: float = SECONDS
) -> dict[str, Any]:
    """Return the daemon's JSON answer to a GET, or to a POST of `body`.

    Raises CommandError if no daemon answers, and DaemonRefused with the daemon's own sentence if it refuses. A POST
    that is left without an answer may have been done; the sentence says so. It carries the secret in the state folder
    of the config.
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
    url = f"http://{address}{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {secret}"} if secret else {})}
    request = urllib.request.Request(url, data, headers)
    if body is not None:
        current().asked()
    try:
        with _DIRECT.open(request, timeout=seconds) as response:
            answer = json.loads(response.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            raise DaemonRefused(_sentence(error)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        if body is not None and _was_asked(error):
            raise CommandError(
                f"the daemon was asked at {url} and did not answer ({_why(error)}). It may have done it, or do it yet: "
                "`blockd status` shows what it enforces, and `blockd audit` what was recorded"
            ) from error
        raise CommandError(
            f"no blockd answers at {url} ({_why(error)}). Is it running, and with this config's listen.admin?"
        ) from error
    if not isinstance(answer, dict):
        raise CommandError(f"the server at {url} is not blockd")
    return answer


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy


def _was_asked(error: Exception) -> bool:
    """Return whether a connection was lost, or took too long, after the question was sent: before, it is URLError."""
    return isinstance(error, OSError | http.client.IncompleteRead) and not isinstance(error, urllib.error.URLError)


def _why(error: Exception) -> str:
    """Return in words why nobody answered."""
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason).lower()


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(MAX_ANSWER))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"the daemon refused: {error.code} {error.reason}"
