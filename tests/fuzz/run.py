"""One fuzz run: how much of what, with which seed, for how long. Ends with an error at the first thing found."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz import files, front_ends, messages, requests, sessions, traffic

Stage = Callable[[Path, int, int, float], str]
"""Takes a folder, how much, the seed and the monotonic moment to stop at; gives what was done in a line."""

STAGES: dict[str, tuple[Stage, int, str]] = {
    "packets": (messages.packets, 10_000_000, "questions of clients"),
    "headers": (front_ends.headers, 10_000_000, "headers of front ends"),
    "responses": (messages.responses, 5_000_000, "answers of upstreams"),
    "files": (files.files, 100_000, "ruleset files"),
    "sessions": (sessions.sessions, 200_000, "streams of TLS"),
    "requests": (requests.requests, 50_000, "streams of HTTP"),
    "traffic": (traffic.traffic, 1_000_000, "questions by sockets, with an upstream that misbehaves"),
}


def main(given: Sequence[str] | None = None) -> int:
    """Fuzz, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the native engine.")
    for name, (_, count, meaning) in STAGES.items():
        told = f"{meaning} (default {count:,})"
        parser.add_argument(f"--{name}", type=int, default=count, metavar="COUNT", help=told)
    parser.add_argument("--seconds", type=float, default=600.0, help="the longest that each of them may take")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other mutations")
    arguments = parser.parse_args(given)
    for name, (stage, _, meaning) in STAGES.items():
        count = getattr(arguments, name)
        if count:
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                done = stage(Path(folder), count, arguments.seed, started + arguments.seconds)
            print(f"{meaning}: {done}; {time.monotonic() - started:.1f} s, seed {arguments.seed}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
