"""The attacks on one authority, `court`, which do not affect the others.

`ONE` has them by their names, each with the reason that the refusal of the authority has to have.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tuf.api.metadata import DelegatedRole, Delegations, MetaFile

from tests.feeds.tuf.attacks import Attack
from tests.feeds.tuf.repository import Repository, keys

ONE: dict[str, tuple[Attack, str]] = {}


def one(reason: str) -> Callable[[Attack], Attack]:
    def add(attack: Attack) -> Attack:
        ONE[attack.__name__] = (attack, reason)
        return attack

    return add


@one("signature")
def authority_signed_by_a_stranger(repository: Repository) -> None:
    repository.order("court", "court-2", ["evil.example"])
    repository.signers["court"] = keys()
    repository.publish("court")


@one("signature")
def authority_signed_by_another_one(repository: Repository) -> None:
    repository.order("court", "court-2", ["evil.example"])
    repository.signers["court"] = repository.signers["ministry"]
    repository.publish("court")


@one("threshold")
def authority_signed_by_one_of_two(repository: Repository) -> None:
    repository.order("court", "court-2", ["evil.example"])
    repository.signers["court"] = repository.signers["court"][:1]
    repository.publish("court")


@one("expired")
def expired_authority(repository: Repository) -> None:
    repository.role("court").expires = repository.now - timedelta(seconds=1)
    repository.publish("court")


@one("mixed")
def older_authority_under_a_newer_name(repository: Repository) -> None:
    old = repository.octets("court")
    repository.publish("court")
    repository.write("court", content=old)


@one("mixed")
def older_authority_without_hashes(repository: Repository) -> None:
    repository.hashes = False
    older_authority_under_a_newer_name(repository)


@one("too large")
def endless_authority_that_the_snapshot_vouches_for(repository: Repository) -> None:
    repository.publish("court")
    repository.endless.add(f"metadata/{repository.role('court').version}.court.json")
    repository.snapshot.meta["court.json"] = MetaFile(repository.role("court").version, length=10**18)
    repository.snapshot.version += 1
    repository.write("snapshot")
    repository.stamp()


@one("format")
def authority_of_deep_json(repository: Repository) -> None:
    repository.role("court").version += 1
    repository.write("court", content=b"[" * 4_000_000)
    repository.publish("snapshot")


@one("too large")
def endless_authority(repository: Repository) -> None:
    repository.publish("court")
    repository.endless.add(f"metadata/{repository.role('court').version}.court.json")


@one("missing")
def withheld_authority(repository: Repository) -> None:
    repository.publish("court")
    del repository.files[f"metadata/{repository.role('court').version}.court.json"]


@one("outside")
def order_in_the_part_of_another(repository: Repository) -> None:
    repository.order("court", "court-2", ["evil.example"])
    repository.target("court", "orders/ministry/ministry-1.json", b"{}")
    repository.publish("court")


@one("outside")
def order_in_the_part_of_the_repository(repository: Repository) -> None:
    repository.target("court", "orders/own-1.json", b"{}")
    repository.publish("court")


@one("outside")
def delegation_of_its_own(repository: Repository) -> None:
    role = DelegatedRole("court-2", ["abc"], 1, True, ["orders/court/*"])
    repository.role("court").delegations = Delegations({}, {"court-2": role})
    repository.publish("court")


@one("outside")
def wider_delegation(repository: Repository) -> None:
    repository.delegation("court").paths = ["orders/*", "lists/court/*"]
    repository.publish("targets")


@one("outside")
def delegation_that_does_not_end_the_search(repository: Repository) -> None:
    repository.delegation("court").terminating = False
    repository.publish("targets")


@one("too large")
def more_orders_than_there_is_room_for(repository: Repository) -> None:
    for number in range(9_999):
        repository.order("court", f"court-{number}", ["many.example"])
    repository.publish("court")
