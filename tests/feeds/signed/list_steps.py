"""A list's files as a publisher makes them, by plain means: an oracle for the code that makes texts from them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Collection
from pathlib import Path

from blockd.orders import ListStep, NameList


def text_of(names: Collection[bytes]) -> bytes:
    return b"".join(name + b"\n" for name in sorted(names))


def changes_of(old: Collection[bytes], new: Collection[bytes]) -> bytes:
    ways = [(name, b"+") for name in set(new) - set(old)] + [(name, b"-") for name in set(old) - set(new)]
    return b"".join(way + name + b"\n" for name, way in sorted(ways))


class Steps:
    """Files in a folder, and the steps through them; `fetched` are the targets that were downloaded."""

    def __init__(self, folder: Path, *versions: Collection[bytes]) -> None:
        self.fetched: list[str] = []
        self.folder = folder
        self.steps: list[ListStep] = []
        before: Collection[bytes] = ()
        for names in versions:
            content = changes_of(before, names) if self.steps else text_of(names)
            self.add(gzip.compress(content, mtime=0), names)
            before = names

    @property
    def names(self) -> NameList:
        return NameList(tuple(self.steps))

    def add(self, packed: bytes, names: Collection[bytes]) -> None:
        """Add a file that is signed as leading to `names`, whatever it holds."""
        target = f"lists/min/nat-{len(self.steps):04}.gz"
        self.put(target, packed)
        text = text_of(names)
        self.steps.append(ListStep(target, hashlib.sha256(text).hexdigest(), len(text), len(names)))

    def put(self, target: str, packed: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / Path(target).name).write_bytes(packed)

    def download(self, target: str) -> Path:
        self.fetched.append(target)
        return self.folder / Path(target).name
