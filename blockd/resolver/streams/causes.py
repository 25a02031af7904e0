"""What a failed connection to an upstream means, in words: the rest of a sentence that begins with its name."""

from __future__ import annotations

import re
import ssl

from blockd.errors import system_words
from blockd.resolver.streams.scope import NoSuchInterface

# Numbers of OpenSSL's x509_vfy.h.
_CERTIFICATE = {
    9: "which is not valid yet",
    10: "which has expired",
    18: "which it has signed itself",
    19: "which leads to an authority that this machine does not trust",
    20: "which leads to an authority that this machine does not trust",
    21: "which leads to an authority that this machine does not trust",
    23: "which was revoked",
    62: "which is for another name",
    64: "which is for another address",
}
_HANDSHAKE = {
    "WRONG VERSION NUMBER": "does not speak TLS at that port",
    "HTTP REQUEST": "does not speak TLS at that port",
    "UNSUPPORTED PROTOCOL": "speaks only versions of TLS before 1.2",
    "TLSV1 ALERT PROTOCOL VERSION": "speaks only versions of TLS before 1.2",
    "TLSV1 ALERT NO APPLICATION PROTOCOL": "refuses the protocol that it is asked for by ALPN",
    "SSLV3 ALERT HANDSHAKE FAILURE": "refuses the TLS handshake",
    "TLSV1 UNRECOGNIZED NAME": "does not know the name that it is asked for",
    "UNEXPECTED EOF WHILE READING": "ended the connection during the TLS handshake",
}
_OPENSSL = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")  # what Python puts around such a text


def unreachable(error: OSError) -> str:
    """Return why an upstream could not be connected to."""
    if isinstance(error, NoSuchInterface):
        return f"cannot be reached: {error}"
    words = system_words(error)
    return f"cannot be connected to ({words[:1].lower()}{words[1:]})"


def handshake_failed(error: OSError) -> str:
    """Return why a TLS handshake failed."""
    match error:
        case ssl.SSLCertVerificationError():
            what = _CERTIFICATE.get(error.verify_code) or f"which is not valid ({error.verify_message})"
            return f"has shown a certificate {what}"
        case ssl.SSLError():
            reason = _reason(error)
            return _HANDSHAKE.get(reason) or f"failed the TLS handshake ({reason.lower()})"
        case ConnectionError():
            return "ended the connection during the TLS handshake"
        case _:
            return f"failed the TLS handshake ({system_words(error)})"


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's word for an error, such as `BAD SIGNATURE`; Python knows the newer ones as a text only."""
    return (error.reason or _OPENSSL.sub("", str(error.strerror or error))).replace("_", " ").upper()


def ended(error: Exception | None) -> str:
    """Return how a connection that was in use ended."""
    if error is None:
        return "ended the connection"
    if isinstance(error, ssl.SSLError):
        return "ended the connection with a TLS error"
    if isinstance(error, OSError) and error.errno is not None:
        words = system_words(error)
        return f"ended the connection ({words[:1].lower()}{words[1:]})"
    return "ended the connection"
