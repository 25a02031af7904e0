"""DNS messages over HTTPS (RFC 8484), as requests of one HTTP/2 connection (RFC 9113)."""

from __future__ import annotations

from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import FrameTooLargeError, H2Error, NoSuchStreamError
from h2.settings import SettingCodes, Settings

from blockd.dns import types
from blockd.resolver.streams.connection import QR, ConnectionOwner, StreamQuestion, UpstreamConnection
from blockd.resolver.streams.frames import FrameBudget, FrameReader, GoAway, NotFrames
from blockd.resolver.streams.options import StreamOptions
from blockd.resolver.streams.response import DohResponse
from blockd.resolver.streams.tls import UpstreamProof
from blockd.settings import Upstream

MAX_STREAMS = 200  # at once: the library looks at all of them for each new one
MAX_HEADERS = 1 << 14  # octets of the headers of one response, unpacked
WINDOW = 1 << 20  # octets of answers that may be under way (RFC 9113 section 6.9.1)
LAST_STREAM = 1 << 30  # the connection is replaced long before stream identifiers run out
_ID_ZERO = b"\0\0"  # RFC 8484 section 4.1


class Http2Connection(UpstreamConnection):
    """Questions are known by their stream. Each is a POST, whose message has the ID 0."""

    def __init__(
        self,
        owner: ConnectionOwner,
        options: StreamOptions,
        proof: UpstreamProof | None,
        clock: Callable[[], float],
        upstream: Upstream,
    ) -> None:
        super().__init__(owner, options, proof, clock)
        self._headers = _headers(upstream)
        self._frames = FrameReader()
        self._budget = FrameBudget()
        self._responses: dict[int, DohResponse] = {}
        self._bodies: dict[int, bytes] = {}  # what flow control has held back
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._http.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_CONCURRENT_STREAMS: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: types.MAX_TCP,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
            },
        )
        self._http.decoder.max_header_list_size = MAX_HEADERS
        self._http.initiate_connection()
        self._http.increment_flow_control_window(WINDOW)

    def begin(self) -> None:
        """Send the preface; the upstream's SETTINGS, which say how much may be asked, come first (RFC 9113 3.4)."""
        self.push()

    def room(self) -> int:
        """Return how many more questions it takes now: as many as the upstream allows, none while windows are full."""
        room = super().room()
        if room <= 0 or self._bodies:
            return 0
        allowed = min(self._http.remote_settings.max_concurrent_streams, MAX_STREAMS)
        return min(room, allowed - len(self.questions))

    def send(self, question: StreamQuestion) -> None:
        """Ask a question on a new stream."""
        super().send(question)
        stream = self._http.get_next_available_stream_id()
        body = _ID_ZERO + question.message[2:]
        self._http.send_headers(stream, [*self._headers, (b"content-length", b"%d" % len(body))])
        self.questions[stream] = question
        self._responses[stream] = DohResponse()
        self._budget.allow_question()
        self._bodies[stream] = body
        self._send_body(stream)
        if stream > LAST_STREAM:
            self.retire()

    def push(self) -> None:
        """Write what the library has made."""
        self.write(self._http.data_to_send())

    def give_up(self, mark: int) -> None:
        """Cancel a question."""
        self._forget(mark)
        self._reset(mark)
        self.push()

    def receive(self, data: bytes) -> None:
        """Take whole frames, one after the other, so that a flood is noticed within a few."""
        try:
            for frame in self._frames.take(data):
                if isinstance(frame, GoAway):
                    self._go_away(frame)
                elif not self._budget.takes(frame):
                    self.end("http", "sent a flood of HTTP/2 frames")
                else:
                    for event in self._http.receive_data(frame):
                        self._happened(event)
                if not self.is_open:
                    return
        except NotFrames:
            self.end("http", "does not speak HTTP/2, which DNS over HTTPS needs")
            return
        except H2Error as error:
            self.push()  # the GOAWAY that says why
            what = "too large a frame" if isinstance(error, FrameTooLargeError) else "what HTTP/2 does not allow"
            self.end("http", f"sent {what} ({type(error).__name__})")
            return
        if self._frames.is_greeted:
            self.settled.set()
        for stream in list(self._bodies):
            self._send_body(stream)
        self.push()
        self.owner.has_room()

    def _happened(self, event: Event) -> None:
        stream = getattr(event, "stream_id", None)
        if isinstance(event, DataReceived):
            self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        response = self._responses.get(stream) if stream is not None else None
        if response is None or stream is None:
            return  # of the connection, or of a stream given up
        if isinstance(event, ResponseReceived):
            response.take_headers(event.headers)
        elif isinstance(event, DataReceived):
            response.take(event.data)
            self._budget.allow_data(len(event.data))
        elif isinstance(event, StreamReset):
            is_unread = event.error_code == ErrorCodes.REFUSED_STREAM
            why = f"reset the HTTP/2 stream ({_name(event.error_code)})"
            self.owner.lost([self._forget(stream)], "http", why, unread=is_unread)
            return
        if response.refusal:
            self.owner.lost([self._forget(stream)], response.kind, response.refusal, unread=False)
            if not isinstance(event, StreamEnded) and getattr(event, "stream_ended", None) is None:
                self._reset(stream)
        elif isinstance(event, StreamEnded):
            self._ended(stream, response)

    def _ended(self, stream: int, response: DohResponse) -> None:
        message = response.message()
        if response.refusal:
            self.owner.lost([self._forget(stream)], response.kind, response.refusal, unread=False)
        elif not message[2] & QR:
            why = "answered with a question"
            self.owner.lost([self._forget(stream)], "malformed", why, unread=False)
        else:
            self._responses.pop(stream, None)
            if self._bodies.pop(stream, None) is not None:
                self._reset(stream)  # it has answered before it read all
            self.answer(stream, message)

    def _go_away(self, frame: GoAway) -> None:
        """Retire, and hand back what the upstream says that it never read (RFC 9113 section 6.8)."""
        unread = [self._forget(stream) for stream in list(self.questions) if stream > frame.last_stream]
        why = f"ended the HTTP/2 connection ({_name(frame.code)})"
        self.is_retiring = True  # it ends once all octets that have come are read
        self.owner.lost(unread, "closed", why, unread=True)

    def _send_body(self, stream: int) -> None:
        """Send as much of a question as windows allow (RFC 9113 section 6.9)."""
        body = self._bodies[stream]
        while body:
            size = min(len(body), self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)
            if size <= 0:
                self._bodies[stream] = body
                return
            self._http.send_data(stream, body[:size], end_stream=size == len(body))
            body = body[size:]
        del self._bodies[stream]

    def _forget(self, stream: int) -> StreamQuestion:
        self._responses.pop(stream, None)
        self._bodies.pop(stream, None)
        return self.questions.pop(stream)

    def _reset(self, stream: int) -> None:
        try:
            self._http.reset_stream(stream, ErrorCodes.CANCEL)
        except NoSuchStreamError:
            return  # the upstream has closed it


def _name(code: int | None) -> str:
    """Return what RFC 9113 section 7 calls an error code."""
    return ErrorCodes(code).name if code in frozenset(ErrorCodes) else f"error {code}"


def _headers(upstream: Upstream) -> list[tuple[bytes, bytes]]:
    """Return the headers that all requests to an upstream have (RFC 8484 section 4.1)."""
    host = upstream.tls_name or upstream.host.partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    authority = host if upstream.port == 443 else f"{host}:{upstream.port}"
    return [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", authority.encode()),
        (b":path", upstream.path.encode()),
        (b"accept", b"application/dns-message"),
        (b"content-type", b"application/dns-message"),
    ]
