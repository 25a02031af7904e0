"""Build the extensions and the fuzz driver beside the package, with sanitizers or without."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from blockd_build import compiling

from tests.places import ROOT

DRIVER = Path(__file__).parent / "_driver.pyx"
MODULE = "fuzz_driver"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", "-O1", "-g")
PLAIN = ("-O2",)


def compiler() -> str | None:
    """Return the C compiler; None if there is none, or no Cython."""
    return shutil.which(os.environ.get("CC", "cc")) if importlib.util.find_spec("Cython") else None


def build_driver(folder: Path) -> dict[str, str]:
    """Build the driver alone, for the extensions that are in the package; return the environment to run it in."""
    source = folder / f"{MODULE}.pyx"
    shutil.copyfile(DRIVER, source)
    _build(source, ROOT, PLAIN)
    return {**os.environ, "PYTHONPATH": _path(folder)}


def build_sanitized(folder: Path) -> dict[str, str]:
    """Build everything anew with address and undefined-behaviour sanitizers; return the environment to run it in."""
    package = folder / "blockd"
    left_out = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(ROOT / "blockd", package, ignore=left_out, dirs_exist_ok=True)
    for path in [*package.rglob("*.py*"), *package.rglob("*.pxd")]:
        if path.is_file() and not (ROOT / path.relative_to(folder)).exists():
            path.unlink()  # of an earlier build: it has moved since
    driver = folder / f"{MODULE}.pyx"
    shutil.copy2(DRIVER, driver)
    before = {path: path.stat().st_mtime_ns for path in package.rglob(f"*{compiling.SUFFIX}")}
    _, failed = compiling.build(folder, flags=(*SANITIZERS, "-w"), shared_flags=(*SANITIZERS, "-w"))
    if failed:
        raise compiling.BuildError(f"not compiled: {', '.join(failed)}")
    after = {path: path.stat().st_mtime_ns for path in package.rglob(f"*{compiling.SUFFIX}")}
    if before != after or not _is_built(driver, driver.stat().st_mtime):
        _build(driver, folder, SANITIZERS)
    libraries = [_library(name) for name in ("libasan.so", "libubsan.so")]
    return {
        **os.environ,
        "PYTHONPATH": _path(folder),
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONMALLOC": "malloc",  # else small objects share blocks that the sanitizer cannot look into
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=64:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def _path(folder: Path) -> str:
    return os.pathsep.join(map(str, (folder, ROOT, ROOT / "packaging")))


def _library(name: str) -> str:
    return str(Path(_run(str(compiler()), f"-print-file-name={name}").strip()).resolve())


def _run(*command: str | Path) -> str:
    """Return what a command prints; raises CalledProcessError if it fails, which has told why itself."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - our own words


def _extension(source: Path) -> Path:
    return source.with_suffix(str(sysconfig.get_config_var("EXT_SUFFIX")))


def _is_built(source: Path, newest: float) -> bool:
    extension = _extension(source)
    return extension.exists() and extension.stat().st_mtime > newest


def _build(source: Path, include: Path, flags: tuple[str, ...]) -> None:
    made = source.with_suffix(".c")
    extension = _extension(source)
    _run(sys.executable, "-m", "cython", "-3", "-I", include, source, "-o", made)
    headers = sysconfig.get_path("include")
    _run(str(compiler()), "-shared", "-fPIC", "-w", *flags, "-I", headers, made, "-o", extension)
