"""Origins of URLs (RFC 9110 section 4.3.1)."""

from __future__ import annotations

from urllib.parse import urlsplit

Origin = tuple[str, str, int]  # scheme, host in lower case, port

_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> Origin:
    """Return the origin of an http or https URL; raises ValueError if its port is none."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
