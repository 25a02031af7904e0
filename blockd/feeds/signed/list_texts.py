"""The texts of national-size lists, brought from what is on disk to what was signed, step by step.

FOLDER/SHA256.txt is the text of a list, canonical as defined in `blockd.orders.name_list`. It is made from the newest
text on disk, or from the list's base, and the changes since: in one pass, on disk, whatever its size.
"""

from __future__ import annotations

import hashlib
import heapq
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from contextlib import closing
from functools import partial
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from blockd.errors import FeedRefused
from blockd.feeds.signed.list_names import NameCheck, fault_in
from blockd.files import open_kept, replacing
from blockd.formats.body import open_regular
from blockd.formats.canonical import UNTAKEN, CanonicalNames, read_changes
from blockd.formats.packed.gunzip import Gunzip
from blockd.formats.sorted import Text, mapped, seek
from blockd.formats.writer import TextWriter
from blockd.orders import ListStep, NameList
from blockd.printable import unproved

SPARE = 256 << 20  # octets that stay free on the disk, for the rest of the state and the audit log
_COMPILED = 40  # octets that a name takes in a ruleset beside its own text
_PACKED_PIECE = 16 * 1024  # octets of a file unpacked at a time; hundreds of files are open at once
_MORE_CHANGES = 1_000_000  # besides one for each name before and after, as steps may undo each other
LISTS = "lists"  # the folder of texts in a feed's folder
_ENDING = ".txt"
_Change = tuple[bytes, bool]  # a name, and whether it came

Stamp = tuple[int, int, int]  # inode, octets, nanoseconds: changes with a file's content, unless the disk fails


def text_path(feed_folder: Path, step: ListStep) -> Path:
    """Return the path of a list's text in a feed's folder."""
    return feed_folder / LISTS / f"{step.sha256}{_ENDING}"


class NameLists:
    """The texts in one feed's folder, which is created if it is missing. Only one process may write there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: dict[str, Stamp] = {}  # texts whose digest this process has verified
        self._faults: dict[str, str] = {}  # of those: what is no name in them, empty for nothing

    def bring(self, names: NameList, download: Callable[[str], Path]) -> Path:
        """Return the file with the text of a list's last step; its size, count and digest are what was signed.

        `download` returns a verified file of the repository; it is called for missing steps only. Raises FeedRefused,
        and what `download` raises: `missing`, `cut`, `format`, `too large` for a file that unpacks to more than its
        step allows, `differences` if changes do not apply, `signature` if the result is not what was signed, `format`
        too if one of its lines is not a name. All other texts are kept, including the one that this one was made from.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob(".*"):  # of a process that was killed
            _remove(leftover)
        steps, last = names.steps, names.last
        from_base = False
        for _ in range(len(steps) + 2):  # any text may be damaged, and then the base is unpacked once
            at = self._newest(steps)
            if at is None:
                self._refuse_without_room(last, last.size + steps[0].size)
                check = NameCheck()
                self._write(steps[0], lambda file, check=check: _unpack_base(steps[0], download, file, check))  # type: ignore[misc]
                self._faults[steps[0].sha256] = check.fault
                from_base = True
                continue
            if at == len(steps) - 1:
                return self._named(last)
            self._refuse_without_room(last, last.size)
            added = NameCheck()
            try:
                self._write(last, partial(_apply, mapped(self._path(steps[at])), steps, at, download, added))
                is_odd = bool(added.fault or self._fault(steps[at]))
                self._faults[last.sha256] = fault_in(self._path(last)) if is_odd else ""
            except FeedRefused:
                if from_base or self._is_sound(steps[at], again=True):
                    raise  # the base is kept, so that the next try need not fetch it
                continue
            if from_base:
                self._forget(steps[0].sha256)
            return self._named(last)
        raise FeedRefused(
            "fault",
            f"The texts in {self._folder} are damaged as soon as they are written: nothing of {last.target} is taken, "
            "and what the feed gave before stays in force. Check the disk, and that no other process writes there.",
        )

    def prune(self, kept: Set[str]) -> None:
        """Remove the texts whose SHA-256 is not in `kept`, which must have those of all versions that may be read."""
        for path in self._folder.glob(f"*{_ENDING}"):
            if path.stem not in kept:
                self._forget(path.stem)

    def _named(self, step: ListStep) -> Path:
        """Return the path of a sound text; raises FeedRefused if one of its lines is not a name."""
        if fault := self._fault(step):
            raise FeedRefused("format", f"In the list of {step.target}, {fault}; {UNTAKEN}")
        return self._path(step)

    def _fault(self, step: ListStep) -> str:
        """Return what is no name in a sound text; empty if all lines are names."""
        fault = self._faults.get(step.sha256)
        if fault is None:  # an earlier process has made it
            fault = self._faults[step.sha256] = fault_in(self._path(step))
        return fault

    def _path(self, step: ListStep) -> Path:
        return self._folder / f"{step.sha256}{_ENDING}"

    def _newest(self, steps: Sequence[ListStep]) -> int | None:
        """Return the index of the last step whose text is there; None if none is."""
        return next((at for at in reversed(range(len(steps))) if self._is_sound(steps[at])), None)

    def _is_sound(self, step: ListStep, *, again: bool = False) -> bool:
        """Return whether a step's text is there as it was signed; a damaged one is removed."""
        path = self._path(step)
        try:
            stamp = _stamp(path)
            if not again and self._sound.get(step.sha256) == stamp:
                return True
            with open_kept(path) as file:
                if stamp[1] == step.size and hashlib.file_digest(file, "sha256").hexdigest() == step.sha256:
                    self._sound[step.sha256] = stamp
                    return True
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError:
            _remove(path)
        self._sound.pop(step.sha256, None)
        return False

    def _forget(self, sha256: str) -> None:
        _remove(self._folder / f"{sha256}{_ENDING}")
        self._sound.pop(sha256, None)
        self._faults.pop(sha256, None)

    def _write(self, step: ListStep, fill: Callable[[BinaryIO], None]) -> None:
        """Write the text of a step; `fill` must compare it with what was signed before it returns."""
        path = self._path(step)
        with replacing(path) as file:
            fill(file)
        self._sound[step.sha256] = _stamp(path)

    def _refuse_without_room(self, step: ListStep, needed: int) -> None:
        free = shutil.disk_usage(self._folder).free
        needed += step.size + step.count * _COMPILED
        if free < needed + SPARE:
            raise FeedRefused(
                "too large",
                f"The list of {step.target} needs {needed:,} octets in {self._folder}, but {free:,} are free: "
                "nothing of it is taken, and what the feed gave before stays in force. Make room there.",
            )


def _unpack_base(step: ListStep, download: Callable[[str], Path], file: BinaryIO, check: NameCheck) -> None:
    names = CanonicalNames(step.target)
    with TextWriter(file) as writer, closing(_unpacked(step.target, download(step.target), step.size)) as pieces:
        for block in names.checked(pieces):
            check.add(block)
            writer.add(block)
        _compare(step, writer.size, names.count, writer.finish())


def _apply(
    old: Text, steps: Sequence[ListStep], at: int, download: Callable[[str], Path], added: NameCheck, file: BinaryIO
) -> None:
    """Write the last step's text, made from that of the step `at` and all later changes; `added` gets what is new."""
    last, count, done, place = steps[-1], steps[at].count, 0, 0
    with memoryview(old) as view, TextWriter(file) as writer:
        for name, ways in _net_changes(steps, at, download):
            place = seek(old, name, place, len(old))
            line = name + b"\n"
            is_there = old[place : place + len(line)] == line
            if is_there == ways[0]:
                what = "adds {}, which is there" if is_there else "removes {}, which is not there"
                raise _differs(last, what.format(unproved(name)))
            if is_there == ways[-1]:
                continue
            writer.add(view[done:place])
            done = place
            if is_there:
                done += len(line)
                count -= 1
            else:
                added.add(line)
                writer.add(line)
                count += 1
        writer.add(view[done:])
        _compare(last, writer.size, count, writer.finish())


def _net_changes(
    steps: Sequence[ListStep], at: int, download: Callable[[str], Path]
) -> Iterator[tuple[bytes, list[bool]]]:
    """Yield each name in the changes after the step `at`, ascending, with its additions and removals in turn."""
    left = steps[at].count + steps[-1].count + _MORE_CHANGES
    changes = [_step_changes(steps[number - 1], steps[number], download) for number in range(at + 1, len(steps))]
    try:
        for name, group in groupby(heapq.merge(*changes, key=itemgetter(0)), itemgetter(0)):
            ways = [came for _, came in group]
            left -= len(ways)
            if left < 0:
                raise FeedRefused(
                    "too large", f"More changes lead to the list of {steps[-1].target} than it has names; {UNTAKEN}"
                )
            if any(one == two for one, two in pairwise(ways)):
                raise _differs(steps[-1], f"adds or removes {unproved(name)} twice in a row")
            yield name, ways
    finally:
        for each in changes:
            each.close()


def _step_changes(before: ListStep, step: ListStep, download: Callable[[str], Path]) -> Generator[_Change, None, None]:
    """Read one file of changes, of at most as many names as both steps have together."""
    most = before.size + before.count + step.size + step.count
    with closing(_unpacked(step.target, download(step.target), most)) as pieces:
        yield from read_changes(pieces, step.target)


def _unpacked(target: str, path: Path, most: int) -> Generator[bytes, None, None]:
    """Yield the content of a gzip file, at most `most` octets."""
    gunzip, size = Gunzip(target), 0
    with open_regular(path) as file:
        while data := file.read(_PACKED_PIECE):
            for piece in gunzip.feed(data):
                size += len(piece)
                if size > most:
                    raise FeedRefused(
                        "too large", f"{target} unpacks to more than the {most:,} octets that it may have; {UNTAKEN}"
                    )
                yield piece
    if not gunzip.complete:
        raise FeedRefused("cut", f"{target} ends in the middle of its archive; {UNTAKEN}")


def _compare(step: ListStep, size: int, count: int, sha256: str) -> None:
    if (size, count, sha256) != (step.size, step.count, step.sha256):
        raise FeedRefused(
            "signature",
            f"{step.target} comes out as {count:,} names in {size:,} octets with the digest {sha256[:16]}…, "
            f"but {step.count:,} in {step.size:,} with {step.sha256[:16]}… were signed: {UNTAKEN}",
        )


def _differs(step: ListStep, what: str) -> FeedRefused:
    return FeedRefused("differences", f"What leads to the list of {step.target} {what}; {UNTAKEN}")


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _remove(path: Path) -> None:
    """Remove whatever is in a text's place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
