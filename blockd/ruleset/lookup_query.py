"""What a lookup is asked for: the query of `/api/lookup`, and of the command line."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from blockd.errors import CommandError
from blockd.formats.subject import MAX_TYPED
from blockd.times import time_from_text, time_text

MAX_FIELD = 4096  # characters of a field beside the name, such as the path of the state folder
FIELDS = frozenset(("name", "trace", "resolve", "client", "at", "state_dir"))


@dataclass(frozen=True, slots=True)
class LookupQuery:
    """One lookup.

    `name` is as typed. `trace` is empty for the verdict alone, `quick` with the versions that list the name, `lines`
    with the lines of lists as well. `resolve` is whether to ask a worker where the name leads. `client` is the address
    of a client, empty for everybody. `at` is a time in seconds since the epoch, None for now. `state_dir` is the state
    folder that the answer must be about, empty for any.
    """

    name: str
    trace: str = ""
    resolve: bool = False
    client: str = ""
    at: float | None = None
    state_dir: str = ""

    def to_path(self) -> str:
        """Return the path and query that ask for it."""
        fields = {"name": self.name, "client": self.client, "state_dir": self.state_dir}
        if self.trace:
            fields["trace"] = self.trace
        if self.resolve:
            fields["resolve"] = ""
        if self.at is not None:
            fields["at"] = time_text(self.at)
        return "/api/lookup?" + urlencode({key: text for key, text in fields.items() if text or key == "resolve"})

    @property
    def client_octets(self) -> bytes:
        """The 4 or 16 octets of the client's address; empty for everybody."""
        return ipaddress.ip_address(self.client).packed if self.client else b""


def lookup_query(fields: Mapping[str, list[str]]) -> LookupQuery:
    """Return the lookup that a query asks for; raises CommandError with what is wrong with it."""
    texts = {key: values[0] for key, values in fields.items()}
    is_long = any(len(text) > (MAX_TYPED if key == "name" else MAX_FIELD) for key, text in texts.items())
    if "name" not in texts or is_long or any(len(values) != 1 for values in fields.values()):
        raise CommandError("Expected exactly one name: /api/lookup?name=example.org.")
    if unknown := sorted(texts.keys() - FIELDS):
        raise CommandError(f"{unknown[0]!r} is not a field of a lookup; expected {', '.join(sorted(FIELDS))}.")
    trace = "lines" if "trace" in texts else ""
    return LookupQuery(
        texts["name"],
        "quick" if texts.get("trace") == "quick" else trace,
        "resolve" in texts,
        client_address(texts.get("client", "")),
        moment_of(texts["at"]) if texts.get("at") else None,
        texts.get("state_dir", ""),
    )


def client_address(text: str) -> str:
    """Return the address of a client in its usual form, empty if there is none; raises CommandError."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0])) if text else ""
    except ValueError as error:
        raise CommandError(f"expected the IP address of a client, got {text!r}.") from error


def moment_of(text: str) -> float:
    """Return a time in seconds since the epoch; raises CommandError."""
    try:
        return time_from_text(text)
    except ValueError as error:
        raise CommandError(f"expected a time such as 2026-12-31T18:00:00Z or 2026-12-31, got {text!r}.") from error
