"""Compile the extension modules side by side, each only if something that it is made from has changed.

What a module was made from is known by a digest over its sources, the compiler, its flags and Cython's version, which
is kept beside the C code. Cython's own support code is compiled once, into a module that all others share, and not into
each of them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import multiprocessing
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from blockd_build.sources import PACKAGE, Module, modules

SHARED = f"{PACKAGE}._cython"
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
# After the interpreter's own flags, of which these are the exceptions: the level that is common for Python itself, no
# debugging information, and no warnings about code that Cython made.
FLAGS = ("-O2", "-g0", "-w")
# The shared module holds what runs when a memoryview is made, not when it is read.
SHARED_FLAGS = ("-O1", "-g0", "-w")


class BuildError(Exception):
    """Some modules could not be compiled; the message names them."""


@dataclass(frozen=True, slots=True)
class Job:
    """One module to be compiled: all that another process needs to do it."""

    name: str
    title: str
    cython: tuple[str, ...]  # its arguments
    compiler: tuple[str, ...]  # the command, but for the result
    extension: Path
    key: Path
    digest: str
    libraries: tuple[str, ...] = ()  # see `Module`
    headers: tuple[str, ...] = ()


def say(text: str) -> None:
    """Print a line at once, whole, also when several processes print."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def compiler() -> list[str]:
    """Return the command of the C compiler, by way of ccache if that is there."""
    command = shlex.split(os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc"))
    ccache = shutil.which("ccache")
    return [ccache, *command] if ccache and "ccache" not in command[0] else command


def why_not() -> str | None:
    """Return why nothing can be compiled here, or None if it can."""
    try:
        importlib.metadata.version("Cython")
    except importlib.metadata.PackageNotFoundError:
        return "Cython is not installed"
    return _trouble(["Python.h"], "Py_IsInitialized()")


def why_left_out(headers: Sequence[str], libraries: Sequence[str]) -> str | None:
    """Return why an optional module with these cannot be compiled here, or None if it can."""
    return _trouble(headers, "0", libraries)


def _trouble(headers: Sequence[str], value: str, libraries: Sequence[str] = ()) -> str | None:
    """Return what the compiler says of a module that needs these headers and libraries alone; None if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        included = "".join(f"#include <{header}>\n" for header in headers)
        source.write_text(f"{included}int blockd_probe(void) {{ return {value}; }}\n", "utf-8")
        made = source.with_suffix(".so")
        command = [*_compile_command(source, ("-O0", "-w"), libraries), "-o", str(made)]
        try:
            tried = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        if tried.returncode == 0 and made.is_file():
            return None
    said = [line for line in tried.stderr.splitlines() if "error" in line] or tried.stderr.splitlines()
    return said[0].strip() if said else f"{shlex.join(compiler())} ends with status {tried.returncode}"


def build(
    root: Path,
    *,
    flags: Sequence[str] = FLAGS,
    shared_flags: Sequence[str] = SHARED_FLAGS,
) -> tuple[list[str], list[str]]:
    """Compile in place what is stale in the tree at `root`; return the modules that are there, and those that are not.

    The latter could not be compiled. What was there of them, and of modules that are gone, is removed. An optional
    module whose library is not here is in neither list: blockd does without it.
    """
    work = root / "build" / "extensions" / SUFFIX.strip(".").removesuffix(".so")
    found = modules(root)
    _remove_others(root, {SHARED, *(module.name for module in found)})
    jobs = [_shared_job(root, work, shared_flags), *(_job(root, work, module, flags) for module in found)]
    stale = [job for job in jobs if not _is_fresh(job)]
    if not stale:
        return [job.name for job in jobs], []
    for job in stale:
        job.extension.unlink(missing_ok=True)
        job.key.unlink(missing_ok=True)
    reason = why_not()
    if reason is not None:
        say(f"Nothing is compiled, and blockd will use its Python engine: {reason}")
        failed = [job.name for job in stale]
    else:
        work.mkdir(parents=True, exist_ok=True)
        left_out = [job for job in stale if job.libraries and _is_left_out(job)]
        jobs = [job for job in jobs if job not in left_out]
        failed = _run(root, work, [job for job in stale if job not in left_out])
    return [job.name for job in jobs if job.name not in failed], failed


def _is_left_out(job: Job) -> bool:
    """Return whether an optional module cannot be compiled here, and tell why."""
    reason = why_left_out(job.headers, job.libraries)
    if reason is not None:
        named = " and ".join(f"lib{library}" for library in job.libraries)
        say(f"{job.title} is left out, and its twin in Python is used: {named} with headers is not here ({reason})")
    return reason is not None


def _run(root: Path, work: Path, jobs: list[Job]) -> list[str]:
    """Run jobs on all cores; return the names of those that failed."""
    # A fork starts with Cython imported. The largest go first, so that no core waits long for the last one.
    if not jobs:
        return []
    ordered = sorted(jobs, key=lambda job: (job.name != SHARED, -_size(root, job)))
    _warm(work)
    cores = min(len(os.sched_getaffinity(0)), len(ordered))
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=os.chdir, initargs=(root,)) as pool:
        count = len(ordered)
        results = [
            (job, pool.submit(_compile, job, f"Compiling module {at} of {count}: {job.title}"))
            for at, job in enumerate(ordered, 1)
        ]
        failed = []
        for job, result in results:
            problem = result.result()
            if problem is not None:
                say(f"{job.title} could not be compiled:\n{problem}")
                failed.append(job.name)
    return failed


def _size(root: Path, job: Job) -> int:
    path = root / job.title
    return path.stat().st_size if path.is_file() else 0


def _warm(work: Path) -> None:
    """Have Cython make what it makes at the first file, so that processes forked from this one have it already."""
    source = work / "first.pyx"
    source.write_text("", encoding="utf-8")
    _cython("-3", "-o", str(source.with_suffix(".c")), str(source))


def _cython(*arguments: str) -> bool:
    """Run Cython in this process; return whether it could do it, of which it prints more."""
    from Cython.Compiler.Main import main

    sys.argv = ["cython", *arguments]
    try:
        main(command_line=1)  # type: ignore[no-untyped-call]
    except SystemExit as stop:
        return not stop.code
    return True


def _compile(job: Job, line: str) -> str | None:
    """Compile one module, in a process of the pool; return what went wrong, or None."""
    say(line)
    if not _cython(*job.cython):
        return "Cython says why above."
    new = job.extension.with_name(f".{job.extension.name}.new")  # a running daemon has the old one mapped
    command = [*job.compiler, "-o", str(new)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 or not new.is_file():
        new.unlink(missing_ok=True)
        return done.stderr.strip() or f"{shlex.join(command)} ends with status {done.returncode}"
    new.replace(job.extension)
    job.key.write_text(job.digest, encoding="ascii")
    return None


def _shared_job(root: Path, work: Path, flags: Sequence[str]) -> Job:
    c = work / f"{SHARED}.c"
    arguments = ("--module-name", SHARED, "--generate-shared", str(c))
    return _new_job(root, work, SHARED, "Cython's support code", arguments, flags, ())


def _job(root: Path, work: Path, module: Module, flags: Sequence[str]) -> Job:
    c = work / f"{module.name}.c"
    arguments = ("-3", "-I", ".", "--module-name", module.name, "--shared", SHARED, "-o", str(c), str(module.source))
    return _new_job(root, work, module.name, str(module.source), arguments, flags, module.inputs, module)


def _new_job(
    root: Path,
    work: Path,
    name: str,
    title: str,
    arguments: tuple[str, ...],
    flags: Sequence[str],
    inputs: Sequence[Path],
    module: Module | None = None,
) -> Job:
    libraries, headers = (module.libraries, module.headers) if module else ((), ())
    command = _compile_command(work / f"{name}.c", flags, libraries)
    digest = hashlib.sha256(repr((_toolchain(), _relative(root, arguments), _relative(root, command))).encode())
    for path in inputs:
        content = (root / path).read_bytes()
        digest.update(f"{path} {len(content)}\n".encode() + content)
    extension = root.joinpath(*name.split(".")).with_suffix(SUFFIX)
    key = work / f"{name}.key"
    return Job(name, title, arguments, tuple(command), extension, key, digest.hexdigest(), libraries, headers)


def _relative(root: Path, words: Sequence[str]) -> list[str]:
    return [word.removeprefix(f"{root}/") for word in words]


def _toolchain() -> tuple[str, str]:
    try:
        return importlib.metadata.version("Cython"), sys.version
    except importlib.metadata.PackageNotFoundError:
        return "", sys.version


def _compile_command(source: Path, flags: Sequence[str], libraries: Sequence[str] = ()) -> list[str]:
    interpreters = shlex.split(str(sysconfig.get_config_var("CFLAGS") or ""))
    headers = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    return [
        *compiler(),
        *interpreters,
        *flags,
        *shlex.split(os.environ.get("CFLAGS", "")),
        *(f"-I{path}" for path in sorted(headers)),
        "-fPIC",
        "-shared",
        str(source),
        *shlex.split(os.environ.get("LDFLAGS", "")),
        *(f"-l{library}" for library in libraries),
    ]


def _is_fresh(job: Job) -> bool:
    return job.extension.is_file() and job.key.is_file() and job.key.read_text(encoding="ascii") == job.digest


def _remove_others(root: Path, names: set[str]) -> None:
    """Remove extensions of modules that there are no more: Python would go on importing them."""
    for path in (root / PACKAGE).rglob(f"*{SUFFIX}"):
        name = ".".join(path.relative_to(root).parts).removesuffix(SUFFIX)
        if name not in names:
            path.unlink()
