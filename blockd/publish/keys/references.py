"""Keys stored elsewhere, in a token (PKCS #11), a cloud's key service or a vault, through securesystemslib.

A reference file replaces the file of a private key. It has no secret: only the key's URI and the public key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, Key, SecretsHandler, Signer

from blockd.errors import PublishError, cause_of

FORMAT = "blockd-key-reference"
EXTRAS = {"hsm": "hsm", "gcpkms": "gcpkms", "awskms": "awskms", "azurekms": "azurekms", "hv": "vault"}


def is_uri(text: str) -> bool:
    """Return whether a key is named by a URI that a signer accepts, and not by the path of a file."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and scheme in SIGNER_FOR_URI_SCHEME and scheme != "file2"


def is_reference(content: bytes) -> bool:
    """Return whether a key file is a reference."""
    return content.lstrip().startswith(b"{")


def read_reference(content: bytes, source: str) -> tuple[str, Key]:
    """Read a reference file; return the URI and the public key. Raises PublishError."""
    try:
        told = json.loads(content)
        if told["format"] != FORMAT or not isinstance(told["uri"], str):
            raise ValueError("its format is unknown")
        return told["uri"], Key.from_dict(str(told["keyid"]), dict(told["key"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PublishError(
            f"{source} is not a reference to a key: {cause_of(error)}. Make it again: blockd authority key import"
        ) from error


def write_reference(uri: str, key: Key) -> bytes:
    """Return the content of a reference file."""
    told = {"format": FORMAT, "uri": uri, "keyid": key.keyid, "key": key.to_dict()}
    return (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()


def import_key(uri: str, secrets: SecretsHandler | None = None) -> tuple[str, Key]:
    """Ask for the public key of `uri`; return the URI to sign with and the key. Raises PublishError.

    The URIs are hsm:[KEYID][?label=LABEL], gcpkms:projects/…/cryptoKeyVersions/…, awskms:KEYID,
    azurekms://VAULT.vault.azure.net/keys/NAME and hv:NAME.
    """
    scheme = urlsplit(uri).scheme
    if scheme not in _IMPORTS or scheme not in SIGNER_FOR_URI_SCHEME:
        raise PublishError(f"{uri} is not a key that can be imported; URIs begin with {', '.join(_IMPORTS)}.")
    try:
        used, key = _IMPORTS[scheme](SIGNER_FOR_URI_SCHEME[scheme], uri, secrets)
    except Exception as error:  # the libraries of clouds and tokens raise their own errors
        raise _foreign(uri, error) from error
    return str(used), key


def signer_of(uri: str, key: Key, secrets: SecretsHandler | None = None) -> Signer:
    """Return a signer for the key of `uri`; raises PublishError. Its `sign` may raise any exception."""
    try:
        return Signer.from_priv_key_uri(uri, key, secrets)
    except Exception as error:  # as above
        raise _foreign(uri, error) from error


def _foreign(uri: str, error: Exception) -> PublishError:
    if isinstance(error, PublishError):
        return error
    scheme = uri.partition(":")[0]
    if isinstance(error, UnsupportedLibraryError) and scheme in EXTRAS:
        return PublishError(
            f"Keys with {scheme}: need a library that is not installed: pip install 'blockd[{EXTRAS[scheme]}]'"
        )
    return PublishError(f"The key {uri} cannot be used: {error or type(error).__name__}; nothing was signed.")


def _hsm(signer: Any, uri: str, secrets: SecretsHandler | None) -> tuple[str, Key]:
    parts = urlsplit(uri)
    label = parse_qs(parts.query).get("label", [None])[0]
    found: tuple[str, Key] = signer.import_(int(parts.path) if parts.path else None, label, secrets)
    return found


def _azure(signer: Any, uri: str, secrets: SecretsHandler | None) -> tuple[str, Key]:  # noqa: ARG001 - as the others
    parts = urlsplit(uri)
    found: tuple[str, Key] = signer.import_(parts.netloc.partition(".")[0], parts.path.split("/")[2])
    return found


def _by_path(signer: Any, uri: str, secrets: SecretsHandler | None) -> tuple[str, Key]:  # noqa: ARG001 - as the others
    found: tuple[str, Key] = signer.import_(uri.partition(":")[2])
    return found


_IMPORTS: dict[str, Callable[[Any, str, SecretsHandler | None], tuple[str, Key]]] = {
    "hsm": _hsm,
    "gcpkms": _by_path,
    "awskms": _by_path,
    "azurekms": _azure,
    "hv": _by_path,
}
