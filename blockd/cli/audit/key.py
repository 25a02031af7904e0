"""`blockd audit key`: the node's public key, to verify its statements with."""

from __future__ import annotations

import argparse

from blockd.audit.statement import KEY, key_id, public_key_text, read_key
from blockd.cli import DONE
from blockd.cli.asking.place import state_folder
from blockd.cli.output import show
from blockd.errors import CommandError


def run(args: argparse.Namespace) -> int:
    """Print the key in PEM."""
    path = state_folder(args.config) / KEY
    try:
        key = read_key(path).public_key()
    except FileNotFoundError as error:
        raise CommandError(f"there is no {path} yet; `blockd run` creates it at its first start") from error
    text = public_key_text(key)
    show(args.json, {"keyid": key_id(key), "public_key": text}, text.splitlines())
    return DONE
