"""DNS cookies as a client (RFC 7873): what one upstream is shown, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable

from blockd.resolver.forwarding.edns import CLIENT_COOKIE, MAX_SERVER_COOKIE, MIN_SERVER_COOKIE


class Cookies:
    """The client cookie for one upstream, and the server cookie that it sent last."""

    def __init__(self, randomness: Callable[[int], int], client: bytes = b"") -> None:
        """Without `client`, the client cookie is random.

        With it, it is also the `mark` of questions without a cookie, by which they are known if they come back.
        """
        self.mark = client
        self._client = client or randomness(1 << 8 * CLIENT_COOKIE).to_bytes(CLIENT_COOKIE)
        self._server = b""

    @property
    def shown(self) -> bytes:
        """The content of the COOKIE option in a question."""
        return self._client + self._server

    @property
    def is_expected(self) -> bool:
        """Whether the upstream has sent a cookie of its own, so that an answer without one may be somebody else's."""
        return bool(self._server)

    def is_ours(self, cookie: bytes) -> bool:
        """Return whether the content of an answer's COOKIE option begins with the client cookie."""
        return cookie[:CLIENT_COOKIE] == self._client

    def learn(self, cookie: bytes) -> bool:
        """Keep the server cookie of an answer; return whether there was one."""
        server = cookie[CLIENT_COOKIE:]
        if not MIN_SERVER_COOKIE <= len(server) <= MAX_SERVER_COOKIE:
            return False
        self._server = server
        return True

    def forget(self) -> None:
        """Forget the server cookie: the upstream sends none any more."""
        self._server = b""
