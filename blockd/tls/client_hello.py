"""Parser for the first message of a TLS handshake, which reads the server name and the protocols offered.

Every length is checked against the octets present before it is used. With Encrypted Client Hello only the outer name
is visible; a listed name cannot offer such a configuration, as its HTTPS records are answered with NODATA.
"""

from __future__ import annotations

from blockd.errors import BadClientHello

MAX_HELLO = 16 * 1024  # octets of the stream, record headers included; with post-quantum shares it has about 2,000
MAX_RECORDS = 600  # records that it may come in: a usual one in records of a single octet
MAX_EXTENSIONS = 100  # extensions of one; browsers send some twenty
MAX_NAMES = 8  # server names of one; there is one kind of them, and at most one of a kind
MAX_RECORD = 2**14  # octets in one record, RFC 8446 section 5.1

_RECORD_HEADER = 5
_HANDSHAKE_HEADER = 4
_RECORD_START = bytes((22, 3))  # content type handshake, major version, RFC 8446 section 5.1
_CLIENT_HELLO = 1  # handshake type, RFC 8446 section 4
_SERVER_NAME = 0  # extension, RFC 6066 section 3
_PROTOCOLS = 16  # extension, RFC 7301 section 3.1
_HOST_NAME = 0  # name type, RFC 6066 section 3


class ClientHelloReader:
    """Assembles a ClientHello from records that arrive in pieces of any size."""

    def __init__(self) -> None:
        self._pending = bytearray()  # octets of a record that is not complete yet
        self._message = bytearray()
        self._taken = 0
        self._records = 0

    def feed(self, data: bytes) -> bytes | None:
        """Add received bytes; return the body of the ClientHello once it is complete, None while more is needed.

        Anything after it is ignored. Raises BadClientHello as soon as the bytes cannot form one.
        """
        room = MAX_HELLO - self._taken
        self._taken += len(data)
        self._pending += data[:room]
        self._take_records()
        whole = self._body()
        if whole is None and self._taken >= MAX_HELLO:
            raise BadClientHello("the ClientHello is too long")
        return whole

    def _take_records(self) -> None:
        position = 0
        while True:
            header = self._pending[position : position + _RECORD_HEADER]
            if not _RECORD_START.startswith(header[:2]):
                raise BadClientHello("not a TLS handshake record", is_tls=bool(self._message))
            if len(header) < _RECORD_HEADER:
                break
            length = int.from_bytes(header[3:5])
            if not 0 < length <= MAX_RECORD:
                raise BadClientHello("a record of invalid length")
            start = position + _RECORD_HEADER
            if len(self._pending) < start + length:
                break
            self._records += 1
            if self._records > MAX_RECORDS:
                raise BadClientHello("too many records")
            self._message += self._pending[start : start + length]
            position = start + length
            if self._body() is not None:
                break
        del self._pending[:position]

    def _body(self) -> bytes | None:
        message = self._message
        if message[:1] and message[0] != _CLIENT_HELLO:
            raise BadClientHello("the handshake begins with another message")
        if len(message) < _HANDSHAKE_HEADER:
            return None
        length = int.from_bytes(message[1:4])
        if length > MAX_HELLO:
            raise BadClientHello("the ClientHello is too long")
        if len(message) < _HANDSHAKE_HEADER + length:
            return None
        return bytes(message[_HANDSHAKE_HEADER : _HANDSHAKE_HEADER + length])


def server_name(body: bytes) -> str | None:
    """Return the host name that a ClientHello asks for; None if it has none.

    `body` is the message without its four-octet header (RFC 8446 section 4.1.2, RFC 6066 section 3). The name is
    ASCII and not checked further. Raises BadClientHello if the bytes violate the format.
    """
    found = _extension(body, _SERVER_NAME)
    return None if found is None else _host_name(found)


def protocols(body: bytes) -> list[bytes] | None:
    """Return the protocols that a ClientHello offers (RFC 7301 section 3.1); None if it offers none.

    Raises BadClientHello if the bytes violate the format.
    """
    found = _extension(body, _PROTOCOLS)
    if found is None:
        return None
    names = _list_of(found, "protocols")
    if names.is_empty:
        raise BadClientHello("an empty list of protocols")
    offered = []
    while not names.is_empty:
        name = names.vector(1)
        if not name:
            raise BadClientHello("an empty protocol")
        offered.append(name)
    return offered


def _extension(body: bytes, wanted: int) -> bytes | None:
    """Return the content of one extension, None if it is not there."""
    hello = _Cursor(body)
    hello.skip(2 + 32)  # legacy version, random
    hello.vector(1)  # legacy session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # legacy compression methods
    if hello.is_empty:
        return None  # before TLS 1.3 a hello may end here
    extensions = _Cursor(hello.vector(2))
    if not hello.is_empty:
        raise BadClientHello("bytes after the extensions")
    found: bytes | None = None
    count = 0
    while not extensions.is_empty:
        count += 1
        if count > MAX_EXTENSIONS:
            raise BadClientHello("too many extensions")
        kind = extensions.number(2)
        content = extensions.vector(2)
        if kind == wanted:
            if found is not None:
                raise BadClientHello("an extension that is there twice")
            found = content
    return found


def _list_of(extension: bytes, what: str) -> _Cursor:
    """Return a cursor at the first item of an extension that has one list and nothing else."""
    outer = _Cursor(extension)
    items = _Cursor(outer.vector(2))
    if not outer.is_empty:
        raise BadClientHello(f"bytes after the {what}")
    return items


def _host_name(extension: bytes) -> str | None:
    names = _list_of(extension, "server names")
    found: bytes | None = None
    count = 0
    while not names.is_empty:
        count += 1
        if count > MAX_NAMES:
            raise BadClientHello("too many server names")
        kind = names.number(1)
        name = names.vector(2)
        if kind == _HOST_NAME:
            if found is not None or not name:
                raise BadClientHello("two host names, or an empty one")
            found = name
    try:
        return None if found is None else found.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadClientHello("a host name that is not ASCII") from error


class _Cursor:
    """Sequential reader of bytes that never reads past their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_empty(self) -> bool:
        return self._position == len(self._data)

    def skip(self, count: int) -> None:
        self._take(count)

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def vector(self, size: int) -> bytes:
        """Return the octets after a length of `size` octets (RFC 8446 section 3.4)."""
        return self._take(self.number(size))

    def _take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            raise BadClientHello("a length that exceeds the message")
        taken = self._data[self._position : end]
        self._position = end
        return taken
