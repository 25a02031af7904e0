"""HTTP/2 (RFC 9113) by h2: where libnghttp2's part was not built, and the oracle of that part."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import DenialOfServiceError, H2Error
from h2.settings import SettingCodes, Settings

from blockd.transports.http import frames
from blockd.transports.http.frames import ClientFrames
from blockd.transports.http.limits import MAX_BODIES, MAX_FIELDS, MAX_HEADERS, MAX_KEPT, MAX_MESSAGE, MAX_STREAMS
from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import Fields

_GOAWAY = 7  # RFC 9113 section 6.8
MAX_TABLE = 4096  # octets of our header fields that are kept, if the client would keep more (RFC 9113 section 6.5.2)
LAST_STREAM = (1 << 31) - 1  # RFC 9113 section 5.1.1: the highest that there can be
_KIND = 3  # where a frame's type is


class Http2Session:
    """See `HttpSession`; `clock` is monotonic, in seconds."""

    def __init__(self, front_header: bytes, clock: Callable[[], float]) -> None:
        """`front_header`, in lower case, is kept of each request; empty if none is."""
        self._front_header = front_header
        self._clock = clock
        self._frames = ClientFrames(clock)
        self._begun: dict[int, tuple[HttpRequest, float]] = {}  # those that have not come whole, by stream
        self._requests: dict[int, HttpRequest] = {}  # handed out or about to be, and not answered whole
        self._ready: deque[HttpRequest] = deque()
        self._bodies: dict[int, bytes] = {}  # what is to be sent of responses
        self._kept = 0  # octets of the header lists of those that have not come whole
        self._goodbye = b""  # a GOAWAY that the library, which would send nothing after it, does not know of
        self._consumed = 0  # octets of bodies by which the connection's window is not open again yet
        self._is_fed = False
        self._is_leaving = False
        self._has_said = False  # that other connections are to be used
        self._has_failed = False
        self.is_flooded = False
        self.is_busy = False  # ever: requests are taken while others wait
        self.held = 0
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._http.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
            },
        )
        self._http.decoder.max_header_list_size = MAX_HEADERS
        self._http.initiate_connection()

    @property
    def is_over(self) -> bool:
        """Whether no request is taken any more; the connection can be closed once all is sent."""
        return self._has_failed or (self._is_leaving and not self._requests)

    @property
    def open_requests(self) -> int:
        """How many requests have begun to come and are not answered whole."""
        return len(self._requests) + len(self._begun)

    @property
    def oldest(self) -> float | None:
        """When the oldest request that has not come whole began, None if there is none."""
        return next((since for _, since in self._begun.values()), None)

    @property
    def resets(self) -> int:
        """How many requests the client has taken back."""
        return self._frames.resets

    @property
    def has_more(self) -> bool:
        """Whether `next_request` is to be called again without further octets."""
        return self._is_fed and not self._has_failed

    def feed(self, octets: bytes | memoryview) -> None:
        """Take what has come."""
        if not self._has_failed:
            self._frames.feed(octets)
            self._is_fed = True

    def next_request(self) -> HttpRequest | None:
        """Return the next request, None if it has not come whole."""
        while not self._has_failed:
            while self._ready:
                request = self._ready.popleft()
                if request.is_open:
                    return request
            frame = self._frames.next()
            if frame is None:
                if self._frames.error:
                    self._fail(self._frames.error)
                break
            self._receive(frame)
        self._is_fed = False
        return None

    def respond(self, request: HttpRequest, status: int, fields: Fields, body: bytes) -> None:
        """Answer a request; one that the client has taken back is passed over."""
        stream = request.stream
        if not request.is_open or self._has_failed:
            return
        request.is_open = False
        self._frames.answered()
        headers = [(b":status", b"%d" % status), *fields, (b"content-length", b"%d" % len(body))]
        if request.method == b"HEAD":  # RFC 9110 section 9.3.2
            body = b""
        self._http.send_headers(stream, headers, end_stream=not body)
        if body:
            self._bodies[stream] = body
            self.held += len(body)
        else:
            del self._requests[stream]

    def drop(self, request: HttpRequest) -> None:
        """Reset the stream of a request that is not answered."""
        if request.is_open and not self._has_failed:
            self._leave(request.stream)
            self._http.reset_stream(request.stream, ErrorCodes.CANCEL)

    def leave(self) -> None:
        """Send a GOAWAY that lets all streams be answered which are opened before it is read (RFC 9113 section 6.8)."""
        if not self._is_leaving and not self._has_said and not self._has_failed:
            self._has_said = True
            self._goodbye = go_away(frames.NO_ERROR, LAST_STREAM)

    def finish(self, code: int = frames.NO_ERROR) -> None:
        """Take no more requests, and tell the client so."""
        if not self._is_leaving and not self._has_failed:
            self._is_leaving = True
            self._goodbye = go_away(code, self._http.highest_inbound_stream_id)

    def take(self, most: int) -> bytes:
        """Return octets to send, about `most` of them."""
        out = self._http.data_to_send() + self._goodbye
        self._goodbye = b""
        for stream in list(self._bodies):
            if len(out) >= most:
                break
            self._send_body(stream, most - len(out))
            out += self._http.data_to_send()
        return out

    def _receive(self, frame: bytes) -> None:
        if frame is not frames.PREFACE and frame[_KIND] == _GOAWAY:
            self._is_leaving = True  # the library would let nothing be sent after it
            return
        try:
            for event in self._http.receive_data(frame):
                self._happened(event)
            if self._http.encoder.header_table_size > MAX_TABLE:
                self._http.encoder.header_table_size = MAX_TABLE
        except H2Error as error:  # the library has made the GOAWAY that says why
            self._end(isinstance(error, DenialOfServiceError))

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._take_body(event)
        elif isinstance(event, StreamEnded):
            if event.stream_id in self._begun:
                self._whole(event.stream_id)
        elif isinstance(event, StreamReset):
            self._leave(event.stream_id)
            if not event.remote_reset and not self._frames.reset():
                self._fail(frames.ENHANCE_YOUR_CALM)

    def _begin(self, event: RequestReceived) -> None:
        stream = event.stream_id
        if self._is_leaving:
            self._http.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            return
        request = HttpRequest(stream)
        if len(event.headers) > MAX_FIELDS:
            self._fail(frames.ENHANCE_YOUR_CALM)
            return
        for name, value in event.headers:
            if name == b":method":
                request.method = value
            elif name == b":path":
                request.target = value
            else:
                request.take_field(name, value, self._front_header)
        self._begun[stream] = request, self._clock()
        if event.stream_ended is None:
            request.kept = request.size()
            self._kept += request.kept
            if self._kept > MAX_KEPT:
                self._fail(frames.ENHANCE_YOUR_CALM)

    def _take_body(self, event: DataReceived) -> None:
        """Collect a body. The connection's window opens again once it is whole, which bounds those that are not."""
        request = self._begun[event.stream_id][0] if event.stream_id in self._begun else None
        flow = event.flow_controlled_length or 0
        if request is None:
            self._consume(flow)
            return
        request.flow += flow
        request.body += event.data
        if len(request.body) > MAX_MESSAGE:
            request.refusal = 413
            request.body = b""
            self._whole(event.stream_id)

    def _whole(self, stream: int) -> None:
        request, _ = self._begun.pop(stream)
        self._kept -= request.kept
        self._requests[stream] = request
        self._ready.append(request)
        self._frames.asked()
        self._consume(request.flow)

    def _consume(self, flow: int) -> None:
        """Open the connection's window again; that of a stream is larger than any body that is taken."""
        self._consumed += flow
        if self._consumed >= MAX_BODIES // 2:
            self._http.increment_flow_control_window(self._consumed)
            self._consumed = 0

    def _leave(self, stream: int) -> None:
        """Forget a stream that has been reset."""
        begun = self._begun.pop(stream, None)
        if begun is not None:
            self._kept -= begun[0].kept
            self._consume(begun[0].flow)
        request = self._requests.pop(stream, None)
        if request is not None:
            request.is_open = False
        self.held -= len(self._bodies.pop(stream, b""))

    def _send_body(self, stream: int, most: int) -> None:
        """Send as much of a response as windows allow (RFC 9113 section 6.9)."""
        body = self._bodies[stream]
        while body and most > 0:
            size = min(len(body), self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)
            if size <= 0:
                break
            self._http.send_data(stream, body[:size], end_stream=size == len(body))
            body = body[size:]
            most -= size
            self.held -= size
        if body:
            self._bodies[stream] = body
        else:
            del self._bodies[stream]
            del self._requests[stream]

    def _fail(self, code: int) -> None:
        self._goodbye = go_away(code, self._http.highest_inbound_stream_id)
        self._end(code == frames.ENHANCE_YOUR_CALM)

    def _end(self, is_flooded: bool) -> None:
        self._has_failed = True
        self.is_flooded = is_flooded
        for request in self._requests.values():
            request.is_open = False
        for collection in (self._ready, self._bodies, self._requests, self._begun):
            collection.clear()
        self.held = 0


def go_away(code: int, last: int) -> bytes:
    """Return a GOAWAY frame (RFC 9113 section 6.8)."""
    return struct.pack("!BHBBIII", 0, 8, _GOAWAY, 0, 0, last, code)
