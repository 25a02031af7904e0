"""A front end that terminates TLS, as operators run it: nginx hands on requests by plain HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import dns.message
import dns.rcode

from blockd.names import Network
from blockd.transports.http.doh import CONTENT_TYPE
from tests.daemon.harness import free_port
from tests.resolver.rig import Rig, question
from tests.tls.certificates import certificate
from tests.transports.connections import LISTED, Serving
from tests.transports.http.clients import over_https
from tests.transports.loops import Run
from tests.transports.test_dot_clients import output, program

FRONT = "127.0.0.53"  # from which nginx asks
ELSEWHERE = "198.51.100.7"

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream blockd {{
        server {backend};
        keepalive 8;
    }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/chain.pem;
        ssl_certificate_key {folder}/key.pem;
        location /dns-query {{
            proxy_pass http://blockd;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_bind {front};
        }}
    }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, served: Serving) -> AsyncIterator[str]:
    """Run nginx in front of a server; yield the URL at which it is asked."""
    chain, key = certificate("localhost", "127.0.0.1")
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(key)
    port = free_port()
    host, behind = served.address
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, backend=f"{host}:{behind}", port=port, front=FRONT), "utf-8")
    process = await asyncio.create_subprocess_exec(
        program("nginx", "nginx-light"), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")
    )
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            assert process.returncode is None, (folder / "error.log").read_text()
            await asyncio.sleep(0)
        yield f"https://127.0.0.1:{port}/dns-query"
    finally:
        process.terminate()
        await process.wait()


def test_nginx_asks_for_its_clients(rig: Rig, run: Run, tmp_path: Path) -> None:
    message, answer = tmp_path / "message", tmp_path / "answer"
    message.write_bytes(question(LISTED).to_wire())

    async def main() -> None:
        front = (Network.from_text(FRONT),)
        async with (
            over_https(rig, plain_from=front, client_header="x-forwarded-for", has_tls=False) as served,
            nginx(tmp_path, served) as url,
        ):
            command = [program("curl", "curl"), "-sS", "--max-time", "30", "--cacert", str(tmp_path / "chain.pem")]
            command += ["-H", f"Content-Type: {CONTENT_TYPE.decode()}", "--data-binary", f"@{message}"]
            command += ["-o", str(answer), "-w", "%{http_code} %{http_version}"]
            for claimed in ((), ("-H", f"X-Forwarded-For: {ELSEWHERE}")):
                assert await output(*command, *claimed, url) == "200 2"
                assert dns.message.from_wire(answer.read_bytes()).rcode() == dns.rcode.NOERROR, "what nginx saw counts"
            assert await output(*command, "--http1.1", url) == "200 1.1"
            assert len(served.server.connections) == 1, "nginx keeps its connection"

    run(main())
