"""A client over libssl itself, for what Python's `ssl` never does: key updates, and negotiating again."""

from __future__ import annotations

import ctypes
import ctypes.util

from blockd.tls import TlsSession

KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED = 0, 1  # RFC 8446 section 4.6.3
TLS1_2 = 0x0303

_SET_MAX_PROTO_VERSION, _SET_GROUPS, _PENDING = 124, 92, 10  # commands of SSL_CTX_ctrl and BIO_ctrl
_NAMES = (
    "TLS_client_method", "SSL_CTX_new", "SSL_CTX_ctrl", "SSL_CTX_free", "SSL_new", "SSL_free", "BIO_s_mem", "BIO_new",
    "SSL_set_bio", "SSL_set_connect_state", "BIO_read", "BIO_write", "BIO_ctrl", "SSL_do_handshake", "SSL_key_update",
    "SSL_renegotiate", "SSL_write", "SSL_read",
)  # fmt: skip
_POINTERS = {"TLS_client_method", "SSL_CTX_new", "SSL_new", "BIO_s_mem", "BIO_new"}


def is_there() -> bool:
    """Return whether libssl can be loaded."""
    return ctypes.util.find_library("ssl") is not None


class LibsslClient:
    """One connection to a session; certificates are not checked."""

    def __init__(self, server: TlsSession, newest: int = 0, groups: bytes = b"") -> None:
        library = ctypes.CDLL(ctypes.util.find_library("ssl"))
        self._calls = {name: getattr(library, name) for name in _NAMES}
        for name, call in self._calls.items():
            call.restype = ctypes.c_void_p if name in _POINTERS else ctypes.c_int
        self.server = server
        self._context = self._pointer("SSL_CTX_new", self._pointer("TLS_client_method"))
        self.call("SSL_CTX_ctrl", self._context, ctypes.c_int(_SET_MAX_PROTO_VERSION), ctypes.c_long(newest), None)
        if groups:
            command = ctypes.c_int(_SET_GROUPS)
            assert self.call("SSL_CTX_ctrl", self._context, command, ctypes.c_long(0), groups) == 1
        self._tls = self._pointer("SSL_new", self._context)
        self._in, self._out = (self._pointer("BIO_new", self._pointer("BIO_s_mem")) for _ in range(2))
        self.call("SSL_set_bio", self._tls, self._in, self._out)
        self.call("SSL_set_connect_state", self._tls)

    def call(self, name: str, *arguments: object) -> int:
        """Call a function."""
        return int(self._calls[name](*arguments) or 0)

    def _pointer(self, name: str, *arguments: object) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.call(name, *arguments))

    def do(self, name: str, *arguments: object) -> int:
        """Call a function of this connection."""
        return self.call(name, self._tls, *arguments)

    def take(self) -> bytes:
        """Return what the client would send."""
        pending = self.call("BIO_ctrl", self._out, ctypes.c_int(_PENDING), ctypes.c_long(0), None)
        octets = ctypes.create_string_buffer(pending + 1)
        size = self.call("BIO_read", self._out, octets, pending) if pending else 0
        return octets.raw[:size]

    def exchange(self) -> bytes:
        """Carry octets both ways once; return what the server read."""
        self.server.feed(self.take())
        read = b""
        while (part := self.server.read()) or self.server.has_more:
            read += part
        back = self.server.take()
        if back:
            self.call("BIO_write", self._in, back, len(back))
        return read

    def shake_hands(self) -> None:
        """Complete the handshake."""
        while not self.server.is_established:
            self.do("SSL_do_handshake")
            self.exchange()
        self.do("SSL_do_handshake")
        self.do("SSL_read", ctypes.create_string_buffer(100), 100)

    def close(self) -> None:
        """End without a word."""
        self.do("SSL_free")
        self.call("SSL_CTX_free", self._context)
