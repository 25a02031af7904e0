"""A random world: some feeds of random kinds on one node, and what happens to them, step by step."""

from __future__ import annotations

import datetime
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from blockd.errors import BlockdError
from blockd.names import key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.ruleset import Gate
from blockd.ruleset.gate.guard import Guard
from blockd.times import time_text
from tests.audit.repository import Repository, order
from tests.daemon.parts import ManualTime
from tests.worlds.node import Node

START = 1_790_000_000.0  # seconds since the epoch
SPAN = 3600.0  # seconds: orders begin and end within so many of now

NAMES = (
    "alpha.example", "a.alpha.example", "b.a.alpha.example", "c.b.a.alpha.example", "beta.example", "a.beta.example",
    "gamma.test", "a.gamma.test", "delta.co.uk", "bank.gov.test", "login.bank.gov.test",
)  # fmt: skip
HELD = ("co.uk", "test", "gov.test", "bank.gov.test")  # names that the guard holds back
SUFFIXES = "example\ntest\nuk\nco.uk\ngov.test\n"
LISTED_ACTIONS = ("sinkhole", "nxdomain", "nodata", "refused", "drop", "tcp-only", "monitor", "allow")
SIGNED_ACTIONS = ("sinkhole", "nxdomain", "nodata", "refused", "drop", "tcp-only", "cname", "monitor", "allow", "allow")
PARTS = ("own", "media", "court")  # who signs orders in a repository
ZONE_RULES = ("CNAME .", "CNAME *.", "CNAME rpz-passthru.", "CNAME rpz-drop.", "CNAME rpz-tcp-only.", "A 192.0.2.9")
LISTS = ("domains", "hosts", "adblock")

GATE = Gate(
    max_shrink=1.0, min_names=0, max_rejects=1.0, max_growth=1e9,
    guard=Guard.of(parse_suffixes(SUFFIXES), [key_from_text("bank.gov.test")], [], "of the worlds"),
)  # fmt: skip


class World:
    """A world made from `seed`; `steps` tells what has happened so far, for the report of a failure."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a world is made again from its seed
        self.time = ManualTime(START)
        self.folder = folder
        self.steps: list[str] = []
        self.repositories: dict[str, Repository] = {}
        self._orders: dict[str, dict[str, dict[str, dict[str, object]]]] = {}  # of a feed, by its parts
        self.config = self._config()
        self.node = Node(folder, self.config, GATE, self.time)

    def _config(self) -> dict[str, Any]:
        choose, feeds = self.random, list[dict[str, Any]]()
        for index in range(choose.randint(0, 3)):
            feed: dict[str, Any] = {
                "name": f"list-{index}", "type": choose.choice(LISTS), "path": str(self.folder / f"list-{index}"),
                "action": choose.choice(LISTED_ACTIONS), "priority": choose.choice((10, 50, 90)),
            }  # fmt: skip
            if choose.random() < 0.5:
                feed["authority"] = f"Authority {index}"
            if choose.random() < 0.3:
                feed |= {"max_age": "30m", "at_expiry": choose.choice(("stop", "keep"))}
            if choose.random() < 0.2:
                feed["in_force_from"] = time_text(START + choose.uniform(-SPAN, SPAN))
            feeds.append(feed)
        for index in range(choose.choice((0, 0, 1, 2))):
            zone = {"name": f"zone-{index}", "type": "rpz", "path": str(self.folder / f"zone-{index}")}
            feeds.append({**zone, "priority": choose.choice((10, 50, 90))})
        for name in ("ministry", "regulator")[: choose.choice((0, 1, 1, 2)) if feeds else 1]:
            made = self.repositories[name] = Repository(datetime.datetime.fromtimestamp(START, datetime.UTC))
            self._orders[name] = {part: {} for part in PARTS}
            made.may_lift = {
                role: choose.sample(others, choose.randint(0, 2))
                for role, others in (("media", ["targets"] * 2), ("court", ["media", "targets"]))
            }
            made.may_lift = {role: list(dict.fromkeys(lifted)) for role, lifted in made.may_lift.items()}
            root = self.folder / f"{name}.root.json"
            root.write_bytes(made.root)
            signed = {"name": name, "type": "signed", "url": self.folder.as_uri(), "root": str(root)}
            feeds.append({**signed, "priority": choose.choice((10, 50))})
        for feed in feeds:
            if feed["type"] == "rpz" and self.repositories and choose.random() < 0.5:
                name = choose.choice(list(self.repositories))
                feed["may_lift"] = choose.choice(([name], [f"{name}/media"], [f"{name}/targets", f"{name}/court"]))
        return {"state_dir": str(self.folder / "state"), "feeds": feeds}

    async def begin(self) -> None:
        """Start the node with a first content of every feed."""
        await self.node.start()
        for feed in self.config["feeds"]:
            self._give(feed)
        await self.node.control.refresh(None)
        self.steps.append("start")

    async def step(self) -> None:
        """Have one thing happen."""
        steps: tuple[Callable[[], Awaitable[str]], ...] = (
            self._news, self._news, self._pass_time, self._override, self._override, self._end_override,
            self._roll_back, self._release, self._fail, self._restart, self._let_through, self._hold_again,
        )  # fmt: skip
        chosen = self.random.choice(steps)
        try:
            told = await chosen()
        except BlockdError as error:
            told = f"refused: {error}"
        self.steps.append(f"{chosen.__name__.strip('_')}: {told}")
        self.node.pass_time(0.0)  # the order clock reads the clock each second, and what was polled meanwhile

    async def _news(self) -> str:
        feed = self.random.choice(self.config["feeds"])
        self.node.sources[feed["name"]].failure = ""
        told = self._give(feed)
        result = await self.node.control.refresh([feed["name"]])
        return f"{feed['name']} = {told} -> {result.to_json()}"

    async def _pass_time(self) -> str:
        seconds = self.random.choice((1.0, 60.0, SPAN / 2, SPAN))
        self.node.pass_time(seconds)
        return f"{seconds} s"

    async def _override(self) -> str:
        name, scope = self.random.choice(NAMES), self.random.choice(("exact", "subdomains", "both"))
        until = time_text(self.time.now + self.random.choice((60.0, SPAN, 10 * SPAN)))
        asked = {"name": name, "reason": "A reason.", "until": until, "scope": scope}
        return f"{asked} -> {(await self.node.control.override('add', asked)).to_json()}"

    async def _end_override(self) -> str:
        active = self.node.control.status().overrides
        if not active:
            return "there is none"
        name = self.random.choice(active).override.name
        await self.node.control.override("end", {"name": name, "reason": "It is over."})
        return name

    async def _roll_back(self) -> str:
        version = self.random.choice(self.node.control.parts.state.versions.all() or [1])
        return str((await self.node.control.rollback(version, "why")).to_json())

    async def _release(self) -> str:
        return str((await self.node.control.release("done")).to_json())

    async def _let_through(self) -> str:
        asked = {"name": self.random.choice(HELD), "reason": "A reason."}
        return f"{asked} -> {(await self.node.control.held('release', asked)).to_json()}"

    async def _hold_again(self) -> str:
        asked = {"name": self.random.choice(HELD), "reason": "It is over."}
        return f"{asked} -> {(await self.node.control.held('hold', asked)).to_json()}"

    async def _fail(self) -> str:
        feed = self.random.choice(self.config["feeds"])["name"]
        self.node.sources[feed].failure = "Nobody answers."
        return str((await self.node.control.refresh([feed])).to_json())

    async def _restart(self) -> str:
        await self.node.stop()
        self.time.now += self.random.choice((0.0, 5.0, SPAN))
        await self.node.start()
        return f"version {self.node.control.parts.switcher.version}"

    def _give(self, feed: dict[str, Any]) -> str:
        source = self.node.sources[feed["name"]]
        if feed["type"] == "signed":
            source.evidence = self._published(feed["name"])
            return repr(self._orders)
        text = self._zone() if feed["type"] == "rpz" else self._list(feed["type"])
        source.text = text.encode()
        return repr(text)

    def _names(self, most: int) -> list[str]:
        names = self.random.sample(NAMES, self.random.randint(1, most))
        return [*names, self.random.choice(HELD)] if self.random.random() < 0.3 else names

    def _list(self, kind: str) -> str:
        line = {"domains": "{}\n", "hosts": "0.0.0.0 {}\n", "adblock": "||{}^\n"}[kind]
        return "".join(line.format(name) for name in self._names(5))

    def _zone(self) -> str:
        lines = ["$ORIGIN rpz.invalid.", "$TTL 60", f"@ SOA ns.invalid. h.invalid. {len(self.steps) + 1} 60 60 60 60"]
        lines.append("@ NS ns.invalid.")
        for name in dict.fromkeys(self._names(5)):
            wild = self.random.choice(("", "*."))
            lines.append(f"{wild}{name} {self.random.choice(ZONE_RULES)}")
        return "\n".join(lines) + "\n"

    def _published(self, feed: str) -> dict[str, bytes]:
        """Change an order of a repository, or add one, and return the evidence of the new version."""
        repository, orders = self.repositories[feed], self._orders[feed]
        part = self.random.choice(PARTS)
        identifier = f"order-{self.random.randint(1, 3)}"  # an id is its authority's own: all have the same
        now = self.time.now
        made = order(
            identifier, self._names(4), action=self.random.choice(SIGNED_ACTIONS),
            in_force_from=time_text(int(now + self.random.uniform(-SPAN, SPAN / 2))),
        )  # fmt: skip
        if self.random.random() < 0.4:
            made["expires"] = time_text(int(now + self.random.uniform(SPAN / 2 + 1, 2 * SPAN)))
        if self.random.random() < 0.2:
            made |= {"lifted_on": time_text(int(now)), "lifted_reason": "It was a mistake."}
        if made["action"] == "cname":
            made["cname"] = "landing.example"
        orders[part][identifier] = made
        repository.others = {"court": orders["court"]}
        return repository.publish(orders["own"], orders["media"])
