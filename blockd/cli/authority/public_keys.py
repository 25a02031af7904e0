"""Public keys as the steps take them: files, each perhaps with the name of the person whose key it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from securesystemslib.signer import Key

from blockd.publish.keys.key_files import read_public


def public_keys(words: Iterable[str]) -> dict[str, tuple[Key, str]]:
    """Return public keys, given as FILE or NAME=FILE, by their ids, with their names; the default is the file's name.

    Raises PublishError if one cannot be read.
    """
    found = {}
    for word in words:
        name, equals, file = word.partition("=")
        path = Path(file if equals else word)
        key = read_public(path)
        found[key.keyid] = (key, name if equals else path.name.removesuffix(".pub").removesuffix(".pem"))
    return found
