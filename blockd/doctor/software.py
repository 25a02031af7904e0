"""Checks of the installed software."""

from __future__ import annotations

from collections.abc import Iterator

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.errors import CommandError

OLDEST_PYTHON = (3, 11)


def engine(case: Context) -> Iterator[Finding]:
    """Check which engine a start would run."""
    try:
        name, why_not_native = case.machine.engine()
    except CommandError as error:
        yield bad(f"no engine can run: {error}", "Unset it, or install what it requires.")
        return
    if why_not_native:
        yield warning(f"{name}, at an eighth of the native one's speed: {why_not_native}", "Build the native engine.")
    else:
        yield ok(name)


def python(case: Context) -> Iterator[Finding]:
    """Check that Python is recent enough."""
    version = case.machine.python()
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        yield bad(f"Python {text} is too old", "Install Python 3.11 or later, and blockd with it.")
    else:
        yield ok(f"Python {text}")


def config(case: Context) -> Iterator[Finding]:
    """Report that the config is valid: without a valid config nothing is examined."""
    yield ok(f"{case.config} is valid")
