"""What the benchmark needs of a server, and the two servers that are no peers: the floor, and blockd."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from blockd import __version__
from tests.bench.names import SINKHOLE, Names
from tests.bench.programs import Daemon, find, free_ports, pinned, run

CACHE_MB = 64  # memory that every server may use for answers, where it has such a setting
UNDER_WAY = 10_000  # questions that a server may have with its upstream at once, where it has such a setting
TTL = 60  # seconds for which a block may be kept
_VERSION = re.compile(r"(?<![\d.])(\d+\.\d+(?:\.\d+)?)(?![\d.])")


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Ports of 127.0.0.1 in their order; over TLS if a `name` is given, which certificates by `authority` have."""

    ports: tuple[int, ...]
    name: str = ""
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What a server is given."""

    folder: Path  # its own, empty
    core: int  # the only one that it, its helpers and its commands may use
    upstreams: Upstreams  # several of them, or over TLS, only for a server of which a benchmark knows that it can
    names: Names


class Server(ABC):
    """One server with its list. `prepare`, then `build` and `start`; then perhaps `prepare_change` and `change`."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()  # without which it is skipped
    blocked: ClassVar[str] = SINKHOLE  # what it answers for a listed name: an address or an rcode
    builds: ClassVar[bool] = False  # whether it compiles the list to a file that outlives it
    resolves: ClassVar[bool] = True  # whether it answers for names that are not listed
    speaks_tls: ClassVar[bool] = False  # to its upstreams, as it is configured here
    how: ClassVar[str] = ""  # how it has the list, and how it is told that the list has changed
    more_ports: ClassVar[int] = 0  # that it needs beside the one for questions

    def __init__(self, place: Place) -> None:
        self.folder = place.folder
        self.core = place.core
        self.upstreams = place.upstreams
        self.upstream = place.upstreams.ports[0]
        self.names = place.names
        self.port, *self.others = free_ports(1 + self.more_ports)
        self._daemon: Daemon | None = None

    @classmethod
    def missing(cls) -> list[str]:
        """Return the programs that this machine does not have."""
        return [program for program in cls.programs if find(program) is None]

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Return the version of the program."""

    @abstractmethod
    def prepare(self) -> None:
        """Write the config, and the list in the form that the server reads. Its time does not count."""

    def build(self) -> None:  # noqa: B027 - most servers have nothing to do here
        """Compile the list, where the server wants that done for it. Its time counts."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    def prepare_change(self) -> None:  # noqa: B027 - some servers read the names as they are
        """Write the grown list in the form that the server reads. Its time does not count."""

    def change(self) -> None:  # noqa: B027 - the floor has no list
        """Have the running server enforce the grown list. Its time counts; it may return before the server has."""

    def environment(self) -> dict[str, str]:
        """Return what the program needs in its environment."""
        return {}

    def start(self) -> None:
        """Start it."""
        self._daemon = Daemon(pinned(self.core, self.command()), self.folder / "log", self.folder, self.environment())

    @property
    def daemon(self) -> Daemon:
        """The running server."""
        assert self._daemon is not None
        return self._daemon

    def stop(self) -> None:
        """End it, where it runs."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def tell(self, *command: str, stdin: Path | None = None, text: str = "") -> str:
        """Run a command of the server, on the server's core."""
        return run(pinned(self.core, [_path(command[0]), *command[1:]]), stdin=stdin, text=text, cwd=self.folder)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the server's folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def translate(self, source: Path, name: str, line: Callable[[str], str], head: str = "", end: str = "") -> Path:
        """Write a file with something for each listed name."""
        path = self.folder / name
        with path.open("w", encoding="utf-8") as out:
            out.write(head)
            out.writelines(line(listed) for listed in lines(source))
            out.write(end)
        return path


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file without their ends."""
    with path.open(encoding="utf-8") as source:
        for line in source:
            yield line.rstrip("\n")


def said_version(*command: str) -> str:
    """Return the first version number that a command says."""
    match = _VERSION.search(run([_path(command[0]), *command[1:]]))
    return match[1] if match else "unknown"


def _path(program: str) -> str:
    return find(program) or program


class Floor(Server):
    """The bare loop of floor.c."""

    name = "floor"
    resolves = False
    how = "a bare loop in C, no DNS server: what the kernel and one cache line for each label cost"
    program: ClassVar[Path | None] = None  # set where there is a C compiler

    @classmethod
    def missing(cls) -> list[str]:
        return [] if cls.program else ["cc"]

    @classmethod
    def version(cls) -> str:
        return "of this benchmark"

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        return [str(self.program), str(self.port), str(self.names.count)]


class Blockd(Server):
    """This blockd, with one worker and a list of names."""

    name = "blockd"
    builds = True
    speaks_tls = True
    how = "a list of names; SIGHUP (systemctl reload)"
    more_ports = 3

    @classmethod
    def version(cls) -> str:
        return __version__

    def prepare(self) -> None:
        self._list = self.folder / "list.txt"
        shutil.copyfile(self.names.listed, self._list)
        web, tls, admin = self.others
        form = f"tls://127.0.0.1:{{}}#{self.upstreams.name}" if self.upstreams.name else "127.0.0.1:{}"
        self._config = self.write(
            "blockd.yaml",
            f"""\
state_dir: state
workers: 1
listen:
  dns: ["127.0.0.1:{self.port}"]
  block_page: {{http: ["127.0.0.1:{web}"], https: ["127.0.0.1:{tls}"]}}
  admin: "127.0.0.1:{admin}"
sinkhole: {{ipv4: {SINKHOLE}, ttl: {TTL}}}
upstreams: [{", ".join(f'"{form.format(port)}"' for port in self.upstreams.ports)}]
cache: {{size: {CACHE_MB}M}}
gate: {{public_suffixes: false, protected: []}}  # every name of the list is to be blocked, as by all others
feeds:
  - {{name: national, type: domains, path: {self._list.name}}}
""",
        )

    def command(self) -> list[str]:
        return [sys.executable, "-m", "blockd", "run", "--config", str(self._config)]

    def environment(self) -> dict[str, str]:
        authority = self.upstreams.authority
        trusted = {"SSL_CERT_FILE": str(authority)} if authority else {}
        return {"PYTHONPATH": str(Path(__file__).parents[2]), **trusted}

    def prepare_change(self) -> None:
        self._grown = self.folder / "grown.txt"
        shutil.copyfile(self.names.grown, self._grown)

    def change(self) -> None:
        self._grown.replace(self._list)
        self.daemon.signal(signal.SIGHUP)
