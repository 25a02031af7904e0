"""Modules are compiled when they have changed, and only then; without a compiler nothing is left half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from blockd_build import compiling

ROOT = Path(__file__).parents[2]
WORK = Path("build") / "extensions" / compiling.SUFFIX.strip(".").removesuffix(".so")

SOURCES = {
    "__init__.py": "",
    "a/__init__.py": "",
    "a/number.pxd": "cdef inline int number() noexcept:\n    return 1\n",
    "a/_uses.pyx": "from blockd.a.number cimport number\n\ndef told():\n    return number()\n",
    "a/plain.py": "# cython: language_level=3\ndef double(x):\n    return x + x\n",
    "a/plain.pxd": "cpdef int double(int x)\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        path = tmp_path / "blockd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / WORK).mkdir(parents=True)
    for built in (Path("blockd") / f"_cython{compiling.SUFFIX}", WORK / f"{compiling.SHARED}.key"):
        if (ROOT / built).exists():  # else it is compiled here too
            shutil.copy2(ROOT / built, tmp_path / built)
    return tmp_path


def told(tree: Path, expression: str) -> str:
    code = f"import blockd.a.plain as plain; {expression}"
    command = [sys.executable, "-P", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


def extensions(tree: Path) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in (tree / "blockd").rglob("*.so"))


@pytest.mark.skipif(compiling.why_not() is not None, reason="nothing can be compiled on this machine")
def test_what_has_changed_is_compiled_and_what_is_gone_is_removed(tree: Path) -> None:
    names, failed = compiling.build(tree)
    assert (sorted(names), failed) == (["blockd._cython", "blockd.a._uses", "blockd.a.plain"], [])
    assert told(tree, "from blockd.a import _uses; print(_uses.told(), plain.double(2), plain.__file__)").startswith(
        f"1 4 {tree / 'blockd/a/plain'}.c"
    )

    def compiled() -> list[str]:
        before = {path: path.stat().st_mtime_ns for path in tree.rglob("*.key")}
        assert compiling.build(tree)[1] == []
        return [path.stem for path in tree.rglob("*.key") if before.get(path) != path.stat().st_mtime_ns]

    assert compiled() == []
    (tree / "blockd/a/_uses.pyx").touch()
    assert compiled() == []  # it is what a file has that counts, not its time
    number = tree / "blockd/a/number.pxd"
    number.write_text(number.read_text(encoding="utf-8").replace("1", "7"), encoding="utf-8")
    assert compiled() == ["blockd.a._uses"]
    assert told(tree, "from blockd.a import _uses; print(_uses.told())") == "7"
    (tree / "blockd/a/_uses.pyx").unlink()
    assert compiled() == []
    assert extensions(tree) == ["_cython", "plain"]

    plain = tree / "blockd/a/plain.py"
    plain.write_text(plain.read_text(encoding="utf-8") + "    return nothing_of_this_name(\n", encoding="utf-8")
    assert compiling.build(tree)[1] == ["blockd.a.plain"]
    assert extensions(tree) == ["_cython"]


@pytest.mark.parametrize("broken", ["false", "no-such-compiler"])
def test_without_a_compiler_old_extensions_go_and_python_works(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    stale = tree / "blockd" / "a" / f"plain{compiling.SUFFIX}"
    stale.write_bytes(b"")
    monkeypatch.setenv("CC", broken)
    names, failed = compiling.build(tree)
    assert names == []
    assert sorted(failed) == ["blockd._cython", "blockd.a._uses", "blockd.a.plain"]
    assert extensions(tree) == []
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("Nothing is compiled, and blockd will use its Python engine: ")
    assert told(tree, "print(plain.double('ab'))") == "abab"


OPTIONAL = '''# distutils: libraries = {library}
"""An optional one."""

cdef extern from "<{header}>":
    pass


def told():
    return 3
'''


@pytest.mark.skipif(compiling.why_not() is not None, reason="nothing can be compiled on this machine")
def test_an_optional_module_is_compiled_where_its_library_is_and_left_out_with_a_line_where_it_is_not(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tree / "blockd/a/_optional.pyx"
    module.write_text(OPTIONAL.format(library="m", header="math.h"), encoding="utf-8")
    names, failed = compiling.build(tree)
    assert "blockd.a._optional" in names
    assert failed == []
    assert told(tree, "from blockd.a import _optional; print(_optional.told())") == "3"
    capsys.readouterr()
    for library, header in (("m", "no_such_header.h"), ("no_such_library", "math.h")):
        module.write_text(OPTIONAL.format(library=library, header=header), encoding="utf-8")
        names, failed = compiling.build(tree)
        assert "blockd.a._optional" not in names
        assert failed == []
        assert extensions(tree) == ["_cython", "_uses", "plain"]
        [line] = capsys.readouterr().out.splitlines()
        assert line.startswith(
            f"blockd/a/_optional.pyx is left out, and its twin in Python is used: lib{library} with headers is not here"
        )
