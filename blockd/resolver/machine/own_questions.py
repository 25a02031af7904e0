"""Questions of blockd's own that come back as a client's: known by the client cookie that an upstream was shown.

A client cookie is for one upstream (RFC 7873 section 4.1), and the same in all workers of a daemon, since the question
may come back to another one. Where no cookies are exchanged, as over TCP, TLS and HTTPS, another EDNS option shows its
octets, which servers that do not know it ignore (RFC 6891 section 6.1.2).
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.resolver.machine.loop_token import LoopToken
from blockd.settings import Upstream


class OwnQuestions:
    """The client cookies of a daemon, and how many questions have come back, by their upstream."""

    def __init__(self, token: LoopToken, upstreams: Iterable[Upstream]) -> None:
        self._token = token
        self.counts: dict[str, int] = {}
        self.use(upstreams)

    def use(self, upstreams: Iterable[Upstream]) -> None:
        """Know the questions to these upstreams."""
        self._names = {self._token.cookie_for(upstream): upstream.text for upstream in upstreams}

    @property
    def cookies(self) -> bytes:
        """All client cookies, one behind the other."""
        return b"".join(self._names)

    def takes(self, cookie: bytes) -> bool:
        """Return whether a client cookie is blockd's own; if so, the question is counted."""
        name = self._names.get(cookie)
        if name is None:
            return False
        self.counts[name] = self.counts.get(name, 0) + 1
        return True
