"""Every error that blockd raises on purpose.

BlockdError
├── ConfigError          the config file cannot be used; carries every problem found, each with its path
├── BadName              text or octets are not a valid domain name; carries the reason it is counted under
├── BadOrder             an order document cannot be used
├── RulesetError         a ruleset file is cut, damaged, hostile or of another format
│   └── DamagedRuleset   its content is not what was written
├── FeedRefused          a feed's new content is refused; its content accepted last stays in force
│   ├── GateRefused      its size, its rejects or its emptiness; an operator may take it nevertheless
│   └── FeedUnreachable  nothing could be fetched at all
├── BadMessage           octets are not a DNS message that can be answered
├── UpstreamFailure      no upstream gave a usable answer; carries the Extended DNS Error that says why
├── BadCertificate       a certificate chain and its key cannot be used; those before them stay in force
├── TlsFailure           a TLS connection cannot go on: its peer did what it may not, or broke it off
├── BadClientHello       octets are not a ClientHello whose server name can be read
│   └── BadHostName      it is one, and asks for what cannot be a name
├── BadProxyHeader       octets do not begin with a PROXY protocol header that can be taken
├── PublishError         a repository could not be made, signed or published
├── AuditError           an audit log, a proof or a statement is wrong or cannot be read
├── FileTooLarge         a file has more octets than its kind may have; an OSError too
├── OutputError          a command's output cannot be written: the reader has gone, or the disk is full
└── CommandError         a command cannot do what it was asked

Each class says with `effect` what it does to a daemon: fatal at start, refused at reload, or counted at run time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from copy import copy
from enum import Enum
from typing import Self

from blockd.printable import one_line, unproved


def system_words(error: OSError) -> str:
    """Return what the system says of an error, by its number: libraries put texts of their own in place of that."""
    is_of_system = type(error).__module__ == "builtins"  # TLS and the resolver count their errors otherwise
    if is_of_system and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return str(error.strerror or error)


def cause_of(error: BaseException) -> str:
    """Return in words what an error of the system or of a library says, for the middle of a sentence.

    Texts of libraries are not repeated: they change, and speak to programmers. A plain ValueError is one of blockd's.
    """
    match error:
        case BlockdError():
            return str(error).removesuffix(".")
        case TimeoutError():
            return "it took too long"
        case OSError(strerror=str(words)) if words:
            words = system_words(error)
            return words[0].lower() + words[1:]
        case ValueError() if hasattr(error, "colno"):  # json.JSONDecodeError, whose module not every command needs
            return f"it is not valid JSON in line {getattr(error, 'lineno', 0)}, column {error.colno}"
        case UnicodeError():
            return "it is not valid UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case KeyError():
            return f"{unproved(repr(error.args[0]), 60) if error.args else 'a key'} is missing"
        case ValueError() if type(error) is ValueError and str(error):
            return unproved(str(error))
        case _:
            return "it has another structure than expected"


class Effect(Enum):
    """What an error does to a running daemon."""

    FATAL = "fatal at start"
    REFUSED = "refused at reload"
    COUNTED = "counted at run time"


class BlockdError(Exception):
    """Base of the tree; its text is a sentence fit for an operator."""

    effect = Effect.FATAL


class ConfigError(BlockdError):
    """The config file cannot be used.

    `problems` holds every problem at once, each as `path: what was expected, and what was found`.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        listed = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{source} cannot be used; nothing was started or changed.{listed}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, tuple[str, ...]]]:
        return type(self), (self.source, self.problems)


class BadName(BlockdError):
    """Text or octets are not a valid domain name; `reason` is one of a fixed set, fit for counting."""

    effect = Effect.COUNTED

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class BadOrder(BlockdError):
    """An order document cannot be used; `problems` holds every problem with its field."""

    effect = Effect.REFUSED

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{source} is not a usable order: " + "; ".join(self.problems))


class RulesetError(BlockdError):
    """A ruleset file is cut, damaged, hostile or of another format."""

    effect = Effect.REFUSED


class DamagedRuleset(RulesetError):
    """The content of a ruleset file is not what was written: it was cut, written over, or its disk fails."""


class FeedRefused(BlockdError):
    """A feed's new content is refused; `reason` is one of `blockd.feeds.reasons.REASONS`, fit for a label.

    Its sentence is one line of at most `blockd.printable.MAX_SENTENCE` characters, whatever it was made of.
    """

    effect = Effect.REFUSED

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        super().__init__(one_line(sentence))

    def __reduce__(self) -> tuple[type[FeedRefused], tuple[str, str]]:
        return type(self), (self.reason, str(self))

    def kept(self) -> Self:
        """Return it as a value to keep: without a traceback, whose frames hold all that was at hand when it was raised.

        Whoever raises what is kept raises another one, so that it stays so.
        """
        return copy(self)


class GateRefused(FeedRefused):
    """The gate refuses the content for its size, its rejects or its emptiness; an operator may take it nevertheless."""


class FeedUnreachable(FeedRefused):
    """Nothing could be fetched at all; `retry_after` is for how many seconds its source asks to be left alone."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__("unreachable", sentence)

    def __reduce__(self) -> tuple[type[FeedUnreachable], tuple[str, float | None]]:  # type: ignore[override]
        return type(self), (str(self), self.retry_after)


class BadMessage(BlockdError):
    """Octets are not a DNS message that can be answered; `rcode` is the one to answer with, None for no answer."""

    effect = Effect.COUNTED

    def __init__(self, rcode: int | None, sentence: str) -> None:
        self.rcode = rcode
        super().__init__(sentence)


class UpstreamFailure(BlockdError):
    """No upstream gave a usable answer; `code` is the Extended DNS Error for the client (RFC 8914 section 4).

    `kind` is the `FailureKind` of a stream that failed, and empty otherwise.
    """

    effect = Effect.COUNTED

    def __init__(self, code: int, sentence: str, kind: str = "") -> None:
        self.code = code
        self.kind = kind
        super().__init__(sentence)


class BadCertificate(BlockdError):
    """A certificate chain and its key cannot be used; `source` is the setting that names them."""

    effect = Effect.REFUSED

    def __init__(self, source: str, sentence: str) -> None:
        self.source = source
        super().__init__(sentence)

    def __reduce__(self) -> tuple[type[BadCertificate], tuple[str, str]]:
        return type(self), (self.source, str(self))


class TlsFailure(BlockdError):
    """A TLS connection cannot go on; what is to be sent yet, usually an alert, is with its session."""

    effect = Effect.COUNTED


class BadClientHello(BlockdError):
    """Octets are not a ClientHello; `is_tls` is whether they began as TLS does, so that an alert is sent."""

    effect = Effect.COUNTED

    def __init__(self, sentence: str, *, is_tls: bool = True) -> None:
        self.is_tls = is_tls
        super().__init__(sentence)


class BadHostName(BadClientHello):
    """A ClientHello asks for a host by what cannot be a name."""


class BadProxyHeader(BlockdError):
    """Octets do not begin with a PROXY protocol header that can be taken."""

    effect = Effect.COUNTED


class PublishError(BlockdError):
    """A repository could not be made, signed or published."""


class AuditError(BlockdError):
    """An audit log, a proof or a statement is wrong or cannot be read; what is enforced does not depend on any."""

    effect = Effect.COUNTED


class FileTooLarge(BlockdError, OSError):
    """A file has more octets than its kind may have; the caller that set the limit decides what that means."""

    effect = Effect.COUNTED

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(errno.EFBIG, f"it is larger than {limit} octets", path)
        self.limit = limit

    def __reduce__(self) -> tuple[type[FileTooLarge], tuple[str, int]]:
        return type(self), (str(self.filename), self.limit)


class CommandError(BlockdError):
    """A command cannot do what it was asked."""


class OutputError(BlockdError):
    """A command's output cannot be written; `is_unread` is whether its reader has gone, as `head` does."""

    def __init__(self, error: OSError) -> None:
        self.is_unread = isinstance(error, BrokenPipeError)
        why = error.strerror or error
        super().__init__(f"standard output cannot be written: {why}. What is printed is not complete.")
