"""The one place that reads certificates while a daemon runs: it looks each second, and hands on what is good.

Of each certificate by itself: one whose files are half written, or broken, stays as it was, and the others change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.certificates.told import CertificateStatus
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.switching import Sender
from blockd.daemon.timing import Timing
from blockd.errors import BadCertificate, cause_of
from blockd.metrics.certificates import CertificateSample
from blockd.settings import Certificate, Settings
from blockd.tls import CertificatePair
from blockd.tls.announced import gap_sentences
from blockd.tls.files import Stamps, read_files, stamps_of
from blockd.tls.validity import validity_sentences

LOOK = 1.0  # seconds between two looks at the files: a change is in use within 5
AGAIN = 60.0  # seconds after which all are read and handed on again, in case a message was lost

log = logging.getLogger(__name__)


class CertificateWatch:
    """The certificates in use, `pairs`, one for each of `certificates` in their order, as they were read last."""

    def __init__(
        self,
        certificates: Sequence[Certificate],
        pairs: Sequence[CertificatePair],
        sender: Sender,
        timing: Timing,
        gaps: Callable[[Sequence[CertificatePair]], Iterable[str]] = lambda _: (),
    ) -> None:
        """`gaps` says in sentences what certificates lack for what is announced."""
        self._certificates = tuple(certificates)
        self.pairs = list(pairs)
        self._sender = sender
        self._timing = timing
        self._stamps: list[Stamps | None] = [None] * len(self._certificates)  # never those of files: all are read first
        self._refusals = [""] * len(self._certificates)
        self._looked = timing.monotonic()
        self._gaps = gaps
        self._known_gaps: set[str] = set()

    @classmethod
    def of(
        cls, settings: Settings, pairs: Sequence[CertificatePair], sender: Sender, timing: Timing
    ) -> CertificateWatch:
        """Return that of a config, which says what is announced."""

        def gaps(pairs: Sequence[CertificatePair]) -> list[str]:
            return [*gap_sentences(settings, pairs), *validity_sentences(pairs, timing.clock())]

        return cls(settings.certificates, pairs, sender, timing, gaps)

    async def run(self) -> None:
        """Look for ever."""
        self._tell_gaps()
        while True:
            is_due = self._timing.monotonic() - self._looked >= AGAIN
            await self.look(is_due=is_due)
            await self._timing.sleep(LOOK)

    async def look(self, *, is_due: bool = True) -> None:
        """Read those whose files have changed, or all if that is due, and hand on what is new, waiting for no disk."""
        if not self._certificates:
            return
        found = await asyncio.to_thread(self._changed, is_due=is_due)
        is_new = False
        for index, outcome in found:
            if isinstance(outcome, CertificatePair):
                is_new |= self._take(index, outcome)
            else:
                self._refuse(index, outcome)
        if is_due:
            self._looked = self._timing.monotonic()
        if is_new:
            self._tell_gaps()
        if is_new or is_due:
            self._hand_on()

    def _changed(self, *, is_due: bool) -> list[tuple[int, CertificatePair | str]]:
        """Return what is in the files that have changed, and why that cannot be used; in a thread."""
        found: list[tuple[int, CertificatePair | str]] = []
        for index, certificate in enumerate(self._certificates):
            stamp = stamps_of(certificate)
            if is_due or stamp != self._stamps[index]:
                self._stamps[index] = stamp
                try:
                    found.append((index, read_files(certificate)))
                except BadCertificate as error:
                    found.append((index, str(error)))
        return found

    def _take(self, index: int, pair: CertificatePair) -> bool:
        """Use what was read; return whether it is another than before."""
        is_new = pair != self.pairs[index]
        if is_new:
            self.pairs[index] = pair
            status = CertificateStatus.of(pair, "", self._timing.clock())
            log.info("A certificate was read anew: %s. New connections get it.", status.text)
        elif self._refusals[index]:
            log.info("The files of %s can be used again; nothing in them has changed.", pair.source)
        self._refusals[index] = ""
        return is_new

    def _refuse(self, index: int, why: str) -> None:
        if why != self._refusals[index]:
            self._refusals[index] = why
            log.error("The files of a certificate cannot be used: %s. Those read before stay in use.", why)

    def _tell_gaps(self) -> None:
        """Log what the certificates lack now and did not lack before."""
        found = list(self._gaps(self.pairs))
        for sentence in found:
            if sentence not in self._known_gaps:
                log.warning("%s", sentence)
        self._known_gaps = set(found)

    def _hand_on(self) -> None:
        try:
            handed = HandedCertificates.of(self.pairs)
        except OSError as error:  # memory or files are short: again in a minute
            log.error("Certificates cannot be handed to the workers yet: %s; they use those before.", cause_of(error))
            return
        self._sender.send({"certificates": len(self.pairs)}, handed.descriptor)
        handed.close()

    def status(self, now: float) -> tuple[CertificateStatus, ...]:
        """Return what is told of each at `now`."""
        return tuple(
            CertificateStatus.of(pair, refusal, now) for pair, refusal in zip(self.pairs, self._refusals, strict=True)
        )

    def alarms(self, now: float) -> Iterator[Alarm]:
        """Yield the alarms about certificates at `now`."""
        for one in self.status(now):
            yield from one.alarms()

    def sample(self, now: float) -> dict[str, CertificateSample]:
        """Return what Prometheus is told at `now`, by the paths of the chains."""
        return {
            one.certificate: CertificateSample(one.expires_in_seconds, one.lifetime_seconds, bool(one.refusal))
            for one in self.status(now)
        }
