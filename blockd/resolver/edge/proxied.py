"""Datagrams of front ends, which say in a header for whom they ask; nobody else may."""

from __future__ import annotations

from blockd.errors import BadProxyHeader
from blockd.metrics import Row, StreamEvent, Transport
from blockd.resolver.clients import Clients
from blockd.resolver.edge.proxy_header import is_proxied, read_header
from blockd.resolver.options import Service
from blockd.resolver.query import MAX_DATAGRAM, is_notify


class ProxiedDatagrams:
    """Takes headers off datagrams, and drops those that lack theirs, or must not have one."""

    def __init__(self, clients: Clients, service: Service, row: Row) -> None:
        """Count in `row` what is dropped; `clients`, those of `service`, say whose datagrams must have a header."""
        self._clients = clients
        self._selftest = service.selftest.key if service.selftest is not None else None
        self._takes_notify = service.notify is not None
        self._row = row

    def unwrap(self, packet: bytes, host: str) -> tuple[bytes, str] | None:
        """Return the message in a datagram from an IP address, and that of who asks; None if it is to be dropped."""
        if is_proxied(packet):
            if self._clients.is_proxy(host):
                try:
                    header = read_header(packet)
                except BadProxyHeader:
                    header = None
                if header is not None:
                    return packet[header.size : header.size + MAX_DATAGRAM], header.host or host
        elif not self._clients.is_proxy(host) or self.needs_no_header(packet):
            return packet[:MAX_DATAGRAM], host
        self._row.happened(Transport.UDP, StreamEvent.PROXY_REFUSED)
        return None

    def needs_no_header(self, packet: bytes) -> bool:
        """Return whether a message that comes from a front end's machine is not the front end's own.

        It is a self-test's, or a NOTIFY request if these are taken: they are judged by the machine that they come from.
        """
        if self._selftest is not None and self._selftest.is_shown(packet):
            return True
        return self._takes_notify and is_notify(packet)
