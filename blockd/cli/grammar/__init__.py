"""What the command line takes: every verb with its arguments, declared apart from what the verbs do.

Nothing but the standard library is imported here, so that a wrong usage, `--help` and `--version` are answered at once,
and so that shell completion and manual pages can be made while blockd is built. Each leaf of the tree sets `module`,
the module whose `run(args)` does the work.
"""

from blockd.cli.grammar.exit_codes import DONE, INTERRUPTED, NO, USAGE
from blockd.cli.grammar.tree import CONFIGS, VERBS, Command, commands, parser, parts_of

__all__ = [
    "CONFIGS",
    "DONE",
    "INTERRUPTED",
    "NO",
    "USAGE",
    "VERBS",
    "Command",
    "commands",
    "parser",
    "parts_of",
]
