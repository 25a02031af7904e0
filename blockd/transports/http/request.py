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
        self.flow = 0  # octets of its body that the connection's window is still short of
        self.since: float | None = None  # when it began, as long as it has not come whole
        self.answer = b""  # the body of the response, of which `sent` octets are sent
        self.sent = 0

    def take_field(self, name: bytes, value: bytes, front_header: bytes) -> None:
        """Take a header field other than those of HTTP/2 alone; `name` is in lower case."""
        if name == b"content-type":
            self.content_type = value
        elif name == front_header and front_header:
            self.front = self.front + b", " + value if self.front else value
