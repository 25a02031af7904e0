"""Whether C or Python does the work: C if it was built, unless the environment variable BLOCKD_ENGINE says otherwise.

BLOCKD_ENGINE chooses between the engine, the builder and the diff in C and their twins in Python. Python modules that
were compiled as they are, such as `blockd.feeds.transfer.records`, are imported compiled whatever it says.
"""

from __future__ import annotations

import importlib
import os

from blockd.errors import CommandError

ENGINE = "BLOCKD_ENGINE"  # `native`: C, or an error; `python`: the twins; empty: C if it was built
REMEDY = "install a C compiler and Python's headers, then install blockd again"


def is_native(module: str = "blockd.ruleset.building._builder") -> bool:
    """Return whether to use `module`, which is in C; raises CommandError if it is asked for and cannot be imported."""
    asked = os.environ.get(ENGINE, "")
    if asked not in ("", "native", "python"):
        raise CommandError(f"{ENGINE}: expected native, python or nothing, got {asked!r}; nothing was started.")
    if asked == "python":
        return False
    try:
        importlib.import_module(module)
    except (ImportError, TypeError, ValueError) as error:  # the latter two if parts are of different versions
        if asked == "native":
            raise CommandError(
                f"{ENGINE} is native, but blockd was installed without its C part, or not completely ({error}); "
                f"nothing was started. To get it, {REMEDY}; or leave {ENGINE} empty."
            ) from error
        return False
    return True
