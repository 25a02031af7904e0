"""What a lookup is asked for: the query of `/api/v1/lookup`, and of the command line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlencode

from blockd.errors import CommandError
from blockd.times import time_from_text, time_text

MAX_FIELD = 4096  # characters of a field beside the name, such as the path of the state folder
PATH = "/api/v1/lookup"


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
        return f"{PATH}?" + urlencode({key: text for key, text in fields.items() if text or key == "resolve"})

    @property
    def client_octets(self) -> bytes:
        """The 4 or 16 octets of the client's address; empty for everybody."""
        return ipaddress.ip_address(self.client).packed if self.client else b""


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
