"""The upstreams of a trial: `faulty` over UDP, and one over TLS that counts its connections."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.bench.names import REAL
from tests.bench.programs import free_port, pinned

SILENT = -1.0  # instead of a delay: it says nothing to anything
TLS_NAME = "resolver.example"
_RECORD = bytes.fromhex("c00c0001000100015180") + b"\0\4" + ipaddress.ip_address(REAL).packed


class Faulty:
    """A running `faulty`."""

    def __init__(self, program: Path, core: int, delay: float = 0.0, port: int = 0) -> None:
        """`delay` is in seconds."""
        self.port = port or free_port()
        command = [str(program), str(self.port), f"{delay * 1000:.0f}"]
        self._process = subprocess.Popen(pinned(core, command), stdout=subprocess.PIPE, text=True)  # noqa: S603

    def end(self) -> dict[str, int]:
        """End it; return how many questions came for each kind of name."""
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate()
        return dict(json.loads(said))

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def faulty(program: Path, core: int, delay: float = 0.0) -> Iterator[Faulty]:
    """Run one until the end of the block at the latest."""
    made = Faulty(program, core, delay)
    try:
        yield made
    finally:
        made.kill()


class TlsUpstream:
    """DNS over TLS (RFC 7858) with one address for every name, in a thread."""

    def __init__(self, folder: Path) -> None:
        self.connections = 0
        self.questions = 0
        self.port = free_port()
        self.authority = certificate(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem")
        self._context.set_alpn_protocols(["dot"])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = threading.Event()
        self._stop = asyncio.Event()

    def __enter__(self) -> TlsUpstream:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", self.port, ssl=self._context)
        self._started.set()
        await self._stop.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(EOFError, OSError, ssl.SSLError):
            while True:
                message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                self.questions += 1
                answer = _answer(message)
                writer.write(len(answer).to_bytes(2) + answer)
        writer.close()


def _answer(message: bytes) -> bytes:
    end = 12
    while message[end]:
        end += message[end] + 1
    end += 5
    return message[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + message[12:end] + _RECORD


def certificate(folder: Path) -> Path:
    """Write `server.pem`, a key and a certificate for TLS_NAME, into a folder; return the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, TLS_NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(TLS_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(secret + trusted)
    (folder / "trusted.pem").write_bytes(trusted)
    return folder / "trusted.pem"
