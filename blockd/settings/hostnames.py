"""Names by which a web server of blockd may be called, as a Host header has them (RFC 9110 section 7.2)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainValidator

from blockd.settings.values import shown

MAX_HOST_NAME = 253  # characters of a name (RFC 1035 section 2.3.4)

# Names of containers have underscores.
_HOST_NAME = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*", re.ASCII
)


def host_name_from_text(value: object) -> str:
    """Return a host name in lower case; raises ValueError for anything else, with a port too."""
    text = value.lower().removesuffix(".") if isinstance(value, str) else ""
    if len(text) > MAX_HOST_NAME or not _HOST_NAME.fullmatch(text):
        raise ValueError(
            f"expected a host name such as blockd.example.net or blockd, without a port, got {shown(value)}"
        )
    return text


HostName = Annotated[str, PlainValidator(host_name_from_text)]
