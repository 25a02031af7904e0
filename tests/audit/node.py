"""A node without processes: it compiles and 'enforces' versions, and gives account of them, at the times it is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from blockd.audit import AuditLog, AuditRecorder
from blockd.compile.build import build
from blockd.compile.news import News
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Fetched
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.orders import OrderDocument, parse_document
from blockd.ruleset import Enforced, Gate, Ruleset, Versions
from blockd.ruleset.policy import at_time
from blockd.settings import FEED_TYPES, SignedFeed
from blockd.settings.groups import ClientGroup

FEED = "ministry"


class Node:
    """A node whose state is in `folder`/state; `time` is its clock."""

    def __init__(self, folder: Path, root: bytes, time: float) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.versions = Versions(self.state / "rulesets")
        self.versions.folder.mkdir(parents=True, exist_ok=True)
        self.root = folder / "root.json"
        self.root.write_bytes(root)
        self.config = folder / "blockd.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "state_dir": "state",
                    "feeds": [{"name": FEED, "type": "signed", "url": folder.as_uri(), "root": str(self.root)}],
                }
            )
        )
        self.time = time
        self.groups: tuple[ClientGroup, ...] = ()
        self.before: Enforced | None = None
        self._feed = SignedFeed.model_validate(
            {"name": FEED, "type": "signed", "url": folder.as_uri(), "root": str(self.root)},
            context={"folder": folder},
        )
        self.start()

    def start(self) -> None:
        """Begin, as a control process does."""
        self.log = AuditLog(self.state, lambda: self.time)
        self.recorder = AuditRecorder(self.log, [self._feed], lambda: self.time)
        self.recorder.begin(
            engine="python",
            config=hashlib.sha256(self.config.read_bytes()).hexdigest(),
            workers=2,
            restarted=False,
            groups=self.groups,
        )

    def enforce(
        self, evidence: Mapping[str, bytes], published: float | None = None, names: Sequence[str] = ()
    ) -> Enforced:
        """Enforce what the orders among the evidence say, and a list of names beside it."""
        place = self.folder / "incoming"
        documents = tuple(_document(path, octets) for path, octets in evidence.items() if path.startswith("orders/"))
        digest = hashlib.sha256(repr(sorted(evidence)).encode() + b"".join(evidence.values())).hexdigest()
        roles = json.loads(evidence["targets.json"])["signed"]["delegations"]["roles"]
        may_lift = {role["name"]: lifted for role in roles if (lifted := role.get("x-blockd-may-lift"))}
        write_bundle(SignedVersion(1, 1, 0, documents, digest, may_lift=may_lift), place)
        candidates = [Candidate(self._feed, Content(place, digest), None)]
        if names:
            (self.folder / "list").write_text("".join(f"{name}\n" for name in names))
            national = FEED_TYPES["domains"].model_validate(
                {"name": "national", "type": "domains", "path": str(self.folder / "list")},
                context={"folder": self.folder},
            )
            content = Content(self.folder / "list", hashlib.sha256((self.folder / "list").read_bytes()).hexdigest())
            candidates.append(Candidate(national, content, None))
        compiled = self.state / "compiled"
        built = build(
            candidates, compiled, gate=Gate(), in_force=None, created=int(self.time), randomness=lambda n: b"k" * n
        )
        version = self.versions.add(compiled)
        enforced = at_time(version, Ruleset.open(self.versions.ruleset(version)), self.time)
        fetched = Fetched(place, digest, None, published=published, evidence=dict(evidence))
        news = News(compiled, built.made_from, {FEED: fetched})
        self.recorder.enforced(enforced, self.before, news, "news", "", self.time)
        self.before = enforced
        return enforced

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and have orders flip that are due."""
        assert self.before is not None
        self.time += seconds
        then = bytes(self.before.states.states)
        self.before = at_time(self.before.version, self.before.ruleset, self.time)
        self.recorder.flipped(self.before, then, self.time)

    def stop(self) -> Path:
        """End; return the log's path."""
        self.recorder.end()
        return self._left()

    def die(self) -> Path:
        """End without a record of it; return the log's path."""
        self.log.close()
        return self._left()

    def _left(self) -> Path:
        if self.before is not None:
            self.before.close()
            self.before = None
        return self.state / "audit.db"


def _document(path: str, octets: bytes) -> OrderDocument:
    document = parse_document(json.loads(octets), path)
    role = path.split("/")[1] if path.count("/") == 2 else ""
    return replace(document, order=replace(document.order, role=role))
