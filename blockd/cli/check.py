"""`blockd check`: the config and every list that it names, all errors at once, before anything is started."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockd.cli import DONE, NO
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.daemon.certificates.rereading import never_again
from blockd.daemon.enforced_gate import enforced_gate
from blockd.daemon.preconditions import lacking
from blockd.daemon.report.group_lines import exempt_from_law, group_lines
from blockd.daemon.report.resolution_lines import resolution_lines
from blockd.daemon.rights.account import Account, acting_as
from blockd.daemon.update.dry_run import DryRun, dry_run
from blockd.daemon.update.expiry import ended, orders_of
from blockd.daemon.update.feed_state import FeedState
from blockd.doctor.finding import Finding, Grade
from blockd.doctor.forwarding import findings_of
from blockd.doctor.machine import Machine
from blockd.doctor.upstream_question import questions_of
from blockd.errors import BadCertificate, CommandError, RulesetError
from blockd.orders import State, state_at
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.counts import of_feed, totals
from blockd.settings import Settings, load
from blockd.settings.groups import GroupSummary, summaries
from blockd.tls.announced import gap_sentences
from blockd.tls.files import read_files
from blockd.tls.validity import open_key_gap, validity_sentences
from blockd.web.callers.admin_tls import authorities_in


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a start would find: what is lacking, the outcome of each feed, and how many names would be enforced."""

    config: Path
    lacking: Sequence[str]  # why a start on this machine by this user would be refused
    feeds: tuple[str, ...]
    found: DryRun
    names: int
    networks: int
    pinned: int | None
    orders: tuple[int, int]  # how many a start would have, and how many of these would not be in force
    resolution: Resolution
    upstreams: Sequence[Finding]  # what each upstream answers; empty if it was not asked
    groups: Sequence[GroupSummary] = ()
    warnings: Sequence[str] = ()  # sentences about what the config does, and may not be meant

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        built = self.found.built
        return {
            "config": str(self.config),
            "start": {"refused": list(self.lacking)},
            "names": self.names,
            "networks": self.networks,
            "pinned": self.pinned,
            "orders": self.orders[0],
            "orders_not_in_force": self.orders[1],
            "resolution": self.resolution.to_json(),
            "upstreams": [
                {"grade": str(one.grade), "found": one.found, "advice": one.advice or None} for one in self.upstreams
            ],
            "groups": [group.to_json() for group in self.groups],
            "warnings": list(self.warnings),
            "feeds": list(self.feeds),
            "feed_names": {name: built.records[name].names for name in self.feeds if name in built.records},
            "refused": {
                name: {"reason": error.reason, "why": str(error)} for name, error in self.found.refused.items()
            },
            "lost": sorted(built.lost),
            "rejects": {name: report.to_json() for name, report in built.rejects.items()},
            "held": {name: report.to_json() for name, report in built.held.items()},
        }

    def lines(self) -> Iterator[str]:
        """Yield it as lines for people."""
        if self.lacking:
            yield f"{self.config} is written correctly, but a start on this machine by this user would be refused."
            yield from (f"  {reason}" for reason in self.lacking)
        else:
            yield f"{self.config} is good."
        yield from resolution_lines(self.resolution.to_json())
        for one in self.upstreams:
            is_good = one.grade is Grade.OK
            yield f"upstream: {one.found}" if is_good else f"upstream, a warning: {one.found}. {one.advice}"
        yield from group_lines(group.to_json() for group in self.groups)
        yield from (f"a warning: {sentence}" for sentence in self.warnings)
        if not self.feeds:
            yield "No feed is configured (feeds: []): nothing would be blocked."
        for name in self.feeds:
            yield from self._feed(name)
        if self.pinned is not None:
            yield f"Version {self.pinned} is pinned: a start would enforce it until `blockd rollback --release`."
        yield f"A start would enforce {totals(self.names, self.networks)}."
        orders, idle = self.orders
        if idle:
            yield f"{idle:,} of {orders:,} orders would not be in force: they are pending, expired or lifted."

    def _feed(self, name: str) -> Iterator[str]:
        built, refused = self.found.built, self.found.refused
        record = built.records.get(name)
        if name in refused:
            yield f"feed {name} would be refused ({refused[name].reason}): {refused[name]}"
            if record is not None and record.names:
                stays = of_feed(record.names, record.type)
                yield f"  the content that was accepted last stays enforced: {stays}"
            else:
                yield "  nothing of it is in force: no names of it were accepted before"
        elif name in built.lost:
            yield f"feed {name} is fetched anew: the content that was accepted last cannot be read; its names stay"
        elif record is None:
            yield f"feed {name} is good, and has no content yet."
        else:
            rejected = f", {record.rejected:,} lines rejected" if record.rejected else ""
            yield f"feed {name} is good: {of_feed(record.names, record.type)}{rejected}"
            warnings = built.rejects[name].warnings if name in built.rejects else ()
            yield from (f"feed {name}, a warning: {sentence}" for sentence in warnings)
        if name in built.held and built.held[name].total:
            yield f"  {built.held[name].sentence()}"


def run(args: argparse.Namespace) -> int:
    """Print what a start would find; 1 if a feed would be refused, 2 for a config error, as everywhere."""
    settings = load(args.config)
    reasons = [] if args.elsewhere else lacking(settings)
    versions = Versions(settings.state_dir / "rulesets")
    in_force = _in_force(versions)
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder, progress_bar() as progress:
        found = dry_run(
            settings,
            (),
            Path(folder),
            gate=enforced_gate(settings),
            in_force=in_force.catalogue if in_force else None,
            progress=progress,
        )
        orders = _orders(settings, versions, in_force, found, time.time())
    resolution = Resolution.of(settings)
    prospect = Prospect(
        args.config,
        reasons,
        tuple(feed.name for feed in settings.feeds),
        found,
        *_totals(versions, in_force, found),
        versions.pinned(),
        orders,
        resolution,
        [] if args.elsewhere else _asked(settings, resolution),
        summaries(settings.groups, [feed.name for feed in settings.feeds]),
        [
            *exempt_from_law(settings),
            *_of_certificates(settings),
            *_of_client_ca(settings),
            *([] if args.elsewhere else never_again(settings)),
        ],
    )
    show(args.json, prospect.to_json(), prospect.lines())
    return NO if reasons or found.refused or found.lost else DONE


def _asked(settings: Settings, resolution: Resolution) -> list[Finding]:
    """Ask every upstream, as the doctor does."""
    questions, timeout = questions_of(resolution), settings.upstream.timeout
    return list(findings_of(questions, Machine().ask(questions, timeout), timeout))


def _of_certificates(settings: Settings) -> Iterator[str]:
    """Say what the certificates lack for clients, if they can be read here."""
    for certificate in settings.certificates:
        if gap := open_key_gap(certificate.key):
            yield gap.text
    try:
        pairs = [read_files(certificate) for certificate in settings.certificates]
    except BadCertificate:
        return  # a start is refused for that, which is told
    yield from gap_sentences(settings, pairs)
    yield from validity_sentences(pairs, time.time())


def _of_client_ca(settings: Settings) -> list[str]:
    """Say why callers of the admin port would not be known by their certificates; nothing if it cannot be known."""
    tls = settings.listen.admin_tls
    if tls is None or tls.client_ca is None:
        return []
    try:
        with acting_as(Account.of(settings.user) if settings.user else None):
            authorities_in(tls.client_ca)
    except BadCertificate as error:
        return [f"listen.admin_tls.client_ca: {error}; callers would be known by tokens alone"]
    except (KeyError, CommandError):
        pass  # there is no such user, or this process may not become it
    return []


def _totals(versions: Versions, in_force: Ruleset | None, found: DryRun) -> tuple[int, int]:
    """Return how many names and networks a start would enforce."""
    header = found.built.header
    if in_force is not None and (header is None or versions.pinned() is not None):
        header = in_force.header
    return (header.names, header.networks) if header else (0, 0)


def _orders(
    settings: Settings, versions: Versions, in_force: Ruleset | None, found: DryRun, now: float
) -> tuple[int, int]:
    """Return how many orders a start would have, and how many of them would not be in force at `now`.

    A feed that can be had is renewed by a start; one that would be refused may be at its end.
    """
    is_pinned = versions.pinned() is not None and in_force is not None
    ruleset = in_force if is_pinned or found.compiled is None else Ruleset.open(found.compiled, verify=False)
    if ruleset is None:
        return 0, 0
    feeds = [
        (feed, FeedState.load(settings.state_dir / "feeds" / feed.name))
        for feed in settings.feeds
        if feed.name in found.refused
    ]
    orders, _ = orders_of(ruleset.catalogue, ruleset.header.created, ended(feeds, now))
    if ruleset is not in_force:
        ruleset.close()
    return len(orders), sum(state_at(order, now) is not State.IN_FORCE for order in orders)


def _in_force(versions: Versions) -> Ruleset | None:
    """Return the ruleset that a start would enforce first, and a running daemon's gate compares with."""
    version = versions.current()
    try:
        return None if version is None else Ruleset.open(versions.ruleset(version), verify=False)
    except RulesetError:
        return None
