"""The recipes of config/neighbours for HTTP proxies: nginx and Squid as Debian has them, in front of a real server."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from blockd.web.decide.sources import paths
from tests.daemon.harness import Daemon, free_port, until, write_list
from tests.places import ROOT

NEIGHBOURS = ROOT / "config" / "neighbours"
SOCKET = "/run/blockd/decide.sock"
BEHIND = "127.0.0.1:8000"
OFFICE = "127.0.11.1"
BLOCKD = str(Path(sys.executable).with_name("blockd"))
Answer = tuple[int, http.client.HTTPMessage, str]


class Origin(http.server.BaseHTTPRequestHandler):
    """What stands behind a proxy: it says which path of which host was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.headers['Host']}{self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture(scope="module")
def origin() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_address[1]
        server.shutdown()
        serving.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short: that of a Unix socket has 107 octets at most."""
    with tempfile.TemporaryDirectory(prefix="blockd-proxies-") as made:
        yield Path(made)


@pytest.fixture
def daemon(folder: Path) -> Iterator[Daemon]:
    made = folder / "blockd"
    made.mkdir()
    write_list(made / "law", ["law.example"])
    write_list(made / "own", ["own.example"])
    feeds = [
        {"name": "law", "type": "domains", "path": "law", "mandate": "law"},
        {"name": "own", "type": "domains", "path": "own", "mandate": "operator"},
    ]
    groups = [{"name": "offices", "networks": ["127.0.11.0/24"], "feeds": ["law"]}]
    operator = {"name": "Example Net", "url": "https://isp.example/why"}
    running = Daemon(made, *feeds, groups=groups, operator=operator)
    running.listen["decide"] = [f"unix:{folder}/decide.sock"]
    with running:
        running.wait_for_version(1)
        until(lambda: running.status()["decide"]["enforcing"] == 1, "the list is enforced for proxies")
        yield running


def get(port: int, url: str, host: str, source: str = "127.0.0.1", **fields: str) -> Answer:
    """Return the answer of a proxy to a client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(source, 0))
    try:
        connection.putrequest("GET", url, skip_host=True)
        for name, value in {"Host": host, **fields}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        with connection.getresponse() as response:
            return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    """Run a proxy that listens on a port of loopback."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)  # noqa: S603
        try:
            until(
                lambda: process.poll() is not None or _answers(port),
                f"{command[0]} listens",
            )
            assert process.poll() is None, (folder / "output").read_text(encoding="utf-8", errors="replace")
            yield
        finally:
            process.terminate()
            process.wait(60)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.connect()
    return True


def recipe(name: str, folder: Path, *changes: tuple[str, str]) -> str:
    """Return a recipe with the places of this machine in it, each of which must stand there."""
    text = (NEIGHBOURS / name).read_text(encoding="utf-8")
    for old, new in ((SOCKET, f"{folder}/decide.sock"), *changes):
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, port: int, origin: int, change: Callable[[str], str] = lambda text: text) -> list[str]:
    """Write the recipe into a config of nginx; return the command that runs it."""
    text = recipe("nginx.conf", folder, ("listen 8080;", f"listen 127.0.0.1:{port};"), (BEHIND, f"127.0.0.1:{origin}"))
    places = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{change(text)}}}\n",
        encoding="utf-8",
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_asks_by_the_recipe_and_hands_on_the_page(folder: Path, daemon: Daemon, origin: int) -> None:
    port = free_port()
    with running(nginx(folder, port, origin), folder, port):
        status, _, body = get(port, "/path?query", "free.example")
        assert (status, body) == (200, "free.example/path?query")
        status, fields, body = get(port, "/path", "www.law.example", Accept_Language="id")
        assert (status, fields["Blockd-List"], fields["Content-Language"]) == (451, "law", "id")
        assert fields["Link"] == '<https://isp.example/why>; rel="blocked-by"'
        assert "www.law.example" in body
        assert get(port, "/", "own.example:80")[0] == 403
        assert get(port, "/", "own.example", OFFICE)[0] == 200, "for its group nothing blocks it"
        assert get(port, "/", "law.example", OFFICE)[0] == 451
        # Nothing that a client sends says another host, or another client.
        told = {"X_Original_URL": "http://free.example/", "X_Forwarded_Host": "free.example", "X_Forwarded_For": OFFICE}
        assert get(port, "/?status=404&counts=no&host=free.example", "law.example", **told)[0] == 451
        assert get(port, "/", "own.example", **told)[0] == 403
        assert get(port, "http://law.example/", "free.example")[0] == 451
        hits = sum(daemon.metric("blockd_hits_total", feed=feed, action="page") for feed in ("law", "own"))
        assert hits == 6, "each request that was stopped counts once"


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_lets_no_request_pass_without_blockd_unless_the_recipe_says_so(folder: Path, origin: int) -> None:
    line = "# error_page 500 502 504 =204 /blockd/pass;"
    for change, expected in ((None, 500), (line, 200)):
        port = free_port()
        command = nginx(folder, port, origin, lambda text, change=change: _uncommented(text, change))  # type: ignore[misc]
        with running(command, folder, port):
            assert get(port, "/", "free.example")[0] == expected


def _uncommented(text: str, line: str | None) -> str:
    if line is None:
        return text
    assert line in text
    return text.replace(line, line.removeprefix("# "))


@pytest.fixture
def squid(folder: Path) -> Iterator[tuple[Path, int]]:
    """A folder for a Squid, and the port that it is to listen on; what it keeps in shared memory is removed."""
    if shutil.which("squid") is None:
        pytest.skip("squid is not installed")
    yield folder, free_port()
    for left in Path("/dev/shm").glob(f"{_service(folder)}-*"):  # noqa: S108
        left.unlink()


def _service(folder: Path) -> str:
    return re.sub("[^a-z0-9]", "", folder.name)


def squid_command(folder: Path, port: int, option: str = "") -> list[str]:
    """Write the recipe into a config of Squid; return the command that runs it, not as root, which it refuses."""
    (folder / "errors").mkdir(exist_ok=True)
    shutil.copy(NEIGHBOURS / "squid-ERR_BLOCKD", folder / "errors" / "ERR_BLOCKD")
    text = recipe("squid.conf", folder, ("/opt/blockd/bin/blockd squid-helper", f"{BLOCKD} squid-helper{option}"))
    (folder / "squid.conf").write_text(
        f"http_port 127.0.0.1:{port}\npid_filename none\ncache_log {folder}/cache.log\naccess_log none\n"
        f"coredump_dir {folder}\ncache deny all\npinger_enable off\nerror_directory {folder}/errors\n"
        f"shutdown_lifetime 0 seconds\n{text}\nhttp_access allow all\n",
        encoding="utf-8",
    )
    as_user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
    return [*as_user, "squid", "-n", _service(folder), "-N", "-f", str(folder / "squid.conf")]


def may_be_another_user() -> bool:
    """Whether this process may have a program take itself for another user's."""
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "true"]
    return os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603


as_squid = pytest.mark.skipif(not may_be_another_user(), reason="Squid refuses root, and user namespaces are forbidden")


@as_squid
def test_squid_asks_by_the_helper_and_shows_which_order_blocks(
    squid: tuple[Path, int], daemon: Daemon, origin: int
) -> None:
    folder, port = squid
    with running(squid_command(folder, port), folder, port):
        free = f"127.0.0.1:{origin}"
        assert get(port, f"http://{free}/path", free)[2] == f"{free}/path"
        status, _, body = get(port, "http://www.law.example/", "www.law.example")
        assert status == 451
        assert "Access to www.law.example is blocked" in body
        assert "blocked by list law; see https://isp.example/why" in body
        status, _, body = get(port, "http://own.example/", "own.example")
        assert (status, "blocked by list own" in body) == (403, True)
        assert get(port, "http://own.example/", "own.example", OFFICE)[0] not in (403, 451), "it is not resolved here"
        assert get(port, "http://law.example/", "law.example", OFFICE)[0] == 451
        assert _connect(port, "law.example:443") == 451
        assert _connect(port, free) == 200
        assert daemon.metric("blockd_hits_total", feed="law", action="page") > 0


def _connect(port: int, target: str) -> int:
    """Return the status of a proxy's answer to a client that wants a tunnel."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest("CONNECT", target, skip_host=True)
        connection.putheader("Host", target)
        connection.endheaders()
        response = connection.response_class(connection.sock, method="CONNECT")
        response.begin()
        response.close()
        return response.status


@as_squid
def test_squid_denies_without_blockd_unless_the_helper_is_told_otherwise(squid: tuple[Path, int], origin: int) -> None:
    folder, _ = squid
    free = f"127.0.0.1:{origin}"
    for option, passes in (("", False), (" --allow-on-failure", True)):
        port = free_port()
        with running(squid_command(folder, port, option), folder, port):
            assert (get(port, f"http://{free}/", free)[0] == 200) == passes


def test_every_recipe_asks_a_path_that_there_is_at_the_same_socket() -> None:
    for name in ("nginx.conf", "Caddyfile", "traefik.yaml", "envoy.yaml"):
        text = (NEIGHBOURS / name).read_text(encoding="utf-8")
        asked = set(re.findall("/decide/[a-z]+", text.replace(SOCKET, "")))
        assert asked, name
        assert asked <= set(paths()), name
        assert SOCKET in text or "127.0.0.1:9054" in text, name
    for name in ("traefik.yaml", "envoy.yaml"):
        assert isinstance(yaml.safe_load((NEIGHBOURS / name).read_text(encoding="utf-8")), dict)
