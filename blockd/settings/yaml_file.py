"""Reading the config file: a small, strict subset of YAML, in which nothing is guessed.

Mappings, lists and scalars only: no anchors and aliases (a few lines could expand to gigabytes), no tags, one document.
Scalars are those of YAML 1.2's core schema, so that `no`, `1:30` and `2017-07-14` are texts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from blockd.errors import ConfigError, FileTooLarge
from blockd.files import read_configured
from blockd.settings.values import shown

MAX_FILE = 1 << 20  # octets: a thousand feeds with all their texts fit
MAX_DEPTH = 16  # levels; the deepest key that exists is on the fifth
MAX_VALUES = 100_000  # keys and values: a thousand feeds have half as many; it bounds the time that reading takes
MAX_PROBLEMS = 50  # problems reported at once; nobody reads more

KeyPath = tuple[int | str, ...]  # the keys and numbers that lead to a value

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})", re.ASCII)  # 18 digits fit 64 bits; 017 is 15 to other readers
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?", re.ASCII)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictLoader(yaml.SafeLoader):
    """Composes nodes, and refuses features that the config file does not use."""

    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node; raises MarkedYAMLError for an alias, an anchor, a tag, too deep a level, or too much."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not allowed", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem="tags are not allowed", problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        if self.count >= MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES} keys and values", problem_mark=event.start_mark)
        self.count += 1
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_text(path: Path) -> str:
    """Return the file's text; raises ConfigError if it is missing, not a regular file, too large or not UTF-8."""
    source = str(path)
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(source, ["expected a YAML file, got a folder or device"])
        content = read_configured(path, MAX_FILE)
    except FileNotFoundError:
        raise ConfigError(source, ["the file does not exist; use --config to name another"]) from None
    except FileTooLarge as error:
        raise ConfigError(source, [f"expected at most {MAX_FILE} octets, got more"]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its path is not valid"
        raise ConfigError(source, [f"the file cannot be read: {reason}"]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(source, [f"line {line}: not valid UTF-8; save the file as UTF-8"]) from error


def path_text(place: KeyPath) -> str:
    """Return a place in the file as `listen.dns[0]`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = shown(part)[1:-1]
            text += f".{word}" if text else word
    return text or "the file"


def parse_yaml(text: str, source: str) -> tuple[object, list[str]]:
    """Return the file's value and the problems of its keys; raises ConfigError if it cannot be parsed."""
    try:
        loader = StrictLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(source, [_syntax_problem(error)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(source, [f"line {line}: a character that YAML does not allow"]) from error
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF" names no character
        raise ConfigError(source, ["cannot be parsed: an escape in a quoted text is not a character"]) from error
    problems: list[str] = []
    return (None if node is None else _value(node, (), problems)), problems


def _value(node: yaml.Node, place: KeyPath, problems: list[str]) -> object:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, problems)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, number), problems) for number, item in enumerate(node.value)]
    text: str = node.value
    if _SURROGATE.search(text):
        problems.append(f"{path_text(place)}: expected Unicode, got half of a surrogate pair in {shown(text)}")
        return ""
    return text if getattr(node, "style", None) else _scalar(text)  # a quoted scalar is always a text


def _mapping(node: yaml.MappingNode, place: KeyPath, problems: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = int(key_node.start_mark.line) + 1
        if not isinstance(key_node, yaml.ScalarNode) or _SURROGATE.search(key_node.value):
            problems.append(f"{path_text(place)}: the key on line {line} is not a text; use the documented keys")
            continue
        key: str = key_node.value
        inner = (*place, key)
        if key in found:
            problems.append(f"{path_text(inner)}: occurs twice, on lines {lines[key]} and {line}; keep one")
            continue
        lines[key] = line
        found[key] = _value(value_node, inner, problems)
    return found


def _scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _syntax_problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    reason = "; ".join(part for part in (error.problem, error.context) if part)
    return f"{_place(mark)}: cannot be parsed: {reason}"


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
