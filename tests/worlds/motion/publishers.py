"""The authorities of a signed repository over twenty hours: what they order and lift, what they do wrong, and a model.

`orders` has what holds by what each authority said well last, by role and id.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from datetime import timedelta

from blockd.times import time_text
from tests.feeds.tuf.attacks_on_order import ORDER, path_of
from tests.feeds.tuf.repository import Repository, keys

AGENCY = "Sample Agency"
ROLES = ("", "ministry", "court", "agency")  # an empty role is the repository itself
BLOCKS = ("sinkhole", "nxdomain", "nodata", "refused", "drop")
MOST = 12  # orders of one authority at a time; then its oldest one is withdrawn
WELL_SIGNED = {"endless", "swapped", "withheld", "cut", "list_withheld", "list_swapped"}  # faults of servers
ORDER_FAULTS = tuple(fault for fault in ORDER if fault not in WELL_SIGNED)
PART_FAULTS = ("short", "stranger", "expired")  # of the court's signatures
WHOLE_FAULTS = ("timestamp-expired", "timestamp-forged", "snapshot-withheld")  # of what all mirrors have


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order of a name; `action` is empty once it was lifted, `lifts` says that it opens another's name."""

    name: str
    action: str
    lifts: bool = False


Orders = dict[str, dict[str, Ordered]]


class Publishers:
    """The authorities of `repository`. The court may lift the ministry's orders, and the agency may lift none."""

    def __init__(self, repository: Repository, chosen: random.Random) -> None:
        self.repository = repository
        self.orders: Orders = {role: {} for role in ROLES}
        self.is_good = True  # whether what is published now can be taken, from a good mirror
        self.part_fault = ""
        self._said: Orders = {role: {} for role in ROLES}
        self._chosen = chosen
        self._count = 0
        self._heal: list[tuple[str, str]] = []  # the faulty orders, by role and path
        repository.delegate("agency", AGENCY)
        repository.delegation("court").unrecognized_fields["x-blockd-may-lift"] = ["ministry"]
        for role, signed in (("", "own"), ("ministry", "ministry"), ("court", "court")):
            self._said[role][f"{signed}-1"] = Ordered(f"{signed}.example", "sinkhole")
        self._said["agency"]["agency-1"] = Ordered("agency.example", "nxdomain")
        self._order("agency", "agency-1", "agency.example", "nxdomain")
        repository.publish()
        self.orders = copy.deepcopy(self._said)

    def expected(self, name: str) -> str:
        """Return what is done with a name by the orders alone; empty for nothing."""
        found = {
            role: one.action
            for role in ROLES
            for one in reversed(self.orders[role].values())
            if one.name == name and one.action
        }
        if found.get("court") == "allow":
            del found["court"]
            found.pop("ministry", None)
        return next((action for action in found.values() if action != "allow"), "")

    def publish(self, now: float) -> str:
        """Have an authority order, change or lift something, all of it well; return the names it is about."""
        return self._published(self._change(self._chosen.choice(ROLES), now))

    def publish_order_fault(self, now: float) -> tuple[str, str]:
        """Have one authority publish a faulty order beside a good one; return the fault and the name of that one."""
        fault, role = self._chosen.choice(ORDER_FAULTS), self._chosen.choice(("", "court"))
        ORDER[fault][0](self.repository, role)
        self._heal.append((role, path_of(role)))
        name = self._change(role, now)
        return fault, self._published(name)

    def publish_part_fault(self, now: float) -> tuple[str, str]:
        """Have the court sign badly, while the ministry publishes well; return the fault and the ministry's name."""
        self.part_fault = self._chosen.choice(PART_FAULTS)
        self._change("court", now)
        return self.part_fault, self._published(self._change("ministry", now))

    def publish_whole_fault(self, now: float) -> str:
        """Publish what nobody can take; return the fault. What is published next heals it."""
        repository, fault = self.repository, self._chosen.choice(WHOLE_FAULTS)
        self._change("ministry", now)
        self._publish_all()
        self.is_good = False
        stamp = repository.timestamp
        if fault == "timestamp-expired":
            end, stamp.expires = stamp.expires, repository.now - timedelta(seconds=1)
            repository.stamp()
            stamp.expires = end
        elif fault == "timestamp-forged":
            stamp.version += 1
            repository.write("timestamp", keys())
            stamp.version -= 1
        else:
            del repository.files[f"metadata/{repository.snapshot.version}.snapshot.json"]
        return fault

    def _change(self, role: str, now: float) -> str:
        """Change what an authority says next; return the name that it is about."""
        said = self._said[role]
        if len(said) > MOST:
            oldest = next(iter(said))
            gone = said.pop(oldest)
            self.repository.role(role).targets.pop(f"orders/{role}/{oldest}.json".replace("//", "/"))
            return gone.name
        if said and self._chosen.random() < 0.4:
            identifier = self._chosen.choice(list(said))
            name, lifts, is_lifted = said[identifier].name, said[identifier].lifts, self._chosen.random() < 0.6
            action = "allow" if lifts else self._chosen.choice(BLOCKS)
            lifted = {"lifted_on": time_text(int(now)), "lifted_reason": "An appeal."} if is_lifted else {}
            self._order(role, identifier, name, action, **lifted)
            said[identifier] = Ordered(name, "" if is_lifted else action, lifts)
            return name
        self._count += 1
        identifier, name, action = f"o-{self._count}", f"o-{self._count}.orders.example", self._chosen.choice(BLOCKS)
        others = [one.name for one in self._said["ministry"].values() if one.action]  # which may be opened
        if role in ("court", "agency") and others and self._chosen.random() < 0.4:  # the agency's has no effect
            name, action = self._chosen.choice(others), "allow"
        self._order(role, identifier, name, action)
        said[identifier] = Ordered(name, action, lifts=action == "allow")
        return name

    def _order(self, role: str, identifier: str, name: str, action: str, **more: str) -> None:
        authority = {"authority": AGENCY} if role == "agency" else {}
        self.repository.order(role, identifier, [name], action=action, **authority, **more)

    def _published(self, name: str) -> str:
        self._publish_all()
        self.is_good = True
        for role in ROLES:
            if role != "court" or not self.part_fault:
                self.orders[role] = dict(self._said[role])
        self.part_fault = ""
        return name

    def _publish_all(self) -> None:
        """Sign and publish every role, the court's as `part_fault` says."""
        repository, fault = self.repository, self.part_fault
        signers, end = repository.signers["court"], repository.role("court").expires
        if fault in ("short", "stranger"):
            repository.signers["court"] = signers[:1] if fault == "short" else keys(2)
        if fault == "expired":
            repository.role("court").expires = repository.now - timedelta(seconds=1)
        repository.publish("targets", "ministry", "court", "agency")
        repository.signers["court"], repository.role("court").expires = signers, end
        for role, path in self._heal:
            repository.role(role).targets.pop(path, None)
        self._heal.clear()
