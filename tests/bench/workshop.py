"""What every comparison of servers has: two cores, programs without which it cannot be, and a folder of its own."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench.programs import ProgramFailed, find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `workshop` reads, and the file for the figures."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into a file as JSON, too")
    parser.add_argument("--server-core", type=int, default=0, metavar="N", help="core of the server (0)")
    parser.add_argument("--load-core", type=int, default=1, metavar="N", help="core of what asks it (1)")
    parser.add_argument("--keep", action="store_true", help="keep configs, lists and logs, and say where they are")


@contextlib.contextmanager
def workshop(args: argparse.Namespace, name: str, needed: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder for the time of the block, and run the block on the core of the load.

    `needed` are programs and their Debian packages. Ends the benchmark, by SystemExit, with 2 if it cannot begin, with
    1 if a program fails in the block, and with 130 at Ctrl-C.
    """
    missing = [f"{program} (Debian: {package})" for program, package in needed.items() if find(program) is None]
    if missing:
        _end(2, f"The benchmark needs {', '.join(missing)}.")
    if not {args.server_core, args.load_core} <= os.sched_getaffinity(0) or args.server_core == args.load_core:
        _end(2, "The benchmark needs two cores, one for the server and one for what asks it.")
    os.sched_setaffinity(0, {args.load_core})
    folder = Path(tempfile.mkdtemp(prefix=f"blockd-{name}-"))
    try:
        yield folder
    except ProgramFailed as failed:
        _end(1, f"The benchmark cannot go on: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if args.keep:
            print(f"Configs, lists and logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)


def _end(code: int, said: str) -> None:
    print(said, file=sys.stderr)
    sys.exit(code)
