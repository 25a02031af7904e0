"""The command line: `main` runs one verb. What verbs take stands in `grammar`, what each does in a module with `run`.

Exit codes: 0 for success, 1 for a negative answer, 2 for wrong usage or a wrong config, 130 for an interruption.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from blockd.cli import output
from blockd.cli.doings import Doings, begin
from blockd.cli.grammar import DONE, INTERRUPTED, NO, USAGE, parser
from blockd.errors import BlockdError, CommandError, ConfigError, OutputError

__all__ = ["DONE", "INTERRUPTED", "NO", "USAGE", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; blockd's own errors are printed as a sentence on standard error."""
    doings = begin()
    verb = ""
    try:
        output.prepare()
        args = _parsed(sys.argv[1:] if argv is None else list(argv))
        verb = f" {args.verb}"
        code = _run(args, doings)
        output.finish()
    except KeyboardInterrupt:
        output.error_lines(f"\nblockd{verb}: interrupted; {_changed(verb, doings)}.")
        return INTERRUPTED
    except OutputError as error:
        output.abandon(sys.stdout)
        if not error.is_unread:
            output.error_lines(f"blockd{verb}: {error}")
        return NO
    except BlockdError as error:
        output.error_lines(f"blockd{verb}: {error}")
        return USAGE if isinstance(error, ConfigError | CommandError) else NO
    except PermissionError as error:
        output.error_lines(
            f"blockd{verb}: permission denied: {error.filename or 'a file'}. Run this as a user who may use it: what "
            "blockd keeps is for root and for the user that it runs as."
        )
        return NO
    except OSError as error:
        output.error_lines(f"blockd{verb}: {error.strerror or error}: {error.filename or 'no file'}")
        return NO
    return code


def _run(args: argparse.Namespace, doings: Doings) -> int:
    from blockd import files  # which a wrong usage does not need

    if (path := getattr(args, "token_file", None)) is not None:
        from blockd.cli.asking.token import take_from

        take_from(path)
    if args.verb != "authority":  # whose reasons are texts of orders
        for name, what in (("reason", "reason"), ("officer", "officer's name")):
            if text := getattr(args, name, None):
                from blockd.orders.operator_line import operator_line

                operator_line(text, what)
    files.observe(doings.changing)
    try:
        return int(importlib.import_module(args.module).run(args))
    finally:
        files.observe(None)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    try:
        return parser().parse_args(arguments)
    except SystemExit:
        output.finish()  # what --help and --version have printed
        raise
    except OSError as error:
        raise OutputError(error) from error


def _changed(verb: str, doings: Doings) -> str:
    """Return what an interrupted command has and has not changed."""
    return "nothing was started" if verb == " run" else doings.sentence()
