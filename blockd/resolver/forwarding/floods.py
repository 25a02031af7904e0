# cython: annotation_typing=False
"""Floods of new names below one domain that fail: few of them are asked, so that they cost upstreams and others little.

Both engines share this; `floods.pxd` has the types with which it is compiled. An attacker who asks for ever new names
below a domain passes the cache, and each of them is a flight. Those that fail are counted by registered domain when
they end, never those that are answered, however late, since the domains of clouds are large. They are counted by who
asks as well (`askers.py`): as long as few clients or networks ask for them, only these are held back, and all others
ask for that domain's names as before. All moments are seconds of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from blockd.names import DomainName, label_ends
from blockd.names.suffixes import PublicSuffixes
from blockd.resolver.forwarding.askers import WITHIN_SHARES, Askers
from blockd.resolver.forwarding.limits import CALM, MAX_DOUBTS, MAX_FAILURE_TEXT, WINDOW
from blockd.resolver.zone_table import NO_ZONE, ZoneTable

ASKED = 10  # of the new names below a domain in a flood, at most one in so many is asked, so that its end is seen
MAX_RULE = 16  # labels of a public suffix; a longer one is as if it were not in the list
MAX_DOMAINS = 4096  # domains counted; the one that was counted first is forgotten first
SPARED = 16  # domains in a flood that are passed over for that
TOLD = 60.0  # seconds for which no further flood is told of, after ...
TOLD_AT_ONCE = 8  # ... so many

_IN_ADDR = b"\4arpa\7in-addr"
_IP6 = b"\4arpa\3ip6"
_IN_ADDR_LABELS = 2 + 2  # of a reverse name with in-addr.arpa: networks of 16 bits
_IP6_LABELS = 2 + 8  # the same with ip6.arpa: networks of 32 bits


@dataclass(frozen=True, slots=True)
class FloodLimit:
    """How many names a second may fail below one domain, 0 for no limit, and what it does not apply to, as keys."""

    rate: float = 0.0
    exempt: frozenset[bytes] = frozenset()
    suffixes: PublicSuffixes = field(default=PublicSuffixes.none(), repr=False)


NO_LIMIT = FloodLimit()


class Domain:
    """What is counted of one registered domain."""

    def __init__(self, now: float) -> None:
        self.level = 0.0  # failures that are above the rate
        self.spread = 0.0  # the same without those of clients and networks that had more than their share
        self.moment = now  # when both were that
        self.doubts = 0  # names that are waited for and take long
        self.held_back = 0  # names not asked since one was
        self.asked = 0  # names asked in the flood since ...
        self.asking_since = now  # ... this moment, less than a second ago
        self.said = b""  # why, if it has been in a flood


class Floods:
    """The domains of one worker below which names have failed.

    In all methods `asker` is who asks: 4 octets of an IPv4 address, 8 of an IPv6 one, none for blockd itself.
    """

    def __init__(self, limit: FloodLimit, tell: Callable[[str], None]) -> None:
        """`tell` gets a sentence when a flood begins."""
        suffixes = limit.suffixes
        self.rate = limit.rate
        self.threshold = limit.rate * WINDOW
        self.most = limit.rate * (WINDOW + CALM)
        self.held_back = 0  # names that were not asked, in all
        self.flooded_until = -1.0  # no domain has failed too often after this moment
        self.doubts = 0  # names that are waited for and take long, in all
        self._askers = Askers(limit.rate)
        self._exempt = ZoneTable(tuple(limit.exempt)) if limit.exempt else None
        self._names = suffixes.names
        self._wild = suffixes.wild
        self._exceptions = suffixes.exceptions
        self._tell = tell
        self._told = 0
        self._telling_since = -TOLD
        self._domains: dict[bytes, Domain] = {}

    def __len__(self) -> int:
        return len(self._domains)

    def refusal(self, key: bytes, asker: bytes, now: float) -> bytes | None:
        """Return why a new name is not asked, as a sentence in UTF-8; None if it is to be asked."""
        if now > self.flooded_until and self.doubts <= MAX_DOUBTS:
            return None
        name = self.domain_of(key)
        domain = self._domains.get(name)
        if domain is None or self._is_exempt(key):
            return None
        fails = self._fails_for(domain, name, asker, now)
        if not fails and not self._is_waited_for(domain, name, asker):
            return None
        domain.held_back += 1
        if domain.held_back >= ASKED and self._may_ask(domain, now):
            domain.held_back = 0
            return None
        self.held_back += 1
        return domain.said if fails else _sentence(name, "take long")

    def is_flooded(self, key: bytes, asker: bytes, now: float) -> bool:
        """Return whether most new names below a name's domain fail, or seem to: then none is asked twice."""
        if now > self.flooded_until and self.doubts <= self.threshold:
            return False
        name = self.domain_of(key)
        domain = self._domains.get(name)
        if domain is None or self._is_exempt(key):
            return False
        passed = self._passed(domain, now)
        if max(domain.level - passed, 0.0) + domain.doubts <= self.threshold:
            return False
        if domain.spread - passed > self.threshold or domain.doubts > MAX_DOUBTS // 2:
            return True
        return self._askers.is_over(name, asker, now, with_doubts=True)

    def note_doubt(self, key: bytes, asker: bytes, now: float) -> int:
        """Note that a name takes long, which may still be answered; return how far it is counted, for `end_doubt`."""
        self.doubts += 1
        if self.rate <= 0 or self._is_exempt(key):
            return WITHIN_SHARES
        name = self.domain_of(key)
        domain = self._domain(name, now)
        domain.doubts += 1
        return self._askers.note_doubt(name, asker, now)

    def end_doubt(self, key: bytes, asker: bytes, counted: int) -> None:
        """Note that a name that took long is not waited for any more, which was `counted` so far."""
        self.doubts -= 1
        if self._is_exempt(key):
            return
        name = self.domain_of(key)
        domain = self._domains.get(name)
        if domain is not None and domain.doubts > 0:
            domain.doubts -= 1
        self._askers.end_doubt(name, asker, counted)

    def note_failure(self, key: bytes, asker: bytes, now: float) -> int:
        """Note that a name failed; return how far it is counted, for `take_back`."""
        if self.rate <= 0 or self._is_exempt(key):
            return WITHIN_SHARES
        name = self.domain_of(key)
        domain = self._domain(name, now)
        passed = self._passed(domain, now)
        domain.moment = now
        domain.level = min(max(domain.level - passed, 0.0) + 1.0, self.most)
        domain.spread = max(domain.spread - passed, 0.0)
        counted = self._askers.note_failure(name, asker, now)
        if counted == WITHIN_SHARES:
            domain.spread = min(domain.spread + 1.0, self.most)
        if domain.level > self.threshold:
            if self.flooded_until < now + CALM:
                self.flooded_until = now + CALM
            if not domain.said:
                self._begin(domain, name, now)
        return counted

    def take_back(self, key: bytes, asker: bytes, counted: int) -> None:
        """Note that a name that failed was answered after all, which was `counted` so far."""
        name = self.domain_of(key)
        domain = self._domains.get(name)
        if domain is not None:
            domain.level = max(domain.level - 1.0, 0.0)
            if counted == WITHIN_SHARES:
                domain.spread = max(domain.spread - 1.0, 0.0)
        self._askers.take_back(name, asker, counted)

    def domain_of(self, key: bytes) -> bytes:
        """Return the key of a name's registered domain, or of a reverse name's network.

        The rules are those of publicsuffix.org/list: the longest one counts, and `*` where there is none. A name that
        is a rule stands for itself; top-level names that are none share the empty key, since few of them exist.
        """
        size = len(key)
        if key.startswith(_IN_ADDR):
            return key[: label_ends(key)[:_IN_ADDR_LABELS][-1]]
        if key.startswith(_IP6):
            return key[: label_ends(key)[:_IP6_LABELS][-1]]
        end = labels = 0
        suffix = 1 + key[0] if size else 0
        is_listed = is_wild = False
        while end < size and labels < MAX_RULE:
            end += 1 + key[end]
            labels += 1
            name = key[:end]
            if is_wild:
                if name in self._exceptions:
                    return name
                suffix, is_listed = end, True
            if name in self._names:
                suffix, is_listed = end, True
            is_wild = name in self._wild
        if suffix >= size:
            return key if is_listed else b""
        return key[: suffix + 1 + key[suffix]]

    def _domain(self, name: bytes, now: float) -> Domain:
        """Return what is counted of a domain, from now on if nothing was."""
        domain = self._domains.get(name)
        if domain is None:
            if len(self._domains) >= MAX_DOMAINS:
                self._make_room(now)
            domain = self._domains[name] = Domain(now)
        return domain

    def _fails_for(self, domain: Domain, name: bytes, asker: bytes, now: float) -> bool:
        """Return whether most new names below a domain fail, for all who ask or by fault of this one."""
        passed = self._passed(domain, now)
        if domain.level - passed <= self.threshold:
            return False
        return domain.spread - passed > self.threshold or self._askers.is_over(name, asker, now, with_doubts=False)

    def _is_waited_for(self, domain: Domain, name: bytes, asker: bytes) -> bool:
        """Return whether so many names below a domain take long that others would not be asked for want of room."""
        if domain.doubts <= MAX_DOUBTS:
            return False
        return domain.doubts > 2 * MAX_DOUBTS or self._askers.is_waiting(name, asker)

    def _may_ask(self, domain: Domain, now: float) -> bool:
        """Count a name that is to be asked; return whether it is within the rate, as large as the flood may be."""
        if now - domain.asking_since >= 1.0:
            domain.asked = 0
            domain.asking_since = now
        domain.asked += 1
        return domain.asked <= max(self.rate, 1.0)

    def _passed(self, domain: Domain, now: float) -> float:
        """Return how many failures the rate has allowed since a domain's were counted last."""
        return max(now - domain.moment, 0.0) * self.rate

    def _make_room(self, now: float) -> None:
        """Forget the domain that was counted first, but look whether others can be spared before one in a flood."""
        for _ in range(SPARED):
            name = next(iter(self._domains))
            domain = self._domains.pop(name)
            if domain.level - self._passed(domain, now) <= self.threshold and domain.doubts <= MAX_DOUBTS:
                return
            self._domains[name] = domain
        del self._domains[next(iter(self._domains))]

    def _is_exempt(self, key: bytes) -> bool:
        return self._exempt is not None and self._exempt.find(key) != NO_ZONE

    def _begin(self, domain: Domain, name: bytes, now: float) -> None:
        domain.said = _sentence(name, "fail")
        if now - self._telling_since >= TOLD:
            self._told = 0
            self._telling_since = now
        self._told += 1
        if self._told <= TOLD_AT_ONCE:
            self._tell(
                f"More than {self.rate:g} new names a second {_below(name)} fail. Of new ones, at most one in {ASKED} "
                "is asked for the clients and networks that ask for most of those, or for all if these are many, until "
                "that ends; the others get SERVFAIL. What is cached is answered as before."
            )


def _below(name: bytes) -> str:
    return f"below {DomainName(name).text}" if name else "without a dot"


def _sentence(name: bytes, what: str) -> bytes:
    return f"most new names {_below(name)} {what}: at most one in {ASKED} is asked".encode()[:MAX_FAILURE_TEXT]
