"""What the daemon records: each event becomes a record of the audit log, and the times of orders are measured.

Clients and questions are never recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blockd import __version__
from blockd.audit.database import Database, key_of
from blockd.audit.evidence import manifest_of
from blockd.audit.gap import read_alive
from blockd.audit.log import AuditLog
from blockd.audit.refusals import Part, Refusals
from blockd.audit.token_records import TokenRecords
from blockd.audit.transitions import GONE, OrderTransition, transitions_of_version, turns_of_dates
from blockd.compile.news import News
from blockd.feeds.fetched import Fetched
from blockd.files import read_file
from blockd.metrics.sample import Change, EnforcementTimes
from blockd.orders import OrderKey
from blockd.orders.repository import MAX_ROOT
from blockd.ruleset import Enforced
from blockd.settings import Feed
from blockd.settings.groups import ClientGroup, summaries
from blockd.times import moment_text, time_text

MAX_TURNS = 20_000  # orders recorded of one version: two of the largest repositories
REMEMBERED = 250  # records of versions read at a start: more than the versions that can be kept
MAX_PROOFS = 2_000  # contents whose evidence is remembered: more than the versions kept and the feeds in force have


class AuditRecorder:
    """Records in `log` what is enforced of `feeds`; `clock` returns seconds since the epoch."""

    def __init__(self, log: AuditLog, feeds: Sequence[Feed], clock: Callable[[], float]) -> None:
        self.log = log
        self.times: dict[Change, EnforcementTimes] = {"imposed": EnforcementTimes(), "lifted": EnforcementTimes()}
        self._clock = clock
        self._feeds = [feed.name for feed in feeds if not feed.is_own]
        self._lists = {feed.name for feed in feeds if feed.is_text}
        self._roots = {feed.name: root for feed in feeds if (root := feed.root_of_trust) is not None}
        self._known: dict[OrderKey, str] = {}
        self._since: dict[OrderKey, str] = {}  # since when orders have been in force here
        self._proofs: dict[tuple[str, str], Mapping[str, Any]] = {}  # by feed and digest of its content
        self._refusals = Refusals()
        self.tokens = TokenRecords(log)
        self.newest = 0.0  # when the last record of an earlier process was written, seconds since the epoch
        self._last_alive: str | None = None  # of a daemon that ended without recording it
        self._changed: Callable[[], None] = lambda: None

    def listen(self, changed: Callable[[], None]) -> None:
        """Have `changed` called whenever orders, their states or their evidence are recorded."""
        self._changed = changed

    def begin(
        self, *, engine: str, config: str, workers: int, restarted: bool, groups: Sequence[ClientGroup] = ()
    ) -> None:
        """Open the log and record the start; `restarted` if only this process was started again.

        `config` is the SHA-256 of the config that runs, `groups` are its groups of clients.
        """
        self.log.begin(self._remember)
        roots = {name: _read(path) for name, path in self._roots.items()}
        self.log.write(
            "start",
            {
                "blockd": __version__,
                "engine": engine,
                "config": config,
                "workers": workers,
                "of": "control process" if restarted else "daemon",
                "last_alive": None if restarted else self._last_alive,
                "groups": [group.to_json() for group in summaries(groups, self._feeds)],
                "roots": {name: hashlib.sha256(root).hexdigest() for name, root in roots.items()},
            },
            list(roots.values()),
        )

    def end(self, *, is_replaced: bool = False) -> None:
        """Record the end, and write the queued records; the end of blockd is not one if this process is replaced."""
        if not is_replaced:
            self.log.write("stop", {"blockd": __version__})
        self.log.close()

    def enforced(
        self,
        enforced: Enforced,
        before: Enforced | None,
        news: News | None,
        how: str,
        reason: str,
        at: float,
        base: int | None = None,
    ) -> None:
        """Record that every worker enforces a version since `at`, and measure the orders that it changed.

        `base` is the version that it was made from by other overrides, None if it was compiled.
        """
        catalogue, header = enforced.ruleset.catalogue, enforced.ruleset.header
        taken = news.taken if news else {}
        evidence: list[bytes] = []
        for name, fetched in taken.items():
            if fetched.evidence and self.log.has_room([*evidence, *fetched.evidence.values()]):
                evidence += self._prove(name, fetched, at)
        actions: dict[str, set[str]] = {feed.name: set() for feed in catalogue.feeds}
        for listed in catalogue.orders:
            actions[listed.feed].add(str(listed.order.action))
        feeds = [
            {
                "name": feed.name,
                "type": feed.type,
                "priority": feed.priority,
                "digest": feed.digest,
                "version": feed.version,
                "names": feed.names,
                "actions": sorted(actions[feed.name]),
                **({"may_lift": {role: list(of) for role, of in feed.may_lift.items()}} if feed.may_lift else {}),
                "proof": self._proof_of(feed.name, feed.digest),
            }
            for feed in catalogue.feeds
        ]
        transitions = list(
            transitions_of_version(
                before.ruleset.catalogue if before and news else None,
                catalogue, enforced.states.states, self._known, taken, at,
            )
        )  # fmt: skip
        body = {
            "version": enforced.version,
            "digest": enforced.ruleset.digest,
            "made_from": catalogue.made_from,
            "compiled": time_text(header.created),
            "names": header.names,
            "networks": header.networks,
            "orders": len(catalogue.orders),
            "how": how,
            "reason": reason,
            "feeds": feeds,
            **({} if base is None else {"base": base}),
        }
        if len(transitions) > MAX_TURNS:
            body["orders_not_recorded"] = len(transitions) - MAX_TURNS
        self.log.write("enforced", body, evidence, at)
        self._turned(transitions, enforced.version, at)
        self._changed()
        if before is not None:
            for name, fetched in taken.items():
                if name in self._lists and fetched.source_time is not None:
                    self.times["imposed"].observe(at - fetched.source_time)

    def flipped(self, enforced: Enforced, before: Sequence[int], at: float) -> None:
        """Record the orders whose states differ from `before` for every worker since `at`."""
        catalogue = enforced.ruleset.catalogue
        transitions = turns_of_dates(catalogue, before, enforced.states.states, self._known, at)
        self._turned(transitions, enforced.version, at)
        self._changed()

    def confirmed(self, feed: str, fetched: Fetched) -> None:
        """Keep evidence for content that is already enforced, unless it is kept already."""
        is_kept = (feed, fetched.digest) in self._proofs
        if fetched.evidence and not is_kept and self.log.has_room(fetched.evidence.values()):
            at = self._clock()
            evidence = self._prove(feed, fetched, at)
            proof = self._proofs[feed, fetched.digest]
            self.log.write("evidence", {"feed": feed, "digest": fetched.digest, "proof": proof}, evidence, at)
            self._changed()

    def taken_back(self, version: int, why: str) -> None:
        """Record that a version is not enforced."""
        self.log.write("taken-back", {"version": version, "why": why})

    def refused(self, part: Part, reason: str, sentence: str) -> bool:
        """Count a refusal; record it unless it is the same as before, or too many were; return whether it is."""
        now = self._clock()
        counts = self._refusals.refused(part, reason, sentence, now)
        if counts is None:
            return False
        self.log.write("refused", {**_named(part), "reason": reason, "sentence": sentence, **counts}, at=now)
        return True

    def refused_of(self, feed: str) -> Iterable[Part]:
        """Return the authorities and orders of a feed that were refused last."""
        return self._refusals.of(feed)

    def good_again(self, part: Part) -> bool:
        """Record that what was refused is no longer; return whether there is anything to record."""
        times = self._refusals.over(part)
        if times is None:
            return False
        self.log.write("good-again", {**_named(part), **({"times": times} if times else {})})
        return True

    def rolled_back(self, version: int, enforced: int, reason: str, by: str = "") -> None:
        """Record that an operator went back to a version, which is `enforced` with the overrides of now.

        `by` is here and below who asked for it, as `blockd.web.callers.Caller.name`; empty if that is not known.
        """
        self.log.write("rollback", {"version": version, "enforced": enforced, "reason": reason, **_asked_by(by)})

    def released(self, version: int, reason: str, by: str = "") -> None:
        """Record that an operator released a version."""
        self.log.write("release", {"version": version, "reason": reason, **_asked_by(by)})

    def asked(self, kind: str, told: Mapping[str, object], by: str = "") -> None:
        """Record that somebody had something done: `kind` is that of the record, `told` are its members."""
        self.log.write(kind, {**told, **_asked_by(by)})

    def tested(self, report: Mapping[str, object]) -> None:
        """Record the result of a self-test."""
        self.log.write("self-test", report)

    def accepted(self, feed: str, told: Mapping[str, object], by: str = "") -> None:
        """Record that an operator takes a content that the gate has refused."""
        self.log.write("accept", {"feed": feed, **told, **_asked_by(by)})

    def stated(self, name: str, statement: bytes, by: str = "") -> None:
        """Record that a statement was signed; one of the node's own accord is by nobody."""
        digest = hashlib.sha256(statement).hexdigest()
        self.log.write("statement", {"file": name, "sha256": digest, **_asked_by(by)})

    def in_force_since(self, order: OrderKey) -> str | None:
        """Return since when an order has been in force on this node, as far as the log is known."""
        return self._since.get(order)

    def _remember(self, database: Database) -> None:
        last = database.head().number
        self.newest = database.record(last).at if last else 0.0
        ends = database.newest(("start", "stop"), 1)
        if ends and ends[0].kind == "start":
            signs = (database.record(database.head().number).at, read_alive(self.log.folder) or 0.0)
            self._last_alive = moment_text(max(signs))
        self.tokens.remember(database)
        for record in database.newest(("refused", "good-again"), REMEMBERED):
            what = Part(*(str(record.body.get(name, "")) for name in Part._fields))
            if record.kind == "refused":
                self._refusals.remember(what, str(record.body["reason"]), str(record.body["sentence"]))
            else:
                self._refusals.over(what)
        for record in database.last_states():
            key = key_of(record)
            if record.body["state"] != GONE:
                self._known[key] = str(record.body["state"])
                self._since[key] = str(record.body["since"])
        for record in database.newest(("enforced", "evidence"), REMEMBERED):
            for part in record.body["feeds"] if record.kind == "enforced" else [record.body]:
                if part["proof"]:
                    self._proofs[part.get("name") or part["feed"], part["digest"]] = part["proof"]

    def roots_of(self, feed: str) -> list[bytes]:
        """Return the root of trust that the config has for a feed; none if it has none, or it cannot be read."""
        root = _read(self._roots[feed]) if feed in self._roots else b""
        return [root] if root else []

    def proof_of(self, feed: str, digest: str) -> Mapping[str, Any] | None:
        """Return what the log says of the evidence of a content: its manifest, and when it was taken."""
        return self._proofs.get((feed, digest))

    def _proof_of(self, feed: str, digest: str) -> Mapping[str, Any] | None:
        """Return the evidence of a content, and mark it as used most recently."""
        proof = self._proofs.pop((feed, digest), None)
        if proof is not None:
            self._proofs[feed, digest] = proof
        return proof

    def _prove(self, feed: str, fetched: Fetched, at: float) -> list[bytes]:
        """Note the evidence of a content; return its files, and their manifest (see `blockd.audit.evidence`)."""
        files = fetched.evidence
        manifest = manifest_of(files)
        self._proofs[feed, fetched.digest] = {
            "manifest": hashlib.sha256(manifest).hexdigest(),
            "files": len(files),
            "taken": moment_text(at),
        }
        while len(self._proofs) > MAX_PROOFS:
            del self._proofs[next(iter(self._proofs))]
        return [manifest, *files.values()]

    def _turned(self, transitions: Iterable[OrderTransition], version: int, at: float) -> None:
        for number, turn in enumerate(transitions):
            key = turn.key
            if turn.change and turn.seconds is not None:
                self.times[turn.change].observe(turn.seconds)
            if turn.state != turn.before or key not in self._since:
                self._since[key] = moment_text(at)
            if number < MAX_TURNS:
                self.log.write("order", self._told(turn, version), at=at)
            if turn.state == GONE:
                self._since.pop(key, None)

    def _told(self, turn: OrderTransition, version: int) -> dict[str, object]:
        return {
            "order": turn.order.id,
            "called": turn.order.name,
            "feed": turn.feed,
            "authority": turn.order.authority,
            "role": turn.order.role,
            "state": turn.state,
            "change": turn.change,
            "since": self._since[turn.key],
            "signed": None if turn.signed is None else moment_text(turn.signed),
            "due": None if turn.due is None else time_text(turn.due),
            "seconds": None if turn.seconds is None else round(turn.seconds, 3),
            "version": version,
        }


def _asked_by(by: str) -> dict[str, str]:
    """Return the member of a record that says who asked for what it is about."""
    return {"by": by} if by else {}


def _named(part: Part) -> dict[str, str]:
    """Return the members of a record that name a part: `feed`, and `role` and `order` if it is no whole feed."""
    return {name: value for name, value in part._asdict().items() if value}


def _read(path: Path) -> bytes:
    """Read a small file; empty if it cannot be read, which is reported where it is needed."""
    try:
        return read_file(path, MAX_ROOT)
    except OSError:
        return b""
