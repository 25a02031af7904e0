"""`blockd authority key`: make, show and import keys."""

from __future__ import annotations

import argparse
from pathlib import Path

from securesystemslib.signer import Key

from blockd.cli.authority.passwords import new_password, secrets
from blockd.cli.output import show
from blockd.errors import PublishError
from blockd.files import replace_file
from blockd.publish.keys.key_files import new_key, public_file, public_pem, read_public
from blockd.publish.keys.references import import_key, is_uri, write_reference


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if args.deed == "new":
        key: Key = new_key(args.file, new_password(args)).public_key
        _show(args, key, f"{args.file} is a new key; {public_file(args.file)} is its public half.", file=args.file)
    elif args.deed == "show":
        key = import_key(args.key, secrets(args))[1] if is_uri(args.key) else read_public(Path(args.key))
        _show(args, key, public_pem(key).decode().rstrip())
    else:
        if args.file.exists():
            raise PublishError(f"{args.file} exists already and was not changed.")
        uri, key = import_key(args.uri, secrets(args))
        replace_file(args.file, write_reference(uri, key))
        _show(args, key, f"{args.file} refers to {uri}; it stands for the private key and for the public one.", uri=uri)
    return 0


def _show(args: argparse.Namespace, key: Key, line: str, **more: object) -> None:
    show(
        args.json,
        {"keyid": key.keyid, "type": key.keytype, "scheme": key.scheme, "public": public_pem(key).decode(), **more},
        [*line.splitlines(), f"key id {key.keyid} ({key.scheme})"],
    )
