"""Certificates and their keys as files: read together, and looked at for changes."""

from __future__ import annotations

import stat
from pathlib import Path

from blockd.errors import BadCertificate, FileTooLarge, cause_of
from blockd.files import read_configured, stamp_from
from blockd.settings.encrypted import Certificate
from blockd.tls.choice import server_tls
from blockd.tls.pair import CertificatePair, read_pair

MAX_FILE = 1 << 18  # octets of a chain or a key; a chain of five with post-quantum signatures has some 60,000

Stamps = tuple[object, ...]
"""What differs once a file was written, replaced, or made readable."""


def read_files(certificate: Certificate) -> CertificatePair:
    """Return a pair that OpenSSL takes; raises BadCertificate with the sentence of what is wrong, without its end."""
    chain, key = (_read(path, certificate) for path in (certificate.chain, certificate.key))
    pair = read_pair(str(certificate.chain), chain, key)
    server_tls([pair], ("dot",))
    return pair


def is_open_to_all(key: Path) -> bool:
    """Return whether every user of this machine may read a key, if it can be found and its folder is entered."""
    try:
        return bool(key.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def stamps_of(certificate: Certificate) -> Stamps:
    """Return what differs once one of the two files has changed; links are followed."""
    return tuple(map(_stamp, (certificate.chain, certificate.key)))


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        return stamp_from(path.stat())
    except OSError as error:
        return (error.errno,)


def _read(path: Path, certificate: Certificate) -> bytes:
    try:
        return read_configured(path, MAX_FILE)
    except FileTooLarge as error:
        raise BadCertificate(str(certificate.chain), f"{path} is larger than {MAX_FILE} octets") from error
    except OSError as error:
        raise BadCertificate(str(certificate.chain), f"{path} cannot be read: {cause_of(error)}") from error
