"""Which engine runs: the one in C where it was built, else its twin in Python.

The environment's BLOCKD_ENGINE chooses: `native` or `python`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from blockd.errors import CommandError
from blockd.resolver.engine import Engine

if TYPE_CHECKING:
    from blockd.resolver._engine import NativeEngine

AnyEngine: TypeAlias = "Engine | NativeEngine"

VARIABLE = "BLOCKD_ENGINE"


def engine_name() -> str:
    """Give `native` or `python`; raises CommandError where the environment asks for what cannot be had."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "native", "python"):
        raise CommandError(f"{VARIABLE} is {wanted!r}; native and python are known")
    if wanted == "python":
        return wanted
    if _is_built():
        return "native"
    if wanted == "native":
        raise CommandError(
            f"{VARIABLE} asks for the native engine, which was not built: "
            "install a C compiler and Python's headers, then install blockd again"
        )
    return "python"


def why_not_native() -> str:
    """Say why the Python engine runs, and what to do about it."""
    if _is_built():
        return f"{VARIABLE} asks for it."
    return "the native one was not built: install a C compiler and Python's headers, then install blockd again."


def _is_built() -> bool:
    try:
        import blockd.resolver._engine  # noqa: F401 - what is asked is whether it is there
    except ImportError:
        return False
    return True
