#!/usr/bin/env python
"""A client under test for the TUF project's conformance suite, built on blockd's own trust.

The suite calls it as its CLIENT-CLI.md says: `init ROOT`, `refresh` or `download`, with options before the command. It
ends with 0 or 1. Metadata are kept in the folder given, as `ROLE.json`.

blockd trusts a version as a whole or not at all; the suite expects that each file which was proved is kept, also where
a later one fails. So everything proved is kept here, by the same means.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from blockd.errors import FeedRefused
from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.trust import Trust


def main(words: Sequence[str], now: Callable[[], float] = time.time) -> int:
    arguments = _arguments(words)
    folder: Path = arguments.metadata_dir
    if arguments.command == "init":
        shutil.copyfile(arguments.trusted_root, folder / "root.json")
        return 0
    try:
        with tempfile.TemporaryDirectory() as staging:
            _look(arguments, folder, Path(staging) / "staging", now)
    except FeedRefused as refusal:
        print(f"{refusal.reason}: {refusal}", file=sys.stderr)
        return 1
    return 0


def _look(arguments: argparse.Namespace, folder: Path, staging: Path, now: Callable[[], float]) -> None:
    trust = Trust((folder / "root.json").read_bytes(), folder, staging, now)
    subject = f"The repository {arguments.metadata_url}"
    targets = f"{arguments.target_base_url or ''}"
    with (
        contextlib.closing(BoundedFetcher()) as fetcher,
        contextlib.closing(fetcher.connections),
        trust.attempt(arguments.metadata_url, fetcher, subject, targets) as attempt,
    ):
        try:
            attempt.begin()
            attempt.finish()
            if arguments.command == "download":
                target = attempt.find(arguments.target_name)
                if target is None:
                    raise FeedRefused("missing", f"{subject} has no target {arguments.target_name}.")
                attempt.bring(target, arguments.target_dir / quote(arguments.target_name, ""), subject)
        finally:
            trust.keep(path.stem for path in staging.glob("*.json"))


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name")
    parser.add_argument("--target-base-url")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
