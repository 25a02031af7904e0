"""Keys in files: a private key in PKCS #8, encrypted or not, that only its owner can read; its public key beside it.

NAME.pem holds the private key, or instead a reference to a key stored elsewhere (`blockd.publish.keys.references`).
NAME.pem.pub holds the public key in PEM, so that the key can be identified without the password.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, Key, SecretsHandler, Signer, SSlibKey

from blockd.errors import FileTooLarge, PublishError
from blockd.files import read_file, replace_file
from blockd.publish.keys.references import is_reference, read_reference, signer_of

FOLDER_MODE = 0o700
KEY_MODE = 0o600
_OTHERS = 0o077  # the bits by which a file is open to its group or to everybody
MAX_KEY = 64 * 1024  # bytes; an Ed25519 key in PEM has about 120, an RSA key about 3,000
MAX_PASSWORD = 1023  # bytes; OpenSSL takes no longer one


def make_keys(folder: Path, roles: Iterable[str], password: bytes | None = None) -> dict[str, CryptoSigner]:
    """Make a key for each role in `folder`, which is made too; raises OSError if it exists already."""
    folder.mkdir(mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)
    return {role: new_key(folder / f"{role}.pem", password) for role in roles}


def new_key(path: Path, password: bytes | None = None) -> CryptoSigner:
    """Make an Ed25519 key in `path`, encrypted if a password is given; raises PublishError if the file exists."""
    if password is not None and not 0 < len(password) <= MAX_PASSWORD:
        raise PublishError(f"A password must have 1 to {MAX_PASSWORD} bytes; no key was made.")
    public_path = public_file(path)
    if path.exists() or public_path.exists():
        there = path if path.exists() else public_path
        raise PublishError(f"{there} already exists and was not changed; a key is never overwritten.")
    private = Ed25519PrivateKey.generate()
    encryption: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
    signer = CryptoSigner(private)
    replace_file(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), KEY_MODE)
    replace_file(public_path, public_pem(signer.public_key))
    return signer


def public_file(path: Path) -> Path:
    """Return the path of the public key of the key in `path`."""
    return path.with_name(f"{path.name}.pub")


def public_pem(key: Key) -> bytes:
    """Return a public key as PEM."""
    if key.keytype == "ed25519":  # TUF keeps its octets; the other kinds are kept as PEM
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(key.keyval["public"]).encode()


def read_public(path: Path) -> Key:
    """Return the public key of a file with a public key in PEM, a private key, or a reference; raises PublishError.

    For an encrypted private key it is read from the file beside it.
    """
    content = _read(path)
    if is_reference(content):
        return read_reference(content, str(path))[1]
    if b"ENCRYPTED PRIVATE KEY" in content:
        content = _read(public_file(path))
    try:
        if b"PRIVATE KEY" in content:
            return SSlibKey.from_crypto(load_pem_private_key(content, None).public_key())
        return SSlibKey.from_crypto(load_pem_public_key(content))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PublishError(f"{path} is not a private or public key in PEM; nothing was signed.") from error


def load_key(path: Path, secrets: SecretsHandler | None = None) -> Signer:
    """Load a private key; `secrets` is asked for its password if it has one.

    Raises PublishError if it cannot be used: it is missing, damaged, open to other users, or the password is wrong.
    """
    content = _read(path)
    if is_reference(content):
        return signer_of(*read_reference(content, str(path)), secrets)
    if path.stat().st_mode & _OTHERS:
        raise PublishError(f"The key {path} is accessible to other users; nothing was signed. Run: chmod 600 {path}")
    try:
        return CryptoSigner(_private(content, path, secrets))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PublishError(f"{path} is not a private key in PEM; nothing was signed.") from error


def _private(content: bytes, path: Path, secrets: SecretsHandler | None) -> Ed25519PrivateKey:
    if b"ENCRYPTED" not in content:
        return load_pem_private_key(content, None)  # type: ignore[return-value]
    if secrets is None:
        raise PublishError(f"{path} needs its password; nothing was signed.")
    password = secrets(f"password of {path}").encode()
    try:
        return load_pem_private_key(content, password)  # type: ignore[return-value]
    except ValueError as error:
        raise PublishError(f"The password does not open {path}; nothing was signed.") from error


def _read(path: Path) -> bytes:
    try:
        return read_file(path, MAX_KEY)
    except FileTooLarge as error:
        raise PublishError(f"The key {path} has more than {MAX_KEY} bytes; nothing was signed.") from error
    except OSError as error:
        raise PublishError(f"The key {path} cannot be read: {error.strerror}; nothing was signed.") from error
