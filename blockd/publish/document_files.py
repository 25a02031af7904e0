"""Order documents as people write them, YAML or JSON: read from a file, or written for an editor.

A file may hold the names of a confidential order, so no problem quotes a file that cannot be parsed.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from blockd.errors import BadOrder, FileTooLarge
from blockd.files import read_file
from blockd.orders.repository import MAX_DOCUMENT

_WIDTH = 100  # characters of a line for an editor


def load_document(path: Path) -> object:
    """Decode the document in a file, JSON if its name ends in `.json` and YAML otherwise; raises BadOrder."""
    try:
        content = read_file(path, MAX_DOCUMENT)
    except FileTooLarge as error:
        raise BadOrder(str(path), [f"is larger than {MAX_DOCUMENT} bytes"]) from error
    except OSError as error:
        raise BadOrder(str(path), [f"cannot be read: {error.strerror}"]) from error
    return from_json(content, str(path)) if path.suffix == ".json" else from_yaml(content, str(path))


def from_json(content: bytes, source: str) -> object:
    """Decode JSON without duplicate fields; raises BadOrder."""
    try:
        return json.loads(content, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise BadOrder(source, [f"cannot be parsed as JSON: {_said(error)}"]) from error


def from_yaml(content: bytes | str, source: str) -> object:
    """Decode YAML without duplicate fields, in which dates and version numbers stay text; raises BadOrder."""
    try:
        return yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # An alias is quoted from the file: `*.example.net` without quotes is one.
        said = "a word that begins with * needs quotes" if "alias" in str(error) else error.problem
        raise BadOrder(source, [f"cannot be parsed as YAML: {where}{said}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadOrder(source, [f"cannot be parsed as YAML: {_said(error)}"]) from error


def to_yaml(document: Mapping[str, object]) -> str:
    """Return a document as text for an editor; `from_yaml` parses it."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeError) or (isinstance(error, yaml.YAMLError) and not str(error)):
        return "it is not valid UTF-8"
    return " ".join(str(error).split()) if not isinstance(error, RecursionError) else "nested too deeply"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is given twice")
    return fields


class _Loader(yaml.SafeLoader):
    """YAML loader that keeps dates and the schema's number as text, and rejects duplicate fields."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as its base class declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        if len(set(map(str, names))) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"{twice} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """YAML dumper that indents lists below their field, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)
