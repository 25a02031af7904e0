"""Whether a certificate is one that clients take, by itself and by the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from blockd.times import time_text
from blockd.tls.announced import CoverageGap
from blockd.tls.files import is_open_to_all
from blockd.tls.pair import CertificatePair

RENEW = "Renew it; blockd reads the files again within seconds."


def validity_gap(pair: CertificatePair, now: float) -> CoverageGap | None:
    """Return why every client refuses a certificate at `now`, in seconds since 1970; None if none must."""
    if pair.ends <= now:
        return CoverageGap(f"{pair.source} expired on {time_text(pair.ends)}: clients refuse it", RENEW)
    if pair.begins > now:
        return CoverageGap(
            f"{pair.source} is valid from {time_text(pair.begins)} only: clients refuse it until then",
            "Check this machine's clock.",
        )
    if not pair.names and not pair.addresses:
        return CoverageGap(
            f"{pair.source} has no name (subjectAltName): clients refuse it",
            "Get one with the names and addresses of this resolver.",
        )
    return None


def open_key_gap(key: Path) -> CoverageGap | None:
    """Return that every user of this machine may read a key, who could be this server; None if not all may."""
    if not is_open_to_all(key):
        return None
    return CoverageGap(
        f"{key} can be read by every user of this machine, who could act as this server", f"`chmod o-rwx {key}`."
    )


def validity_sentences(pairs: Sequence[CertificatePair], now: float) -> Iterator[str]:
    """Yield it as a sentence of each certificate that has a gap."""
    for pair in pairs:
        if gap := validity_gap(pair, now):
            yield gap.text
