"""The choice of the engine: the one in C if it was built, else its twin in Python (see `blockd.native`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from blockd.native import ENGINE, REMEDY, is_native
from blockd.resolver.engine.twin import Engine

if TYPE_CHECKING:
    from blockd.resolver.engine._engine import NativeEngine

AnyEngine: TypeAlias = "Engine | NativeEngine"


def engine_name() -> str:
    """Return `native` or `python`; raises CommandError if the environment asks for one that is not available."""
    return "native" if is_native("blockd.resolver.engine._engine") else "python"


def why_not_native() -> str:
    """Return why the Python engine runs, and what to do about it."""
    if os.environ.get(ENGINE):
        return f"{ENGINE} asks for it."
    return f"the native one was not built: {REMEDY}."
