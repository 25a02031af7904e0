"""Which engine runs: the one in C where it was built, else its twin in Python (see `blockd.native`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from blockd.native import ENGINE, REMEDY, is_native
from blockd.resolver.engine.twin import Engine

if TYPE_CHECKING:
    from blockd.resolver.engine._engine import NativeEngine

AnyEngine: TypeAlias = "Engine | NativeEngine"


def engine_name() -> str:
    """Give `native` or `python`; raises CommandError where the environment asks for what cannot be had."""
    return "native" if is_native("blockd.resolver.engine._engine") else "python"


def why_not_native() -> str:
    """Say why the Python engine runs, and what to do about it."""
    if os.environ.get(ENGINE):
        return f"{ENGINE} asks for it."
    return f"the native one was not built: {REMEDY}."
