"""Certificates as they are handed from process to process: a sealed file in memory, since keys belong in no message.

The supervisor keeps the newest for those that it starts, and never has a key in its own memory, which the children that
compile share: even at a start a child of its own reads the files. Nothing of this is ever on a disk.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any, Self

from blockd.daemon.interchange import sealed
from blockd.daemon.update.child_process import end_with_parent
from blockd.errors import BadCertificate, BlockdError, ConfigError
from blockd.native import is_native
from blockd.settings.encrypted import Certificate
from blockd.tls import CertificatePair
from blockd.tls.choice import EXTENSION, why_not_native
from blockd.tls.files import read_files

_NAME = "blockd-certificates"
MAX_SIZE = 64 << 20  # octets: as many certificates as there may be, with the longest chains and keys

log = logging.getLogger(__name__)


class HandedCertificates:
    """A file with certificates and their keys, or with what is wrong with their files; none without a descriptor."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = descriptor

    @classmethod
    def of(cls, pairs: Sequence[CertificatePair]) -> Self:
        """Return a new one; raises OSError."""
        return cls(sealed.put(_NAME, {"pairs": [_values(pair) for pair in pairs]}))

    @classmethod
    def read(cls, certificates: Sequence[Certificate]) -> Self:
        """Return what a child reads of these files; `problems` says what is wrong with them. Raises OSError."""
        if not certificates:
            return cls()
        made, own = cls(sealed.made(_NAME)), os.getpid()
        pid = os.fork()
        if pid == 0:
            made._read_and_exit(certificates, own)
        os.waitpid(pid, 0)
        return made

    @classmethod
    def checked(cls, certificates: Sequence[Certificate], config: str) -> Self:
        """Return what is read of these files; raises ConfigError about `config` if some cannot be used."""
        made = cls.read(certificates)
        if problems := made.problems():
            raise ConfigError(config, problems)
        if certificates and not is_native(EXTENSION):
            log.warning(
                "TLS is done by Python's own module: %s. Clients resume a session only at the worker that began it.",
                why_not_native(),
            )
        return made

    def _read_and_exit(self, certificates: Sequence[Certificate], parent: int) -> None:
        """Run as the child; never return into the caller's code, whatever happens."""
        try:
            end_with_parent(parent)
            pairs, problems = [], []
            for number, certificate in enumerate(certificates):
                try:
                    pairs.append(_values(read_files(certificate)))
                except BlockdError as error:
                    problems.append(f"certificates[{number}]: {error}; name a chain and its key, both in PEM")
            self._fill({"problems": problems} if problems else {"pairs": pairs})
        except BaseException as error:
            log.error("The certificates cannot be read: %r. Please report it.", error)
        finally:
            os._exit(0)

    def _fill(self, content: dict[str, object]) -> None:
        assert self.descriptor is not None  # noqa: S101 - only what was made a moment ago is filled
        sealed.fill(self.descriptor, json.dumps(content).encode())

    def pairs(self) -> tuple[CertificatePair, ...]:
        """Return the certificates, none if there is no file; raises BadCertificate if it is not one of these."""
        if self.descriptor is None:
            return ()
        try:
            return tuple(map(_pair, self._content()["pairs"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadCertificate("", f"certificates that a process handed over cannot be read ({error!r})") from error

    def problems(self) -> list[str]:
        """Return a sentence for each certificate whose files cannot be used."""
        if self.descriptor is None:
            return []
        try:
            return [str(problem) for problem in self._content().get("problems", ())]
        except (ValueError, TypeError) as error:
            return [f"certificates: the process that reads them has failed ({error}); please report it"]

    def _content(self) -> dict[str, Any]:
        assert self.descriptor is not None  # noqa: S101 - asked by those who have looked
        return sealed.members_of(self.descriptor, MAX_SIZE)

    def close(self) -> None:
        """Close the file."""
        if self.descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = None


def problems_of(certificates: Sequence[Certificate]) -> list[str]:
    """Return a sentence for each certificate that cannot be used, with its place in the config."""
    found = HandedCertificates.read(certificates)
    try:
        return found.problems()
    finally:
        found.close()


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
