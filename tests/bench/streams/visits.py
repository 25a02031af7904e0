"""Visits to a server of DNS over TLS: `python -m tests.bench.streams.visits PORT full|resumed|idle COUNT`.

Of `full` and `resumed` each connects, completes a handshake, asks one question, and ends; four at a time, since the
client's side costs as much as the server's. Of `idle` all stay open until a line comes on standard input. What was done
is printed as JSON.
"""

from __future__ import annotations

import json
import resource
import socket
import ssl
import sys
import threading
import time

import dns.message

SIDE_BY_SIDE = 4
PATIENCE = 10.0  # seconds
NAME = "dns.example"


class Visitor:
    """Connects to one port, with one context."""

    def __init__(self, port: int, name: str) -> None:
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # it is the server's cost that is measured
        self._context.set_alpn_protocols(["dot"])
        query = dns.message.make_query(name, "A", use_edns=False).to_wire()
        self._question = len(query).to_bytes(2) + query

    def visit(self, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """Connect, shake hands and ask; return the connection."""
        plain = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._context.wrap_socket(plain, server_hostname=NAME, session=session)
        tls.sendall(self._question)
        left = 2
        while left:
            left -= len(tls.recv(left))
            assert left >= 0
        tls.recv(65535)
        return tls


def main() -> None:
    """Do what the arguments say."""
    port, kind, count, name = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    visitor = Visitor(port, name)
    if kind == "idle":
        kept = [visitor.visit() for _ in range(count)]
        print(json.dumps({"visits": len(kept)}), flush=True)
        sys.stdin.readline()
        return
    session = None
    if kind == "resumed":
        with visitor.visit() as first:
            session = first.session
    done = [0, 0]
    lock = threading.Lock()

    def run() -> None:
        for _ in range(count // SIDE_BY_SIDE):
            with visitor.visit(session) as tls:
                resumed = bool(tls.session_reused)
            with lock:
                done[0] += 1
                done[1] += resumed

    begun = time.monotonic()
    threads = [threading.Thread(target=run) for _ in range(SIDE_BY_SIDE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"visits": done[0], "resumed": done[1], "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
