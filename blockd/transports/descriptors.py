"""How the files that a process may open are shared out, so that no use of them takes those of another."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import resource
import sys
from dataclasses import dataclass

from blockd.resolver.forwarding.limits import SOCKETS
from blockd.resolver.forwarding.udp_sockets import sockets_each
from blockd.settings import Settings
from blockd.transports.connections import Bounds

OWN = 32  # files of a process itself beside the sockets that it listens on: rulesets, pipes, counters, logs
LEAST = 12  # beside these in a worker: some sockets to upstreams, some connections
OF_CHILD = 4  # beside these in the supervisor, for each child: its channel, its pulse, and what tells of its end
BOUNDS = Bounds(address=50, prefix=200, all=2000)  # connections of one worker by one transport, if files suffice
DECIDE = 500  # connections of front ends to the process that decides for HTTP proxies, and as many of clients
WEB = 1000  # connections of the block page, and as many to its TLS port
MOST = 1 << 20  # more than any use of them; some systems have a limit of a thousand million

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shares:
    """What a process may open: `files` in all, of which `listening` are sockets of all workers that it inherits.

    `children` is how many processes the supervisor keeps; `has_page` says whether one of them serves a block page, and
    `has_public` whether it serves the page about orders. `transports` is by how many of TCP, DoT and DoH a worker has
    connections.
    """

    files: int
    listening: int
    children: int
    has_page: bool = True
    transports: int = 1
    has_public: bool = False

    @classmethod
    def of(cls, settings: Settings, files: int | None = None) -> Shares:
        """Return those of a process that may open so many files; if `files` is None, as many as this one."""
        listen = settings.listen
        page, public = listen.block_page, listen.public
        each = 2 * len(listen.dns) + len(listen.dot) + len(listen.doh)
        pages = len(page.http) + len(page.https) + len(public.http) + len(public.https)
        listening = each * settings.workers + pages + len(listen.decide) + 1
        has_page, transports = bool(page.http or page.https), 1 + bool(listen.dot) + bool(listen.doh)
        files = allowed() if files is None else files
        children = settings.workers + 2 + bool(listen.decide)
        return cls(files, listening, children, has_page, transports, public.is_used)

    @property
    def least(self) -> int:
        """How many files there must be."""
        return OWN + self.listening + max(LEAST, OF_CHILD * self.children)

    @property
    def free(self) -> int:
        """How many are left for what can have more or fewer of them."""
        return max(self.files - OWN - self.listening, LEAST)

    @property
    def upstreams(self) -> int:
        """The sockets to all upstreams of a worker: half of the files; what they are short of makes forging easier."""
        return self.free // 2

    @property
    def streams(self) -> Bounds:
        """The connections of a worker by each of TCP, DoT and DoH, which share a quarter of the files.

        One address gets an eighth of these. A quarter as many more may wait in line (`ServedLine`); nothing else has
        the files that are left.
        """
        most = max(1, min(BOUNDS.all, self.free // (4 * self.transports)))
        return Bounds(min(BOUNDS.address, -(-most // 8)), min(BOUNDS.prefix, -(-most // 2)), most)

    @property
    def web(self) -> int:
        """The connections of the block page, and as many to its TLS port: a quarter of the files each.

        The page about orders has as many over HTTP, and over HTTPS: with it, each has an eighth of the files.
        """
        return min(WEB, self.free // self._web_ports)

    @property
    def _web_ports(self) -> int:
        return 8 if self.has_public else 4

    @property
    def decide(self) -> int:
        """The connections of front ends to the process that decides for HTTP proxies, and as many of clients.

        Each have a quarter of its files, and a line of clients as much again.
        """
        return max(1, min(DECIDE, self.free // 4))

    def wanted(self, upstreams: int) -> int:
        """Return how many files there must be so that no share is smaller than it could be."""
        web = self._web_ports * WEB if self.has_page or self.has_public else 0
        return OWN + self.listening + max(2 * SOCKETS * upstreams, 4 * BOUNDS.all * self.transports, web)

    @property
    def by_each(self) -> str:
        """What the bounds of connections are for, as a part of a sentence."""
        return " over TCP" if self.transports == 1 else " by each of TCP, TLS and HTTPS"

    def to_json(self, upstreams: int) -> dict[str, object]:
        """Return the shares as JSON values: connections of one worker, by each transport, and ports to some upstreams.

        `wanted` is the number of files with which no share could be larger.
        """
        return {
            "allowed": self.files,
            "wanted": self.wanted(upstreams),
            "tcp": {"all": self.streams.all, "network": self.streams.prefix, "address": self.streams.address},
            "transports": self.transports,
            "upstream_ports": sockets_each(upstreams, self.upstreams),
            "block_page": self.web if self.has_page else None,
        }

    def sentence(self, upstreams: int) -> str:
        """Say what few files lead to; empty if there are enough."""
        if self.files >= self.wanted(upstreams):
            return ""
        page = f", and the block page has at most {self.web} connections" if self.has_page else ""
        return (
            f"A process may open {self.files} files, not {self.wanted(upstreams)}: a worker has at most "
            f"{self.streams.all} connections{self.by_each} and asks each upstream from "
            f"{sockets_each(upstreams, self.upstreams)} ports at a time{page}. "
            "Raise LimitNOFILE in the systemd unit, or `ulimit -n`."
        )


def allowed() -> int:
    """Return how many files this process may open once the limit has been raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(MOST, sys.maxsize if hard == resource.RLIM_INFINITY else hard)


def raise_limit() -> None:
    """Let this process, and those that it starts, open as many files as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < allowed():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed(), hard))


def make_room(files: int, beside: int) -> None:
    """Have the kernel's table of this process's files take so many at once; `beside` is any file that is open.

    The table otherwise grows by doubling while files are opened. In a process with threads, each time waits until every
    processor has been in the kernel once (expand_fdtable in Linux's fs/file.c): some 20 ms on an idle machine, and
    seconds on a busy one, in which nothing is answered. So this is called before threads are started. Each file takes
    8 octets of the table. Where so many are not allowed, the table grows as before.
    """
    with contextlib.suppress(OSError, ValueError):
        os.close(fcntl.fcntl(beside, fcntl.F_DUPFD_CLOEXEC, min(files, allowed()) - 1))


def tell(shares: Shares, upstreams: int) -> None:
    """Log what few files lead to, if there are few."""
    if sentence := shares.sentence(upstreams):
        log.warning("%s", sentence)


def lacking(settings: Settings) -> str:
    """Return why a start is impossible with so few files; empty if it is not."""
    shares = Shares.of(settings)
    if shares.files >= shares.least:
        return ""
    return (
        f"open files: a process may open {shares.files}, and blockd needs {shares.least} with this config, of which "
        f"{shares.listening} are sockets to listen on; raise LimitNOFILE in the systemd unit, or `ulimit -n`"
    )
