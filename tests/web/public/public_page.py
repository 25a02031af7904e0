"""A page about orders on a real socket, plain or over TLS, and what a client gets of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

from blockd.metrics import StreamEvent
from blockd.names import key_from_text
from blockd.orders import Order, Reason, State, Verdict
from blockd.orders.dossier import Dossier, OrderTurn, Signatures, SignedFile, fingerprint
from blockd.tls import CertificatePair, server_tls
from blockd.web.public.serving import ALPN, serve_public
from blockd.web.public.site import PublicSite
from blockd.web.serving import ServingLimits
from tests.web.sinkhole import ORDER, Sinkhole

COURT = replace(ORDER, id="2026-17", role="court", authority="High <Court>", lumen_id="51234567")
SECRET = replace(ORDER, id="secret", role="court", salt=b"s" * 16)
DOCUMENT = b'{"id":"2026-17"}\n'
DIGEST = "81f5be14ea5d0bb2dc5b0ff2ef65fd0abbb5a6ea0d2e4c5e2ff0b49cf1ae6a10"


def standing(order: Order, state: State = State.IN_FORCE) -> Verdict:
    """Return how an order stands, as the catalogue has it."""
    reason = Reason.LISTED if state is State.IN_FORCE else Reason.NOT_IN_FORCE
    return Verdict(reason, order, None, "national", 0, state=state)


def dossier(order: Order) -> Dossier:
    """Return a dossier of an order."""
    turns = (OrderTurn("2026-11-01T00:00:00.000Z", "pending"), OrderTurn("2026-11-02T10:00:00.000Z", "in force"))
    signed = (SignedFile("1.root.json", 1, 1, ("a" * 64,)), SignedFile("court.json", 3, 2, ("b" * 64, "c" * 64)))
    made = Dossier(fingerprint(order), turns, "court.json", DIGEST, len(DOCUMENT), not order.is_confidential)
    return made.resting_on(Signatures("2026-11-02T10:00:00.000Z", signed))


class Page:
    """The daemon's side of a page about orders; clients at 127.0.0.1 are the operator's, all others strangers."""

    def __init__(self) -> None:
        self.sinkhole = Sinkhole()
        self.orders = {"2026-17": standing(COURT), "court/2026-17": standing(COURT), "court/secret": standing(SECRET)}
        self.openly: dict[bytes, Verdict] = {}
        self.events: Counter[StreamEvent] = Counter()
        self.documents: dict[str, bytes] = {"2026-17": DOCUMENT}
        self.fault: Exception | None = None

    def site(self) -> PublicSite:
        """Return what the server asks."""
        site = replace(self.sinkhole.site, orders_named=self._orders_named)
        return PublicSite(
            site,
            lambda client: client == bytes((127, 0, 0, 1)),
            self._published,
            lambda verdict: dossier(verdict.order) if verdict.order else None,
            lambda verdict, _: self.documents.get(verdict.order.id) if verdict.order else None,
        )

    def _orders_named(self, asked: str) -> list[Verdict]:
        if self.fault is not None:
            raise self.fault
        return [self.orders[asked]] if asked in self.orders else []

    def _published(self, key: bytes) -> Verdict | None:
        return self.openly.get(key)

    def publish(self, name: str) -> None:
        """Have strangers be told that an order blocks a name."""
        listed = self.sinkhole.verdicts[key_from_text("blocked.example")]
        self.openly[key_from_text(name)] = replace(listed, order=COURT)

    def serve(
        self,
        use: Callable[[int], Awaitable[None]],
        pair: CertificatePair | None = None,
        limits: ServingLimits | None = None,
    ) -> None:
        """Serve, over TLS with a certificate, and let clients do something at a port."""

        async def run() -> None:
            with socket.create_server(("127.0.0.1", 0)) as bound:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tls = server_tls([pair], ALPN) if pair is not None else None
                http, https = ([], [bound]) if tls is not None else ([bound], [])
                serving = serve_public(
                    self.site(), http, https, tls, limits or ServingLimits(),
                    lambda event: self.events.update([event]),
                )  # fmt: skip
                try:
                    await use(bound.getsockname()[1])
                finally:
                    for one in serving:
                        await one.close()

        asyncio.run(asyncio.wait_for(run(), 60))

    def ask(
        self,
        path: str,
        *,
        source: str = "127.0.0.1",
        method: str = "GET",
        head: bytes = b"",
        pair: CertificatePair | None = None,
        **headers: str,
    ) -> tuple[int, str, str]:
        """Return status, header fields and body of the answer to one request, or to `head` as it is."""
        lines = [f"{method} {path} HTTP/1.1", "Host: block.example"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        asked = head or "\r\n".join((*lines, "", "")).encode()
        got: list[bytes] = []

        async def use(port: int) -> None:
            got.append(await exchange(port, asked, source, pair))

        self.serve(use, pair)
        status, fields, body = parsed(got[0])
        return status, fields, body


def trusting(pair: CertificatePair, *alpn: str) -> ssl.SSLContext:
    """Return the context of a client that trusts a certificate."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=pair.chain.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


async def exchange(port: int, asked: bytes, source: str = "127.0.0.1", pair: CertificatePair | None = None) -> bytes:
    """Send octets, over TLS with a certificate to trust, and return all that comes back."""
    more = {"ssl": trusting(pair, "http/1.1"), "server_hostname": "block.example"} if pair is not None else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), **more)  # type: ignore[arg-type]
    try:
        writer.write(asked)
        return await reader.read()
    finally:
        writer.close()


def parsed(octets: bytes) -> tuple[int, str, str]:
    """Return status, header fields and body of an answer."""
    head, _, body = octets.partition(b"\r\n\r\n")
    first, _, fields = head.decode("latin-1").partition("\r\n")
    return int(first.split()[1]), fields, body.decode()
