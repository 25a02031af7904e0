"""Whose fault it is that a file cannot be opened: the file's, or that of this process, which has no means to."""

from __future__ import annotations

import errno

# Errors after which no process will open a file: it is gone, not to be read by this user, or on a disk that fails.
OF_THE_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)


def is_of_the_file(error: BaseException) -> bool:
    """Return whether a file is to blame that it cannot be opened, and not this process for want of means."""
    return isinstance(cause := _cause(error), OSError) and cause.errno in OF_THE_FILE


def is_of_the_process(error: BaseException) -> bool:
    """Return whether this process has no means to open a file, such as memory: that says nothing of the file."""
    return isinstance(cause := _cause(error), OSError) and cause.errno not in OF_THE_FILE


def _cause(error: BaseException) -> BaseException | None:
    return error if isinstance(error, OSError) else error.__cause__
