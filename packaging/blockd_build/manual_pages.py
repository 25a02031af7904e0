"""Manual pages (man(7)) of blockd and of each of its verbs, from its parsers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockd_build.command_line import Argument, Command

MANUAL = "blockd"


def pages(top: Command, version: str) -> dict[str, str]:
    """Return the text of each page by its file's name."""
    return {
        "blockd.1": _page(top, version, _overview(top)),
        **{f"blockd-{verb.word}.1": _page(verb, version, _verb(verb)) for verb in top.parts},
    }


def _page(command: Command, version: str, body: Iterator[str]) -> str:
    name = command.name.replace(" ", "-")
    head = [
        f'.TH "{_text(name.upper())}" "1" "" "blockd {version}" "{MANUAL}"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(command.help)}",
    ]
    return "\n".join([*head, *body]) + "\n"


def _overview(top: Command) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    yield from _synopsis(top)
    yield ".SH DESCRIPTION"
    yield _text(
        "blockd is a DNS server that enforces blocklists that somebody answers for. Each verb has its own page."
    )
    yield ".SH VERBS"
    for verb in top.parts:
        yield from _item(f"\\fBblockd {_text(verb.word)}\\fR", _sentence(verb.help))
    yield from _options(top)
    yield ".SH EXIT STATUS"
    for code, meaning in (
        ("0", "Done; or the answer is yes."),
        ("1", "The answer is no, or the command failed. The page of each verb says what no means for it."),
        ("2", "The usage or the config is wrong, or the running daemon cannot be asked. Nothing was changed."),
        ("130", "The command was interrupted (SIGINT); it says what it has changed."),
    ):
        yield from _item(code, meaning)
    yield ".SH FILES"
    yield from _item(
        "\\fIconfig/blockd.yaml\\fR, \\fI/etc/blockd/blockd.yaml\\fR", "The config; the first that is there."
    )
    yield ".SH SEE ALSO"
    for number, verb in enumerate(top.parts, 1):
        yield f".BR blockd\\-{_text(verb.word)} (1){',' if number < len(top.parts) else ''}"


def _verb(verb: Command) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    yield from _synopsis(verb)
    yield ".SH DESCRIPTION"
    yield _text(_sentence(verb.help))
    yield from _options(verb)
    below = [command for command in verb.walk() if command is not verb and not command.parts]
    for command in below:
        yield f'.SH "{_text(command.name.upper())}"'
        yield from _synopsis(command)
        yield ".PP"
        yield _text(_sentence(command.help))
        yield from _arguments(command)
        yield ".PP"
        yield _text(_sentence(command.epilog))
    if verb.epilog:
        yield ".SH EXIT STATUS"
        for part in verb.epilog.removeprefix("exit codes: ").rstrip(".").split("; "):
            code, _, meaning = part.partition(" ")
            yield from _item(code, meaning)
    yield ".SH SEE ALSO"
    yield ".BR blockd (1)"


def _synopsis(command: Command) -> Iterator[str]:
    words = [f"\\fB{_text(command.name)}\\fR"]
    words += map(_usage, command.arguments)
    if command.parts:
        words.append("|\\:".join(f"\\fB{_text(part.word)}\\fR" for part in command.parts))  # a line may end there
    yield ".ad l"  # verbs without a blank between them cannot be spread over the line
    yield " ".join(words)
    yield ".br"
    yield ".ad b"


def _usage(argument: Argument) -> str:
    value = f"\\fI{_text(argument.metavar)}\\fR" if argument.metavar else ""
    more = " ..." if argument.is_repeated else ""
    text = f"\\fB{_text(argument.names[-1])}\\fR {value}".strip() if argument.names else value
    return f"{text}{more}" if argument.is_required else f"[{text}{more}]"


def _options(command: Command) -> Iterator[str]:
    if command.arguments:
        yield ".SH OPTIONS"
        yield from _arguments(command)


def _arguments(command: Command) -> Iterator[str]:
    for argument in command.arguments:
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in argument.names)
        value = f"\\fI{_text(argument.metavar)}\\fR" if argument.metavar else ""
        meaning = _sentence(argument.help)
        if argument.choices and argument.metavar != "|".join(argument.choices):
            meaning += f" One of: {', '.join(argument.choices)}."
        yield from _item(f"{names} {value}".strip(), meaning)


def _item(term: str, meaning: str) -> Iterator[str]:
    yield ".TP"
    yield term
    yield _text(meaning or "See above.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) or not text else '.'}"


def _text(text: str) -> str:
    """Return a text with what groff would read as a request or an escape written as itself."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("…", "...")
    escaped = escaped.replace("'", "\\(aq").replace('"', "\\(dq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
