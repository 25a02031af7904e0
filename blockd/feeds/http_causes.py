"""Why nothing could be fetched from a web server, in words of our own; a server's own text is never repeated."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import ssl

# Of OpenSSL's verification (X509_V_ERR_*, x509_vfy.h).
_CERTIFICATES = {
    9: "it is not valid yet; check this machine's clock",
    10: "it has expired",
    18: "it is signed by itself",
    19: "it is signed by itself, or by an authority that this machine does not know",
    20: "it is signed by an authority that this machine does not know",
    62: "it is for another host name",
    64: "it is for another address",
}
_CONNECTING = {
    errno.ECONNREFUSED: "refuses the connection",
    errno.ECONNRESET: "ended the connection",
    errno.EPIPE: "ended the connection",
    errno.ENETUNREACH: "cannot be reached: there is no route to it",
    errno.EHOSTUNREACH: "cannot be reached: there is no route to it",
    errno.ETIMEDOUT: "does not answer",
}
UNREADABLE = "sends what is not an HTTP response, or one with a header that is too long"


def http_cause(error: BaseException) -> str:
    """Return what a server does that keeps a file from being fetched, as in "URL refuses the connection"."""
    cause: BaseException | None = error
    for _ in range(5):  # libraries wrap what the system raised, some of them twice
        if cause is None:
            break
        if type(cause).__name__ == "ClientProxyConnectionError":
            return f"cannot be fetched: the proxy {http_cause(cause.__cause__ or OSError())}"
        inner = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None)
        if inner is None and (words := _words(cause)):
            return words
        cause = inner or cause.__cause__
    return "cannot be fetched: the connection failed"


def _words(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            why = _CERTIFICATES.get(error.verify_code, "it cannot be verified")
            return f"has a certificate that is not accepted: {why}"
        case ssl.SSLError():
            return "cannot be connected to by TLS"
        case socket.gaierror():
            return "has a host name that cannot be resolved"
        case TimeoutError():
            return "does not answer in time"
        case OSError(errno=int(number)) if number in _CONNECTING:
            return _CONNECTING[number]
        case http.client.RemoteDisconnected() | asyncio.IncompleteReadError():
            return "ended the connection without an answer"
        case http.client.HTTPException():
            return UNREADABLE
        case ValueError():
            return "has an address that cannot be used, or redirects to one"
    return _LIBRARY.get(type(error).__name__, "")


# Errors of aiohttp by their names, so that commands which fetch nothing need not import it.
_LIBRARY = {
    "ServerDisconnectedError": "ended the connection without an answer",
    "ClientResponseError": UNREADABLE,
    "BadHttpMessage": UNREADABLE,
    "BadStatusLine": UNREADABLE,
    "LineTooLong": UNREADABLE,
    "InvalidHeader": UNREADABLE,
    "ClientHttpProxyError": "cannot be fetched: the proxy does not connect to it, or does not let this machine through",
    "InvalidURL": "has an address that cannot be used, or redirects to one",
    "ClientConnectorDNSError": "has a host name that cannot be resolved",
}
