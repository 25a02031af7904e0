"""What is compiled, and from what, is read off the tree as Cython reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blockd_build.sources import Module, modules

ROOT = Path(__file__).parents[2]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def inputs(found: list[Module]) -> dict[str, set[str]]:
    return {module.name: {str(path) for path in module.inputs} for module in found}


def test_every_module_of_the_package_has_the_inputs_that_cython_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    from Cython.Build.Dependencies import create_dependency_tree

    monkeypatch.chdir(ROOT)
    found = modules(ROOT)
    assert found
    tree = create_dependency_tree(quiet=True)  # type: ignore[no-untyped-call]
    for module in found:
        known = {Path(os.path.relpath(path, ROOT)) for path in tree.all_dependencies(str(module.source))}
        # Cython itself leaves out a module that is cimported from its package: `from blockd.dns cimport _types`.
        assert set(module.inputs) >= {path for path in known if path.parts[0] == "blockd"}, module.name
        assert all((ROOT / path).is_file() for path in module.inputs)


def test_modules_are_found_at_any_depth_and_python_ones_by_their_mark(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "blockd/a/b/_x.pyx": "",
            "blockd/a/marked.py": "# cython: language_level=3\n",
            "blockd/a/marked.pxd": "",
            "blockd/a/unmarked.py": "",
            "blockd/a/unmarked.pxd": "",
            "blockd/a/alone.py": "# cython: language_level=3\n",
            "tests/_driver.pyx": "",
        },
    )
    assert inputs(modules(tmp_path)) == {
        "blockd.a.b._x": {"blockd/a/b/_x.pyx"},
        "blockd.a.marked": {"blockd/a/marked.py", "blockd/a/marked.pxd"},
    }


@pytest.mark.parametrize(
    "line",
    [
        "from blockd.b.deep cimport one",
        "from blockd.b.deep cimport (\n    one,  # why, and\n    two,\n)",
        "from blockd.b cimport deep",
        "from blockd.b cimport other as o, deep as d",
        "from ..b.deep cimport one",
        "from ..b cimport deep",
        "cimport blockd.b.deep",
        "cimport blockd.b.deep as d, cython",
        "from cython.cimports.blockd.b.deep import one",
        "def late():\n    from blockd.b.deep cimport one",
        'include "../b/deep.pxd"',
    ],
)
def test_a_cimport_is_followed_to_its_end(tmp_path: Path, line: str) -> None:
    chain = {"blockd/b/deep.pxd": "from blockd.b.deeper cimport x", "blockd/b/deeper.pxd": "cdef int x"}
    write(tmp_path, {"blockd/a/_x.pyx": f"{line}\n", **chain})
    [found] = inputs(modules(tmp_path)).values()
    assert {str(Path(os.path.normpath(path))) for path in found} == {"blockd/a/_x.pyx", *chain}
