"""How long an order takes from its publication until it is enforced, with one of two mirrors at fault.

`python -m tests.bench.mirrors` runs a daemon with the default interval for each fault, publishes orders at any moment
of its polls, and prints a row for each fault: the median and the longest of the times, in seconds, first with the
faulty mirror as the one that leads, then as the other one.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.daemon.authorities import Authorities
from tests.daemon.harness import Daemon, everywhere, free_port, until
from tests.daemon.mirror import Mirror, mirrored
from tests.upstream import UpstreamSimulator
from tests.webserver import QuietHandler, running

SINKHOLE = ["127.0.0.1"]
ORDERS = 8  # published for each row
MISSING = b"missing"  # what a lie gives in the place of a file that is not there
_PHASE = 3.0  # seconds at most between what is enforced and what is published next
_DRIP = 1.0  # seconds between the octets of a mirror that drips

Fault = Callable[[Mirror, Path], None]
"""Makes a mirror faulty; the folder has what was published before."""


class _Drops(QuietHandler):
    """Sends an octet now and then, without an end."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        """Answer drop by drop."""
        self.give_without_end(b" ", _DRIP)


class _FaultyMirror(Mirror):
    """Sends drop by drop once `drips` is set, and lacks what a lie says is missing."""

    drips = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        handler: Any = _Drops if self.drips else self.RequestHandlerClass
        handler(request, client_address, self)

    def content(self, path: str) -> bytes | None:
        """Return what a path is answered with; None if there is nothing."""
        if self.drips:
            raise ConnectionError("this connection is from before the fault")
        content = super().content(path)
        return None if content == MISSING else content


def _late(seconds: float) -> Fault:
    def mount(mirror: Mirror, _: Path) -> None:
        def lie(_: str) -> None:
            mirror.released.wait(seconds)

        mirror.lie = lie

    return mount


def _frozen(mirror: Mirror, before: Path) -> None:
    mirror.folder = before


def _wrong(mirror: Mirror, _: Path) -> None:
    mirror.lie = lambda _: b'{"signed": {}, "signatures": []}'


def _instead(part: str, content: bytes) -> Fault:
    """Answer with `content` where a new file with `part` in its name is asked for."""

    def mount(mirror: Mirror, before: Path) -> None:
        def lie(path: str) -> bytes | None:
            return content if part in path and not (before / path).is_file() else None

        mirror.lie = lie

    return mount


def _drips(mirror: Mirror, _: Path) -> None:
    assert isinstance(mirror, _FaultyMirror)
    mirror.drips = True


def _none(_: Mirror, __: Path) -> None:
    """Leave the mirror as it is."""


FAULTS: dict[str, Fault | None] = {
    "none": _none,
    "0.9 s late with each file": _late(0.9),
    "2 s late": _late(2.0),
    "10 s late": _late(10.0),
    "18 s late": _late(18.0),
    "drips": _drips,
    "never answers": _late(1e6),
    "refuses connections": None,
    "frozen": _frozen,
    "wrong octets": _wrong,
    "withholds an order": _instead(".order-", MISSING),
    "withholds an authority's part": _instead(".telecom.json", MISSING),
    "withholds a snapshot": _instead(".snapshot.json", MISSING),
    "a wrong order": _instead(".order-", b"{}"),
    "a wrong part of an authority": _instead(".telecom.json", b"{}"),
}


def measured(fault: str, *, leads: bool, orders: int, folder: Path, upstream: str) -> list[float]:
    """Return the times, in seconds, from the publication of each order until every worker enforces it."""
    authorities = Authorities(folder / "authorities")
    authorities.order("telecom", "first", ["listed.example"])
    authorities.publish()
    mount = FAULTS[fault]
    with running(_FaultyMirror(authorities.out)) as faulty, mirrored(authorities.out) as honest:
        place = faulty.url if mount else f"http://127.0.0.1:{free_port()}/"
        urls = (place, honest.url) if leads else (honest.url, place)
        feed = authorities.feed(urls[0], mirrors=[urls[1]])
        del feed["interval"]
        with Daemon(folder / "daemon", feed, upstream=upstream) as daemon:
            until(daemon.is_ready, "it enforces")
            before = folder / "before"
            shutil.copytree(authorities.out, before)
            if mount:
                mount(faulty, before)
            try:
                return [_one(authorities, daemon, number) for number in range(orders)]
            finally:
                faulty.released.set()


def _one(authorities: Authorities, daemon: Daemon, number: int) -> float:
    time.sleep(random.uniform(0.0, _PHASE))  # noqa: S311 - no secret
    name = f"open-{number}.example"
    authorities.order("telecom", f"order-{number}", [name])
    authorities.publish()
    published = time.monotonic()
    everywhere(lambda: daemon.ask(name).addresses == SINKHOLE, name, 120.0)
    return time.monotonic() - published


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--only", choices=FAULTS, action="append")
    arguments = parser.parse_args(words)
    print("| fault | leads: median | longest | does not lead: median | longest |")
    print("| --- | --- | --- | --- | --- |")
    for fault in arguments.only or FAULTS:
        cells = []
        for leads in (True, False):
            with tempfile.TemporaryDirectory() as folder, UpstreamSimulator() as upstream:
                times = measured(
                    fault, leads=leads, orders=arguments.orders, folder=Path(folder), upstream=upstream.address
                )
            cells += [f"{statistics.median(times):.1f}", f"{max(times):.1f}"]
        print(f"| {fault} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
