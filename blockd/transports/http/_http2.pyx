# distutils: libraries = nghttp2
# cython: boundscheck=False, wraparound=False
"""HTTP/2 (RFC 9113) by libnghttp2: `Http2Session` in C, frame by frame the same for what clients may send.

This module is longer than others may be: what the library calls back reaches into the sessions that call the library.
"""

from collections import deque

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from blockd.transports.http._nghttp2 cimport *
from blockd.transports.http._numbers cimport (
    CANCEL,
    ENHANCE_YOUR_CALM,
    FIELD_OVERHEAD,
    MAX_FIELDS,
    MAX_HEADERS,
    MAX_KEPT,
    MAX_MESSAGE,
    MAX_STREAMS,
    NO_ERROR,
    REFUSED_STREAM,
)
from blockd.transports.http.frames cimport ClientFrames
from blockd.transports.http.request cimport HttpRequest

cdef enum:
    DATA = 0  # types of frames, RFC 9113 section 6
    HEADERS = 1
    RST_STREAM = 3
    GOAWAY = 7
    GOAWAY_CODE = 13  # where the error code of a GOAWAY frame begins
    END_STREAM = 1
    OF_REQUEST = 0  # the category of HEADERS that begin a request
    MAX_RESPONSE_FIELDS = 8
    NUMBER_SIZE = 24  # octets of a number in digits
    SETTINGS_MAX_CONCURRENT_STREAMS = 3
    SETTINGS_MAX_HEADER_LIST_SIZE = 6
    SETTINGS_NO_RFC7540_PRIORITIES = 9  # RFC 9218 section 2.1: the tree of streams is not kept

cdef nghttp2_session_callbacks *callbacks
cdef nghttp2_option *options


cdef class NativeHttp2Session:
    """See `HttpSession` and `Http2Session`."""

    cdef nghttp2_session *session
    cdef bytes front_header
    cdef object clock
    cdef ClientFrames frames
    cdef dict requests  # that are not answered whole, by stream
    cdef Py_ssize_t kept  # octets of the header lists of those that have not come whole
    cdef Py_ssize_t unfinished  # of these, how many have not come whole
    cdef object ready
    cdef HttpRequest current  # whose header list is coming
    cdef object error  # what a callback has raised
    cdef bint is_fed
    cdef bint is_leaving
    cdef bint has_said  # that other connections are to be used
    cdef bint has_failed
    cdef int expected_resets  # RST_STREAM frames of ours that the client has not provoked
    cdef readonly bint is_flooded
    cdef readonly Py_ssize_t held

    def __cinit__(self):
        self.session = NULL

    def __init__(self, bytes front_header, clock):
        cdef nghttp2_settings_entry settings[3]
        self.front_header = front_header
        self.clock = clock
        self.frames = ClientFrames(clock)
        self.requests = {}
        self.ready = deque()
        if nghttp2_session_server_new2(&self.session, callbacks, <void *>self, options):
            raise MemoryError
        settings[0].settings_id = SETTINGS_MAX_CONCURRENT_STREAMS
        settings[0].value = MAX_STREAMS
        settings[1].settings_id = SETTINGS_MAX_HEADER_LIST_SIZE
        settings[1].value = MAX_HEADERS
        settings[2].settings_id = SETTINGS_NO_RFC7540_PRIORITIES
        settings[2].value = 1
        self._check(nghttp2_submit_settings(self.session, 0, settings, 3))

    def __dealloc__(self):
        if self.session != NULL:
            nghttp2_session_del(self.session)

    @property
    def is_over(self):
        """Whether no request is taken any more; the connection can be closed once all is sent."""
        return self.has_failed or (self.is_leaving and len(self.requests) == self.unfinished)

    @property
    def open_requests(self):
        """How many requests have begun to come and are not answered whole."""
        return len(self.requests)

    @property
    def oldest(self):
        """When the oldest request that has not come whole began, None if there is none."""
        cdef HttpRequest request
        if self.unfinished:
            for request in self.requests.values():
                if request.since is not None:
                    return request.since
        return None

    @property
    def resets(self):
        """How many requests the client has taken back."""
        return self.frames.resets

    @property
    def is_busy(self):
        """Whether no other request is taken before one is answered: never."""
        return False

    @property
    def has_more(self):
        """Whether `next_request` is to be called again without further octets."""
        return self.is_fed and not self.has_failed

    cpdef feed(self, octets):
        """Take what has come."""
        if not self.has_failed:
            self.frames.feed(octets)
            self.is_fed = True

    cpdef HttpRequest next_request(self):
        """Return the next request, None if it has not come whole."""
        cdef HttpRequest request
        cdef Py_ssize_t size
        while not self.has_failed:
            while self.ready:
                request = self.ready.popleft()
                if request.is_open:
                    return request
            size = self.frames.advance()
            if not size:
                if self.frames.error:
                    self._fail(self.frames.error)
                break
            self._receive(<uint8_t *>PyByteArray_AS_STRING(self.frames.octets) + self.frames.at - size, size)
        self.is_fed = False
        return None

    cpdef respond(self, HttpRequest request, int status, fields, bytes body):
        """Answer a request; one that the client has taken back is passed over."""
        cdef nghttp2_nv headers[MAX_RESPONSE_FIELDS + 2]
        cdef nghttp2_data_provider provider
        cdef bytes name, value
        cdef char code[NUMBER_SIZE]
        cdef char length[NUMBER_SIZE]
        cdef int count = 1
        if not request.is_open or self.has_failed:
            return
        request.is_open = False
        self.frames.answered()
        # The library copies name and value of each field.
        _put(&headers[0], b":status", code, snprintf(code, NUMBER_SIZE, "%d", status))
        for name, value in fields:
            if count > MAX_RESPONSE_FIELDS:
                raise ValueError("too many header fields")
            _put(&headers[count], name, PyBytes_AS_STRING(value), len(value))
            if name == b"cache-control":  # it changes with each answer and would displace what does not
                headers[count].flags |= NGHTTP2_NV_FLAG_NO_INDEX
            count += 1
        _put(&headers[count], b"content-length", length, snprintf(length, NUMBER_SIZE, "%zd", <Py_ssize_t>len(body)))
        if request.method == b"HEAD":  # RFC 9110 section 9.3.2
            body = b""
        provider.source.ptr = <void *>request  # which `requests` keeps as long as the library has it
        provider.read_callback = _read_body
        if body:
            request.answer = body
            self.held += len(body)
        else:
            self.requests.pop(request.stream, None)
        self._check(
            nghttp2_submit_response(self.session, request.stream, headers, count + 1, &provider if body else NULL)
        )

    cpdef drop(self, HttpRequest request):
        """Reset the stream of a request that is not answered."""
        if request.is_open and not self.has_failed:
            self._leave(request.stream)
            self._reset(request.stream, CANCEL)

    cpdef leave(self):
        """Send a GOAWAY that lets all streams be answered which are opened before it is read (RFC 9113 section 6.8)."""
        if not self.is_leaving and not self.has_said and not self.has_failed:
            self.has_said = True
            self._check(nghttp2_submit_shutdown_notice(self.session))

    cpdef finish(self, int code=NO_ERROR):
        """Take no more requests, and tell the client so."""
        if not self.is_leaving and not self.has_failed:
            self.is_leaving = True
            self._check(nghttp2_submit_goaway(
                self.session, 0, nghttp2_session_get_last_proc_stream_id(self.session), code, NULL, 0
            ))

    cpdef bytes take(self, Py_ssize_t most):
        """Return octets to send, about `most` of them."""
        cdef const uint8_t *octets = NULL
        cdef ssize_t size
        cdef bytearray out = bytearray()
        while len(out) < most:
            size = nghttp2_session_mem_send(self.session, &octets)
            self._raise()
            if size <= 0:
                break
            if octets[3] == RST_STREAM and not self._may_reset():
                continue
            if octets[3] == GOAWAY and (octets[GOAWAY_CODE] | octets[GOAWAY_CODE + 1] | octets[GOAWAY_CODE + 2] |
                                        octets[GOAWAY_CODE + 3]) != 0:
                self._end(octets[GOAWAY_CODE + 3] == ENHANCE_YOUR_CALM)
            out += octets[:size]
        return bytes(out)

    cdef int _receive(self, const uint8_t *octets, Py_ssize_t size) except -1:
        cdef ssize_t taken
        if octets[3] == GOAWAY:  # in the preface this is a space
            self.is_leaving = True
            return 0
        taken = nghttp2_session_mem_recv(self.session, octets, size)
        self._raise()
        if taken != size:
            self._end(taken == NGHTTP2_ERR_FLOODED)
        return 0

    cdef int _begin(self, int32_t stream) except -1:
        if self.is_leaving:
            return self._reset(stream, REFUSED_STREAM)
        self.current = HttpRequest(stream)
        self.current.since = self.clock()
        self.requests[stream] = self.current
        self.unfinished += 1
        return 0

    cdef int _take_field(
        self, const uint8_t *name, size_t name_size, const uint8_t *value, size_t value_size
    ) except -1:
        """Take a field of the header list that is coming; return whether the list is within its bounds."""
        cdef HttpRequest request = self.current
        request.fields += 1
        request.cost += <int>(name_size + value_size) + FIELD_OVERHEAD
        if request.fields > MAX_FIELDS or request.cost > MAX_HEADERS:
            return 0
        if name[0] != c":":
            request.take_field(name[:name_size], value[:value_size], self.front_header)
        elif name_size == 5:
            request.target = value[:value_size]
        elif name_size == 7 and name[1] == c"m":
            request.method = value[:value_size]
        return 1

    cdef int _keep(self, HttpRequest request) except -1:
        """Count what a request that goes on keeps of its header list."""
        request.kept = request.size()
        self.kept += request.kept
        return self._fail(ENHANCE_YOUR_CALM) if self.kept > MAX_KEPT else 0

    cdef int _take_body(self, int32_t stream, const uint8_t *octets, size_t size) except -1:
        """Collect a body. The connection's window opens again once it is whole, which bounds those that are not."""
        cdef HttpRequest request
        request = self.requests.get(stream)
        if request is None or request.since is None:  # what is left of a body that is refused: no more of it than the stream's window
            return self._check(nghttp2_session_consume_connection(self.session, size))
        request.flow += <int>size
        request.body = request.body + octets[:size]
        if len(request.body) > MAX_MESSAGE:
            request.refusal = 413
            request.body = b""
            self._whole(request)
        return 0

    cdef int _end_stream(self, int32_t stream) except -1:
        """Hand out a request if it has not been before."""
        cdef HttpRequest request = self.requests.get(stream)
        return 0 if request is None or request.since is None else self._whole(request)

    cdef int _whole(self, HttpRequest request) except -1:
        request.since = None
        self.unfinished -= 1
        self.kept -= request.kept
        self.ready.append(request)
        self.frames.asked()
        return self._check(nghttp2_session_consume_connection(self.session, request.flow)) if request.flow else 0

    cdef int _leave(self, int32_t stream) except -1:
        """Forget a stream that has ended."""
        cdef HttpRequest request = self.requests.pop(stream, None)
        if request is None:
            return 0
        request.is_open = False
        self.held -= len(request.answer) - request.sent
        if request.since is None:
            return 0
        self.unfinished -= 1
        self.kept -= request.kept
        return self._check(nghttp2_session_consume_connection(self.session, request.flow))

    cdef ssize_t _read(self, HttpRequest request, uint8_t *out, size_t most, uint32_t *flags) except -1:
        cdef bytes body = request.answer
        cdef Py_ssize_t size = min(<Py_ssize_t>most, len(body) - request.sent)
        memcpy(out, PyBytes_AS_STRING(body) + request.sent, size)
        self.held -= size
        request.sent += size
        if request.sent == len(body):
            flags[0] |= NGHTTP2_DATA_FLAG_EOF
            self.requests.pop(request.stream, None)
        return size

    cdef int _reset(self, int32_t stream, uint32_t code) except -1:
        self.expected_resets += 1
        return self._check(nghttp2_submit_rst_stream(self.session, 0, stream, code))

    cdef bint _may_reset(self) except -1:
        if self.expected_resets:
            self.expected_resets -= 1
        elif not self.frames.reset():
            self._fail(ENHANCE_YOUR_CALM)
            return False
        return True

    cdef int _fail(self, uint32_t code) except -1:
        self._check(nghttp2_session_terminate_session(self.session, code))
        return self._end(code == <uint32_t>ENHANCE_YOUR_CALM)

    cdef int _end(self, bint is_flooded) except -1:
        cdef HttpRequest request
        self.has_failed = True
        self.is_flooded = is_flooded
        for request in self.requests.values():
            request.is_open = False
        self.current = None
        self.ready.clear()
        return 0

    cdef int _check(self, int code) except -1:
        self._raise()
        if code == NGHTTP2_ERR_NOMEM:
            raise MemoryError
        return 0

    cdef int _raise(self) except -1:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return 0


cdef inline void _put(nghttp2_nv *header, bytes name, const char *value, size_t size):
    header.name = <uint8_t *>PyBytes_AS_STRING(name)
    header.namelen = len(name)
    header.value = <uint8_t *>value
    header.valuelen = size
    header.flags = NGHTTP2_NV_FLAG_NONE


# What the library calls. An exception is kept until the library has returned.

cdef int _on_begin_headers(nghttp2_session *_, const nghttp2_frame *frame, void *data) noexcept:
    cdef NativeHttp2Session session = <NativeHttp2Session>data
    try:
        session.current = None
        if frame.hd.type == HEADERS and frame.headers.cat == OF_REQUEST:
            session._begin(frame.hd.stream_id)
    except BaseException as error:
        session.error = error
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return 0


cdef int _on_header(
    nghttp2_session *_, const nghttp2_frame *frame, const uint8_t *name, size_t name_size, const uint8_t *value,
    size_t value_size, uint8_t flags, void *data
) noexcept:
    cdef NativeHttp2Session session = <NativeHttp2Session>data
    try:
        if session.current is not None and not session._take_field(name, name_size, value, value_size):
            session._fail(ENHANCE_YOUR_CALM)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
    except BaseException as error:
        session.error = error
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return 0


cdef int _on_data(
    nghttp2_session *_, uint8_t flags, int32_t stream, const uint8_t *octets, size_t size, void *data
) noexcept:
    cdef NativeHttp2Session session = <NativeHttp2Session>data
    try:
        session._take_body(stream, octets, size)
    except BaseException as error:
        session.error = error
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return 0


cdef int _on_frame(nghttp2_session *_, const nghttp2_frame *frame, void *data) noexcept:
    cdef NativeHttp2Session session = <NativeHttp2Session>data
    try:
        if (
            (frame.hd.type == DATA or frame.hd.type == HEADERS)
            and frame.hd.flags & END_STREAM
        ):
            session._end_stream(frame.hd.stream_id)
        elif frame.hd.type == HEADERS and session.current is not None:
            session._keep(session.current)
    except BaseException as error:
        session.error = error
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return 0


cdef int _on_close(nghttp2_session *_, int32_t stream, uint32_t code, void *data) noexcept:
    cdef NativeHttp2Session session = <NativeHttp2Session>data
    try:
        session._leave(stream)
    except BaseException as error:
        session.error = error
        return NGHTTP2_ERR_CALLBACK_FAILURE
    return 0


cdef ssize_t _read_body(
    nghttp2_session *_, int32_t stream, uint8_t *out, size_t most, uint32_t *flags, nghttp2_data_source *source,
    void *data
) noexcept:
    cdef NativeHttp2Session session = <NativeHttp2Session>data
    try:
        return session._read(<HttpRequest>source.ptr, out, most, flags)
    except BaseException as error:
        session.error = error
        return NGHTTP2_ERR_CALLBACK_FAILURE


if nghttp2_session_callbacks_new(&callbacks) or nghttp2_option_new(&options):
    raise MemoryError
nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, _on_begin_headers)
nghttp2_session_callbacks_set_on_header_callback(callbacks, _on_header)
nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, _on_data)
nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, _on_frame)
nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, _on_close)
nghttp2_option_set_no_auto_window_update(options, 1)
nghttp2_option_set_no_closed_streams(options, 1)
