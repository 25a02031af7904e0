"""Running the client under test as the conformance suite does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.feeds.tuf import conformance_client
from tests.feeds.tuf.repository import NOW
from tests.feeds.tuf.serving import Served


class Client:
    """The client under test with its folders; `now` is its clock."""

    def __init__(self, folder: Path, server: Served) -> None:
        self.folder, self.server, self.now = folder, server, NOW
        self.metadata, self.targets = folder / "metadata", folder / "targets"
        self.metadata.mkdir()
        self.targets.mkdir()

    def init(self, root: bytes = b"") -> int:
        path = self.folder / "initial.json"
        path.write_bytes(root or self.server.repository.first_root)
        return self.run("init", str(path))

    def refresh(self) -> int:
        return self.run("--metadata-url", f"{self.server.url}/metadata", "refresh")

    def download(self, name: str) -> int:
        places = ["--target-base-url", f"{self.server.url}/targets", "--target-dir", str(self.targets)]
        return self.run("--metadata-url", f"{self.server.url}/metadata", "--target-name", name, *places, "download")

    def run(self, *words: str) -> int:
        return conformance_client.main(["--metadata-dir", str(self.metadata), *words], lambda: self.now.timestamp())

    def execute(self, *words: str) -> int:
        """Run it as the suite does, by itself and by the machine's clock."""
        command = [sys.executable, conformance_client.__file__, "--metadata-dir", str(self.metadata), *words]
        return subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603

    def version(self, role: str) -> int:
        return int(json.loads((self.metadata / f"{role}.json").read_bytes())["signed"]["version"])

    @property
    def downloaded(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in self.targets.iterdir())
