"""TLS on the sinkhole: the name is read, the hit counted, the handshake refused. Nothing is ever decrypted.

A listed name is refused with access_denied (49): the refusal is deliberate, and curl and OpenSSL report these words.
unrecognized_name (112) indicates a server that is set up wrongly; it is sent if the name is not listed or missing.
For both, Chromium shows its page for a connection that cannot be made secure (as ERR_SSL_PROTOCOL_ERROR and
ERR_SSL_UNRECOGNIZED_NAME_ALERT), without a warning to click through.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from enum import IntEnum
from typing import cast

from blockd.errors import BadClientHello, BadName
from blockd.names import key_from_text
from blockd.tls.client_hello import ClientHelloReader, server_name
from blockd.web.host import MAX_HOST
from blockd.web.lingering import Lingering
from blockd.web.serving import BoundedConnection, Serving, ServingLimits, client_of
from blockd.web.site import Site

MAX_HANDSHAKE = 5.0  # seconds for the ClientHello and the answer; it is one flight
ALERT_LINGER = 1.0  # seconds in which the client may read the alert

_log = logging.getLogger(__name__)


class Alert(IntEnum):
    """Why a handshake is refused (RFC 8446 section 6)."""

    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    INTERNAL_ERROR = 80
    UNRECOGNIZED_NAME = 112

    @property
    def record(self) -> bytes:
        """The complete record: content type alert, legacy version TLS 1.2, two octets, level fatal, description."""
        return bytes((21, 3, 3, 0, 2, 2, self))


def serve_tls(
    site: Site,
    sockets: Sequence[socket.socket],
    *,
    limits: ServingLimits | None = None,
) -> Serving:
    """Refuse TLS on bound sockets, listening or not."""
    return Serving(
        lambda connection: Refusal(site, connection), sockets, limits or ServingLimits(lifetime=MAX_HANDSHAKE)
    )


class Refusal(asyncio.Protocol):
    """One connection: reads at most one ClientHello, sends one alert, closes. Anything but TLS is closed at once."""

    def __init__(self, site: Site, connection: BoundedConnection) -> None:
        self._site = site
        self._connection = connection
        self._reader = ClientHelloReader()
        self._transport: asyncio.Transport | None = None
        self._is_answered = False
        self._lingering = Lingering(ALERT_LINGER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the ClientHello."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        self._lingering.cancel()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Read on, or answer; bytes after the answer are discarded."""
        if self._is_answered or self._transport is None:
            return
        try:
            body = self._reader.feed(data)
            alert = None if body is None else self._alert(server_name(body), client_of(self._transport))
        except BadClientHello as error:
            if not error.is_tls:
                self._is_answered = True
                self._transport.close()
                return
            alert = Alert.DECODE_ERROR
        if alert is not None:
            self._send(self._transport, alert)

    def _send(self, transport: asyncio.Transport, alert: Alert) -> None:
        self._is_answered = True
        self._site.arrived("tls")
        transport.write(alert.record)
        self._connection.touch()
        self._lingering.begin(transport)

    def _alert(self, name: str | None, client: bytes) -> Alert:
        try:
            key = key_from_text(name if name and len(name) <= MAX_HOST else "")
        except BadName:
            return Alert.UNRECOGNIZED_NAME
        try:
            verdict = self._site.verdict_of(key, client)
            if not verdict.stops:
                return Alert.UNRECOGNIZED_NAME
            self._site.count(verdict, "tls")
        except Exception:
            _log.exception("A name on the TLS sinkhole could not be looked up; the handshake was refused.")
            return Alert.INTERNAL_ERROR
        return Alert.ACCESS_DENIED
