"""Reading files up to a limit, and replacing them whole: temporary file beside it, fsync, rename, fsync of the folder.

Both are done here and nowhere else. A file that blockd keeps itself, in its state folder, is opened by `open_kept`:
never through a link, and only if it is a regular file. An observer is told of each file that is about to change, so
that a command that is interrupted can say which it has changed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from blockd.errors import FileTooLarge

Observer = Callable[[Path, os.stat_result | None], None]
"""Takes a path, and the status of the file that is about to stand there; None if the path is about to be removed."""

_PIECE = 64 << 10  # octets read at a time of what has no known size
SYNCED_AT_ONCE = 16  # files synced at the same time; a journal writes what is pending in one commit


_refused = 0  # how often a file could not be written
_observer: Observer | None = None
_widest = 0o777  # the rights that a file of this process may have at most


def limit_modes() -> None:
    """Have no file that this process and its children make readable by others than its user and group."""
    global _widest  # one process has one state folder
    _widest = 0o750
    os.umask(0o777 & ~_widest)


def observe(observer: Observer | None) -> None:
    """Have `observer` called before each change of a file by this process; None for nobody."""
    global _observer  # one process has one command to report about
    _observer = observer


def refused_writes() -> int:
    """Return how often a file could not be replaced, since the start of this process."""
    return _refused


@contextlib.contextmanager
def _counting_refusals() -> Iterator[None]:
    global _refused  # one process, and a count missed by two threads at once still changes
    try:
        yield
    except OSError:
        _refused += 1
        raise


def put(made: Path, path: Path) -> None:
    """Rename a finished file to `path`, in place of what is there."""
    if _observer is not None:
        _observer(path, made.stat())
    made.replace(path)


def remove(path: Path, *, missing_ok: bool = False) -> None:
    """Remove a file; raises FileNotFoundError if there is none, unless `missing_ok`."""
    if _observer is not None and path.exists():
        _observer(path, None)
    path.unlink(missing_ok=missing_ok)


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of the file at `path`; raises OSError, or FileTooLarge if it has more than `limit` octets."""
    with path.open("rb") as file:
        return read_rest(file, limit)


def read_configured(path: Path, limit: int) -> bytes:
    """Return the content of a file that the config names, as `read_file` does; links are followed.

    Raises OSError also if something else than a regular file lies there: a pipe would be waited for without end.
    """
    with open_configured(path) as file:
        return read_rest(file, limit)


def open_configured(path: Path) -> BufferedReader:
    """Open a file that the config names, to read; raises as `read_configured` does."""
    # Without a number, whose words would be the system's.
    return os.fdopen(_regular(path, os.O_RDONLY, None), "rb")


def read_kept(path: Path, limit: int) -> bytes:
    """Return the content of a file that blockd keeps itself, as `read_file` does; raises as `open_kept` does."""
    with open_kept(path) as file:
        return read_rest(file, limit)


def open_kept(path: Path) -> BufferedReader:
    """Open a file that blockd keeps itself, to read; raises as `descriptor_of_kept` does."""
    return os.fdopen(descriptor_of_kept(path, os.O_RDONLY), "rb")


def write_at(descriptor: int, octets: bytes | bytearray | memoryview, place: int) -> None:
    """Write all of `octets` at a place in a file, in as many calls as the kernel needs; raises OSError."""
    with memoryview(octets) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(descriptor, view[done:], place + done)


Stamp = tuple[int, int, int, int, int]
"""What changes with a file: the times of the last changes of its content and of anything about it in nanoseconds, its
size, inode and device."""


def stamp_from(status: os.stat_result) -> Stamp:
    """Return the stamp of a file with this status."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of the file at `path` now; None if it cannot be found."""
    try:
        return stamp_from(path.stat())
    except OSError:
        return None


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return the device and the inode of a file or folder, whatever is in it; None if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


NOT_KEPT = (errno.EINVAL, errno.ELOOP, errno.ENXIO)
"""The errors by which `descriptor_of_kept` says that something else than a regular file lies there."""


def descriptor_of_kept(path: Path, flags: int) -> int:
    """Open a file that blockd keeps itself, at once, and return its descriptor; `flags` are those of open(2).

    Raises OSError, also if a link or anything else than a regular file lies there: whoever could put it there must
    not choose which file is opened, and a pipe must not hold up a start.
    """
    return _regular(path, flags | os.O_NOFOLLOW, errno.EINVAL)


def _regular(path: Path, flags: int, number: int | None) -> int:
    """Open a regular file at once, and return its descriptor; raises OSError, with `number` if it is none."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o640)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if number is None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(number, "it is not a regular file", str(path))
    return descriptor


def read_rest(file: BinaryIO, limit: int) -> bytes:
    """Return the rest of an open file, as `read_file` does; no more than one octet over `limit` is read."""
    # A read allocates what it is asked for at once: only as much as there is, or the limit would be taken of memory.
    pieces = [file.read(min(limit, _left(file)) + 1)]
    length = len(pieces[0])
    while length <= limit and (more := file.read(min(limit + 1 - length, _PIECE))):  # it has grown, or has no size
        pieces.append(more)
        length += len(more)
    if length > limit:
        raise FileTooLarge(str(file.name), limit)
    return b"".join(pieces) if len(pieces) > 1 else pieces[0]


def _left(file: BinaryIO) -> int:
    """Return how many octets a regular file still has, as far as that is known; 0 if it is not."""
    try:
        return max(0, os.fstat(file.fileno()).st_size - file.tell())
    except OSError:
        return 0


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o644, *, durable: bool = True, begun: Path | None = None) -> Iterator[BinaryIO]:
    """Yield a file to write; if the block ends without an error it replaces `path`, else nothing has changed.

    If it is not `durable`, it is not synced to the disk: a loss of power may leave a part of it. The file is new, or
    the one at `begun` in the same file system, which is gone in any case.
    """
    with _counting_refusals():
        if begun is None:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        else:
            descriptor, temporary = os.open(begun, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), str(begun)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), mode & _widest)
                if durable:
                    os.fsync(file.fileno())
            put(Path(temporary), path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def is_socket(path: Path) -> bool:
    """Return whether a Unix socket can be reached at `path`; false if that cannot be known."""
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def replace_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Make `path` hold `content`, or leave it as it was."""
    with replacing(path, mode) as file:
        file.write(content)


def replace_files(files: Iterable[tuple[Path, Iterable[bytes]]], mode: int = 0o644) -> None:
    """Make each path hold its blocks, or leave it as it was; many files cost little more than one.

    Each file is whole at any moment. If the process is killed, some of them may be replaced; once this returns, all are
    on disk. Whatever a path's blocks raise is raised, and then none is replaced.
    """
    written: list[tuple[str, Path]] = []
    with _counting_refusals():
        try:
            for path, blocks in files:
                descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
                written.append((temporary, path))
                with os.fdopen(descriptor, "wb") as file:
                    os.fchmod(descriptor, mode & _widest)
                    file.writelines(blocks)
            _sync_all(temporary for temporary, _ in written)
            for temporary, path in written:
                put(Path(temporary), path)
        except BaseException:
            for temporary, _ in written:
                Path(temporary).unlink(missing_ok=True)
            raise
        for folder in {path.parent for _, path in written}:
            sync_folder(folder)


def _sync_all(paths: Iterable[str]) -> None:
    """Wait until the content of all `paths` is on disk: in parallel, so that a file system can write them at once."""
    from concurrent.futures import ThreadPoolExecutor  # which few commands need

    with ThreadPoolExecutor(SYNCED_AT_ONCE) as threads:
        for _ in threads.map(sync_file, map(Path, paths)):
            pass


def sync_file(path: Path) -> None:
    """Wait until the content of `path` is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
