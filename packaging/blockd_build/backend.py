"""The build backend of blockd (PEP 517, PEP 660): setuptools, with extension modules that are found and compiled here.

Extensions are compiled in the source tree, each if it is stale, and a wheel takes them from there. Where nothing can be
compiled the wheel has none, and blockd uses its Python engine; where one module cannot, the wheel lacks that one.

The hooks that PEP 517 leaves to choice are not here: without them installers take the metadata from the wheel itself,
which costs one run of setuptools and not three.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.build_meta import _BuildMetaBackend
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

from blockd_build import command_line, compiling, elf

ROOT = Path(__file__).parents[2]
# What a source distribution has beside the package: all that it takes to build and to run as a service.
SHIPPED = ("packaging/**/*.py", "packaging/debian/*", "config/**/*", "requirements.lock", "CHANGELOG.md")
# `--config-setting manylinux=yes` names in the wheel's tag the C library that its extensions need, not this machine.
MANYLINUX = "manylinux"


class CompiledExtensions(build_ext):
    """The step of setuptools that has extensions compiled, here already done."""

    def run(self) -> None:
        """Copy the extensions to where the wheel is put together, unless they are used where they are."""
        for built, wanted in self._outputs():
            if not self.inplace:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(built, wanted)

    def _outputs(self) -> Iterable[tuple[Path, Path]]:
        for extension in self.extensions or ():
            path = Path(*extension.name.split(".")).with_suffix(compiling.SUFFIX)
            yield ROOT / path, Path(self.build_lib) / path

    def get_outputs(self) -> list[str]:
        """Return the extensions' paths in the wheel's folder."""
        return [str(wanted) for _, wanted in self._outputs()]

    def get_output_mapping(self) -> dict[str, str]:
        """Return where each of these comes from, for an editable installation."""
        return {str(wanted): str(built) for built, wanted in self._outputs()} if self.inplace else {}

    def get_source_files(self) -> list[str]:
        """Return no sources: the package's data has them."""
        return []


class SourceDistribution(sdist):
    """A source distribution with what this project needs beside its package."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Take `SHIPPED` too, and leave away those tests that setuptools takes by their names."""
        shipped = [str(path.relative_to(ROOT)) for glob in SHIPPED for path in ROOT.glob(glob) if path.is_file()]
        wanted = [path for path in files if not path.startswith("tests/")]
        super().make_release_tree(base_dir, sorted({*wanted, *shipped}))


class Backend(_BuildMetaBackend):
    """Setuptools' backend, with what a `setup.py` would say said here."""

    def __init__(self) -> None:
        self._extensions: list[Extension] = []
        self._options: dict[str, dict[str, str]] = {}
        self._data_files: list[tuple[str, list[str]]] = []

    def run_setup(self, setup_script: str = "") -> None:
        """Run the command that the caller has put into `sys.argv`."""
        setup(
            ext_modules=self._extensions,
            data_files=self._data_files,
            cmdclass={"build_ext": CompiledExtensions, "sdist": SourceDistribution},
            options=self._options,
        )

    def compile(self, settings: dict[str, Any] | None) -> None:
        """Compile what is stale, make completion and manual pages, and have the next wheel take all that is there."""
        os.chdir(ROOT)
        names, _ = compiling.build(ROOT)
        self._extensions = [Extension(name, []) for name in names]
        self._data_files = command_line.write(ROOT)
        if settings and settings.pop(MANYLINUX, None) and names:
            built = [ROOT.joinpath(*name.split(".")).with_suffix(compiling.SUFFIX) for name in names]
            self._options = {"bdist_wheel": {"plat_name": elf.platform_tag(built)}}


_backend = Backend()
build_sdist = _backend.build_sdist


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Put a wheel into a folder and return its name."""
    _backend.compile(config_settings)
    return _backend.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Put a wheel that leads to this tree into a folder and return its name."""
    _backend.compile(config_settings)
    return _backend.build_editable(wheel_directory, config_settings, metadata_directory)
