"""The files of a national-size list, made from its names: a base, and the changes since.

WORKSHOP/lists/ROLE/ID.txt                 the text that the newest file leads to
WORKSHOP/lists/ROLE/ID.json                the files that lead to it
WORKSHOP/targets/lists/ROLE/SHA256.FILE    the files, as they are signed and published

For the repository's own orders there is no folder ROLE. Files are never changed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

from blockd.errors import FeedRefused, PublishError
from blockd.feeds.signed.list_texts import NameLists
from blockd.files import put, remove, replacing, sync_folder
from blockd.formats.rejects import RejectReport
from blockd.formats.sorted import Text, mapped
from blockd.orders import NameList
from blockd.orders.repository import LISTS, is_order_id, is_role, place_of
from blockd.publish.lists.record import ListFile, ListRecord
from blockd.publish.lists.text import TextFacts, changed, write_names

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_GZIP_FORM = 31  # zlib: the largest window, with gzip's header and trailer, and no time in it
_PIECE = 1 << 20  # octets packed at once
_BASE_LEVEL = 6  # of zlib: 9 takes three times as long for two percent less
_CHANGES_LEVEL = 9


@dataclass(slots=True)
class ListReport:
    """What is new in a list, and how many lines were rejected."""

    added: int = 0
    removed: int = 0
    count: int = 0  # names in it now
    octets: int = 0  # that a node with the previous text has to fetch
    rejects: RejectReport = field(default_factory=RejectReport)

    @property
    def rejected(self) -> int:
        """The number of lines that are not names."""
        return self.rejects.rejected


class ListFiles:
    """The lists of one workshop. Only one process may renew a list at a time, as the workshop's lock ensures."""

    def __init__(self, workshop_folder: Path) -> None:
        self.report = ListReport()  # of the last renewal
        self._lists = workshop_folder / "lists"
        self._targets = workshop_folder / "targets" / "lists"

    def renew(
        self, role: str, identifier: str, names: Path, accept: Callable[[ListReport], None] | None = None
    ) -> dict[str, object]:
        """Make the list of the order `identifier` hold the names in a file, and return the value of its `list`.

        The file has one name per line in any form that a feed of domains may have, plain or gzip. The same names again
        result in the same value. `accept` gets what is new before it is kept, and raises an error to change nothing.
        Raises PublishError if the names cannot be read or there are none; then nothing has changed.
        """
        if (role and not is_role(role)) or not is_order_id(identifier) or ".." in identifier:
            raise PublishError(f"{role!r} and {identifier!r} cannot be a role and an order's id with a list.")
        for folder in (self._lists / role, self._targets / role):
            folder.mkdir(parents=True, exist_ok=True)
        renewal = _Renewal(self._lists / role, self._targets / role, role, identifier)
        try:
            with renewal.work():
                return renewal.run(names, accept)
        except FeedRefused as error:
            raise PublishError(f"{error} The list of {identifier} was not changed.") from error
        finally:
            self.report = renewal.report

    def files(self, role: str) -> dict[str, Path]:
        """Return every file of a role's lists by its target, as documents name it."""
        folder = self._targets / role
        named = (path for path in folder.glob("*.gz") if _DIGEST.fullmatch(path.name.partition(".")[0]))
        return {f"{place_of(LISTS, role)}{path.name.partition('.')[2]}": path for path in named if path.is_file()}


class _Renewal:
    """One renewal of one list."""

    def __init__(self, lists: Path, targets: Path, role: str, identifier: str) -> None:
        self.report = ListReport()
        self._lists = lists
        self._targets = targets
        self._prefix = place_of(LISTS, role)
        self._identifier = identifier
        self._text = lists / f"{identifier}.txt"
        self._record_path = lists / f"{identifier}.json"
        self._work = lists / f".{identifier}.work"
        self._made: list[tuple[Path, Path]] = []  # complete files, and their final paths

    @contextmanager
    def work(self) -> Iterator[None]:
        """Provide a folder for temporary files, which is removed at the end."""
        shutil.rmtree(self._work, ignore_errors=True)  # of a process that was killed
        self._work.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def run(self, names: Path, accept: Callable[[ListReport], None] | None) -> dict[str, object]:
        record = ListRecord.read(self._record_path)
        with replacing(self._text) as file:
            facts = write_names(names, file, self.report.rejects, self._work)
            self.report.count = facts.count
            if not facts.count:
                rejected = self.report.rejected
                raise PublishError(f"{names} holds no valid name ({rejected:,} lines were rejected). The list stays.")
            file.flush()
            new = mmap(file.fileno(), 0, access=ACCESS_READ)
            renewed = self._renewed(record, facts, new)
            if accept is not None:
                accept(self.report)
            # The text comes last: if it is missing or differs, it is made anew from the files.
            for made, path in self._made:
                self._remove_unsigned(path)
                put(made, path)
            sync_folder(self._targets)
            if renewed != record:
                renewed.write(self._record_path)
        return renewed.value

    def _remove_unsigned(self, path: Path) -> None:
        """Remove a file of the same name that a killed renewal left: no document has ever named it."""
        file = path.name.partition(".")[2]
        for other in self._targets.iterdir():
            if other.name.partition(".")[2] == file:
                remove(other)

    def _renewed(self, record: ListRecord, facts: TextFacts, new: Text) -> ListRecord:
        if record.files and record.files[-1].sha256 == facts.sha256:
            return record
        old = self._old_text(record)
        if old is None:
            self.report.added = facts.count
            base = self._base(record, facts, new)
            self.report.octets = base.octets
            return ListRecord((base,), record.made + 1)
        with self._new_file(record, "changes", facts) as made:
            for line in changed(old, new):
                self.report.added += line.startswith(b"+")
                self.report.removed += line.startswith(b"-")
                made.write(line + b"\n")
        renewed = record.with_changes(made.outcome)
        self.report.octets = made.outcome.octets
        at = renewed.new_base()
        if at is None:
            return renewed
        text = self._text_at(renewed, at, old, new)
        based = renewed.with_base(at, self._base(renewed, renewed.files[at], text))
        if at == len(renewed.files) - 1:
            self._made.remove(made.places)
            self.report.octets = based.files[0].octets
        return based

    def _old_text(self, record: ListRecord) -> Text | None:
        """Return the previous text; None if there is none, or it can no longer be made from its files."""
        if not record.files:
            return None
        try:
            with self._text.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == record.files[-1].sha256:
                    return mapped(self._text)
        except OSError:
            pass
        try:
            return self._brought(record, len(record.files) - 1)
        except (FeedRefused, OSError):
            return None

    def _text_at(self, record: ListRecord, at: int, old: Text, new: Text) -> Text:
        behind = len(record.files) - 1 - at
        return new if behind == 0 else old if behind == 1 else self._brought(record, at)

    def _brought(self, record: ListRecord, at: int) -> Text:
        """Make the text of a file as nodes do."""
        places = {file.target: self._place(file.digest, file.target) for file in record.files}
        steps = NameList(record.names.steps[: at + 1])
        return mapped(NameLists(self._work / "texts").bring(steps, places.__getitem__))

    def _base(self, record: ListRecord, facts: TextFacts | ListFile, text: Text) -> ListFile:
        with self._new_file(record, "base", facts) as made, memoryview(text) as view:
            for at in range(0, len(text), _PIECE):
                made.write(view[at : at + _PIECE])
        return made.outcome

    @contextmanager
    def _new_file(self, record: ListRecord, kind: str, facts: TextFacts | ListFile) -> Iterator[_PackedFile]:
        target = f"{self._prefix}{self._identifier}-{record.made + 1:04}.{kind}.gz"
        packed = self._work / f"{kind}.gz"
        with replacing(packed) as file:
            made = _PackedFile(file, _BASE_LEVEL if kind == "base" else _CHANGES_LEVEL)
            yield made
            digest, octets = made.finish()
        made.outcome = ListFile(target, digest, octets, facts.sha256, facts.size, facts.count)
        made.places = packed, self._place(digest, target)
        self._made.append(made.places)

    def _place(self, digest: str, target: str) -> Path:
        return self._targets / f"{digest}.{target.removeprefix(self._prefix)}"


class _PackedFile:
    """A gzip file (RFC 1952) that is the same whenever it is made, and its digest."""

    outcome: ListFile
    places: tuple[Path, Path]

    def __init__(self, file: BinaryIO, level: int) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._octets = 0
        self._packer = zlib.compressobj(level, wbits=_GZIP_FORM)

    def write(self, content: bytes | memoryview) -> None:
        self._put(self._packer.compress(content))

    def finish(self) -> tuple[str, int]:
        self._put(self._packer.flush())
        return self._digest.hexdigest(), self._octets

    def _put(self, packed: bytes) -> None:
        self._file.write(packed)
        self._digest.update(packed)
        self._octets += len(packed)
