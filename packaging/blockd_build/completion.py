"""Completion of blockd's command line in bash, zsh and fish, from its parsers.

Each script finds the command that the words before the cursor name, and offers its parts and options, the words that an
option takes, or files where it takes a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockd_build.command_line import Argument, Command

MADE = "Made from blockd's parsers while it was built."


def bash(top: Command) -> str:
    """Return the script for bash."""
    commands = list(top.walk())
    values, offers = [], []
    for command in commands:
        for argument in _with_value(command):
            patterns = "|".join(f'"{command.name}:{name}"' for name in argument.names)
            values.append(f"        {patterns}) {_bash_value(argument)}; return ;;")
        options = " ".join(name for argument in command.arguments for name in argument.names)
        parts = " ".join(part.word for part in command.parts)
        offers.append(f'        "{command.name}") options="{options}" parts="{parts}" files={_files(command)} ;;')
    known = "|".join(f'"{command.name}"' for command in commands if command is not top)
    return f"""# bash completion for blockd. {MADE}

_blockd() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} place=blockd word options parts files
    COMPREPLY=()
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$place $word" in
            {known}) place="$place $word" ;;
        esac
    done
    case "$place:$prev" in
{chr(10).join(values)}
    esac
    case "$place" in
{chr(10).join(offers)}
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$parts" -- "$cur")
    if ((files)); then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$cur")
    fi
}}
complete -F _blockd blockd
"""


def _bash_value(argument: Argument) -> str:
    if argument.choices:
        return f'mapfile -t COMPREPLY < <(compgen -W "{" ".join(argument.choices)}" -- "$cur")'
    if argument.is_path:
        return 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
    return ":"


def zsh(top: Command) -> str:
    """Return the function for zsh."""
    commands = list(top.walk())
    values, offers = [], []
    for command in commands:
        for argument in _with_value(command):
            patterns = "|".join(_quoted(f"{command.name}:{name}") for name in argument.names)
            values.append(f"        ({patterns}) {_zsh_value(argument)}; return ;;")
        options = " ".join(_described(name, argument.help) for argument in command.arguments for name in argument.names)
        parts = " ".join(_described(part.word, part.help) for part in command.parts)
        offers.append(
            f"        ({_quoted(command.name)}) options=({options}) parts=({parts}) files={_files(command)} ;;"
        )
    known = "|".join(_quoted(command.name) for command in commands if command is not top)
    return f"""#compdef blockd
# zsh completion for blockd. {MADE}

_blockd() {{
    local place=blockd word files=0
    local -a options parts
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$place $word" in
            ({known}) place="$place $word" ;;
        esac
    done
    case "$place:${{words[CURRENT-1]}}" in
{chr(10).join(values)}
    esac
    case "$place" in
{chr(10).join(offers)}
    esac
    if [[ ${{words[CURRENT]}} == -* ]]; then
        _describe -o option options
        return
    fi
    (( ${{#parts}} )) && _describe command parts
    (( files )) && _files
    return 0
}}

_blockd "$@"
"""


def _zsh_value(argument: Argument) -> str:
    if argument.choices:
        return f"compadd -- {' '.join(argument.choices)}"
    return "_files" if argument.is_path else f"_message {_quoted(argument.metavar)}"


def _described(word: str, text: str) -> str:
    """Return a word with its meaning, as `_describe` takes them."""
    return _quoted(f"{word}:{_one_line(text)}")


def fish(top: Command) -> str:
    """Return the script for fish."""
    commands = list(top.walk())
    known = " ".join(_fish_quoted(command.name) for command in commands if command is not top)
    lines = [
        f"# fish completion for blockd. {MADE}",
        "",
        "function __blockd_at --description 'Whether the words before the cursor name a command'",
        "    set -l place blockd",
        "    for word in (commandline -opc)[2..]",
        f'        if contains -- "$place $word" {known}',
        '            set place "$place $word"',
        "        end",
        "    end",
        '    test "$place" = "$argv[1]"',
        "end",
        "",
        "complete -c blockd -f",
    ]
    for command in commands:
        at = f"complete -c blockd -n {_fish_quoted(f'__blockd_at {_fish_quoted(command.name)}')}"
        lines += [f"{at} -a {part.word} -d {_fish_quoted(_one_line(part.help))}" for part in command.parts]
        if _files(command):
            lines.append(f"{at} -F")
        for argument in command.arguments:
            if argument.names:
                lines.append(f"{at} {_fish_option(argument)}")
    return "\n".join(lines) + "\n"


def _fish_option(argument: Argument) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in argument.names)
    value = ""
    if argument.choices:
        value = f" -x -a {_fish_quoted(' '.join(argument.choices))}"
    elif argument.metavar:
        value = " -r -F" if argument.is_path else " -x"
    return f"{names}{value} -d {_fish_quoted(_one_line(argument.help))}"


def _with_value(command: Command) -> Iterator[Argument]:
    return (argument for argument in command.arguments if argument.names and argument.metavar)


def _files(command: Command) -> int:
    """Return 1 if the command takes a path by its place, else 0."""
    return int(any(argument.is_path and not argument.names for argument in command.arguments))


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _quoted(text: str) -> str:
    """Return a text in single quotes, for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
