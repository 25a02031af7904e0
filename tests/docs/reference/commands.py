"""docs/reference/commands.md: every verb, with what it takes, from the parsers of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from blockd.cli.grammar import CONFIGS, DONE, INTERRUPTED, NO, USAGE, commands, parser
from blockd.cli.grammar.exit_codes import ANSWER_IS_NO
from tests.docs.reference.markdown import document, sentence, table

COMMON = ("--config", "--json", "--help")


def page() -> str:
    """Return the page."""
    found = list(commands(parser()))
    return document(
        "Commands",
        "Usage: `blockd VERB [OPTION ...]`. Options may stand before or after other arguments.",
        "## Options of every command",
        table(
            ("option", "meaning"),
            [
                ("`--config FILE`", f"The config file. Default: {', else '.join(f'`{path}`' for path in CONFIGS)}."),
                ("`--json`", "Print one JSON document for programs instead of text."),
                ("`-h`, `--help`", "Print the command's usage and exit."),
            ],
        ),
        "`blockd --version` prints the version.",
        "## Exit codes",
        table(
            ("code", "meaning"),
            [
                (f"`{DONE}`", "Done; or the answer is yes."),
                (f"`{NO}`", "The answer is no, or the command failed. Each command below says what no means for it."),
                (
                    f"`{USAGE}`",
                    "The usage or the config is wrong, or the running daemon cannot be asked. Nothing was changed.",
                ),
                (f"`{INTERRUPTED}`", "The command was interrupted (SIGINT); it says what it has changed."),
            ],
        ),
        "## All commands",
        table(("command", "what it does"), [(f"`{name}`", sentence(about)) for name, about, _ in found]),
        *(part for one in found for part in _command(*one)),
    )


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {name}"
    yield sentence(about)
    own = [action for action in parser._actions if _is_shown(action)]
    yield "Usage: `" + " ".join([name, *(_usage(action) for action in own)]) + "`"
    if own:
        yield table(("argument", "meaning"), [(f"`{_called(action)}`", _meaning(action)) for action in own])
    if name in ANSWER_IS_NO:
        yield f"Exit code {NO} if {ANSWER_IS_NO[name]}."


def _is_shown(action: argparse.Action) -> bool:
    is_common = bool(set(COMMON) & set(action.option_strings))
    return not is_common and not isinstance(action, argparse._SubParsersAction)


def _metavar(action: argparse.Action) -> str:
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    if action.choices is not None:
        return "|".join(str(choice) for choice in action.choices)
    return action.dest.upper()


def _called(action: argparse.Action) -> str:
    if not action.option_strings:
        return _metavar(action)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {_metavar(action)}"


def _usage(action: argparse.Action) -> str:
    metavar = _metavar(action)
    values = {
        "?": metavar if action.option_strings else f"[{metavar}]",
        "*": f"[{metavar} ...]",
        "+": f"{metavar} [{metavar} ...]",
        0: "",
    }.get(action.nargs or ("" if action.nargs is None else 0), metavar)
    if not action.option_strings:
        return values
    text = f"{action.option_strings[-1]} {values}".strip()
    return text if action.required else f"[{text}]"


def _meaning(action: argparse.Action) -> str:
    parts = [sentence(action.help.replace("%%", "%"))] if action.help else []
    if action.choices is not None and action.metavar is not None:
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in action.choices) + ".")
    if action.default not in (None, argparse.SUPPRESS, "", False, []) and action.option_strings:
        parts.append(f"Default: `{action.default}`.")
    if action.option_strings and action.required:
        parts.append("Required.")
    return " ".join(parts)
