"""The key that blockd and a primary share for TSIG (RFC 8945), from the file that holds its secret."""

from __future__ import annotations

import base64
import binascii
import stat

import dns.name
import dns.tsig

from blockd.errors import FeedRefused
from blockd.files import read_configured
from blockd.settings import Tsig

MAX_FILE = 4096  # octets: a secret has at most a few hundred
MIN_SECRET = 8  # octets; a shorter secret can be guessed
_OTHERS = stat.S_IROTH | stat.S_IWOTH


def read_key(tsig: Tsig) -> dns.tsig.Key:
    """Return the key; raises FeedRefused("key") if its file cannot be used, or others may read or write it."""
    path = tsig.secret_file
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = read_configured(path, MAX_FILE)
    except OSError as error:
        raise _unusable(f"{path} cannot be read ({error.strerror})", "Let blockd's user read it.") from error
    if mode & _OTHERS:
        raise _unusable(
            f"{path} is accessible to every user of this machine", "`chmod o-rw` it, and let blockd's user read it."
        )
    try:
        secret = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise _unusable(f"{path} is not base64", "Put the secret there as the primary's operator gave it.") from error
    if len(secret) < MIN_SECRET:
        raise _unusable(f"{path} holds less than {MIN_SECRET} octets", "Put the whole secret there.")
    return dns.tsig.Key(dns.name.from_text(tsig.name), secret, dns.name.from_text(tsig.algorithm))


def _unusable(what: str, remedy: str) -> FeedRefused:
    return FeedRefused("key", f"The secret of the TSIG key cannot be used: {what}. Nothing is transferred. {remedy}")
