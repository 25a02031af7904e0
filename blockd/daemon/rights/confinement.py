"""What each process of blockd that reads what strangers send is left with, once it has been broken into.

A worker, the processes that follow workers and the children that compile and compare call `confine` first of all,
before they have a second thread. What stands without Landlock is in docs/auditor/threat-model.md, whose table a test
goes through.
"""

from __future__ import annotations

import functools
import logging
import os
import ssl
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blockd.daemon.rights import landlock, socket_families
from blockd.daemon.rights.capabilities import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, close_memory, keep_only
from blockd.errors import CommandError, cause_of
from blockd.files import identity_of
from blockd.settings import NamedPrimary, Settings, TransferFeed, Upstream

DNS_PORT = 53  # of the resolvers that the machine names

# What Python and the C library open late: code, shared libraries, certificates, times and names.
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates", "/etc/localtime", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/crypto-policies", "/etc/ld.so.cache", "/etc/hosts",
    "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/proc/sys/net/ipv4", "/dev/null",
    "/dev/urandom",
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process may open, and the TCP ports that it may connect to; all else is taken from it."""

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    ports: frozenset[int] = frozenset()

    @classmethod
    def of_worker(cls, settings: Settings, state: Path, upstreams: Iterable[Upstream]) -> Confinement:
        """Return that of a worker: it reads rulesets and what tells it whom a NOTIFY may come from, and asks upstreams.

        The machine may name other resolvers later, all of them at port 53.
        """
        ports = {one.port for one in (*settings.upstreams, *upstreams)}
        ports |= {one.port for zone in settings.forward for one in zone.upstreams}
        return cls((state / "rulesets", *_of_notify(settings, state)), ports=frozenset({*ports, DNS_PORT}))

    @classmethod
    def of_page(cls, settings: Settings, state: Path) -> Confinement:
        """Return that of the page process: it reads rulesets, and asks the workers where names lead.

        For the page about orders it reads what everybody may know of these.
        """
        reads = (state / "rulesets", *([state / "incidents"] if settings.listen.public.is_used else []))
        return cls(reads, ports=frozenset(address.port for address in settings.listen.dns))

    @classmethod
    def of_decide(cls, state: Path) -> Confinement:
        """Return that of the process that decides for HTTP proxies: it reads rulesets, and connects to nobody."""
        return cls((state / "rulesets",))

    @classmethod
    def of_comparing(cls, paths: Iterable[Path]) -> Confinement:
        """Return that of a child that reads some rulesets."""
        return cls(tuple(paths))

    @classmethod
    def of_compiling(cls, reads: Iterable[Path], place: Path) -> Confinement:
        """Return that of a child that compiles: it reads contents and rulesets, and writes the next one to a folder."""
        return cls(tuple(reads), (place,))

    def apply(self) -> int:
        """Confine this process for good; return the version of Landlock that does it, 0 if the kernel has none.

        Capabilities go too; root, which may own none of the files, keeps the right to open them.
        """
        _left.clear()
        _left.update({path: identity_of(path) for path in self.reads})
        close_memory()
        keep_only([CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH] if os.geteuid() == 0 else [])
        socket_families.forbid_others()
        own = [path.resolve() for path in (*self.reads, *self.writes)]
        system = [path for path in late_opened() if not any(one.is_relative_to(path) for one in own)]
        try:
            return landlock.restrict([*self.reads, *system, Path("/proc/self")], self.writes, self.ports)
        except OSError as error:
            log.warning("This process cannot be confined by Landlock: %s. It goes on without.", cause_of(error))
            return 0


_left: dict[Path, tuple[int, int] | None] = {}  # of this process: what it may read, as it was when it was confined


def check_in_place() -> None:
    """Raise CommandError if a folder was replaced that this process may read: it may not read the one there now."""
    for path, known in _left.items():
        if identity_of(path) != known:
            raise CommandError(
                f"{path} was replaced by another, which this process may not open. It is started again, and then may."
            )


@functools.cache
def late_opened() -> tuple[Path, ...]:
    """Return what a process of blockd may have to read after it was confined, and holds nothing of anybody's."""
    found = {Path(__file__).parents[2], *map(Path, _SYSTEM)}
    for base in (None, {"base": sysconfig.get_config_var("installed_base") or ""}):
        paths = sysconfig.get_paths(vars=base) if base else sysconfig.get_paths()
        found |= {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {Path(place) for place in sys.path if Path(place).name in ("site-packages", "dist-packages")}
    if libraries := sysconfig.get_config_var("LIBDIR"):
        found.add(Path(libraries))
    verify = ssl.get_default_verify_paths()
    found |= {Path(path) for path in (verify.cafile, verify.capath) if path}
    return tuple(sorted(path.resolve() for path in found if path.is_absolute() and len(path.parts) > 1))


def _of_notify(settings: Settings, state: Path) -> list[Path]:
    """Return what a worker reads to judge a NOTIFY: the keys to sign one with, and addresses of primaries by name."""
    found = []
    for feed in settings.feeds:
        hint = feed.hinted_by
        if hint is not None and hint.tsig is not None:
            found.append(Path(hint.tsig.secret_file))
        if isinstance(feed, TransferFeed) and any(isinstance(one, NamedPrimary) for one in feed.primary):
            found.append(state / "feeds" / feed.name)
    return found
