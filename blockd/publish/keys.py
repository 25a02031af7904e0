"""The keys of an authority: one Ed25519 key for each role of TUF, each in a PKCS #8 file that only its owner reads."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from blockd.errors import PublishError
from blockd.ruleset.replace import replace_file

ROLES = ("root", "targets", "snapshot", "timestamp")
FOLDER_MODE = 0o700
KEY_MODE = 0o600
_OTHERS = 0o077  # the bits by which a file is open to its group or to everybody
MAX_KEY = 64 * 1024  # bytes; an Ed25519 key in PEM has about 120


def make_keys(folder: Path) -> dict[str, CryptoSigner]:
    """Make a key for each role in `folder`, which is made too; raises OSError where it is there already."""
    folder.mkdir(mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)
    signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
    for role, signer in signers.items():
        replace_file(folder / f"{role}.pem", signer.private_bytes, KEY_MODE)
    return signers


def load_signer(folder: Path, role: str) -> CryptoSigner:
    """Load the key of `role`; raises PublishError where it is missing, no Ed25519 key, or open to other users."""
    path = folder / f"{role}.pem"
    try:
        status = path.stat()
        content = path.read_bytes() if status.st_size <= MAX_KEY else b""
    except OSError as error:
        raise PublishError(f"The key {path} cannot be read: {error.strerror}; nothing was signed.") from error
    if status.st_mode & _OTHERS:
        raise PublishError(f"The key {path} is open to other users; nothing was signed. Take it back: chmod 600 {path}")
    try:
        return CryptoSigner(load_pem_private_key(content, None))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PublishError(f"{path} is no private key in PEM without a password; nothing was signed.") from error
