"""Checks of the feeds: that they can be read, and that signatures do not expire soon."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.feeds.kinds import kind_of
from blockd.feeds.signed.limits import MAX_METADATA
from blockd.orders.repository import ROOT_FILE
from blockd.times import time_from_text, time_text

ROOT_IS_NEAR = 30 * 86_400  # seconds; several people must meet to sign a new root
LIST_IS_NEAR = 86_400  # seconds; signatures last a week, and an authority that signs on time never comes this close
_TRUSTED = ("timestamp.json", "snapshot.json", "targets.json")


def feeds(case: Context) -> Iterator[Finding]:
    """Check that the files that feeds name on this machine can be read; nothing is fetched."""
    if not case.settings.feeds:
        yield warning("no feed is configured: nothing is blocked", "Add one to `feeds`.")
    for feed in case.settings.feeds:
        key, place, weakness = feed.public_key, feed.local_path, kind_of(feed).weakness(feed)
        if key is not None and not case.machine.is_readable(key):
            yield bad(
                f"feed {feed.name}: the key {key} cannot be read; the list is not accepted without it",
                "Put the public key there, readable by the user that blockd runs as.",
            )
        if weakness is not None:
            yield (bad if weakness.is_fatal else warning)(f"feed {feed.name} {weakness.sentence}", weakness.advice)
        elif place is None:
            yield ok(f"feed {feed.name} is fetched from {feed.fetched_from}; `blockd check` tries it")
        elif not place.exists():
            yield bad(f"feed {feed.name}: {place} does not exist", "Put the list there, or correct the feed's place.")
        elif not case.machine.is_readable(place):
            yield bad(
                f"feed {feed.name}: this user may not read {place}", "Make it readable by the user that blockd runs as."
            )
        else:
            yield ok(f"feed {feed.name}: {place} can be read")


def roots(case: Context) -> Iterator[Finding]:
    """Check that the roots of trust can be read and do not expire soon."""
    if not _signed(case):
        yield ok("no feed is signed")
    for name, root in _signed(case):
        try:
            given = _metadata(root)
            if given.get("_type") != "root":
                raise ValueError("it is not a root of trust")
            newest = _newest_root(_trusted_folder(case, name))
            expires = time_from_text(str((_metadata(newest) if newest else given)["expires"]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            yield bad(
                f"feed {name}: {root} cannot be used: {error}",
                "Get root.json from the authority through a trusted channel.",
            )
            continue
        left = expires - case.machine.now()
        advice = "Ask the authority for a new root."
        if left <= 0 and newest:
            yield bad(f"feed {name}: its root expired on {time_text(expires)}; no update is accepted", advice)
        elif left <= ROOT_IS_NEAR:
            verb = "has expired" if left <= 0 else "expires"
            found = f"feed {name}: its root {verb} on {time_text(expires)}"
            yield warning(f"{found}; without a newer one no update is accepted from then on", advice)
        else:
            yield ok(f"feed {name}: its root is valid until {time_text(expires)}")


def signatures(case: Context) -> Iterator[Finding]:
    """Check that the last content of signed feeds does not expire soon."""
    if not _signed(case):
        yield ok("no feed is signed")
    for name, _ in _signed(case):
        folder = _trusted_folder(case, name)
        try:
            expires = min(time_from_text(str(_metadata(folder / file)["expires"])) for file in _TRUSTED)
        except FileNotFoundError:
            yield ok(f"feed {name} has not provided anything yet")
            continue
        left = expires - case.machine.now()
        advice = "Ask the authority to sign and publish; its last content stays in force."
        if left <= 0:
            yield bad(f"feed {name}: its last content expired on {time_text(expires)}", advice)
        elif left <= LIST_IS_NEAR:
            yield warning(f"feed {name}: its last content expires on {time_text(expires)}", advice)
        else:
            yield ok(f"feed {name}: its last content is valid until {time_text(expires)}")


def _signed(case: Context) -> list[tuple[str, Path]]:
    """Return the names of the signed feeds, each with its root of trust."""
    return [(feed.name, root) for feed in case.settings.feeds if (root := feed.root_of_trust) is not None]


def _trusted_folder(case: Context, feed: str) -> Path:
    """Return the folder in which `blockd.feeds.signed.repository` keeps its trusted metadata."""
    return case.settings.state_dir / "feeds" / feed / "trusted"


def _newest_root(trusted: Path) -> Path | None:
    folder = trusted / "root_history"
    numbers = [int(match[1]) for path in folder.glob("*.root.json") if (match := ROOT_FILE.fullmatch(path.name))]
    return folder / f"{max(numbers)}.root.json" if numbers else None


def _metadata(path: Path) -> Mapping[str, Any]:
    """Return the signed part of a metadata file; its signature is verified by the feed, not here."""
    with path.open("rb") as file:
        signed: Mapping[str, Any] = json.loads(file.read(MAX_METADATA["targets"]))["signed"]
    return signed
