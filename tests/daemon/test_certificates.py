"""Certificates and session tickets of a daemon that runs: what a client over TLS sees of them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from blockd.native import is_native
from blockd.tls.choice import EXTENSION
from tests.daemon.harness import EVERY_WORKER, Daemon, free_port, put, until, write_list
from tests.tls.certificates import certificate

needs_extension = pytest.mark.skipif(not is_native(EXTENSION), reason="the extension over libssl was not built")


class Certificates:
    """Files of certificates, each replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.made: dict[str, tuple[bytes, bytes]] = {}

    def write(self, name: str, *names: str) -> None:
        """Make a certificate for these names, and put it in the place of what is there."""
        self.made[name] = certificate(*names)
        chain, key = self.made[name]
        put(self.folder / f"{name}.key", key)
        (self.folder / f"{name}.key").chmod(0o640)
        put(self.folder / f"{name}.pem", chain)

    def setting(self, *names: str) -> list[dict[str, str]]:
        return [{"chain": str(self.folder / f"{name}.pem"), "key": str(self.folder / f"{name}.key")} for name in names]

    def daemon(self, folder: Path, *names: str, **config: Any) -> Daemon:
        """Return a daemon that serves DNS over TLS with these."""
        write_list(folder.parent / "list", ["blocked.example"])
        feed = {"name": "list", "type": "domains", "path": str(folder.parent / "list")}
        daemon = Daemon(folder, feed, certificates=self.setting(*names), **config)
        daemon.listen["dot"] = [f"127.0.0.1:{free_port()}"]
        return daemon


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path / "tls")
    made.write("one", "dns.example", "127.0.0.1")
    made.write("two", "other.example")
    return made


def port_of(daemon: Daemon) -> int:
    dot = daemon.listen["dot"]
    assert isinstance(dot, Sequence)
    return int(str(dot[0]).rpartition(":")[2])


class Visit:
    """A connection over TLS; certificates are looked at by the test, not by `ssl`."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["dot"])

    def __init__(self, daemon: Daemon, name: str = "dns.example", session: ssl.SSLSession | None = None) -> None:
        connection = socket.create_connection(("127.0.0.1", port_of(daemon)), 10)
        self.tls = self.context.wrap_socket(connection, server_hostname=name, session=session)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.tls.close()

    @property
    def chain(self) -> bytes:
        return ssl.DER_cert_to_PEM_cert(self.tls.getpeercert(binary_form=True) or b"").encode()

    def ask(self) -> str:
        """Return the address that a listed name has; tickets are read by the way."""
        query = dns.message.make_query("blocked.example", "A")
        response = dns.query.tls(query, "127.0.0.1", 10, port=0, sock=self.tls)
        return response.answer[0][0].to_text() if response.answer else ""


def replace_worker(daemon: Daemon, index: int) -> None:
    """Kill a worker, and wait until another is in its place."""
    pid = daemon.status()["workers"][index]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.status()["workers"][index]["pid"] not in (None, pid), "the worker is started again")


def chain_of(daemon: Daemon, name: str = "dns.example") -> bytes:
    with Visit(daemon, name) as visit:
        return visit.chain


def test_certificates_are_chosen_by_name_and_read_again_and_no_connection_is_lost(
    files: Certificates, tmp_path: Path
) -> None:
    with files.daemon(tmp_path / "node", "one", "two") as daemon:
        is_told = "TLS is done by Python's own module" in daemon.log
        assert is_told != is_native(EXTENSION)
        assert chain_of(daemon) == files.made["one"][0]
        assert chain_of(daemon, "other.example") == files.made["two"][0]
        with Visit(daemon) as kept:
            assert kept.ask() == "127.0.0.1"
            files.write("one", "dns.example")
            new = files.made["one"][0]
            until(lambda: all(chain_of(daemon) == new for _ in range(EVERY_WORKER)), "new connections get it", 5.0)
            assert kept.ask() == "127.0.0.1"
        assert chain_of(daemon, "other.example") == files.made["two"][0]
        told = {one["certificate"]: one for one in daemon.status()["certificates"]}
        assert told[str(files.folder / "one.pem")]["names"] == ["dns.example"]
        assert daemon.metric("blockd_certificate_expires_in_seconds", certificate=str(files.folder / "two.pem")) > 0


def test_a_broken_pair_keeps_the_old_one_with_an_alarm_and_a_reload_takes_the_new_one(
    files: Certificates, tmp_path: Path
) -> None:
    def alarms(daemon: Daemon) -> set[str]:
        return {alarm["name"] for alarm in daemon.status()["alarms"]}

    with files.daemon(tmp_path / "node", "one") as daemon:
        old = files.made["one"][0]
        chain, key = certificate("dns.example")
        put(files.folder / "one.pem", chain)
        until(lambda: "BlockdCertificateRefused" in alarms(daemon), "it is told that the pair does not belong together")
        assert chain_of(daemon) == old
        replace_worker(daemon, 0)
        assert all(chain_of(daemon) == old for _ in range(EVERY_WORKER))
        put(files.folder / "one.key", key)
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: all(chain_of(daemon) == chain for _ in range(EVERY_WORKER)), "the new pair is in use", 5.0)
        until(lambda: "BlockdCertificateRefused" not in alarms(daemon), "the alarm is over")
        replace_worker(daemon, 1)
        assert all(chain_of(daemon) == chain for _ in range(EVERY_WORKER)), "one started later has it, too"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_that_blockds_user_may_not_read_are_in_use_from_the_start_and_that_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:  # where that user may come
        folder = Path(name)
        folder.chmod(0o755)
        made = Certificates(folder / "tls")
        made.write("one", "dns.example")
        (made.folder / "one.key").chmod(0o600)
        daemon = made.daemon(folder / "node", "one", user="nobody")
        daemon.state_dir.mkdir()
        os.chown(daemon.state_dir, pwd.getpwnam("nobody").pw_uid, -1)
        with daemon:
            assert chain_of(daemon) == made.made["one"][0]
            until(lambda: daemon.status()["certificates"][0]["refusal"], "the control process has looked")
            [alarm] = [one for one in daemon.status()["alarms"] if one["name"] == "BlockdCertificateRefused"]
            assert "one.key cannot be read: permission denied" in alarm["what"]
            assert "which blockd's user may read" in alarm["todo"]
            shutil.chown(made.folder / "one.key", "nobody")
            until(lambda: not daemon.status()["certificates"][0]["refusal"], "it can be read now")


@needs_extension
def test_a_client_resumes_at_another_worker_and_after_a_workers_death(files: Certificates, tmp_path: Path) -> None:
    with files.daemon(tmp_path / "node", "one") as daemon:
        with Visit(daemon) as first:
            assert first.ask() == "127.0.0.1"
            session = first.tls.session
            assert not first.tls.session_reused
        for _ in range(EVERY_WORKER):
            with Visit(daemon, session=session) as again:
                assert again.tls.session_reused
                assert again.ask() == "127.0.0.1"
        for index in range(2):
            replace_worker(daemon, index)
        for _ in range(EVERY_WORKER):
            with Visit(daemon, session=session) as again:
                assert again.tls.session_reused
                assert again.ask() == "127.0.0.1"


@needs_extension
def test_a_client_resumes_at_another_node_that_has_the_same_secrets(files: Certificates, tmp_path: Path) -> None:
    secrets = tmp_path / "tickets"
    secrets.write_text("ab" * 32 + "\n")
    secrets.chmod(0o600)
    shared: dict[str, Any] = {"tls": {"ticket_secrets": str(secrets)}, "workers": 1}
    with (
        files.daemon(tmp_path / "a", "one", **shared) as here,
        files.daemon(tmp_path / "b", "one", **shared) as there,
        files.daemon(tmp_path / "c", "one", workers=1) as stranger,
    ):
        with Visit(here) as first:
            first.ask()
            session = first.tls.session
        with Visit(there, session=session) as again:
            assert again.tls.session_reused
        with Visit(stranger, session=session) as again:
            assert not again.tls.session_reused


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "one.pem").unlink(), "one.pem cannot be read: no such file or directory"),
        (lambda folder: (folder / "one.pem").write_text("no certificate"), "one.pem has no certificate chain in PEM"),
        (lambda folder: put(folder / "one.key", (folder / "two.key").read_bytes()), "belongs to another certificate"),
    ],
)
def test_a_start_without_a_usable_pair_is_refused_with_what_to_do(
    files: Certificates, tmp_path: Path, spoil: object, sentence: str
) -> None:
    assert callable(spoil)
    spoil(files.folder)
    daemon = files.daemon(tmp_path / "node", "two", "one")
    daemon.launch()
    assert not daemon.has_begun()
    assert sentence in daemon.log
    assert "certificates[1]: " in daemon.log
    assert "name a chain and its key, both in PEM" in daemon.log
    assert "Traceback" not in daemon.log


def test_secrets_of_tickets_that_others_may_read_are_refused(files: Certificates, tmp_path: Path) -> None:
    secrets = tmp_path / "tickets"
    secrets.write_text("ab" * 32 + "\n")
    secrets.chmod(0o644)
    daemon = files.daemon(tmp_path / "node", "one", tls={"ticket_secrets": str(secrets)})
    daemon.launch()
    assert not daemon.has_begun()
    assert "tls.ticket_secrets" in daemon.log
    assert "who could open session tickets; `chmod o-rw` it" in daemon.log
