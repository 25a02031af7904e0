"""What whoever has broken into a process of blockd can do: each cell of the table in the threat model, tried.

The table is read from docs/auditor/threat-model.md. A cell says `yes`, `no`, or `Landlock`: not where the kernel has
Landlock, which the test then turns off to find that nothing else prevents it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from blockd.daemon.rights import landlock
from blockd.daemon.rights.account import Account, become
from blockd.daemon.rights.capabilities import close_memory
from blockd.daemon.rights.confinement import Confinement, late_opened
from blockd.metrics import Counters, Transport
from blockd.orders import Action, Order, State
from blockd.ruleset import StatesMemory
from blockd.ruleset.states import STATES_AT
from blockd.settings import Settings
from blockd.web.bounds.local_users import SOCK_DIAG
from tests.break_in import NEEDS_ROOT, attempted
from tests.places import ROOT

pytestmark = [
    NEEDS_ROOT,
    pytest.mark.skipif(landlock.abi() < landlock.SCOPE_ABI, reason="this kernel's Landlock knows no scopes"),
]
USER = Account.of("daemon")  # a user that every machine has; blockd's in this place
PROCESSES = ("worker", "page", "decide", "compiling child", "control")
PTRACE_ATTACH, PTRACE_DETACH = 16, 17

_libc = ctypes.CDLL(None, use_errno=True)
_hits = Counters(1)


@dataclass
class Machine:
    """A machine on which blockd runs: its state folder, its secrets, its sockets, and another process of its user."""

    folder: Path
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    control: int = 0  # the process id of another process of blockd
    stranger: int = 0  # that of a program that is not blockd's, of another user
    settings: Settings = field(default_factory=Settings)
    orders: StatesMemory = field(
        default_factory=lambda: StatesMemory.make(
            [Order("o", "Ministry", "Platform", Action.SINKHOLE, None, 0)], [0], 1.0
        )
    )

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def port(self, name: str) -> int:
        return int(self.sockets[name].getsockname()[1])

    def stand(self, process: str) -> None:
        """Be one of blockd's processes from now on, as it is once it has started."""
        become(USER)
        close_memory()
        upstreams = self.settings.upstreams
        if process != "control":
            self.orders.forget_writing()  # what the supervisor has mapped, and each of these has inherited
        if process == "compiling child":
            os.close(self.orders.descriptor)  # as all others
        confine: dict[str, Callable[[], object]] = {
            "worker": lambda: Confinement.of_worker(self.settings, self.state, upstreams).apply(),
            "page": lambda: Confinement.of_page(self.settings, self.state).apply(),
            "decide": lambda: Confinement.of_decide(self.state).apply(),
            "compiling child": lambda: Confinement.of_compiling(
                [self.state / "feeds" / "national", self.state / "rulesets"], self.state / "compiling"
            ).apply(),
            "control": lambda: None,
        }
        confine[process]()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    late_opened()
    folder = Path(tempfile.mkdtemp(prefix="blockd-test-"))
    folder.chmod(0o755)
    made = Machine(folder)
    made.orders.seal()
    for name in ("state/rulesets/000001.ruleset", "state/audit.db", "state/node.key", "state/tokens.json",
                 "state/feeds/national/accepted", "state/compiling/compiled", "state/incidents/o.dossier",
                 "secrets/token", "secrets/tsig", "elsewhere/file"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("content")
        (folder / name).chmod(0o600)
    for path in folder.rglob("*"):
        os.chown(path, USER.uid, USER.gid)
    for name in ("dns", "admin", "page", "upstream", "other"):
        made.sockets[name] = socket.create_server(("127.0.0.1", 0))
    for name in ("abstract", "path"):
        made.sockets[name] = socket.socket(socket.AF_UNIX)
    made.sockets["abstract"].bind("\0blockd-test-" + folder.name)
    made.sockets["path"].bind(str(folder / "socket"))
    (folder / "socket").chmod(0o777)
    for name in ("abstract", "path"):
        made.sockets[name].listen()
    tsig = {"name": "k.example", "secret_file": str(folder / "secrets" / "tsig")}
    zone = {"name": "zone", "type": "rpz-transfer", "primary": "192.0.2.53", "zone": "rpz.example", "tsig": tsig}
    made.settings = Settings.model_validate(
        {
            "listen": {"dns": [f"127.0.0.1:{made.port('dns')}"], "public": {"http": ["127.0.0.1:1"]}},
            "upstreams": [f"tcp://127.0.0.1:{made.port('upstream')}"],
            "feeds": [zone],
        }
    )
    made.control = _process(lambda: become(USER))
    made.stranger = _process(lambda: None)
    try:
        yield made
    finally:
        for pid in (made.control, made.stranger):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for sock in made.sockets.values():
            sock.close()
        shutil.rmtree(folder)


def _process(standing: Callable[[], None]) -> int:
    """Start a process that does nothing, and return its id once it stands."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        standing()
        close_memory()
        os.write(writing, b"\0")
        while True:
            signal.pause()
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return pid


def _connect(address: str | tuple[str, int], family: socket.AddressFamily = socket.AF_INET) -> None:
    with socket.socket(family) as sock:
        sock.connect(address)


def _ask_the_kernel() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG):
        pass


def _bind(port: int, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", port))


def _send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", 9))


def _trace(pid: int) -> bool:
    if _libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        return False
    _libc.ptrace(PTRACE_DETACH, pid, None, None)
    return True


def _read_memory(pid: int) -> None:
    Path(f"/proc/{pid}/maps").read_bytes()
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))


def _write(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def _run(program: str | int) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            os.execve(program, ["true"], {})  # noqa: S606
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _run_from_memory() -> bool:
    descriptor = os.memfd_create("program", 0)
    os.write(descriptor, _TRUE)
    return _run(descriptor)


_TRUE = Path("/bin/true").read_bytes()


def _falsify() -> bool:
    before = sum(_hits.queries())
    _hits.row(0).query(Transport.UDP)
    return sum(_hits.queries()) > before


def _lift(machine: Machine) -> None:
    """Write where the states are mapped, else map them, else write to the file; by /proc it is opened anew."""
    orders = machine.orders
    if orders.writable is None:
        anew = os.open(f"/proc/self/fd/{orders.descriptor}", os.O_RDWR)
        with contextlib.suppress(OSError):
            os.pwrite(anew, bytes((State.LIFTED,)), STATES_AT)
            return
        orders = StatesMemory(anew)
    orders.map_for_writing()[STATES_AT] = State.LIFTED


ATTEMPTS: dict[str, Callable[[Machine], object]] = {
    "read the rulesets": lambda m: (m.state / "rulesets" / "000001.ruleset").read_bytes(),
    "change a ruleset": lambda m: _write(m.state / "rulesets" / "000001.ruleset"),
    "read which orders are in force": lambda m: os.pread(m.orders.descriptor, 1, STATES_AT) != b"",
    "change which orders are in force": _lift,
    "cut the memory that has them": lambda m: os.ftruncate(m.orders.descriptor, 0),
    "make files in the state folder": lambda m: _write(m.state / "overrides.json"),
    "read what feeds gave": lambda m: (m.state / "feeds" / "national" / "accepted").read_bytes(),
    "read the dossiers of orders": lambda m: (m.state / "incidents" / "o.dossier").read_bytes(),
    "change the audit log": lambda m: _write(m.state / "audit.db"),
    "read `node.key`": lambda m: (m.state / "node.key").read_bytes(),
    "read `tokens.json`": lambda m: (m.state / "tokens.json").read_bytes(),
    "read tokens and passwords of feeds": lambda m: (m.folder / "secrets" / "token").read_bytes(),
    "read the TSIG keys that sign a NOTIFY": lambda m: (m.folder / "secrets" / "tsig").read_bytes(),
    "read other files of its user": lambda m: (m.folder / "elsewhere" / "file").read_bytes(),
    "write other files of its user": lambda m: _write(m.folder / "elsewhere" / "file"),
    "read another process' memory (`/proc/PID/mem`)": lambda m: _read_memory(m.control),
    "trace another process (`ptrace`)": lambda m: _trace(m.control),
    "signal another process of blockd": lambda m: os.kill(m.control, signal.SIGWINCH),
    "signal a process of another user": lambda m: os.kill(m.stranger, signal.SIGWINCH),
    "connect to the admin port": lambda m: _connect(("127.0.0.1", m.port("admin"))),
    "connect to the block page": lambda m: _connect(("127.0.0.1", m.port("page"))),
    "connect to a worker over TCP": lambda m: _connect(("127.0.0.1", m.port("dns"))),
    "connect to an upstream over TCP": lambda m: _connect(("127.0.0.1", m.port("upstream"))),
    "connect to any other TCP port": lambda m: _connect(("127.0.0.1", m.port("other"))),
    "listen on a TCP port": lambda _: _bind(0, socket.SOCK_STREAM),
    "take a UDP port below 1024": lambda _: _bind(1000, socket.SOCK_DGRAM),
    "send UDP anywhere": lambda _: _send(),
    "connect to an abstract socket": lambda m: _connect("\0blockd-test-" + m.folder.name, socket.AF_UNIX),
    "connect to a socket by its path": lambda m: _connect(str(m.folder / "socket"), socket.AF_UNIX),
    "ask the kernel by netlink": lambda _: _ask_the_kernel(),
    "make a socket of any other family": lambda _: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close(),
    "run a program": lambda _: _run("/bin/true"),
    "run a program from memory": lambda _: _run_from_memory(),
    "become root": lambda _: os.setuid(0),
    "falsify counters": lambda _: _falsify(),
}


def table() -> dict[str, list[str]]:
    """Return the table of the threat model: what is wanted, and each process' cell."""
    text = (ROOT / "docs" / "auditor" / "threat-model.md").read_text(encoding="utf-8")
    head = f"| wanted | {' | '.join(PROCESSES)} |\n"
    assert text.count(head) == 1
    lines = text.partition(head)[2].splitlines()[1:]
    rows: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        wanted, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[wanted] = cells
    return rows


def test_the_table_has_a_row_for_each_attempt() -> None:
    rows = table()
    assert list(rows) == list(ATTEMPTS)
    assert all(len(cells) == len(PROCESSES) for cells in rows.values())
    assert {cell for cells in rows.values() for cell in cells} <= {"yes", "no", "Landlock"}


@pytest.mark.parametrize("wanted", ATTEMPTS)
@pytest.mark.parametrize("process", PROCESSES)
def test_a_cell_is_as_the_table_says(
    machine: Machine, process: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = table()[wanted][PROCESSES.index(process)]
    found = attempted(lambda: ATTEMPTS[wanted](machine), lambda: machine.stand(process))
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    without = attempted(lambda: ATTEMPTS[wanted](machine), lambda: machine.stand(process))
    assert {(True, True): "yes", (False, False): "no", (False, True): "Landlock"}[found, without] == cell
