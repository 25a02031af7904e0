"""What a workshop remembers of a national list: the files that lead to its text, in the order of their making."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from blockd.errors import PublishError
from blockd.files import replace_file
from blockd.orders import ListStep, NameList

MAX_CHANGES = 60  # files of changes behind a base: two months of days, one request each for who begins anew
KEPT_CHANGES = MAX_CHANGES // 2  # that a new base leaves standing, for who has an older text
MAX_SHARE = 0.25  # of the base, that all changes behind it may add to what a new node has to fetch
SMALL = 256 << 10  # octets of changes that are no matter, however small the base is


@dataclass(frozen=True, slots=True)
class ListFile:
    """One file as it is signed, and the text that it leads to."""

    target: str  # its path in the repository
    digest: str  # SHA-256 of the file, hexadecimal
    octets: int  # of the file
    sha256: str  # of the text
    size: int  # octets of the text
    count: int  # names in the text

    @property
    def step(self) -> ListStep:
        """As the order's document tells it."""
        return ListStep(self.target, self.sha256, self.size, self.count)


@dataclass(frozen=True, slots=True)
class ListRecord:
    """The files of one list, the base first, and how many were ever made."""

    files: tuple[ListFile, ...] = ()
    made: int = 0

    @property
    def names(self) -> NameList:
        """The steps to the text."""
        return NameList(tuple(file.step for file in self.files))

    @property
    def value(self) -> dict[str, object]:
        """The value of the document's `list`."""
        return {"steps": [asdict(file.step) for file in self.files]}

    def with_changes(self, file: ListFile) -> ListRecord:
        """Go on with a file of changes."""
        return ListRecord((*self.files, file), self.made + 1)

    def with_base(self, at: int, file: ListFile) -> ListRecord:
        """Let a new base stand for the text of the file `at`, and for all before."""
        return ListRecord((file, *self.files[at + 1 :]), self.made + 1)

    def new_base(self) -> int | None:
        """Give the file whose text a new base should have; None where the base is good enough.

        Some of the changes behind it are kept: who has the text of any of them need not fetch the base.
        """
        changes = [file.octets for file in self.files[1:]]
        most = max(SMALL, self.files[0].octets * MAX_SHARE)
        if len(changes) <= MAX_CHANGES and sum(changes) <= most:
            return None
        at = len(changes)
        kept = 0
        while at and len(changes) - at < KEPT_CHANGES and kept + changes[at - 1] <= most / 2:
            kept += changes[at - 1]
            at -= 1
        return at

    def write(self, path: Path) -> None:
        """Write it to `path`."""
        replace_file(path, json.dumps(asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> ListRecord:
        """Read what `write` wrote, an empty one where nothing is there; raises PublishError."""
        try:
            found = json.loads(path.read_bytes())
            record = cls(tuple(ListFile(**file) for file in found["files"]), found["made"])
            return replace(record, made=int(record.made))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PublishError(
                f"{path} cannot be used ({error}), so nobody knows which files the list has; the list stays as it is. "
                "Bring the file back from a backup, or remove it: then the list begins anew, with a base."
            ) from error
