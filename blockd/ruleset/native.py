"""Whether C or Python does the work: C where it was built, unless the environment's BLOCKD_ENGINE says otherwise."""

from __future__ import annotations

import os

from blockd.errors import CommandError
from blockd.ruleset.builder import Builder, EntryBuilder

ENGINE = "BLOCKD_ENGINE"  # `native`: C or nothing; `python`: never C; empty: what is there


def is_native() -> bool:
    """Tell whether C does the work; raises CommandError where the environment asks for what cannot be had."""
    asked = os.environ.get(ENGINE, "")
    if asked not in ("", "native", "python"):
        raise CommandError(f"{ENGINE} is {asked!r}; nothing was compiled. It may be native, python or empty.")
    if asked == "python":
        return False
    try:
        from blockd.ruleset import _builder  # noqa: F401 - whether it is there
    except ImportError as error:
        if asked == "native":
            raise CommandError(
                f"{ENGINE} asks for native, and blockd was installed without its C part ({error}); nothing was "
                "compiled. Install a C compiler and blockd again, or leave it empty."
            ) from error
        return False
    return True


def new_builder(hash_key: bytes, max_size: int) -> EntryBuilder:
    """Give an empty builder; raises as `is_native` does."""
    if is_native():
        from blockd.ruleset import _builder

        return _builder.Builder(hash_key, max_size)
    return Builder(hash_key, max_size)
