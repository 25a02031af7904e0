"""Whether C or Python does the work: C where it was built, unless the environment's BLOCKD_ENGINE says otherwise."""

from __future__ import annotations

import os

from blockd.errors import CommandError
from blockd.ruleset.builder import Builder, EntryBuilder

ENGINE = "BLOCKD_ENGINE"  # `native`: C or nothing; `python`: never C; empty: what is there


def new_builder(hash_key: bytes, max_size: int) -> EntryBuilder:
    """Give an empty builder; raises CommandError where the environment asks for one that cannot be had."""
    asked = os.environ.get(ENGINE, "")
    if asked not in ("", "native", "python"):
        raise CommandError(f"{ENGINE} is {asked!r}; nothing was compiled. It may be native, python or empty.")
    if asked != "python":
        try:
            from blockd.ruleset import _builder
        except ImportError as error:
            if asked == "native":
                raise CommandError(
                    f"{ENGINE} asks for native, and blockd was installed without its C part ({error}); nothing was "
                    "compiled. Install a C compiler and blockd again, or leave it empty."
                ) from error
        else:
            return _builder.Builder(hash_key, max_size)
    return Builder(hash_key, max_size)
