"""Base64 (RFC 4648 section 4) in its canonical form, so that no octet of a signature can be changed unnoticed."""

from __future__ import annotations

import base64
import binascii


def decode_strict(text: bytes, what: str) -> bytes:
    """Decode `text`; raises ValueError naming `what` if it is not canonical base64."""
    try:
        octets = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{what} is not valid base64") from error
    if base64.b64encode(octets) != text:
        raise ValueError(f"{what} is not canonical base64")
    return octets
