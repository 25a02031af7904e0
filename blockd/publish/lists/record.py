"""A workshop's record of a national list: the files that lead to its text, in the order in which they were made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from blockd.errors import PublishError, cause_of
from blockd.files import replace_file
from blockd.orders import ListStep, NameList

MAX_CHANGES = 60  # files of changes after a base: two months of daily ones, one request each for a new node
KEPT_CHANGES = MAX_CHANGES // 2  # that a new base keeps, for nodes with an older text
MAX_SHARE = 0.25  # of the base, that all changes after it may add to what a new node has to fetch
SMALL = 256 << 10  # octets of changes that are always accepted, however small the base is


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
        """The step as the order's document has it."""
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
        """Append a file of changes."""
        return ListRecord((*self.files, file), self.made + 1)

    def with_base(self, at: int, file: ListFile) -> ListRecord:
        """Replace the text of the file `at`, and all files before it, by a new base."""
        return ListRecord((file, *self.files[at + 1 :]), self.made + 1)

    def new_base(self) -> int | None:
        """Return the file whose text a new base should have; None if no new base is needed.

        Some of the changes after it are kept, so that nodes with the text of one of them need not fetch the base.
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
        """Read what `write` wrote, an empty one if the file does not exist; raises PublishError."""
        try:
            found = json.loads(path.read_bytes())
            record = cls(tuple(ListFile(**file) for file in found["files"]), found["made"])
            return replace(record, made=int(record.made))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PublishError(
                f"{path} cannot be used ({cause_of(error)}), so the files of the list are unknown; the list stays as "
                "it is. "
                "Restore the file from a backup, or remove it: then the list begins anew, with a base."
            ) from error
