"""Whether C or Python does the work: C where it was built, unless the environment's BLOCKD_ENGINE says otherwise."""

from __future__ import annotations

import importlib
import os

from blockd.errors import CommandError

ENGINE = "BLOCKD_ENGINE"  # `native`: C or nothing; `python`: never C; empty: what is there
REMEDY = "install a C compiler and Python's headers, then install blockd again"


def is_native(module: str = "blockd.ruleset.building._builder") -> bool:
    """Tell whether the C of a module does the work; raises CommandError where that is asked for and cannot be had."""
    asked = os.environ.get(ENGINE, "")
    if asked not in ("", "native", "python"):
        raise CommandError(f"{ENGINE} is {asked!r}; nothing was started. It may be native, python or empty.")
    if asked == "python":
        return False
    try:
        importlib.import_module(module)
    except (ImportError, TypeError, ValueError) as error:  # the latter two where parts are of different versions
        if asked == "native":
            raise CommandError(
                f"{ENGINE} asks for native, and blockd was installed without its C part, or not wholly ({error}); "
                f"nothing was started. To have it, {REMEDY}; or leave {ENGINE} empty."
            ) from error
        return False
    return True
