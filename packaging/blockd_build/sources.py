"""The modules that are compiled, and the files that each of them is compiled from, both read off the source tree.

A module is compiled if it is a `.pyx` file, or a `.py` file with a `.pxd` file beside it whose first line begins with
`# cython:` (Cython's directives). The latter works as it is where nothing was compiled.

One that needs a library says so in a line `# distutils: libraries = ssl crypto` before its docstring; it is optional,
and left out where that library cannot be compiled against.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "blockd"
MARK = "# cython:"

_NAMES = r"(\([^)]*\)|[^\n]*)"  # in parentheses over several lines, or what is left of this one
_CIMPORT_FROM = re.compile(rf"^[ \t]*from[ \t]+([.\w]+)[ \t]+cimport[ \t]+{_NAMES}", re.MULTILINE)
_CIMPORT = re.compile(r"^[ \t]*cimport[ \t]+([^\n]*)", re.MULTILINE)
_PURE_CIMPORT = re.compile(rf"^[ \t]*from[ \t]+cython\.cimports\.([.\w]+)[ \t]+import[ \t]+{_NAMES}", re.MULTILINE)
_INCLUDE = re.compile(r"""^[ \t]*(?:include|cdef[ \t]+extern[ \t]+from)[ \t]+["']([^"'\n]+)["']""", re.MULTILINE)
_LIBRARIES = re.compile(r"^# distutils: libraries = ([\w. -]+)$", re.MULTILINE)
_SYSTEM_HEADER = re.compile(r"""^[ \t]*cdef[ \t]+extern[ \t]+from[ \t]+["']<([^"'\n]+)>["']""", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class Module:
    """An extension module; paths are relative to the root of the source tree."""

    name: str
    source: Path
    inputs: tuple[Path, ...]  # every file of the tree that it is compiled from, `source` included
    libraries: tuple[str, ...] = ()  # that it is linked with, as the linker names them; with any it is optional
    headers: tuple[str, ...] = ()  # of the system, `<name>` in the source, if it is linked with a library


def modules(root: Path) -> list[Module]:
    """Return the modules of the tree at `root` that are compiled, by name."""
    found = []
    for path in sorted((root / PACKAGE).rglob("*.py*")):
        if path.suffix == ".pyx" or (path.suffix == ".py" and _is_marked(path)):
            source = path.relative_to(root)
            inputs = _inputs(root, source)
            name, text = ".".join(source.with_suffix("").parts), path.read_text(encoding="utf-8")
            libraries = tuple(word for line in _LIBRARIES.findall(text.partition('"""')[0]) for word in line.split())
            headers = _headers(root, inputs) if libraries else ()
            found.append(Module(name, source, inputs, libraries, headers))
    return found


def _headers(root: Path, inputs: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the headers of the system that these files name."""
    texts = [(root / path).read_text(encoding="utf-8") for path in inputs]
    return tuple(dict.fromkeys(header for text in texts for header in _SYSTEM_HEADER.findall(text)))


def _is_marked(path: Path) -> bool:
    if not path.with_suffix(".pxd").exists():
        return False
    with path.open(encoding="utf-8") as file:
        return file.readline().startswith(MARK)


def _inputs(root: Path, source: Path) -> tuple[Path, ...]:
    """Return `source` and all that it includes or cimports, and what these do in turn."""
    known: set[Path] = set()
    waiting = {source, source.with_suffix(".pxd")}
    while waiting:
        path = waiting.pop()
        if path not in known and (root / path).is_file():
            known.add(path)
            waiting.update(_named_by(path, (root / path).read_text(encoding="utf-8")))
    return tuple(sorted(known))


def _named_by(path: Path, text: str) -> Iterator[Path]:
    """Yield every path that a file could mean by an include or a cimport; most of them do not exist."""
    folder = path.parent
    for included in _INCLUDE.findall(text):
        yield folder / included
        yield Path(included)
    for imported, names in (*_CIMPORT_FROM.findall(text), *_PURE_CIMPORT.findall(text)):
        dots = len(imported) - len(imported.lstrip("."))
        base = folder if dots else Path()
        for _ in range(dots - 1):
            base = base.parent
        base = base.joinpath(*filter(None, imported.lstrip(".").split(".")))
        yield from _declarations(base)
        for name in _words(names):  # each may be a name in the module, or a module of the package
            yield from _declarations(base / name)
    for names in _CIMPORT.findall(text):
        for name in _words(names):
            yield from _declarations(Path(*name.split(".")))


def _words(names: str) -> Iterator[str]:
    for name in _COMMENT.sub("", names).strip("() \t\n").split(","):
        if name.strip():
            yield name.split()[0]  # without `as other`


def _declarations(module: Path) -> Iterator[Path]:
    if module.name:
        yield module.with_name(f"{module.name}.pxd")
        yield module / "__init__.pxd"
