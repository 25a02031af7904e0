"""The TUF project's own conformance suite for clients, where it is installed: `tuf_conformance`.

It is not in the package index: `pip install git+https://github.com/theupdateframework/tuf-conformance`. A few of its
tests need Debian's `faketime`. `test_conformance.py` has what it requires, without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.feeds.tuf import conformance_client
from tests.places import ROOT


def test_public_suite_passes_whole(tmp_path: Path) -> None:
    suite = pytest.importorskip("tuf_conformance", reason="the public suite tuf-conformance is not installed here")
    folder = str(Path(suite.__file__).parent)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", folder, "--entrypoint", conformance_client.__file__],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
