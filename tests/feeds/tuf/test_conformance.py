"""The behaviours that the TUF project's conformance suite requires of a client, tested as it tests them.

The client is `conformance_client.py`; the repository is the simulator, over HTTP. What the suite checks is the result
of a command, the metadata kept, what was downloaded, and what was requested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from securesystemslib.signer import Signer
from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, Targets

from tests.feeds.tuf.conformance import Client
from tests.feeds.tuf.repository import DAY, LATE, NOW, TOPS, Repository, keys
from tests.feeds.tuf.serving import serving

COLD = ["metadata/2.root.json", "metadata/timestamp.json", "metadata/1.snapshot.json", "metadata/1.targets.json"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serving(Repository(authorities=False)) as server:
        client = Client(tmp_path, server)
        assert client.init() == 0
        yield client


@pytest.fixture
def repository(client: Client) -> Repository:
    return client.server.repository


def test_executable_follows_the_protocol(tmp_path: Path) -> None:
    with serving(Repository(end=LATE)) as server:
        client = Client(tmp_path, server)
        path = tmp_path / "root.json"
        path.write_bytes(server.repository.first_root)
        url = ["--metadata-url", f"{server.url}/metadata"]
        assert client.execute("init", str(path)) == 0
        assert server.requests == []
        assert client.execute(*url, "refresh") == 0
        assert [client.version(role) for role in TOPS] == [1, 1, 1, 1]
        server.repository.files.clear()
        assert client.execute(*url, "refresh") == 1


def test_first_refresh_asks_for_each_top_role_once(client: Client) -> None:
    assert client.refresh() == 0
    assert client.server.requests == COLD
    assert [client.version(role) for role in TOPS] == [1, 1, 1, 1]


def test_download_refreshes_by_itself_and_fails_for_what_is_not_there(client: Client) -> None:
    assert client.download("no such target") == 1
    assert client.server.requests == COLD
    assert [client.version(role) for role in TOPS] == [1, 1, 1, 1]


@pytest.mark.parametrize("change", ["version", "signature"])
def test_bad_initial_root_is_refused_without_a_request(client: Client, change: str) -> None:
    root = json.loads(client.server.repository.first_root)
    if change == "version":
        del root["signed"]["version"]
    else:
        root["signatures"][0]["sig"] = "00" * 64
    client.init(json.dumps(root).encode())
    assert client.refresh() == 1
    assert client.server.requests == []


def test_unknown_fields_are_part_of_what_is_signed(client: Client, repository: Repository) -> None:
    repository.root.unrecognized_fields["field"] = {"a": [1]}
    repository.root.roles["root"].unrecognized_fields["field"] = "b"
    repository.publish("root")
    assert client.refresh() == 0
    assert client.version("root") == 2


def test_targets_are_downloaded_once_and_again_when_they_change(client: Client, repository: Repository) -> None:
    repository.target("", "path/to/artifact", b"first")
    repository.publish("targets")
    assert client.download("path/to/artifact") == 0
    asked = len(client.server.requests)
    assert client.download("path/to/artifact") == 0
    assert not any("artifact" in path for path in client.server.requests[asked:])
    assert client.downloaded == [b"first"]
    repository.target("", "path/to/artifact", b"second")
    repository.publish("targets")
    assert client.download("path/to/artifact") == 0
    assert client.downloaded == [b"second"]


def test_substituted_target_is_not_taken(client: Client, repository: Repository) -> None:
    file = repository.target("", "artifact", b"good")
    repository.publish("targets")
    repository.files[file] = b"evil"
    assert client.download("artifact") == 1
    assert client.downloaded == []


def test_changed_timestamp_of_the_same_version_is_not_kept(client: Client, repository: Repository) -> None:
    client.refresh()
    kept = (client.metadata / "timestamp.json").read_bytes()
    repository.timestamp.snapshot_meta = MetaFile(100)
    repository.write("timestamp")
    assert client.refresh() == 0
    assert (client.metadata / "timestamp.json").read_bytes() == kept


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_rollback_is_refused(client: Client, repository: Repository, role: str, hashes: bool) -> None:
    repository.hashes = hashes
    repository.publish()
    repository.publish()
    assert client.refresh() == 0
    assert client.version(role) == 3
    repository.signed[role].version = 1
    if role == "timestamp":
        repository.write(role)
    elif role == "snapshot":
        repository.stamp()
    else:
        repository.publish("snapshot")
    assert client.refresh() == 1
    assert client.version(role) == 3


def test_what_was_proved_before_a_later_file_failed_is_kept(client: Client, repository: Repository) -> None:
    repository.hashes = False
    repository.snapshot.version += 1
    repository.stamp()
    repository.write("snapshot", keys())
    assert client.refresh() == 1
    assert sorted(path.name for path in client.metadata.glob("*.json")) == ["root.json", "timestamp.json"]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fast_forward_is_recovered_from(client: Client, repository: Repository, role: str) -> None:
    repository.signed[role].version = 99
    repository.publish(role)
    assert client.refresh() == 0
    assert client.version(role) == 100
    repository.signed[role].version = 1
    for top in {"timestamp": ["timestamp"]}.get(role, ["snapshot", "timestamp"]):
        repository.rotate(top)
    repository.publish("root")
    repository.publish(role)
    assert client.refresh() == 0
    assert client.version(role) == 2


@pytest.mark.parametrize("role", TOPS)
def test_expired_role_is_refused_and_the_root_kept(client: Client, repository: Repository, role: str) -> None:
    client.refresh()
    repository.signed[role].expires = NOW - DAY
    repository.publish(role)
    assert client.refresh() == 1
    assert client.version("root") == repository.root.version
    if role != "root":
        assert client.version(role) == 1


def test_expired_local_metadata_still_guard_against_rollback(client: Client, repository: Repository) -> None:
    repository.timestamp.expires = NOW + 7 * DAY
    repository.publish("targets")
    client.refresh()
    old = repository.fork()
    repository.timestamp.expires = NOW + 21 * DAY
    repository.publish("targets")
    client.now = NOW + timedelta(days=18)
    assert client.refresh() == 0
    assert client.version("timestamp") == 3
    old.timestamp.expires = NOW + 21 * DAY
    repository.files["metadata/timestamp.json"] = old.octets("timestamp")
    assert client.refresh() == 1


# Who signs which root: keys, threshold, signatures; and whether the last one is to be trusted.
Signing = tuple[str, int, str]
ROOTS: dict[str, tuple[list[Signing], bool]] = {
    "new key, signed by both": ([("1", 1, "1"), ("2", 1, "12"), ("2", 1, "2")], True),
    "strangers sign too": ([("1", 1, "314"), ("2", 1, "3214"), ("2", 1, "324")], True),
    "any three of five": ([("01234", 3, "024"), ("01234", 3, "041"), ("01234", 3, "013")], True),
    "one of five replaced": ([("01234", 3, "024"), ("01345", 3, "041")], True),
    "all of five replaced": ([("01234", 3, "024"), ("56789", 3, "024567"), ("56789", 3, "567")], True),
    "higher threshold": ([("123", 1, "1"), ("123", 2, "12")], True),
    "lower threshold": ([("123", 2, "12"), ("123", 1, "12"), ("123", 1, "1")], True),
    "not by the old key": ([("1", 1, "1"), ("2", 1, "234")], False),
    "not by the new key": ([("1", 1, "1"), ("2", 1, "134")], False),
    "too few of the new": ([("01234", 3, "024"), ("01345", 3, "024")], False),
    "too few of the old": ([("01234", 3, "024"), ("01345", 3, "045")], False),
    "new threshold missed": ([("123", 1, "1"), ("123", 2, "2")], False),
    "old threshold missed": ([("123", 2, "12"), ("123", 1, "1")], False),
}


@pytest.mark.parametrize("case", ROOTS)
def test_root_is_followed_only_where_old_and_new_keys_have_signed(
    client: Client, repository: Repository, case: str
) -> None:
    signers = keys(10)
    versions, good = ROOTS[case]
    written = []
    repository.root.version = 0
    for its_keys, threshold, signatures in versions:
        _sign_for(repository, "root", signers, its_keys, threshold)
        repository.root.version += 1
        written.append(repository.files[repository.write("root", [signers[int(one)] for one in signatures])])
    client.init(written[0])
    assert client.refresh() == (0 if good else 1)
    assert (client.metadata / "root.json").read_bytes() == written[-1 if good else -2]


OTHERS: dict[str, tuple[Signing, bool]] = {
    "new key": (("2", 1, "2"), True),
    "strangers sign too": (("1", 1, "314"), True),
    "three of five": (("01234", 3, "024"), True),
    "other three of five": (("01234", 3, "234"), True),
    "not by the new key": (("2", 1, "134"), False),
    "two of three and a stranger": (("01345", 3, "024"), False),
    "two of three": (("01345", 3, "04"), False),
    "one key twice": (("01", 2, "00"), False),
}


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_role_is_taken_only_where_enough_of_its_keys_have_signed(
    client: Client, repository: Repository, role: str, case: str
) -> None:
    signers = keys(10)
    (its_keys, threshold, signatures), good = OTHERS[case]
    _sign_for(repository, role, signers, its_keys, threshold)
    repository.signers[role] = [signers[int(one)] for one in signatures]
    repository.publish("root")
    repository.publish("targets")
    assert client.refresh() == (0 if good else 1)
    assert (client.metadata / f"{role}.json").exists() == good


def _sign_for(repository: Repository, role: str, signers: list[Signer], its_keys: str, threshold: int) -> None:
    for keyid in list(repository.root.roles[role].keyids):
        repository.root.revoke_key(keyid, role)
    for one in its_keys:
        repository.root.add_key(signers[int(one)].public_key, role)
    repository.root.roles[role].threshold = threshold


# Delegations as "from to paths", `!` for a terminating one; and which roles are asked, in which order.
GRAPHS: dict[str, tuple[list[str], str]] = {
    "one": (["targets A *"], "A"),
    "two": (["targets A *", "targets B *"], "AB"),
    "depth first": (["targets A *", "targets B *", "A C *", "A D *"], "ACDB"),
    "deeper": (["targets A *", "targets B *", "A C *", "C D *"], "ACDB"),
    "terminating": (["targets A *", "targets B *", "A C *!", "A D *"], "AC"),
    "terminating with more below": (["targets A *", "targets B *", "A C *!", "C D *"], "ACD"),
    "other paths": (["targets A *.py", "targets B *", "A C *"], "B"),
    "cyclic": (["targets A *", "targets B *", "B C *", "C D *", "D B *"], "ABCD"),
    "reached twice": (["targets A *", "targets B *", "B C *", "A C *"], "ACB"),
    "reached by other paths": (["targets A *", "targets B *", "B C *", "A C *.py"], "ABC"),
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_delegations_are_searched_in_their_order(client: Client, repository: Repository, graph: str) -> None:
    edges, order = GRAPHS[graph]
    _delegate(repository, edges)
    assert client.download("nowhere") == 1
    assert client.server.requests[4:] == [f"metadata/1.{role}.json" for role in order]


@pytest.mark.parametrize(
    ("path", "role", "found"),
    [("README.md", "A", True), ("releases/x/v1", "C", True), ("releases/z/v1", "C", False)],
)
def test_target_is_found_only_where_the_whole_chain_delegates_its_path(
    client: Client, repository: Repository, path: str, role: str, found: bool
) -> None:
    _delegate(repository, ["targets A *.md", "targets B releases/*/*", "B C releases/x/*"], (role, path))
    assert client.download(path) == (0 if found else 1)
    assert client.downloaded == ([b"artifact"] if found else [])


@pytest.mark.parametrize("role", ["?", "#", "%2e", "/role", "../role"])
def test_unusual_names_of_roles_are_quoted(client: Client, repository: Repository, role: str) -> None:
    _delegate(repository, [f"targets {role} *"])
    assert client.download("nowhere") == 1
    assert client.server.requests[4] == f"metadata/1.{quote(role, safe='')}.json"
    assert len(list(client.metadata.glob("*.json"))) == 5
    assert sorted(path.name for path in client.folder.iterdir()) == ["initial.json", "metadata", "targets"]


def _delegate(repository: Repository, edges: list[str], target: tuple[str, str] = ("", "")) -> None:
    signer = keys()[0]
    for edge in edges:
        delegator, role, paths = edge.split()
        for name in (delegator, role):
            if name not in repository.signed:
                repository.signed[name] = Targets(expires=repository.end)
                repository.signers[name] = [signer]
        above = repository.role(delegator)
        above.delegations = above.delegations or Delegations({}, {})
        assert above.delegations.roles is not None
        above.delegations.roles[role] = DelegatedRole(role, [], 1, paths.endswith("!"), [paths.rstrip("!")])
        above.add_key(signer.public_key, role)
    if target[0]:
        repository.target(target[0], target[1], b"artifact")
    for role in repository.roles:
        repository.files[f"metadata/1.{quote(role, safe='')}.json"] = repository.octets(role)
    repository.targets.version = 0
    repository.snapshot.version = 0
    repository.timestamp.version = 0
    repository.publish("targets")
