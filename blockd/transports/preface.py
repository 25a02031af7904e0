"""The beginning of a stream: the PROXY protocol header of a front end, and of nobody else."""

from __future__ import annotations

from blockd.errors import BadProxyHeader
from blockd.resolver.edge.proxy_header import MAX_HEADER, SIGNATURE, is_proxied, read_header


class Preface:
    """Takes the header off a stream, in whatever pieces it comes; MAX_HEADER octets are kept at most.

    `host` is the client's IP address that a header had, empty for the front end itself, and None without a header.
    """

    __slots__ = ("_is_expected", "_kept", "host")

    def __init__(self, *, is_expected: bool) -> None:
        """`is_expected` is whether the stream comes from a front end."""
        self._is_expected = is_expected
        self._kept = b""
        self.host: str | None = None

    def take(self, octets: memoryview) -> memoryview | None:
        """Return what follows a header, or all that came if there is none; None if more must come to tell.

        Raises BadProxyHeader for a header that cannot be taken, or that comes from somebody else.
        """
        if not self._kept and octets[0] != SIGNATURE[0]:
            return octets
        taken = MAX_HEADER - len(self._kept)
        begun = self._kept + bytes(octets[:taken])
        if not begun.startswith(SIGNATURE[: len(begun)]):
            return memoryview(self._kept + bytes(octets)) if self._kept else octets
        if is_proxied(begun) and not self._is_expected:
            raise BadProxyHeader("it comes from an address that is not in proxy_protocol.from")
        header = read_header(begun)
        if header is None:
            self._kept = begun
            return None
        self.host = header.host
        return octets[header.size - len(self._kept) :]
