"""Imports between rooms: a room imports only from rooms below it, and the lowest two are pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT

PACKAGE = ROOT / "blockd"

# From the ground up.
ROOMS = (
    "names",
    "dns",
    "orders",
    "metrics",
    "formats",
    "settings",
    "ruleset",
    "feeds",
    "compile",
    "resolver",
    "tls",
    "transports",
    "selftest",
    "publish",
    "audit",
    "doctor",
    "web",
    "daemon",
    "cli",
)
GROUND = {
    "blockd.errors",
    "blockd.files",
    "blockd.lazy",
    "blockd.times",
    "blockd.native",
    "blockd.printable",
    "blockd.__version__",
}  # what every room may use
PURE = ("names", "orders")
PURE_IMPORTS = {
    *("__future__", "collections", "dataclasses", "datetime", "enum", "ipaddress", "itertools", "re", "typing"),
    *("bisect", "hashlib", "idna", "json", "unicodedata"),
    "blockd",
}
IMPURE_CALLS = {"now", "today", "utcnow", "open", "print", "input", "exec", "eval"}  # a clock, a file, a terminal
BEHIND_ONE_MODULE = {"dnslib": "blockd.resolver.records"}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(module: str, source: str, *, is_package: bool = False) -> Iterator[str]:
    """Yield the full name of everything that a module imports, wherever in it, also by `import_module("…")`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                kept = parents[: len(parents) - node.level + is_package]
                base = ".".join([*kept, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            yield from (str(given.value) for given in node.args if isinstance(given, ast.Constant))


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "blockd" else ""


def problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Return a sentence for every import and call that breaks a rule."""
    found = []
    room = room_of(module)
    names = list(imported(module, source, is_package=is_package))
    for name in names:
        if name.split(".")[0] == "blockd" and room in ROOMS:
            other = room_of(name)
            if other in ROOMS:
                if ROOMS.index(other) > ROOMS.index(room):
                    found.append(f"{module} is in {room}, and imports {name} from a room above it")
            elif not any(name == ground or name.startswith(f"{ground}.") for ground in GROUND):
                found.append(f"{module} imports {name}, which is no room's")
        if room in PURE and name.split(".")[0] not in PURE_IMPORTS:
            found.append(f"{module} is pure, and imports {name}")
        behind = BEHIND_ONE_MODULE.get(name.split(".")[0], module)
        if behind != module:
            found.append(f"{module} imports {name}, which stays behind {behind}")
    if room in PURE:
        calls = {_called(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
        found += [f"{module} is pure, and calls {call}" for call in sorted(calls & IMPURE_CALLS)]
    return found


def test_a_room_imports_only_from_rooms_below_it() -> None:
    found = [
        problem
        for module, path in MODULES.items()
        for problem in problems(module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py")
    ]
    assert found == []


def test_all_rooms_are_looked_at() -> None:
    assert {room_of(module) for module in MODULES} >= set(ROOMS)


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS)


def test_errors_import_nothing_of_the_package_but_how_texts_are_shown() -> None:
    for module, allowed in (("blockd.errors", {"blockd.printable"}), ("blockd.printable", set())):
        names = imported(module, MODULES[module].read_text())
        assert {name for name in names if name.startswith("blockd")} <= {
            f"{it}.{n}" for it in allowed for n in ("one_line", "unproved")
        } | allowed


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("blockd.names.domain", "from blockd.orders import Entry"),
        ("blockd.compile.build", "import blockd.web.page"),
        ("blockd.compile.build", "import blockd.web.page as page"),
        ("blockd.compile.build", "from blockd import web"),
        ("blockd.compile.build", "from blockd import cli as other"),
        ("blockd.compile.build", "from ..daemon import worker"),
        ("blockd.compile.build", "from .. import daemon"),
        ("blockd.compile.build", "def late():\n    from blockd.daemon.worker import Worker"),
        ("blockd.compile.build", "if TYPE_CHECKING:\n    from blockd.daemon.worker import Worker"),
        ("blockd.compile.build", "import importlib\nimportlib.import_module('blockd.web')"),
        ("blockd.compile.build", "__import__('blockd.web')"),
        ("blockd.compile.build", "from blockd import __main__"),
        ("blockd.names.domain", "import os"),
        ("blockd.names.domain", "import socket as s"),
        ("blockd.orders.order", "from pathlib import Path"),
        ("blockd.orders.order", "def late():\n    import time"),
        ("blockd.orders.order", "import asyncio.subprocess"),
        ("blockd.orders.order", "from datetime import datetime\ndatetime.now()"),
        ("blockd.orders.order", "open('/etc/hosts')"),
        ("blockd.resolver.cache", "from dnslib.label import DNSLabel"),
        ("blockd.resolver.cache", "def late():\n    import dnslib"),
    ],
)
def test_a_broken_rule_is_found(module: str, source: str) -> None:
    assert problems(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("blockd.orders.order", "from blockd.names import Network\nfrom blockd.errors import BadName\nimport re"),
        ("blockd.orders.order", "from .entry import Entry\nfrom ..names import Network"),
        ("blockd.cli.service.run", "import os\nfrom blockd import __version__\nfrom blockd.daemon import supervisor"),
        ("blockd.resolver.records", "import dnslib"),
        ("blockd.__main__", "from blockd.cli import main"),
    ],
)
def test_what_the_rules_allow_is_let_through(module: str, source: str) -> None:
    assert problems(module, source) == []


def test_relative_imports_of_a_package_start_at_itself() -> None:
    assert list(imported("blockd.feeds", "from .source import x\nfrom ..web import y", is_package=True)) == [
        "blockd.feeds.source.x",
        "blockd.web.y",
    ]
