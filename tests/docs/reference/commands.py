"""docs/reference/commands.md: every verb, with what it takes, from the parsers of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from blockd.cli import CONFIGS, DONE, NO, USAGE, _parser
from tests.docs.reference.markdown import document, sentence, table

COMMON = ("--config", "--json", "--help")
# When a command ends with exit code 1 although nothing went wrong. A test of each stands with its verb.
ANSWER_IS_NO = {
    "blockd check": "a feed would be refused",
    "blockd lookup": "no order in force blocks the name",
    "blockd status": "an alarm of severity warning or critical is in force",
    "blockd refresh": "a feed was refused",
    "blockd versions": "no version is kept yet",
    "blockd override add": "the override is kept, but not enforced yet",
    "blockd override list": "no override is in force",
    "blockd override end": "the end is kept, but not enforced yet",
    "blockd held": "nothing is held back",
    "blockd held release": "the release is kept, but not enforced yet",
    "blockd held hold": "the end of the release is kept, but not enforced yet",
    "blockd compile": "a list was refused; the output file is left as it was",
    "blockd validate": "the list would be refused",
    "blockd authority order check-name": "the order does not cover the name",
    "blockd authority sign": "signatures are missing, with `--show`",
    "blockd authority verify": "a node would refuse any part of it",
    "blockd audit": "no record matches",
    "blockd audit prove": "the name was not blocked, or it is not known whether it was",
    "blockd audit verify": "anything is wrong",
    "blockd doctor": "a finding is bad",
}


def page() -> str:
    """Return the page."""
    found = list(commands())
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
                ("`130`", "The command was interrupted (SIGINT)."),
            ],
        ),
        "## All commands",
        table(("command", "what it does"), [(f"`{name}`", about) for name, about, _ in found]),
        *(part for one in found for part in _command(*one)),
    )


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, help and parser of every command: verbs, their parts, and the parts of these."""
    yield from _below("blockd", _parser([]))


def _below(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    helps = _helps(parser)
    for part, child in _parts(parser).items():
        if not _parts(child) or not _is_part_required(child):
            yield f"{name} {part}", sentence(helps[part].replace("%%", "%")), child
        yield from _below(f"{name} {part}", child)


def _parts(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return {
        name: child
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, child in action.choices.items()
    }


def _is_part_required(parser: argparse.ArgumentParser) -> bool:
    return any(action.required for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def _helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return what a parser says of each of its parts."""
    return {
        part.dest: part.help or ""
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for part in action._choices_actions
    }


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {name}"
    yield about
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
