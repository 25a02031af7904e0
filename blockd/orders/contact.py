"""How a contact that people wrote is reached: the URIs of its mail addresses and telephone numbers."""

from __future__ import annotations

import re

MAX_CONTACTS = 3  # of one text: an answer has little room, and one of each kind does
MAX_URI = 200  # octets

# What is looked for, in this order: a link, in which nothing is; a mail address (RFC 5322 section 3.2.3, without quoted
# parts); a number with its country's code, as `tel` needs it (RFC 3966 section 5.1.4), with the separators that people
# use. All is bounded, so that no text takes long.
_FOUND = re.compile(
    r"(?P<link>\b[a-z][a-z0-9+.-]{1,20}://\S*)"
    r"|(?P<mail>(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z0-9-]{2,63})"
    r"|(?P<number>(?<!\w)\+[0-9](?:[ ().-]{0,2}[0-9]){4,14}(?![0-9]))",
    re.ASCII | re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:mailto|tel):", re.ASCII | re.IGNORECASE)
_ESCAPED = re.compile(r"[^A-Za-z0-9._~!$*+'-]", re.ASCII)  # what a local part has only escaped (RFC 6068 section 2)


def contact_uris(contact: str) -> tuple[str, ...]:
    """Return the `mailto` and `tel` URIs of what a text names, in its order, at most MAX_CONTACTS.

    A link is no contact: a structured DNS error has none, so that nothing in it leads a browser to a page.
    """
    found: list[str] = []
    for match in _FOUND.finditer(_SCHEME.sub(" ", contact)):
        uri = ""
        if match["mail"]:
            local, _, domain = match["mail"].rpartition("@")
            uri = f"mailto:{_ESCAPED.sub(lambda octet: f'%{ord(octet[0]):02X}', local)}@{domain}"
        elif match["number"]:
            uri = "tel:+" + re.sub(r"[^0-9]", "", match["number"])
        if uri and len(uri) <= MAX_URI and uri not in found:
            found.append(uri)
    return tuple(found[:MAX_CONTACTS])
