"""A machine whose process 1 is the real systemd, in namespaces of its own, with blockd as the service that is shipped.

Root alone can make one. It has a loopback of its own, so that ports below 1024 are free, and a copy of /etc; of the
outside it sees the programs, read and not written. Only what the service needs of systemd's own units is started.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import yaml

from tests.daemon.harness import PATIENCE, until
from tests.places import ROOT

SYSTEMD = Path("/lib/systemd/systemd")
UNIT = ROOT / "config" / "systemd" / "blockd.service"
_PROGRAMS = ("unshare", "nsenter", "mount", "ip", "useradd", "systemctl", "journalctl")
PAUSE = 0.005  # seconds between two questions
_NETWORK = 0x40000000  # CLONE_NEWNET
_NAMESPACES = ("--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup")
_TARGETS = ("sysinit", "local-fs", "sockets", "timers", "multi-user")  # what they want is for a whole machine

_INSIDE = """
set -e
echo $$ > {cgroup}/cgroup.procs
exec unshare {namespaces} --fork --kill-child --propagation private sh -e {folder}/made
"""
_MADE = """
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p /opt/python /opt/site /opt/src/blockd /opt/blockd/bin /opt/none /opt/etc
mount --bind {python} /opt/python
mount --bind {site} /opt/site
mount --bind {root}/blockd /opt/src/blockd
cp {folder}/program /opt/blockd/bin/blockd
chmod 755 /opt/blockd/bin/blockd
for one in {targets}; do
    test ! -d /lib/systemd/system/$one.target.wants || mount --bind /opt/none /lib/systemd/system/$one.target.wants
done
cp -a /etc/. /opt/etc
mount --bind /opt/etc /etc
id blockd > /dev/null 2>&1 || useradd --system --user-group --no-create-home blockd
rm -rf /etc/systemd/system /etc/blockd
mkdir -p /etc/systemd/system/blockd.service.d /etc/blockd
cp {unit} {folder}/test.target /etc/systemd/system
cp {folder}/test.conf /etc/systemd/system/blockd.service.d
cp {folder}/blockd.yaml {folder}/list /etc/blockd
for one in systemd-remount-fs.service systemd-journald-audit.socket tmp.mount; do
    ln -s /dev/null /etc/systemd/system/$one
done
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for one in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs $one; done
mount -t tmpfs -o mode=1777 tmpfs /tmp
ip link set lo up
exec env -i container=blockd-test PATH="$PATH" {systemd} --system --unit=test.target --show-status=no
"""
_PROGRAM = """#!/opt/python/bin/{name}
import site, sys
site.addsitedir("/opt/site")
sys.path.insert(0, "/opt/src")
from blockd.__main__ import script
sys.exit(script())
"""
_TARGET = """[Unit]
DefaultDependencies=no
Requires=systemd-journald.socket
Wants=blockd.service
"""


def why_not() -> str:
    """Return why there can be no such machine here; empty if there can."""
    if os.geteuid() != 0:
        return "only root can have a machine of systemd's own"
    if not SYSTEMD.exists():
        return "systemd is not installed"
    if missing := [one for one in _PROGRAMS if shutil.which(one) is None]:
        return f"{', '.join(missing)} missing"
    if _cgroups() is None:
        return "cgroups of version 2 are not mounted, or cannot be made"
    tried = subprocess.run(["unshare", *_NAMESPACES, "--fork", "true"], capture_output=True, text=True)  # noqa: S603, S607
    return f"no namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def _cgroups() -> Path | None:
    """Return the folder of this process' own cgroup, where others can be made; None if there is none."""
    for line in Path("/proc/mounts").read_text("ascii").splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(where, os.W_OK):
            own = Path("/proc/self/cgroup").read_text("ascii").splitlines()
            place = next((one.removeprefix("0::") for one in own if one.startswith("0::")), "/")
            return Path(where) / place.lstrip("/")
    return None


class Machine:
    """One such machine, whose files are made from `folder`; used as a context it runs, with the service started."""

    def __init__(self, folder: Path, config: Mapping[str, object], names: Sequence[str], *lines: str) -> None:
        """`lines` are added to the section of the unit that says how the service is run."""
        above = _cgroups()
        assert above is not None, "why_not() says so"
        self._folder, self._cgroup = folder, above / f"blockd-test-{os.getpid()}-{time.monotonic_ns()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0  # of its process 1, outside
        settings = {"feeds": [{"name": "national", "type": "domains", "path": "/etc/blockd/list"}], **config}
        name = Path(os.path.realpath(sys.executable)).name
        environment = f"Environment=LD_LIBRARY_PATH=/opt/python/lib BLOCKD_ENGINE={os.environ.get('BLOCKD_ENGINE', '')}"
        files = {
            "inside": _INSIDE, "made": _MADE, "program": _PROGRAM.format(name=name), "test.target": _TARGET,
            "test.conf": "\n".join(["[Service]", environment, *lines, ""]),
            "blockd.yaml": yaml.safe_dump({"state_dir": "/var/lib/blockd", "workers": 2, **settings}),
            "list": "".join(f"{one}\n" for one in names),
        }  # fmt: skip
        values = {
            "cgroup": self._cgroup, "namespaces": " ".join(_NAMESPACES), "folder": folder, "unit": UNIT, "root": ROOT,
            "python": sys.base_prefix, "site": sysconfig.get_path("purelib"), "targets": " ".join(_TARGETS),
            "systemd": SYSTEMD,
        }  # fmt: skip
        quoted = {
            key: text if key in ("namespaces", "targets") else shlex.quote(str(text)) for key, text in values.items()
        }
        for one in ("inside", "made"):
            files[one] = files[one].format(**quoted)
        for one, text in files.items():
            (folder / one).write_text(str(text), encoding="utf-8")

    def __enter__(self) -> Machine:
        self._cgroup.mkdir()
        with (self._folder / "output").open("wb") as output:
            command = ["sh", "-e", str(self._folder / "inside")]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)  # noqa: S603
        try:
            until(self._has_begun, "systemd runs")
            until(lambda: self.show("ActiveState") == "active", "blockd is started")
        except BaseException as error:
            error.add_note(self.output + (self.journal() if self._pid else ""))
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()  # process 1 is killed with it, and with that all others
        self._process.wait(PATIENCE)

        def is_gone() -> bool:
            for one in sorted((path for path in self._cgroup.rglob("*") if path.is_dir()), reverse=True):
                one.rmdir()
            self._cgroup.rmdir()
            return True

        until(is_gone, "its cgroups are empty")

    @property
    def output(self) -> str:
        """What it has written before the journal ran."""
        return (self._folder / "output").read_text("utf-8", "replace")

    def _has_begun(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text("ascii").split()
        self._pid = int(found[0]) if found else 0
        return bool(found) and not self.run("systemctl", "is-system-running", check=False).startswith("offline")

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program in it, and return what it prints."""
        entering = ["nsenter", "--target", str(self._pid), *_NAMESPACES, "--", *command]
        done = subprocess.run(entering, capture_output=True, text=True, timeout=2 * PATIENCE)  # noqa: S603
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def show(self, name: str) -> str:
        """Return a property of the service (systemctl(1))."""
        return self.run("systemctl", "show", "blockd", "--value", f"--property={name}", check=False).strip()

    def journal(self, *arguments: str) -> str:
        """Return what the journal has of the service."""
        return self.run("journalctl", "--no-pager", "--unit=blockd", *arguments, check=False)

    def write(self, path: str, text: str) -> None:
        """Write a file in it."""
        Path(f"/proc/{self._pid}/root{path}").write_text(text, encoding="utf-8")

    def enter_network(self) -> None:
        """Have this thread open its sockets in it from now on."""
        with Path(f"/proc/{self._pid}/ns/net").open("rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _NETWORK):
                raise OSError(ctypes.get_errno(), "setns")


class Asking:
    """Asks a machine's port 53 all the time over UDP and TCP, each time from a new port, as long as it is a context.

    Over TCP a question that crosses the end of its connection is asked once more (RFC 7766 section 6.2.4).
    """

    def __init__(self, machine: Machine, name: str, address: str = "127.0.0.1") -> None:
        self.lost: list[str] = []
        self.asked = 0
        self.longest = 0.0  # seconds
        self._machine = machine
        self._query = dns.message.make_query(name, "A")
        self._address = address
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(one,)) for one in (dns.query.udp, dns.query.tcp)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, send: object) -> None:
        self._machine.enter_network()
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                answer = self._answer(send)
                if self._address not in answer:
                    self.lost.append(answer)
            except (OSError, EOFError, dns.exception.DNSException) as error:
                self.lost.append(repr(error))
            self.longest = max(self.longest, time.monotonic() - begun)
            self.asked += 1
            self._over.wait(PAUSE)  # it is to ask, and not to be the load of the machine

    def _answer(self, send: object) -> str:
        assert callable(send)
        with contextlib.suppress(ConnectionResetError, EOFError):
            return str(send(self._query, "127.0.0.1", timeout=PATIENCE))
        return str(send(self._query, "127.0.0.1", timeout=PATIENCE))
