"""Build the extensions and the fuzz driver beside the package, with sanitizers or without."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.places import ROOT

DRIVER = Path(__file__).parent / "_driver.pyx"
MODULE = "fuzz_driver"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", "-O1", "-g")
PLAIN = ("-O2",)


def compiler() -> str | None:
    """Give the C compiler; None where there is none, or no Cython."""
    return shutil.which(os.environ.get("CC", "cc")) if importlib.util.find_spec("Cython") else None


def build_driver(folder: Path) -> dict[str, str]:
    """Build the driver alone, for the extensions that are in the package; give the environment to run it in."""
    source = folder / f"{MODULE}.pyx"
    shutil.copyfile(DRIVER, source)
    _build(source, ROOT, PLAIN)
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def build_sanitized(folder: Path) -> dict[str, str]:
    """Build everything anew with address and undefined-behaviour sanitizers; give the environment to run it in."""
    package = folder / "blockd"
    left_out = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(ROOT / "blockd", package, ignore=left_out, dirs_exist_ok=True)
    shutil.copy2(DRIVER, folder / f"{MODULE}.pyx")
    driver = folder / f"{MODULE}.pyx"
    sources = [*package.rglob("*.pyx"), *(path for path in package.rglob("*.py") if path.with_suffix(".pxd").exists())]
    newest = max(path.stat().st_mtime for path in (*sources, *package.rglob("*.pxd")))
    stale = [source for source in sources if not _is_built(source, newest)]
    if stale or not _is_built(driver, driver.stat().st_mtime):
        stale.append(driver)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for built in [pool.submit(_build, source, folder, SANITIZERS) for source in stale]:
            built.result()
    libraries = [_library(name) for name in ("libasan.so", "libubsan.so")]
    return {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONMALLOC": "malloc",  # else small objects share blocks that the sanitizer cannot look into
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=64:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def _library(name: str) -> str:
    return str(Path(_run(str(compiler()), f"-print-file-name={name}").strip()).resolve())


def _run(*command: str | Path) -> str:
    """Give what a command prints; raises CalledProcessError where it fails, which has told why itself."""
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
