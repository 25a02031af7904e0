"""Small rulesets for tests: orders and feeds in one line each, compiled into a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blockd.names import Network, key_from_text
from blockd.orders import Action, Mandate, Order, Scope
from blockd.ruleset import Enforced, FeedInput, Listing, OrderStates, Ruleset, StatesMemory, compile_ruleset
from blockd.ruleset.digest import SIZE, Pieces, overall
from blockd.ruleset.format import DIGEST_OFFSET, HEADER, HEADER_SIZE

PIECES_AT = 23  # the header's field that says where the digests of pieces begin
NOW = 1_000_000  # seconds since the epoch


def octets(count: int) -> bytes:
    """Randomness that is the same at each run."""
    return bytes(range(7, 7 + count))


def order(
    identifier: str,
    action: Action = Action.SINKHOLE,
    *,
    start: int = 0,
    expires: int | None = None,
    lifted_on: int | None = None,
    role: str = "",
) -> Order:
    cname = "landing.example" if action is Action.CNAME else ""
    return Order(
        identifier,
        "Sample Authority",
        "Example Messenger",
        action,
        Mandate.LAW,
        start,
        expires=expires,
        lifted_on=lifted_on,
        cname=cname,
        role=role,
    )


def sealed(octets: bytes) -> bytes:
    """Return a changed file with matching digests, as an attacker would make it."""
    end = HEADER.unpack_from(octets)[PIECES_AT]
    if HEADER_SIZE <= end <= len(octets):
        pieces = Pieces()
        pieces.update(octets[HEADER_SIZE:end])
        digests = pieces.finish()
        octets = octets[:end] + digests
    else:
        digests = b""
    blank = octets[:DIGEST_OFFSET] + bytes(SIZE) + octets[DIGEST_OFFSET + SIZE : HEADER_SIZE]
    return octets[:DIGEST_OFFSET] + overall(blank, digests) + octets[DIGEST_OFFSET + SIZE :]


def key_of(text: str) -> bytes:
    return Network.from_text(text).key if "/" in text else key_from_text(text)


def listing(subject: Order, *names: str, scope: Scope = Scope.BOTH) -> Listing:
    return Listing(subject, scope, [key_of(name) for name in names])


def feed(name: str, *listings: Listing, priority: int = 50, rejected: int = 0) -> FeedInput:
    orders = list({found.order.key(name): found.order for found in listings}.values())
    return FeedInput(name, "domains", priority, "00" * 32, orders, listings, rejected=lambda: rejected)


def compiled(path: Path, *feeds: FeedInput) -> Ruleset:
    compile_ruleset(feeds, path, created=NOW, randomness=octets)
    return Ruleset.open(path)


def enforced(folder: Path, *feeds: FeedInput, now: float = NOW) -> Enforced:
    return enforce(compiled(folder / "list.ruleset", *feeds), now)


def enforce(ruleset: Ruleset, now: float = NOW) -> Enforced:
    orders = [record.order for record in ruleset.catalogue.orders]
    memory = StatesMemory.make(orders, range(1, len(orders) + 1), now)
    return Enforced(1, ruleset, OrderStates(memory, len(orders)))


def some_names(count: int) -> Iterable[str]:
    return (f"host-{number}.example" for number in range(count))
