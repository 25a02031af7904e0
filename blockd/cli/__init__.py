"""The command line: one verb per module, each with `HELP`, `arguments(parser)` and `run(args) -> exit code`.

Exit codes: 0 for success, 1 for a negative answer, 2 for wrong usage or a wrong config.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from blockd import __version__
from blockd.cli.parts import Parser
from blockd.errors import BlockdError, CommandError, ConfigError

VERBS = (
    "run",
    "check",
    "lookup",
    "status",
    "refresh",
    "versions",
    "diff",
    "rollback",
    "override",
    "held",
    "compile",
    "validate",
    "authority",
    "audit",
    "doctor",
)
CONFIGS = (Path("config/blockd.yaml"), Path("/etc/blockd/blockd.yaml"))  # the first that is there is the default

DONE = 0
NO = 1
USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; blockd's own errors are printed as a sentence on standard error."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    args = _parser(arguments).parse_args(arguments)
    try:
        return int(args.run(args))
    except BlockdError as error:
        print(f"blockd {args.verb}: {error}", file=sys.stderr)
        return USAGE if isinstance(error, ConfigError | CommandError) else NO
    except BrokenPipeError:
        return NO
    except OSError as error:
        print(f"blockd {args.verb}: {error.strerror or error}: {error.filename or 'no file'}", file=sys.stderr)
        return NO
    except KeyboardInterrupt:
        return 130


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the modules that the arguments may need are imported, so that a lookup starts fast."""
    parser = Parser(prog="blockd", description="Enforce signed blocklists in DNS and HTTP.")
    parser.add_argument("--version", action="version", version=f"blockd {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    named = next((word for word in arguments if word in VERBS), None)
    for verb in VERBS:
        module = importlib.import_module(f"blockd.cli.{verb}") if named in (None, verb) else None
        child = verbs.add_parser(verb, help=module.HELP if module else None, words=arguments)
        if module:
            child.description = module.HELP
            child.add_argument("--config", type=Path, default=_config(), metavar="FILE", help="the config file")
            child.add_argument("--json", action="store_true", help="print JSON for programs")
            module.arguments(child)
            child.set_defaults(run=module.run)
    return parser


def _config() -> Path:
    return next((path for path in CONFIGS if path.exists()), CONFIGS[0])
