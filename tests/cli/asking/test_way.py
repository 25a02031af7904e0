"""Which server the commands of blockd send a token to over TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blockd.cli.asking.way import PortWay
from tests.tls.certificates import certificate


def pair(folder: Path, name: str, *names: str) -> Path:
    chain, key = certificate(*names)
    (folder / f"{name}.pem").write_bytes(chain)
    (folder / f"{name}.key").write_bytes(key)
    return folder / f"{name}.pem"


@contextmanager
def serving(chain: Path) -> Iterator[str]:
    """Shake hands with whoever connects, until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, chain.with_suffix(".key"))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                sock, _ = server.accept()
                with sock:
                    try:
                        with context.wrap_socket(sock, server_side=True) as agreed:
                            if agreed.recv(1) == b"!":
                                return
                    except OSError:  # it was not trusted
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(server.getsockname()) as sock, trusting.wrap_socket(sock) as last:
                last.sendall(b"!")
            thread.join()


def test_the_configs_own_certificate_is_trusted_whatever_its_names_are(tmp_path: Path) -> None:
    other, own = pair(tmp_path, "other", "x.example"), pair(tmp_path, "own", "dns.isp.example")
    with serving(own) as address:
        PortWay(address, is_tls=True, chains=[tmp_path / "none.pem", other, own]).connect(5).close()


@pytest.mark.parametrize("chains", [(), ("own.pem",), ("damaged.pem",)])
def test_no_other_server_is(chains: tuple[str, ...], tmp_path: Path) -> None:
    pair(tmp_path, "own", "127.0.0.1")
    (tmp_path / "damaged.pem").write_text("-----BEGIN CERTIFICATE-----\n?\n")
    told = "its certificate is none that this config's `certificates` have"
    with serving(pair(tmp_path, "another", "127.0.0.1")) as address, pytest.raises(PermissionError, match=told):
        PortWay(address, is_tls=True, chains=[tmp_path / name for name in chains]).connect(5)


def test_one_that_an_authority_in_ssl_cert_file_vouches_for_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = pair(tmp_path, "renewed", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(renewed))
    with serving(renewed) as address:
        PortWay(address, is_tls=True, chains=[pair(tmp_path, "own", "127.0.0.1")]).connect(5).close()
