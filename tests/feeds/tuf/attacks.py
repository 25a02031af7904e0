"""The attacks on a repository, for which the whole of it is refused: each turns a good one into a hostile one.

`WHOLE` has them by their names, each with the reason that the refusal has to have. The node has seen the repository
before; so has the attacker.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from securesystemslib.signer import SSlibKey
from tuf.api.metadata import MetaFile

from tests.feeds.tuf.repository import DAY, Repository, keys

Attack = Callable[[Repository], None]
WHOLE: dict[str, tuple[Attack, str]] = {}


def whole(reason: str) -> Callable[[Attack], Attack]:
    def add(attack: Attack) -> Attack:
        WHOLE[attack.__name__] = (attack, reason)
        return attack

    return add


# Rollback: older than what was seen.


@whole("rollback")
def older_timestamp(repository: Repository) -> None:
    repository.timestamp.version -= 1
    repository.write("timestamp")


@whole("rollback")
def older_snapshot_in_a_new_timestamp(repository: Repository) -> None:
    repository.snapshot.version -= 1
    repository.stamp()


@whole("rollback")
def older_targets_in_a_new_snapshot(repository: Repository) -> None:
    repository.targets.version -= 1
    repository.publish("snapshot")


@whole("rollback")
def older_authority_in_a_new_snapshot(repository: Repository) -> None:
    repository.role("court").version -= 1
    repository.publish("snapshot")


@whole("rollback")
def authority_left_out_of_a_new_snapshot(repository: Repository) -> None:
    repository.publish("timestamp")
    del repository.snapshot.meta["court.json"]
    repository.snapshot.version += 1
    repository.write("snapshot")
    repository.stamp()


# Freeze: nothing new, for longer than it is signed for.


@whole("expired")
def frozen_for_a_month(repository: Repository) -> None:
    repository.now += 31 * DAY


@whole("expired")
def frozen_snapshot(repository: Repository) -> None:
    repository.snapshot.expires = repository.now - timedelta(seconds=1)
    repository.publish("snapshot")


@whole("expired")
def frozen_targets(repository: Repository) -> None:
    repository.targets.expires = repository.now - timedelta(seconds=1)
    repository.publish("targets")


# Mix-and-match: each of it signed, but not together.


@whole("mixed")
def older_snapshot_under_a_newer_name(repository: Repository) -> None:
    old = repository.files[f"metadata/{repository.snapshot.version}.snapshot.json"]
    repository.publish("targets")
    repository.write("snapshot", content=old)


@whole("mixed")
def older_targets_under_a_newer_name(repository: Repository) -> None:
    old = repository.files[f"metadata/{repository.targets.version}.targets.json"]
    repository.publish("targets")
    repository.write("targets", content=old)


@whole("mixed")
def snapshot_of_another_version_than_stamped(repository: Repository) -> None:
    repository.hashes = False
    repository.publish("snapshot")
    repository.timestamp.snapshot_meta = MetaFile(repository.snapshot.version + 1)
    repository.timestamp.version += 1
    repository.write("timestamp")
    repository.files[f"metadata/{repository.snapshot.version + 1}.snapshot.json"] = repository.octets("snapshot")


@whole("mixed")
def snapshot_in_the_place_of_the_timestamp(repository: Repository) -> None:
    repository.write("timestamp", content=repository.octets("snapshot"))


@whole("mixed")
def authority_in_the_place_of_targets(repository: Repository) -> None:
    repository.publish("targets")
    repository.write("targets", content=repository.octets("court"))


# Endless data.


@whole("too large")
def endless_timestamp(repository: Repository) -> None:
    repository.endless.add("metadata/timestamp.json")


@whole("too large")
def endless_root(repository: Repository) -> None:
    repository.publish("root")
    repository.endless.add(f"metadata/{repository.root.version}.root.json")


@whole("too large")
def endless_snapshot_that_the_timestamp_vouches_for(repository: Repository) -> None:
    repository.snapshot.version += 1
    repository.write("snapshot")
    repository.endless.add(f"metadata/{repository.snapshot.version}.snapshot.json")
    repository.timestamp.snapshot_meta = MetaFile(repository.snapshot.version, length=10**18)
    repository.timestamp.version += 1
    repository.write("timestamp")


@whole("too large")
def endless_targets_that_the_snapshot_vouches_for(repository: Repository) -> None:
    repository.targets.version += 1
    repository.write("targets")
    repository.endless.add(f"metadata/{repository.targets.version}.targets.json")
    repository.snapshot.meta["targets.json"] = MetaFile(repository.targets.version, length=10**18)
    repository.snapshot.version += 1
    repository.write("snapshot")
    repository.stamp()


@whole("format")
def timestamp_that_nothing_could_follow(repository: Repository) -> None:
    repository.timestamp.version = 10**18
    repository.write("timestamp")


@whole("format")
def snapshot_that_nothing_could_follow(repository: Repository) -> None:
    repository.snapshot.version = 10**18
    repository.publish("snapshot")


@whole("format")
def targets_that_nothing_could_follow(repository: Repository) -> None:
    repository.targets.version = 10**18
    repository.publish("targets")


@whole("too large")
def snapshot_of_roles_without_number(repository: Repository) -> None:
    for number in range(3_000):
        repository.snapshot.meta[f"role-{number}.json"] = MetaFile(1)
    repository.publish("snapshot")


@whole("too large")
def root_of_keys_without_number(repository: Repository) -> None:
    for number in range(3_000):
        key = SSlibKey(f"{number:064x}", "ed25519", "ed25519", {"public": f"{number:064x}"})
        repository.root.add_key(key, "root")
    repository.publish("root")


@whole("too large")
def endless_targets(repository: Repository) -> None:
    repository.publish("targets")
    repository.endless.add(f"metadata/{repository.targets.version}.targets.json")


@whole("too large")
def targets_without_number(repository: Repository) -> None:
    for number in range(10_001):
        repository.order("", f"own-{number}", ["many.example"])
    repository.publish("targets")


@whole("too large")
def authorities_without_number(repository: Repository) -> None:
    for number in range(64):
        repository.delegate(f"role-{number}", "Somebody")
        repository.signed[f"role-{number}"].version = 1
    repository.publish("targets")


# Arbitrary software: not signed by any authorized key.


@whole("signature")
def timestamp_signed_by_a_stranger(repository: Repository) -> None:
    repository.signers["timestamp"] = keys()
    repository.stamp()


@whole("signature")
def timestamp_signed_by_nobody(repository: Repository) -> None:
    repository.timestamp.version += 1
    repository.write("timestamp", [])


@whole("signature")
def targets_signed_by_the_key_of_an_authority(repository: Repository) -> None:
    repository.signers["targets"] = repository.signers["court"]
    repository.publish("targets")


# Stolen keys of one role: none of them suffices.


@whole("missing")
def stolen_timestamp_key(repository: Repository) -> None:
    repository.snapshot.version += 98
    repository.stamp()


@whole("signature")
def stolen_timestamp_and_snapshot_keys(repository: Repository) -> None:
    repository.order("", "own-2", ["evil.example"])
    repository.signers["targets"] = keys()
    repository.publish("targets")


@whole("signature")
def stolen_timestamp_key_with_a_snapshot_of_its_own(repository: Repository) -> None:
    repository.signers["snapshot"] = keys()
    repository.publish("targets")


# Roots.


@whole("signature")
def root_not_signed_by_the_old_keys(repository: Repository) -> None:
    repository.rotate("root")
    repository.publish("root")


@whole("signature")
def root_signed_by_the_old_keys_only(repository: Repository) -> None:
    old = repository.signers["root"]
    repository.rotate("root")
    repository.root.version += 1
    repository.write("root", old)


@whole("signature")
def gap_in_the_roots(repository: Repository) -> None:
    old = repository.signers["root"]
    repository.rotate("timestamp")
    repository.root.version += 2
    repository.write("root", old)
    repository.stamp()


@whole("mixed")
def root_of_the_version_after_next(repository: Repository) -> None:
    repository.root.version += 2
    repository.files[f"metadata/{repository.root.version - 1}.root.json"] = repository.octets("root")


@whole("mixed")
def old_root_under_the_next_name(repository: Repository) -> None:
    repository.files[f"metadata/{repository.root.version + 1}.root.json"] = repository.octets("root")


@whole("threshold")
def root_signed_by_one_of_two(repository: Repository) -> None:
    repository.signers["root"] += keys()
    for signer in repository.signers["root"][1:]:
        repository.root.add_key(signer.public_key, "root")
    repository.root.roles["root"].threshold = 2
    repository.root.version += 1
    repository.write("root", repository.signers["root"][:1])


# Hostile JSON.


def _timestamp(name: str, content: bytes, reason: str = "format") -> None:
    def attack(repository: Repository) -> None:
        repository.write("timestamp", content=content)

    WHOLE[f"timestamp_{name}"] = (attack, reason)


_timestamp("deep", b"[" * 16_000)
_timestamp("of_another_kind", b'"timestamp"')
_timestamp("without_anything", b"{}")
_timestamp("not_in_utf_8", b"\xff\xfe{}")
_timestamp("with_a_huge_number", b'{"signed": {"_type": "timestamp", "version": ' + b"9" * 5_000 + b"}}")
_timestamp("with_no_number", b'{"signed": {"_type": "timestamp", "version": NaN}, "signatures": []}')
_timestamp(
    "with_the_same_signature_twice", b'{"signed": {}, "signatures": [{"keyid": "a", "sig": "b"}, {"keyid": "a"}]}'
)
_timestamp("empty", b"", "empty")
_timestamp("cut", b'{"signed": {', "cut")
_timestamp("of_a_login_page", b"<html>", "html")
