# cython: annotation_typing=False, binding=False
"""One HTTP request, as both versions of the protocol hand it over."""

from __future__ import annotations


class HttpRequest:
    """A request that has come whole, or one that is refused before that: then `refusal` is the status to say so with.

    `target` is its path with what follows `?`; `front` are the values of the header in which a front end tells for whom
    it asks, as they came, if the session was told that header's name.
    """

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.method = b""
        self.target = b""
        self.content_type = b""
        self.front = b""
        self.body = b""
        self.refusal = 0
        self.is_open = True  # an answer is still wanted
        self.cost = 0  # octets of its header list so far, with 32 for each field
        self.fields = 0
        self.kept = 0  # octets of its header list that count among those of requests that have not come whole
        self.flow = 0  # octets of its body that the connection's window is still short of
        self.since: float | None = None  # when it began, as long as it has not come whole
        self.answer = b""  # the body of the response, of which `sent` octets are sent
        self.sent = 0

    def size(self) -> int:
        """Return how many octets of its header list are kept."""
        return len(self.method) + len(self.target) + len(self.content_type) + len(self.front)

    def let_go(self) -> None:
        """Keep no longer what is needed until the question is known."""
        self.target = self.content_type = self.front = self.body = b""
        if self.method != b"HEAD":  # which the response depends on
            self.method = b""

    def take_field(self, name: bytes, value: bytes, front_header: bytes) -> None:
        """Take a header field other than those of HTTP/2 alone; `name` is in lower case."""
        if name == b"content-type":
            self.content_type = value
        elif name == front_header and front_header:
            self.front = self.front + b", " + value if self.front else value
