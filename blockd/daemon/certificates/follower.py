"""A worker's and the page process's side of certificates: they use those that the control process has read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.channel import DESCRIPTOR, Message
from blockd.errors import BadCertificate
from blockd.tls import CertificatePair, ServerTls, TicketKeys, server_tls

log = logging.getLogger(__name__)


class CertificateFollower:
    """Certificates of this process, for all that it serves by TLS; `tickets` are the keys of this machine."""

    def __init__(self, certificates: HandedCertificates, tickets: TicketKeys) -> None:
        self._pairs = certificates.pairs()
        certificates.close()
        self._tickets = tickets
        self._servers: list[ServerTls] = []
        self._news: asyncio.Queue[tuple[CertificatePair, ...]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def server(self, alpn: Sequence[str]) -> ServerTls | None:
        """Return what makes sessions for a listener, whose certificates change as they do; None if there are none."""
        if not self._pairs:
            return None
        made = server_tls(self._pairs, alpn, self._tickets)
        self._servers.append(made)
        return made

    def start(self) -> None:
        """Follow, in the running event loop."""
        self._task = asyncio.create_task(self._follow())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    def take(self, message: Message) -> None:
        """Take the certificates that come with a message; if they are those in use, nothing is done."""
        handed = HandedCertificates(message.pop(DESCRIPTOR, None))
        try:
            if pairs := handed.pairs():
                self._news.put_nowait(pairs)
        except BadCertificate as error:
            log.error("The certificates before stay in use: %s.", error)
        finally:
            handed.close()

    async def _follow(self) -> None:
        while True:
            await self.use(await self._news.get())

    async def use(self, pairs: tuple[CertificatePair, ...]) -> None:
        """Use others for new connections. They are loaded in a thread, so that no question waits for it."""
        if pairs == self._pairs:
            return
        for server in self._servers:
            try:
                await asyncio.to_thread(server.use, pairs)
            except BadCertificate as error:
                log.error("The certificates before stay in use: %s.", error)
                return
        self._pairs = pairs
