"""The addresses of a feed's primaries: as configured, or looked up by name at each poll and remembered on disk.

So a start without a resolver works, and a worker that takes a NOTIFY knows whom it may come from.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from blockd.errors import FeedUnreachable
from blockd.feeds.transfer.lookup import MAX_ADDRESSES, addresses_of
from blockd.feeds.transfer.tries import Tries
from blockd.files import read_kept, replacing
from blockd.settings import Feed, NamedPrimary, SocketAddress, TransferFeed, Upstream

FILE = "addresses.json"
MAX_FILE = 64 * 1024  # octets: eight names with eight addresses take two thousand
MAX_ASKED = 16  # addresses of all primaries of a feed that are asked in one poll
REMEMBERED = 30 * 86_400.0  # seconds for which addresses are used although their name cannot be looked up


@dataclass(slots=True)
class PrimaryAddresses:
    """The addresses of a feed's primaries, those of names remembered in `folder`; `now` returns seconds."""

    feed: TransferFeed
    folder: Path
    now: Callable[[], float]
    upstreams: Sequence[Upstream] = ()
    notes: list[str] = field(default_factory=list)  # sentences about names that could not be looked up

    async def current(self) -> tuple[dict[SocketAddress, str], list[Tries]]:
        """Return each address with what to call it, and the names that have none, with the reason."""
        names = list(dict.fromkeys(one.name for one in self.feed.primary if isinstance(one, NamedPrimary)))
        answers = await asyncio.gather(*(addresses_of(name, self.upstreams) for name in names))
        found = {name: answer for name, answer in zip(names, answers, strict=True) if answer}
        before, seconds = remembered(self.folder), self.now()
        kept = {
            name: known
            for name, known in before.items()
            if name in names and name not in found and 0 <= seconds - known.seen <= REMEMBERED
        }
        self._save({**kept, **{name: Remembered(answer, seconds) for name, answer in found.items()}}, before)
        self.notes[:] = [
            f"The addresses of the primary {name} cannot be looked up; those looked up last are asked: "
            f"{', '.join(known.addresses)}."
            for name, known in kept.items()
        ]
        asked: dict[SocketAddress, str] = {}
        missing = []
        for primary in self.feed.primary:
            if isinstance(primary, SocketAddress):
                asked.setdefault(primary, primary.text)
                continue
            known = found.get(primary.name) or (kept[primary.name].addresses if primary.name in kept else [])
            for host in known:
                address = SocketAddress(host, primary.port)
                asked.setdefault(address, f"{primary.name} ({address.text})")
            if not known:
                tries = Tries(primary.text)
                tries.note("its addresses", FeedUnreachable("none was found: check the name, and that it is resolved"))
                missing.append(tries)
        return dict(list(asked.items())[:MAX_ASKED]), missing

    def _save(self, known: dict[str, Remembered], before: dict[str, Remembered]) -> None:
        """Write the addresses if they have changed, or a day has gone; without them the feed goes on."""
        is_same = known.keys() == before.keys() and all(
            before[name].addresses == one.addresses and one.seen - before[name].seen < REMEMBERED / 30
            for name, one in known.items()
        )
        if not is_same:
            with contextlib.suppress(OSError), replacing(self.folder / FILE) as file:
                values = {name: {"addresses": one.addresses, "seen": int(one.seen)} for name, one in known.items()}
                file.write(json.dumps(values, indent=1).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Remembered:
    """The addresses of a name, and when it was last looked up, in seconds since the epoch."""

    addresses: list[str]
    seen: float


def remembered(folder: Path) -> dict[str, Remembered]:
    """Return the addresses remembered in a feed's folder by name; empty if there are none that can be read."""
    try:
        values = json.loads(read_kept(folder / FILE, MAX_FILE))
        return {
            str(name): Remembered(
                [str(ip_address(str(one))) for one in value["addresses"][:MAX_ADDRESSES]], float(value["seen"])
            )
            for name, value in values.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def remembered_hosts(feed: Feed, folder: Path) -> list[str]:
    """Return the addresses remembered of the primaries that a feed names; empty if it names none."""
    if not isinstance(feed, TransferFeed) or not feed.has_named_primaries:
        return []
    return [host for one in remembered(folder).values() for host in one.addresses]
