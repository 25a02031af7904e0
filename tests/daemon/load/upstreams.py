"""An upstream in a process of its own, as another machine would be: what a test does is not behind its answers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.places import ROOT
from tests.upstream import Seen, UpstreamSimulator


class _Forgetful(list[Seen]):
    """Keeps nothing: millions of questions are asked."""

    def append(self, _: Seen, /) -> None:
        """Leave it."""


@contextlib.contextmanager
def elsewhere() -> Iterator[str]:
    """Serve in another process within the block; give the address."""
    command = [sys.executable, "-m", __spec__.name]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = process.stdout.readline().strip()
        assert address, "the upstream has not started"
        yield address
        process.stdin.close()


if __name__ == "__main__":
    with UpstreamSimulator() as upstream:
        upstream.seen = _Forgetful()
        upstream.probes = _Forgetful()
        print(upstream.address, flush=True)
        sys.stdin.read()
