"""Certificates as they are handed from process to process: a sealed file in memory, since keys belong in no message.

The supervisor keeps the newest for the workers that it starts. Nothing of this is ever on a disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any

from blockd.daemon.interchange import sealed
from blockd.errors import BadCertificate
from blockd.tls import CertificatePair

MAX_SIZE = 64 << 20  # octets: as many certificates as there may be, with the longest chains and keys


def hand_over(pairs: Sequence[CertificatePair]) -> int:
    """Return the descriptor of a sealed file with these certificates and their keys; raises OSError."""
    descriptor = sealed.made("blockd-certificates")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps([_values(pair) for pair in pairs]).encode())
        sealed.seal(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def take_over(descriptor: int) -> tuple[CertificatePair, ...]:
    """Return the certificates of such a file, at least one; raises BadCertificate if it is none."""
    try:
        size = os.fstat(descriptor).st_size
        if not sealed.is_sealed(descriptor) or size > MAX_SIZE:
            raise ValueError("it is not sealed, or too large")
        found = json.loads(os.pread(descriptor, size, 0))
        pairs = tuple(map(_pair, found))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadCertificate("", f"certificates that another process handed over cannot be read ({error})") from error
    if not pairs:
        raise BadCertificate("", "another process handed over no certificates")
    return pairs


def _values(pair: CertificatePair) -> dict[str, object]:
    return {
        **asdict(pair),
        "chain": pair.chain.decode("ascii"),
        "key": pair.key.decode("ascii"),
        "addresses": [str(address) for address in pair.addresses],
    }


def _pair(values: dict[str, Any]) -> CertificatePair:
    return CertificatePair(
        str(values["source"]),
        values["chain"].encode("ascii"),
        values["key"].encode("ascii"),
        tuple(map(str, values["names"])),
        tuple(map(ip_address, values["addresses"])),
        float(values["begins"]),
        float(values["ends"]),
    )
