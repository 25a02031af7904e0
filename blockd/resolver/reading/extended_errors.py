"""The EDNS options of an upstream's message, of which its Extended DNS Errors are kept (RFC 8914)."""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.printable import unproved
from blockd.resolver.forwarding.edns import COOKIE_SIZES
from blockd.resolver.records import MAX_ERROR_TEXT, error_option

RELAYED = "upstream: "
MAX_ERRORS = 3  # of one message; resolvers send one, or one for each of the keys that they tried


def kept_errors(message: bytes, position: int, end: int) -> bytes:
    """Return the first few Extended DNS Errors among the EDNS options between two places, as `sane_error` has them.

    Raises BadMessage if an option is truncated.
    """
    kept: list[bytes] = []
    while position < end:
        if position + 4 > end:
            raise BadMessage(types.SERVFAIL, "an EDNS option is truncated")
        code = int.from_bytes(message[position : position + 2])
        size = int.from_bytes(message[position + 2 : position + 4])
        behind = position + 4 + size
        if (
            behind > end
            or (code == types.EDE_OPTION and size < 2)
            or (code == types.COOKIE_OPTION and size not in COOKIE_SIZES)
        ):
            raise BadMessage(types.SERVFAIL, "an EDNS option is truncated")
        if code == types.EDE_OPTION and len(kept) < MAX_ERRORS:
            kept.append(sane_error(message[position:behind]))
        position = behind
    return b"".join(kept)


def sane_error(option: bytes) -> bytes:
    """Return an Extended DNS Error option with its text made printable and cut, for nobody vouches for it.

    One that looks like a structured error gets RELAYED in front. blockd does not ask for these, and a client that
    trusts its own (`blockd.orders.structured`) must not take an upstream's for one, which may have come in the clear.
    """
    text = option[6:].removesuffix(b"\0")  # RFC 8914 section 2: it may end with a null
    relayed = RELAYED if text.lstrip().startswith(b"{") else ""
    if not relayed and len(text) <= MAX_ERROR_TEXT and text.isascii() and text.decode("ascii").isprintable():
        return option[:2] + (2 + len(text)).to_bytes(2) + option[4:6] + text
    return error_option(int.from_bytes(option[4:6]), relayed + unproved(text, MAX_ERROR_TEXT - len(relayed)))


def errors_text(options: bytes) -> str:
    """Return what EDNS options that are Extended DNS Errors say, for people; empty if there is none.

    The sentence of No Reachable Authority or Network Error stands alone, for it is blockd's own; of others the code is
    told too.
    """
    said: list[str] = []
    position = 0
    while position < len(options):
        behind = position + 4 + int.from_bytes(options[position + 2 : position + 4])
        code = int.from_bytes(options[position + 4 : position + 6])
        text = options[position + types.EDE_CODE_ONLY : behind].decode(errors="replace")
        if not text or code not in (types.EDE_NO_REACHABLE_AUTHORITY, types.EDE_NETWORK_ERROR):
            text = f"Extended DNS Error {code}" + (f" ({text})" if text else "")
        said.append(text)
        position = behind
    return "; ".join(said)
