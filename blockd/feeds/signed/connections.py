"""Connections to web servers that stay open between the files of a fetch, and from one fetch to the next.

This saves a handshake at each poll. A kept connection may be closed by the server at any time; it is then silently
opened anew.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping

from blockd.feeds.http.access import Access
from blockd.feeds.http.connecting import NotReached, asked_of_proxy, connected
from blockd.feeds.http.origin import Origin
from blockd.feeds.http_causes import http_cause

SOCKET_SECONDS = 10.0  # for the connection and for each read
IDLE_SECONDS = 90.0  # an older connection is not used again: a firewall or proxy may have dropped it
MAX_KEPT = 16  # one for each server: a repository, its mirrors, and where they redirect to
_SOME = 0.001  # seconds; a socket takes 0 for "do not wait"


class NoConnection(OSError):
    """The server cannot be connected to, which says nothing about its content."""


class HttpConnection:
    """One connection to `origin`; `late` is set once the time limit of `within` has passed and it was cut.

    `access` says at which addresses it may be reached, over which proxy, and with which secrets.
    """

    def __init__(self, origin: Origin, seconds: float, access: Access) -> None:
        scheme, host, port = origin
        self.origin = origin
        self.late = threading.Event()
        self.idle_since = 0.0
        self._access = access
        self._context = access.tls_for(origin) if scheme == "https" else None
        self.http = (
            http.client.HTTPConnection(host, port)
            if self._context is None
            else http.client.HTTPSConnection(host, port, context=self._context)
        )
        try:
            self.http.sock = connected(origin, access, min(SOCKET_SECONDS, seconds))
            self._handle = self.http.sock.dup()  # TLS takes the socket's descriptor over
        except NotReached as error:
            self.http.close()
            raise NoConnection(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            self.http.close()
            raise NoConnection(http_cause(error)) from error
        self._fresh = True

    def ask(self, target: str, headers: Mapping[str, str], seconds: float) -> http.client.HTTPResponse:
        """Send a GET for `target` and return the response with its header read."""
        if self._fresh and self._context is not None:
            self.http.sock = self._context.wrap_socket(self.http.sock, server_hostname=self.origin[1])
        self._fresh = False
        self.http.sock.settimeout(min(SOCKET_SECONDS, seconds))
        target, proxys = asked_of_proxy(self.origin, target, self._access)
        self.http.request("GET", target, headers={**headers, **proxys, **self._access.headers_for(self.origin)})
        return self.http.getresponse()

    def is_quiet(self) -> bool:
        """Return whether nothing is waiting to be read: neither the end of the connection nor unsolicited data."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN | select.POLLHUP)
        return not poll.poll(0)

    def close(self) -> None:
        """Close it; may be called twice."""
        self.http.close()
        self._handle.close()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Shut the connection down after `seconds`, whatever its state."""
        timer = threading.Timer(max(seconds, 0.0), self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        """Shut it down, from any thread: whoever uses it gets an error at once."""
        self.late.set()
        with contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)


class HttpConnections:
    """The connections kept open, one for each server; for one thread at a time, but for `cut`."""

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self._access = access
        self._clock = clock
        self._kept: dict[Origin, HttpConnection] = {}
        self._used: HttpConnection | None = None
        self._lock = threading.Lock()  # for the two below
        self.is_cut = False
        weakref.finalize(self, _close_all, self._kept)

    def use(self, access: Access) -> None:
        """Reach servers in another way from now on; what was connected in the former is closed."""
        if access != self._access:
            self.close()
            self._access = access

    def begin(self) -> None:
        """Let a file be fetched again after `cut`."""
        with self._lock:
            self.is_cut = False

    def cut(self) -> None:
        """End what another thread fetches over one of the connections, as soon as it is connected."""
        with self._lock:
            self.is_cut = True
            if self._used is not None:
                self._used.cut()

    def close(self) -> None:
        """Close all connections."""
        _close_all(self._kept)

    @contextlib.contextmanager
    def asked(
        self, origin: Origin, target: str, headers: Mapping[str, str], seconds: float
    ) -> Iterator[tuple[http.client.HTTPResponse, threading.Event]]:
        """Yield the response to a GET, and the event that is set when its time, `seconds` for all of it, is over.

        Raises OSError and HTTPException. The connection is kept if the block ends without an error and the response was
        read to its end.
        """
        deadline = self._clock() + seconds
        connection = self._take(origin)
        response = None
        if connection is not None:
            self._use(connection)
            try:
                response = _answer(connection, target, headers, seconds)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):  # the server has closed it meanwhile
                connection = None
        if connection is None:
            connection = HttpConnection(origin, max(deadline - self._clock(), _SOME), self._access)
            self._use(connection)
        if response is None:
            response = _answer(connection, target, headers, max(deadline - self._clock(), _SOME))
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            undo.callback(response.close)  # a response without a length owns its connection
            with connection.within(deadline - self._clock()):
                yield response, connection.late
            with self._lock:
                self._used = None
            if response.isclosed() and not response.will_close and not connection.late.is_set():
                undo.pop_all()
                self._keep(connection)

    def _use(self, connection: HttpConnection) -> None:
        """Note which connection `cut` ends; raises TimeoutError if that was called meanwhile."""
        with self._lock:
            if not self.is_cut:
                self._used = connection
                return
        connection.close()
        raise TimeoutError("it was not waited for")

    def _take(self, origin: Origin) -> HttpConnection | None:
        connection = self._kept.pop(origin, None)
        if connection is None:
            return None
        if self._clock() - connection.idle_since < IDLE_SECONDS and connection.is_quiet():
            return connection
        connection.close()
        return None

    def _keep(self, connection: HttpConnection) -> None:
        connection.idle_since = self._clock()
        before = self._kept.pop(connection.origin, None)
        self._kept[connection.origin] = connection
        if before is not None:
            before.close()
        while len(self._kept) > MAX_KEPT:
            self._kept.pop(next(iter(self._kept))).close()


def _answer(
    connection: HttpConnection, target: str, headers: Mapping[str, str], seconds: float
) -> http.client.HTTPResponse:
    """Return the response to a GET, closing the connection on errors; raises TimeoutError if the time is over."""
    try:
        with connection.within(seconds):
            return connection.ask(target, headers, seconds)
    except (OSError, http.client.HTTPException) as error:
        late = connection.late.is_set()
        connection.close()
        if late:
            raise TimeoutError(f"no answer within {seconds:.0f} seconds") from error
        raise


def _close_all(kept: dict[Origin, HttpConnection]) -> None:
    while kept:
        kept.popitem()[1].close()
