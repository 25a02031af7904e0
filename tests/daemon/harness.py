"""The daemon as its operator runs it: a process with a config file, asked over real sockets."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import yaml
from prometheus_client.parser import text_string_to_metric_families

from blockd.web.callers.socket_path import connected
from tests import forking
from tests.daemon.answer import Answer
from tests.places import ROOT
from tests.upstream import UpstreamSimulator

DATA = ROOT.parent / "shared" / "data"  # real lists, where this machine has them
PATIENCE = 60.0  # seconds after which a condition that a test waits for counts as missed
START_PATIENCE = 60.0  # seconds for a start: many imports, and tests are as nice as can be
SLACK = 10.0  # seconds behind its time within which a busy machine shows what falls due
EVERY_WORKER = 20  # questions from ports of their own that come to both workers, but for two cases in a million
# Below what the kernel gives to outgoing sockets. `make test` runs the tests of both engines at the same time.
PORTS = range(25_000, 32_000) if os.environ.get(forking.ENGINE) == "python" else range(12_000, 25_000)
TAKEN = "another program has this port"  # as blockd says it
HAS_IPV6 = Path("/proc/net/if_inet6").exists() and "00000000000000000000000000000001" in Path(
    "/proc/net/if_inet6"
).read_text(encoding="ascii")

_given: set[int] = set()  # ports handed out in this process: two of one daemon are never the same

Feed = Mapping[str, object]


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition; an error of the network counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, EOFError, http.client.HTTPException, dns.exception.Timeout):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds:.0f} seconds: {what}")
        time.sleep(0.01)


def everywhere(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until a condition that asks one worker, whichever the kernel takes, holds at all of them.

    Workers change over one after the other, so that what one answers is not yet what the next question is told.
    """
    until(lambda: all(condition() for _ in range(EVERY_WORKER)), what, seconds)


def free_port() -> int:
    """Return a port that nobody has on loopback, over UDP and TCP, IPv4 and IPv6, and that was not given before."""
    hosts = ("127.0.0.1", "::1") if HAS_IPV6 else ("127.0.0.1",)
    for _ in range(200):
        port = random.choice(_ours())  # noqa: S311 - no secret
        if port in _given:
            continue
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for host in hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    stack.enter_context(socket.socket(family, kind)).bind((host, port))
            _given.add(port)
            return port
    raise AssertionError("no port is free")


def _ours() -> range:
    """Return the ports of this test process: of several side by side none must take what another is about to bind."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    index = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return PORTS[index * len(PORTS) // count : (index + 1) * len(PORTS) // count]


def write_list(path: Path, names: Sequence[str]) -> None:
    """Put a list in place as a careful publisher does: whole, by rename."""
    put(path, "".join(f"{name}\n" for name in names).encode())


def put(path: Path, content: bytes) -> None:
    """Put any content in place, whole, by rename."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


def entries_of(folder: Path) -> dict[Path, os.stat_result]:
    """Return a folder and all that lies below, by path, with what `lstat` says of each.

    What a running daemon takes away meanwhile, temporary files and folders, is left out: `Path.rglob` would raise
    FileNotFoundError for a folder that is gone, and so would `stat` for a file.
    """
    found = {folder: folder.lstat()}
    for above, folders, files in os.walk(folder):
        for name in sorted((*folders, *files)):
            with contextlib.suppress(FileNotFoundError):
                found[Path(above, name)] = Path(above, name).lstat()
    return found


def content_of(folder: Path) -> dict[Path, bytes]:
    """Return the files in a folder and below, by path, without what a running daemon takes away meanwhile."""
    found = {}
    for path, entry in sorted(entries_of(folder).items()):
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISREG(entry.st_mode):
                found[path] = path.read_bytes()
    return found


def remove_below(folder: Path) -> None:
    """Remove a folder and all that lies below, also where a running daemon adds or takes away files meanwhile."""

    def is_removed() -> bool:
        shutil.rmtree(folder)
        return True

    until(is_removed, f"{folder} is removed")


def blockd(*arguments: str, folder: Path, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    command = ["blockd", *arguments]
    if config is not None:
        command += ["--config", str(config)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = forking.start(command, folder, os.environ, output, errors)
        try:
            code = process.wait(60)
        finally:
            process.kill()
        told = []
        for file in (output, errors):
            file.seek(0)
            told.append(file.read().decode())
    return subprocess.CompletedProcess(command, code, *told)


@functools.cache
def _any_upstream() -> UpstreamSimulator:
    """Return an upstream that knows no name, for all daemons whose test has none of its own."""
    return UpstreamSimulator().__enter__()


class Daemon:
    """One daemon with ports, state and a config of its own in `folder`; used as a context it is started and stopped."""

    def __init__(
        self,
        folder: Path,
        *feeds: Feed,
        upstream: str = "",
        program: str = "blockd",
        fresh: bool = False,
        **config: object,
    ) -> None:
        self.program = program  # the module that is run
        self.fresh = fresh  # whether each start is one of a new interpreter, see `tests.forking`
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "blockd.yaml"
        self.state_dir = folder / "state"
        self.dns_port, self.http_port, self.tls_port, self.admin_port = (free_port() for _ in range(4))
        self.listen: dict[str, object] = {
            "dns": [f"127.0.0.1:{self.dns_port}", *([f"[::1]:{self.dns_port}"] if HAS_IPV6 else [])],
            "block_page": {"http": [f"127.0.0.1:{self.http_port}"], "https": [f"127.0.0.1:{self.tls_port}"]},
            "admin": f"127.0.0.1:{self.admin_port}",
        }
        self.settings: dict[str, object] = {
            "state_dir": "state",
            "workers": 2,
            "listen": self.listen,
            "upstreams": [upstream or _any_upstream().address],
            "feeds": list(feeds),
            **config,
        }
        self.variables: dict[str, str] = {}  # variables beside those of the tests
        self.process: subprocess.Popen[bytes] | forking.Process | None = None
        self._mark = f"blockd-test-{uuid.uuid4().hex}"
        self._log = folder / "stderr"
        self._banner = folder / "stdout"
        self._seen: dict[int, str] = {}  # processes of it, with the time at which each began
        self._logged = 0  # characters of the log that are of the starts before

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.destroy()

    @property
    def log(self) -> str:
        """What it has written to standard error, over all its starts."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def banner(self) -> str:
        """What it has written to standard output since its last start."""
        return self._banner.read_text(encoding="utf-8") if self._banner.exists() else ""

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self.process is not None, "the daemon is not running"
        return self.process.pid

    def write_config(self) -> None:
        """Write the config file."""
        self.config.write_text(yaml.safe_dump(self.settings), encoding="utf-8")

    def launch(self) -> None:
        """Start it without waiting for anything."""
        self.write_config()
        self._logged = len(self.log)
        command = [self.program, "run", "--config", str(self.config)]
        environment = {**os.environ, **self.marked(), **self.variables}
        with self._log.open("ab") as errors, self._banner.open("wb") as output:
            self.process = forking.start(command, self.folder, environment, output, errors, fresh=self.fresh)

    def marked(self) -> dict[str, str]:
        """Return the variable of the environment by which its processes are found."""
        return {forking.MARK: self._mark}

    def start(self) -> None:
        """Start it and wait until it has told its start-up; leave no process behind if that fails."""
        self.launch()
        try:
            self.wait_for_banner()
        except BaseException:
            self.destroy()
            raise

    def wait_for_banner(self) -> None:
        """Wait until the start-up is told."""
        assert self.has_begun(), self.log

    def has_begun(self) -> bool:
        """Wait until the start-up is told, or it has ended instead; tell which, true for the former."""
        until(lambda: "Try:" in self.banner or self._has_ended(), "the start-up is told", START_PATIENCE)
        return not self._has_ended()

    def wait_for_version(self, version: int) -> None:
        """Wait until every worker enforces a version."""
        until(
            lambda: all(worker["enforcing"] == version for worker in self.status()["workers"]),
            f"version {version} is enforced",
        )

    def stop(self) -> None:
        """Stop it as a service manager does; it must end well, leave no process behind, and never have failed."""
        assert self.process is not None
        try:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0, self.log
            until(lambda: not self.processes(), "no process is left behind")
        finally:
            self.destroy()
        self.assert_no_fault()

    def assert_no_fault(self) -> None:
        """Nothing that it has logged is a fault of its own."""
        assert "Traceback" not in self.log, self.log
        assert "internal error" not in self.log, self.log

    def destroy(self) -> None:
        """End whatever is left of it."""
        while pids := self.processes():  # one may be started while they are looked for
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(PATIENCE)
            self.process = None

    def processes(self) -> list[int]:
        """Return the process ids of all that belongs to it, whoever their parents are.

        Only root sees the environment of a process that has closed its memory; others know its descendants.
        """
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if self._mark.encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found if os.geteuid() == 0 else sorted({*found, *self._descendants()})

    def _descendants(self) -> set[int]:
        """Return the processes that were once seen below the supervisor, itself included, and have not ended."""
        began: dict[int, str] = {}
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    stat = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                    if stat[0] != "Z":
                        began[int(entry.name)], parents[int(entry.name)] = stat[19], int(stat[1])
        if self.process is not None and self.process.pid in began:
            self._seen[self.process.pid] = began[self.process.pid]
        self._seen = {pid: at for pid, at in self._seen.items() if began.get(pid) == at}
        while more := {
            pid: began[pid] for pid, above in parents.items() if above in self._seen and pid not in self._seen
        }:
            self._seen.update(more)
        return set(self._seen)

    def control_pid(self) -> int:
        """Return the control process."""
        return self._only("control")

    def page_pid(self) -> int:
        """Return the page process."""
        return self._only("page")

    def _only(self, role: str) -> int:
        """Return the one process of a role; raises OSError if there is none now, or two."""
        found = self.children(role)
        if len(found) != 1:
            raise ProcessLookupError(f"{len(found)} processes are {role}")
        return found[0]

    def children(self, *roles: str) -> list[int]:
        """Return the process ids of workers, followers and control process, without what is forked for that one.

        Only those of some roles, by the names that `top` shows: `w` for a worker.
        """
        names = tuple(f"blockd: {role}" for role in roles or ("w", "page", "decide", "control"))
        found = []
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith(names):
                    found.append(int(pid))
        return found

    def ask(self, name: str, kind: str = "A", **options: Any) -> Answer:
        """Ask one question; `tcp`, `host`, `source`, `sock`, `timeout`, `edns`, `do` and `flags` say how."""
        return Answer(self.exchange(dns.message.make_query(name, kind, **_edns(options)), **options))

    def first_answer(self, name: str) -> Answer:
        """Ask over TCP from before the start until there is an answer, and return that."""
        answers: list[Answer] = []

        def ask() -> bool:
            assert not self._has_ended(), self.log
            answers.append(self.ask(name, tcp=True))
            return True

        until(ask, "the first answer")
        return answers[0]

    def exchange(
        self,
        query: dns.message.Message,
        *,
        tcp: bool = False,
        host: str = "127.0.0.1",
        source: str | None = None,
        sock: socket.socket | None = None,
        timeout: float = 5.0,
    ) -> dns.message.Message:
        """Send a message and give its answer."""
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, host, timeout=timeout, port=self.dns_port, source=source, sock=sock)

    def dig(self, *arguments: str) -> str:
        """Ask with dig and give what it prints."""
        command = ["dig", "@127.0.0.1", "-p", str(self.dns_port), "+tries=1", f"+time={PATIENCE:.0f}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE + 10, check=True).stdout  # noqa: S603

    def dig_address(self, name: str) -> tuple[str, int]:
        """Ask with dig; return the address, empty if there is none, and its TTL in seconds."""
        found = re.search(rf"^{re.escape(name)}\.\s+(\d+)\s+IN\s+A\s+(\S+)$", self.dig(name), re.MULTILINE)
        return (found[2], int(found[1])) if found else ("", 0)

    def get(self, path: str) -> tuple[int, bytes]:
        """GET from the admin socket, or what needs no token from the admin port where the socket is out of reach."""
        try:
            with self.by_socket("GET", path) as response:
                return response.status, response.read()
        except (FileNotFoundError, ConnectionRefusedError):
            with request("GET", self.admin_port, path) as response:
                return response.status, response.read()

    def post(self, path: str, body: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
        """POST JSON to the admin socket."""
        headers = {"Content-Type": "application/json"}
        with self.by_socket("POST", path, headers, json.dumps(body)) as response:
            return response.status, json.loads(response.read())

    @contextlib.contextmanager
    def by_socket(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Make one HTTP request to the admin socket, as an operator on this machine."""
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = connected(self.state_dir / "admin.sock", 30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            with connection.getresponse() as response:  # which may outlive its connection
                yield response
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Return what `blockd status` shows."""
        told: dict[str, Any] = json.loads(self.get("/api/status")[1])
        return told

    def feed(self, name: str) -> dict[str, Any]:
        """Return one feed's part of the status."""
        feeds: list[dict[str, Any]] = self.status()["feeds"]
        return next(feed for feed in feeds if feed["name"] == name)

    def lookup(self, name: str) -> dict[str, Any]:
        """Return what the admin port says about a name."""
        told: dict[str, Any] = json.loads(self.get(f"/api/lookup?name={name}")[1])
        return told

    def refresh(self) -> dict[str, Any]:
        """Have it look at every feed now; return what came of each."""
        status, told = self.post("/api/refresh", {})
        assert status == 200, told
        return told

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return self.get("/readyz")[0] == 200

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return every sample by its name and sorted labels."""
        text = self.get("/metrics")[1].decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        return sum(
            value
            for (found, having), value in self.metrics().items()
            if found == name and labels.items() <= dict(having).items()
        )

    def run_verb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of blockd with this daemon's config."""
        return blockd(*arguments, folder=self.folder, config=self.config)

    def alarms(self) -> list[str]:
        """Return the names of the alarms in force, but for the one that tells of the Python engine."""
        names = [str(alarm["name"]) for alarm in self.status()["alarms"]]
        return [name for name in names if name != "BlockdPythonEngine"]

    def reload(self, *arguments: str, code: int = 0, **settings: object) -> str:
        """Have a reload take other settings, None for none; return what is printed."""
        self.settings |= settings
        for key in [key for key, value in settings.items() if value is None]:
            del self.settings[key]
        self.write_config()
        done = self.run_verb("reload", *arguments)
        assert done.returncode == code, done.stdout + done.stderr + self.log
        return done.stdout

    def add_token(self, name: str, role: str, *more: str) -> str:
        """Make a token, and return its text."""
        done = self.run_verb("token", "add", name, "--role", role, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def recorded(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the bodies of the audit log's records of some kinds, the oldest first."""
        asked = [word for kind in kinds for word in ("--kind", kind)]
        lines = self.run_verb("audit", *asked, "--json").stdout.splitlines()
        return [dict(json.loads(line)["body"]) for line in lines]

    def _has_ended(self) -> bool:
        """Whether it has; but where a port was another's for a moment, it is started again.

        The other daemons that are tested at this time bind ports at random, to ask their upstreams.
        """
        if self.process is None or self.process.poll() is None:
            return self.process is None
        if TAKEN not in self.log[self._logged :]:
            return True
        self.launch()
        return False


@contextlib.contextmanager
def request(
    method: str, port: int, path: str, headers: Mapping[str, str] | None = None, body: str | None = None
) -> Iterator[http.client.HTTPResponse]:
    """Make one HTTP request to loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        with connection.getresponse() as response:  # which may outlive its connection
            yield response
    finally:
        connection.close()


def has_dig() -> bool:
    """Whether dig is installed."""
    return shutil.which("dig") is not None


def _edns(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of a question out of those of its exchange."""
    found: dict[str, Any] = {"use_edns": 0} if options.pop("edns", False) else {}
    if options.pop("do", False):
        found["want_dnssec"] = True
    if "flags" in options:
        found["flags"] = options.pop("flags")
    return found
