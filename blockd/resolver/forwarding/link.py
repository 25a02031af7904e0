"""One upstream as a worker asks it: its sockets and its stream, and what it was found to support.

What arrives is matched with what was asked. An answer that fits but is in doubt, or truncated, is asked for again over
TCP at the same upstream, within the same try.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Sequence
from typing import Protocol

from blockd.dns import types
from blockd.errors import BadMessage, cause_of
from blockd.resolver.cache import CacheKey, question_of
from blockd.resolver.forwarding.cookies import Cookies
from blockd.resolver.forwarding.edns import read_opt
from blockd.resolver.forwarding.flight import Flight
from blockd.resolver.forwarding.health import MALFORMED, OF_STREAM, UNREACHABLE, Health
from blockd.resolver.forwarding.limits import MAX_PROBES, MAX_STRAYS, OFF, SOCKETS, WITHOUT_EDNS
from blockd.resolver.forwarding.questions import Fit, fit, is_error_alone, message_of, mixed
from blockd.resolver.forwarding.source_ports import SourcePorts
from blockd.resolver.forwarding.tries import Doubt, Try
from blockd.resolver.forwarding.udp_sockets import UdpSocket, UdpSockets
from blockd.resolver.options import UpstreamOptions
from blockd.resolver.streams import FailureKind, Stream
from blockd.settings import Upstream

READ_AT_ONCE = 32  # messages taken from one socket before others get their turn
MAX_ON_STREAM = 1 << 15  # questions on one stream: half of the IDs, so that a free one is found soon
_LOST = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS}  # the kernel has no room: as if lost on the way
_BADCOOKIE = types.BADCOOKIE >> 4, types.BADCOOKIE & types.RCODE


IMITATED = "seems to be imitated by somebody: too many messages came that do not fit the question"


class LinkListener(Protocol):
    """What comes of tries, each told once."""

    def has_time(self) -> bool:
        """Whether one more message may be taken now; if not, the event loop comes back to it."""

    def answered(self, made: Try, message: bytes) -> None:
        """`message` answers the question, whatever it says; if it is truncated over TCP too, it says TC."""

    def failed(self, made: Try, kind: int, sentence: str) -> None:
        """No answer will come; `kind` is one of `health`, the sentence names the upstream and says why."""

    def undone(self, made: Try) -> None:
        """The upstream does not support how it was asked, which is known from now on: it is to be asked again."""


class Link:
    """An upstream, with its sockets, its stream and its health."""

    def __init__(
        self,
        upstream: Upstream,
        options: UpstreamOptions,
        ports: SourcePorts,
        listener: LinkListener,
        clock: Callable[[], float],
    ) -> None:
        self.upstream = upstream
        self.health = Health(clock())
        self.cookies = Cookies(options.randomness, options.cookie_for(upstream))
        self._options = options
        self._listener = listener
        self._clock = clock
        self._sockets = UdpSockets(upstream, ports, options.randomness, self._opened, self._closed)
        self._stream: Stream | None = None
        self.open_tries = 0  # whose answers are listened for, probes among them
        self._probes: list[Try] = []
        self.zone = b""  # the key of the zone that it is asked for, by which it is probed
        self._streamed: dict[int, Try] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # in which the sockets are read
        self._case_off = self._cookies_off = self._edns_off = float("-inf")  # until when it is asked without

    def resize(self, size: int = SOCKETS) -> None:
        """Use so many sockets from now on."""
        self._sockets.resize(size)

    def probe(self, key: CacheKey, *, is_plain: bool) -> None:
        """Send a question of blockd's own; the last few are listened for. Raises OSError as `ask` does."""
        self._probes = [made for made in self._probes if made.is_open]
        if len(self._probes) >= MAX_PROBES:
            self.close(self._probes.pop(0))
        self._probes.append(self.ask(None, -1, key, is_plain=is_plain))

    def end_probes(self) -> None:
        """Listen for the answers to probes no more."""
        for made in self._probes:
            self.close(made)
        self._probes = []

    def ask(self, flight: Flight | None, index: int, key: CacheKey, *, is_plain: bool = False) -> Try:
        """Send a question, without OPT if `is_plain`; raises OSError if it cannot be sent."""
        options, now = self._options, self._clock()
        is_udp = self.upstream.transport == "udp"
        question = question_of(key)
        is_mixed = is_udp and options.mixed_case and now >= self._case_off
        made = Try(self, flight, index, key, mixed(question, options.randomness) if is_mixed else question)
        made.sent = now
        made.is_mixed = is_mixed
        made.is_plain = is_plain
        made.has_opt = not is_plain and now >= self._edns_off
        made.has_cookie = made.has_opt and is_udp and options.cookies and now >= self._cookies_off
        if is_udp:
            self._send(made)
        else:
            self._ask_stream(made)
        made.is_open = True
        self.open_tries += 1
        self.health.in_flight += made.flight is not None
        return made

    def close(self, made: Try) -> None:
        """Listen for an answer no more."""
        if not made.is_open:
            return
        made.is_open = False
        self.open_tries -= 1
        self.health.in_flight -= made.flight is not None and not made.is_heard
        self._leave_socket(made)
        if self._streamed.get(made.stream_identifier) is made:
            del self._streamed[made.stream_identifier]

    def ask_without_edns(self) -> None:
        """Note that the upstream answers without EDNS what it does not answer with it."""
        self._edns_off = self._clock() + WITHOUT_EDNS

    def stop_doubting(self, made: Try) -> bool:
        """Ask without what a doubt was about, which TCP could not settle; return whether there was such a doubt."""
        if made.doubt is Doubt.CASE:
            self._case_off = self._clock() + OFF
        elif made.doubt is Doubt.COOKIE:
            self._cookies_off = self._clock() + OFF
            self.cookies.forget()
        else:
            return False
        return True

    def renew(self) -> None:
        """Replace one socket by another one; if that fails, it is tried again next time."""
        with contextlib.suppress(OSError):
            self._sockets.renew()

    def shut(self) -> None:
        """Close all sockets and the stream; the link may be used again."""
        self.end_probes()
        for made in [*self._streamed.values()]:
            self.close(made)
        self._sockets.close()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _opened(self, one: UdpSocket) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(one.sock.fileno(), self._read, one)

    def _closed(self, one: UdpSocket) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(one.sock.fileno())

    def _send(self, made: Try) -> None:
        """Send a question from a random socket with a random ID; raises OSError if the network cannot be reached."""
        one = self._sockets.draw()
        self._write_for(one, made)
        try:
            one.sock.send(made.message)
        except OSError as error:
            if error.errno not in _LOST:  # perhaps a report about an earlier question, which is made only once
                asyncio.get_running_loop().call_soon(self._unreachable, one, error, list(one.tries.values()))
                if error.errno != errno.ECONNREFUSED:  # an address or interface that it is bound to may have gone
                    self._sockets.shut_idle()
                one = self._sockets.draw()
                self._write_for(one, made)
                one.sock.send(made.message)
        made.socket = one
        one.tries[made.identifier] = made

    def _write_for(self, one: UdpSocket, made: Try) -> None:
        made.identifier = self._free_identifier(one.tries)
        made.message = self._message(made, made.identifier)

    def _message(self, made: Try, identifier: int) -> bytes:
        shown, mark = self.cookies.shown if made.has_cookie else b"", self.cookies.mark
        return message_of(made.key, identifier, made.question, with_opt=made.has_opt, cookie=shown, mark=mark)

    def _free_identifier(self, taken: dict[int, Try]) -> int:
        if len(taken) >= MAX_ON_STREAM:
            raise OSError(errno.EBUSY, "too many questions are waiting for it")
        while (identifier := self._options.randomness(1 << 16)) in taken:
            pass
        return identifier

    def _ask_stream(self, made: Try, doubt: Doubt | None = None) -> None:
        if self._stream is None:
            self._stream = Stream(self.upstream, self)
        made.doubt = doubt
        made.stream_identifier = self._free_identifier(self._streamed)
        self._streamed[made.stream_identifier] = made
        if not made.message:
            made.message = self._message(made, made.stream_identifier)
        self._stream.ask(made.stream_identifier.to_bytes(2) + made.message[2:])

    def _read(self, one: UdpSocket) -> None:
        for _ in range(READ_AT_ONCE):
            if not self._listener.has_time():
                return
            try:
                message = one.sock.recv(types.MAX_TCP)
            except OSError as error:
                if error.errno in _LOST or one.sock.fileno() < 0:
                    return
                self._unreachable(one, error, list(one.tries.values()))
                continue
            self._take(one, message)
            if one.sock.fileno() < 0:
                return

    def _take(self, one: UdpSocket, message: bytes) -> None:
        """Match a message with what was asked on its socket."""
        made = one.tries.get(int.from_bytes(message[:2])) if len(message) >= types.HEADER_SIZE else None
        found = fit(message, made.message, len(made.question)) if made is not None else Fit.NOT
        if made is None or (found is Fit.NOT and not is_error_alone(message, made.message)):
            self._note_stray(one)
            return
        doubt = Doubt.CASE if found is Fit.OTHER_CASE and made.is_mixed else None
        bad_cookie = False
        if made.has_cookie:
            try:
                opt = read_opt(message, len(made.question)) if found is not Fit.NOT else None
            except BadMessage:
                opt = None
            cookie = opt.cookie if opt else b""
            if cookie and not self.cookies.is_ours(cookie):
                self._note_stray(one)
                return
            if not cookie and self.cookies.is_expected:
                doubt = Doubt.COOKIE
            has_learned = self.cookies.learn(cookie)
            if opt and (opt.extended, message[3] & types.RCODE) == _BADCOOKIE:
                bad_cookie = has_learned and not made.had_bad_cookie
                doubt = doubt or Doubt.TRUNCATED  # if it is so again, TCP needs no cookie
        if doubt is None and message[2] & types.TC >> 8:
            doubt = Doubt.TRUNCATED
        if made.is_over_stream:
            if doubt is not None:
                return  # as before
        else:
            self._note_answer(made)
        try:
            if bad_cookie:
                made.had_bad_cookie = True
                self._leave_socket(made)
                self._send(made)
            elif doubt is not None:
                self._ask_stream(made, doubt)
            else:
                self._listener.answered(made, message)
        except OSError as error:
            self._fail(made, UNREACHABLE, f"cannot be reached: {cause_of(error)}")

    def _note_stray(self, one: UdpSocket) -> None:
        if not one.tries:
            return
        one.strays += 1
        if one.strays > MAX_STRAYS:
            waiting = list(one.tries.values())
            self._sockets.give_up(one)
            for made in waiting:
                if made.is_open and not made.is_over_stream:
                    self._ask_stream_instead(made)

    def _ask_stream_instead(self, made: Try) -> None:
        """Ask over TCP, which a guesser cannot answer, so that one who floods a port stops nobody's question."""
        try:
            self._ask_stream(made, Doubt.IMITATED)
        except OSError:
            self._fail(made, MALFORMED, IMITATED)

    def _unreachable(self, one: UdpSocket, error: OSError, concerned: Sequence[Try]) -> None:
        for made in concerned:
            if made.is_open and not made.is_over_stream and made.socket is one:
                self._fail(made, UNREACHABLE, f"cannot be reached: {cause_of(error)}")

    def _note_answer(self, made: Try) -> None:
        now, is_first, is_probe = self._clock(), not made.is_heard, made.flight is None
        made.is_heard = True
        self.health.in_flight -= is_first and not is_probe
        self.health.note_answer(now, now - made.sent, is_probe, is_first)

    def _leave_socket(self, made: Try) -> None:
        one = made.socket
        if one is not None and one.tries.get(made.identifier) is made:
            del one.tries[made.identifier]
            if not one.tries:
                one.strays = 0
                self._sockets.release(one)

    def answered(self, stream: Stream, message: bytes) -> None:
        """Take a message that came over the stream."""
        made = self._streamed.pop(int.from_bytes(message[:2]), None) if len(message) >= types.HEADER_SIZE else None
        if made is None:
            return
        asked = made.stream_identifier.to_bytes(2) + made.message[2:]
        found = fit(message, asked, len(made.question))
        if made.socket is None or made.doubt is Doubt.IMITATED:  # nothing has come over UDP
            self._note_answer(made)
        if found is Fit.NOT and not is_error_alone(message, asked):
            self._fail(made, MALFORMED, "answered another question")
            return
        if found is Fit.OTHER_CASE:
            self.stop_doubting(made)
        if made.has_cookie and found is not Fit.NOT:
            self._take_cookie(made, message)
        if message[2] & types.TC >> 8:
            self._fail(made, MALFORMED, "truncated its answer over TCP")
        else:
            self._listener.answered(made, message)

    def _take_cookie(self, made: Try, message: bytes) -> None:
        with contextlib.suppress(BadMessage):
            opt = read_opt(message, len(made.question))
            if opt and self.cookies.is_ours(opt.cookie):
                self.cookies.learn(opt.cookie)
            elif made.doubt is Doubt.COOKIE:
                self.cookies.forget()

    def failed(self, stream: Stream, ids: Sequence[int], kind: FailureKind, why: str) -> None:
        """Take word that questions will not be answered over the stream."""
        for identifier in ids:
            made = self._streamed.pop(identifier, None)
            if made is None:
                continue
            if self.stop_doubting(made):
                self._listener.undone(made)
            elif made.doubt is Doubt.IMITATED:
                self._fail(made, MALFORMED, IMITATED)
            else:
                self._listener.failed(made, OF_STREAM[kind], why)

    def _fail(self, made: Try, kind: int, what: str) -> None:
        self._listener.failed(made, kind, f"{self.upstream.label} {what}")
