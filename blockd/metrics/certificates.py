"""What a scrape reads of the certificates in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily


@dataclass(frozen=True, slots=True)
class CertificateSample:
    """One certificate at the moment of a scrape."""

    expires_in: float  # seconds, negative if past
    lifetime: float  # seconds from its begin to its end
    is_refused: bool = False  # whether what is in its files now cannot be used


def certificate_metrics(certificates: Mapping[str, CertificateSample]) -> Iterator[GaugeMetricFamily]:
    """Yield the gauges; the label is the path of the chain, as the config has it."""
    for name, text in (
        ("expires_in_seconds", "Until a certificate in use expires; negative once it has."),
        ("lifetime_seconds", "For how long a certificate in use was made."),
        ("refused", "1 while the files of a certificate cannot be used, so that the one before stays in use; else 0."),
    ):
        family = GaugeMetricFamily(f"blockd_certificate_{name}", text, labels=["certificate"])
        for path, one in certificates.items():
            values = {
                "expires_in_seconds": one.expires_in,
                "lifetime_seconds": one.lifetime,
                "refused": float(one.is_refused),
            }
            family.add_metric([path], values[name])
        yield family
