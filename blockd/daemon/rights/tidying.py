"""What a killed blockd leaves in the state folder is removed, and whatever is no file where one belongs."""

from __future__ import annotations

import contextlib
import logging
import re
import stat
from pathlib import Path

from blockd.daemon.rights.places import kind_of, remove

# Names that `blockd.files` gives to unfinished files.
_UNFINISHED = re.compile(
    r"\.(?:spare|compiled|compiled-amended|compiled-pinned|current|pinned|pinned\.json|incoming|feed\.json|candidate\.json|held\.json|hit-slots\.json|"
    r"overrides\.json|releases\.json|audit\.head|node\.key|tokens\.json|sessions\.json|admin\.sock|[0-9]+\.(?:orders|json|held\.json)|"
    r"[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?\.json)\.[a-z0-9_]{8}",
    re.ASCII,
)

# Where finished files are. Names of feeds and of authorities' roles contain no dot.
_FILE = re.compile(
    r"compiling/compiled(?:-amended)?|compiled-pinned|audit\.alive|audit\.head|reserve|rulesets/(?:current|pinned)"
    r"|feeds/[^/]+/(?:accepted|begun|candidate|incoming|read|waiting)|.+\.(?:json|txt|ruleset|orders)",
    re.ASCII,
)

_ATTEMPTS = "feeds/*/staging"  # where signed metadata is verified; what ends in the middle of that leaves links there
_OF_BEFORE = ("compiled", "compiled-amended", "admin.secret")  # of an earlier blockd: rulesets, and what it asked for

log = logging.getLogger(__name__)


def tidy(folder: Path, rulesets: Path) -> None:
    """Remove them from the state folder, in which `rulesets` has the versions; raises OSError."""
    for path in (*(folder / name for name in _OF_BEFORE), *rulesets.glob("*.orders")):
        remove(path)
    for path in folder.glob(_ATTEMPTS):
        remove(path, path.lstat().st_mode)
    for path in folder.rglob(".*"):
        if _UNFINISHED.fullmatch(path.name):
            remove(path)
    for path in list(folder.rglob("*")):
        if not _FILE.fullmatch(path.relative_to(folder).as_posix()):
            continue
        with contextlib.suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode):
                log.error("%s is %s where blockd keeps a file. It is removed and created again.", path, kind_of(mode))
                remove(path, mode)
