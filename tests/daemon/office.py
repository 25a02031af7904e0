"""An authority's office: three people, each with a key on a machine of her own, and the folder that is published."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import forking
from tests.daemon.harness import PATIENCE, blockd, free_port, until

PEOPLE = ("ani", "budi", "citra")
ROLE = "kominfo"
AUTHORITY = "Kementerian Kominfo"


class Office:
    """The authority ROLE with all it has under `folder`; two of its people have to sign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = folder / "desk"  # where orders are prepared and published from
        self.out = folder / "out"
        self.root = self.out / "root.json"
        for person in PEOPLE:
            (folder / person).mkdir(parents=True)
            self._password(person).write_text(f"only {person} knows\n", encoding="ascii")
            self._password(person).chmod(0o600)
            self.do("key", "new", self._key(person), "--password-file", self._password(person))
        self.do("init", self.desk)
        keys = [f"{person}={self._key(person)}.pub" for person in PEOPLE]
        self.do("delegate", self.desk, ROLE, "--name", AUTHORITY, "--key", *keys, "--threshold", 2)
        self.do("sign", self.desk)

    def do(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """Do one step of `blockd authority`; return what it tells programs."""
        done = blockd("authority", *map(str, arguments), "--json", folder=self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return dict(json.loads(done.stdout)) if done.stdout else {}

    def sign(self, person: str, *, elsewhere: bool = False) -> dict[str, Any]:
        """Have a person sign at the desk, or in a copy of it whose signature is brought back."""
        if not elsewhere:
            return self._sign(self.desk, person)
        theirs = self.folder / person / "desk"
        shutil.rmtree(theirs, ignore_errors=True)
        shutil.copytree(self.desk, theirs, ignore=shutil.ignore_patterns("keys"))
        signed = self._sign(theirs, person)
        return self.do("sign", self.desk, "--role", ROLE, "--add", signed["file"])

    def publish(self) -> dict[str, Any]:
        """Publish what has its signatures."""
        return self.do("publish", self.desk, self.out)

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve what is published, by HTTP; return the URL."""
        port = free_port()
        command = ["blockd", "authority", "serve", str(self.out), "--listen", f"127.0.0.1:{port}"]
        url = f"http://127.0.0.1:{port}/"
        with Path(os.devnull).open("wb") as nowhere:
            server = forking.start(command, self.folder, os.environ, nowhere, 2)
        try:
            until(lambda: _answers(f"{url}root.json"), "the published folder is served")
            yield url
        finally:
            server.terminate()
            server.wait(PATIENCE)

    def _key(self, person: str) -> Path:
        return self.folder / person / "key.pem"

    def _password(self, person: str) -> Path:
        return self.folder / person / "password"

    def _sign(self, desk: Path, person: str) -> dict[str, Any]:
        key = ("--key", self._key(person), "--password-file", self._password(person))
        return self.do("sign", desk, "--role", ROLE, *key, "--yes")


def _answers(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:  # noqa: S310 - loopback
        return bool(response.status == 200)
