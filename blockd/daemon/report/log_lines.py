"""The daemon's log on standard error: one line for each message, whatever foreign texts it contains.

Lines are for people (`log.format: text`) or for programs (`json`, one object a line). Where standard error is the
journal's, each begins with the priority `<N>` that systemd takes from there (sd-daemon(3)).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from blockd.daemon.process_name import role_of_process
from blockd.daemon.processes import streams
from blockd.printable import printable
from blockd.settings.log import LogSettings
from blockd.times import moment_text

FORMAT, DATES = "%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"
BELOW = "    "  # before each line of a traceback, so that none looks like the first line of a message

# What a line may take, in characters of at most four octets, so that journald, which ends one after 48 KiB
# (LineMax= in journald.conf(5)), never begins another in the middle of a foreign text.
MAX_MESSAGE = 4_000
MAX_TRACEBACK = 3_000  # the end, where the error is
MAX_VALUES = 8
MAX_VALUE = 300
EXACT = 1 << 53  # up to which every reader of JSON has the same number (RFC 8259 section 6); NaN is no number there

# syslog(3), which the journal goes by.
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


def begin(settings: LogSettings, environment: Mapping[str, str] = os.environ) -> None:
    """Log to standard error from now on as `settings` say, in place of what was said before."""
    logging.raiseExceptions = False  # a message that cannot be written is lost
    formatter: logging.Formatter = JsonFormatter() if settings.format == "json" else LineFormatter()
    if is_journal(streams.ERRORS, environment):
        formatter = PriorityFormatter(formatter)
    _is_plain[:] = [isinstance(formatter, LineFormatter)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    logging.getLogger("tuf").setLevel(max(logging.WARNING, logging.root.level))  # otherwise it reports each unused key
    streams.say_what_is_lost_by(lambda sentence: formatter.format(_warning(sentence)))


_is_plain = [True]  # of this process


def is_plain() -> bool:
    """Return whether lines are for people at a terminal or in a file, who also read what is no message of the log."""
    return _is_plain[0]


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Return whether a descriptor is the stream to the journal that JOURNAL_STREAM names (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    if not (device.isdecimal() and inode.isdecimal()):
        return False
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (int(device), int(inode))


class LineFormatter(logging.Formatter):
    """Writes unprintable characters as escapes; a traceback stands below its message, further to the right."""

    def __init__(self) -> None:
        super().__init__(FORMAT, DATES)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line of a record."""
        return _cut(printable(super().formatMessage(record)), MAX_MESSAGE)

    def formatException(self, ei: object) -> str:  # noqa: N802 - the name is logging's
        """Return a traceback, whose last lines have an error's text."""
        return "\n".join(f"{BELOW}{line}" for line in _traceback_lines(super().formatException(ei)))  # type: ignore[arg-type]


class JsonFormatter(logging.Formatter):
    """Writes an object with `time` (RFC 3339), `level`, `process`, `pid`, `logger`, `message` and `fields`.

    `fields` has the message before its values were put in, the same for all of its kind, as `template`; the `values`
    in their order; and the lines of a `traceback` where there is one. All texts are escaped as in lines for people.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return json_line(
            record.created,
            record.levelname,
            record.name,
            record.getMessage(),
            fields=self._fields(record),
            pid=record.process or os.getpid(),
        )

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        values = record.args if isinstance(record.args, tuple) else (record.args,) if record.args else ()
        fields: dict[str, object] = {
            "template": _cut(printable(str(record.msg)), MAX_MESSAGE),
            "values": [_json_value(value) for value in values[:MAX_VALUES]],
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["traceback"] = _traceback_lines(self.formatException(record.exc_info))
        return fields


class PriorityFormatter(logging.Formatter):
    """Puts a priority before each line of what another formatter returns."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        level = max((known for known in _PRIORITIES if known <= record.levelno), default=logging.DEBUG)
        prefix = f"<{_PRIORITIES[level]}>"
        return "\n".join(f"{prefix}{line}" for line in self._inner.format(record).split("\n"))


def in_form(lines: Sequence[str], settings: LogSettings, logger: str, moment: float) -> str:
    """Return lines for standard output: for people as they are, for programs an object with all of them as `lines`."""
    if settings.format == "text":
        return "\n".join(lines)
    return json_line(moment, "INFO", logger, lines[0], fields={"lines": list(lines)}, pid=os.getpid())


def json_line(moment: float, level: str, logger: str, message: str, *, fields: Mapping[str, object], pid: int) -> str:
    """Return the object of a message at a moment in seconds since the epoch, on one line."""
    told = {
        "time": moment_text(moment),
        "level": level,
        "process": role_of_process(),
        "pid": pid,
        "logger": logger,
        "message": _cut(printable(message), MAX_MESSAGE),
        "fields": fields,
    }
    return json.dumps(told, ensure_ascii=False)


def _json_value(value: object) -> object:
    """Return a value of a message as JSON has it; what JSON does not have, as its text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= EXACT):
        return value
    return _cut(printable(str(value)), MAX_VALUE)


def _traceback_lines(text: str) -> list[str]:
    shown = printable(text, keep="\n")
    return (shown if len(shown) <= MAX_TRACEBACK else f"…{shown[-MAX_TRACEBACK:]}").split("\n")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _warning(sentence: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, "", 0, sentence, (), None)
