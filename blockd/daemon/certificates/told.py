"""What is told of a certificate in use: in status, and by alarms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from blockd.daemon.report.alarms import Alarm
from blockd.printable import some_of
from blockd.times import time_text
from blockd.tls import CertificatePair
from blockd.tls.pair import is_soon

TOLD_NAMES = 3  # in a sentence


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """A certificate in use; `refusal` is why what is in its files now is not, empty if it is."""

    certificate: str  # the path of the chain
    names: tuple[str, ...]  # those that it is for, addresses at the end
    begins: str
    expires: str
    expires_in_seconds: int  # negative if past
    lifetime_seconds: int
    refusal: str

    @classmethod
    def of(cls, pair: CertificatePair, refusal: str, now: float) -> CertificateStatus:
        """Describe a certificate at `now`."""
        return cls(
            pair.source,
            (*pair.names, *map(str, pair.addresses)),
            time_text(pair.begins),
            time_text(pair.ends),
            int(pair.ends - now),
            int(pair.ends - pair.begins),
            refusal,
        )

    @property
    def text(self) -> str:
        """The path, whom it is for, and until when it is good."""
        return f"{self.certificate} for {some_of(self.names, TOLD_NAMES) or 'no name'}, until {self.expires}"

    @property
    def expires_soon(self) -> bool:
        """Whether it is time to renew it."""
        return is_soon(self.expires_in_seconds, self.lifetime_seconds)

    def alarms(self) -> Iterator[Alarm]:
        """Yield the alarms about it."""
        if self.refusal:
            yield Alarm(
                "BlockdCertificateRefused", "warning", "", f"Files of a certificate cannot be used: {self.refusal}.",
                f"all of it, and {self.text}",
                "Replace chain and key by a pair that belongs together, which blockd's user may read.",
            )  # fmt: skip
        if self.expires_in_seconds <= 0:
            yield Alarm(
                "BlockdCertificateExpired", "critical", "", f"A certificate has expired: {self.text}.",
                "all of it; clients that check the certificate do not connect over TLS",
                "Renew it; blockd reads the new files within seconds.",
            )  # fmt: skip
        elif self.expires_soon:
            yield Alarm(
                "BlockdCertificateExpiresSoon", "warning", "", f"A certificate expires soon: {self.text}.", "all of it",
                "Renew it, and see why that has not happened by itself; blockd reads the new files within seconds.",
            )  # fmt: skip

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "names": list(self.names), "refusal": self.refusal or None}
