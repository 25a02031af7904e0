"""Writing dossiers beside a daemon: what has changed, what fails and is tried again, what is no order's any more."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from blockd.daemon.page import dossier_files, dossiers
from blockd.daemon.page.dossier_files import DossierFiles, dossier_path, signatures_path
from blockd.daemon.page.dossiers import DossierService
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.files import open_kept, replace_file
from blockd.orders import OrderKey
from blockd.settings import Settings
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, moment, order

NOON = moment("2026-11-24T12:00:00")
OWN = OrderKey(FEED, "", "order-1")
PATIENCE = 30.0  # seconds after which a test that waits for a condition has failed
PAGE = {"listen": {"public": {"http": ["127.0.0.1:1"]}}}


@pytest.fixture
def repository() -> Repository:
    return Repository(NOON)


@pytest.fixture
def node(tmp_path: Path, repository: Repository) -> Iterator[Node]:
    made = Node(tmp_path, repository.root, NOON.timestamp() + 10)
    yield made
    made.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what a thread writes sets no event
            await asyncio.sleep(0.001)


def serve(node: Node, use: Callable[[Path], Awaitable[None]]) -> None:
    """Run the service beside a node while `use` looks at the folder that it writes."""

    async def run() -> None:
        state = StateDir(node.state)
        made = Settings.model_validate({"feeds": [], **PAGE})
        service = DossierService(made, state, node.recorder, lambda: node.before, Timing())
        running = asyncio.create_task(service.run())
        try:
            await use(state.incidents)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def write_all(node: Node) -> Path:
    """Run the service until it has written all that is in force, and end it, so that a test may change its files."""

    async def use(folder: Path) -> None:
        await until(lambda: signatures_path(folder, FEED, "").exists())

    serve(node, use)
    return StateDir(node.state).incidents


def told(folder: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(dossier_path(folder, OWN).read_bytes().partition(b"\n")[0]))


def turns(folder: Path) -> list[str]:
    try:
        return [turn["state"] for turn in told(folder)["history"]]
    except OSError:
        return []


def test_it_follows_orders_and_their_states(node: Node, repository: Repository) -> None:
    lasting = order("order-1", ["listed.example"], expires="2026-11-24T12:30:00Z")
    node.enforce(repository.publish({"order-1": lasting}, {"media-1": order("media-1", ["video.example"])}))

    async def use(folder: Path) -> None:
        await until(lambda: turns(folder) == ["in force"])
        for role in ("", "media"):
            await until(signatures_path(folder, FEED, role).exists)
        assert node.before is not None
        verdict = node.before.standing(node.before.ruleset.catalogue.find("order-1")[0])
        dossier = DossierFiles(folder).dossier(verdict)
        assert dossier is not None
        assert DossierFiles(folder).document(verdict, dossier) == json.dumps(lasting).encode()
        node.pass_time(3600.0)
        await until(lambda: turns(folder) == ["in force", "expired"])
        node.enforce(repository.publish({"order-1": lasting}))
        await until(lambda: not dossier_path(folder, OrderKey(FEED, "media", "media-1")).exists())
        await until(lambda: not signatures_path(folder, FEED, "media").exists())
        assert dossier_path(folder, OWN).exists()

    serve(node, use)


def test_signatures_that_cannot_be_verified_are_not_shown_and_told_once(
    node: Node, repository: Repository, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    root = node.root.read_bytes()
    node.root.write_bytes(Repository(NOON).root)
    monkeypatch.setattr(dossiers, "AGAIN", 0.01)
    caplog.set_level(logging.WARNING)

    async def use(folder: Path) -> None:
        await until(lambda: turns(folder) == ["in force"])
        assert (told(folder)["listed_by"], told(folder)["sha256"]) == ("", "")
        assert not signatures_path(folder, FEED, "").exists()
        node.root.write_bytes(root)
        await until(lambda: signatures_path(folder, FEED, "").exists())
        assert told(folder)["listed_by"] == "targets.json"

    serve(node, use)
    warnings = [record.getMessage() for record in caplog.records if "signatures" in record.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"The pages about orders lack histories and signatures: feed {FEED}: ")


def test_without_a_page_about_orders_nothing_is_written_and_what_one_has_left_is_removed(
    node: Node, repository: Repository
) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))

    async def use(folder: Path) -> None:
        await until(lambda: signatures_path(folder, FEED, "").exists())

    serve(node, use)
    state = StateDir(node.state)
    service = DossierService(
        Settings.model_validate({"feeds": []}), state, node.recorder, lambda: node.before, Timing()
    )
    asyncio.run(asyncio.wait_for(service.run(), PATIENCE))  # it ends at once
    assert list(state.incidents.rglob("*")) == []


def test_a_dossier_of_another_version_of_an_order_has_the_history_alone(node: Node, repository: Repository) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))

    async def use(folder: Path) -> None:
        await until(lambda: turns(folder) == ["in force"])
        octets = dossier_path(folder, OWN).read_bytes()
        changed = order("order-1", ["listed.example"], summary="Changed.")
        node.enforce(repository.publish({"order-1": changed}))
        await until(lambda: dossier_path(folder, OWN).read_bytes() != octets)
        dossier_path(folder, OWN).write_bytes(octets)
        assert node.before is not None
        verdict = node.before.standing(node.before.ruleset.catalogue.find("order-1")[0])
        files = DossierFiles(folder)
        dossier = files.dossier(verdict)
        assert dossier is not None
        assert dossier.history
        assert (dossier.signatures, dossier.is_kept, files.document(verdict, dossier)) == ((), False, None)
        for damage in (b"", b"{", b"[]", b"7" * 200_000):
            dossier_path(folder, OWN).write_bytes(damage)
            assert files.dossier(verdict) is None

    serve(node, use)


def test_a_change_of_one_order_leaves_the_files_of_all_others(node: Node, repository: Repository) -> None:
    orders = {f"order-{number}": order(f"order-{number}", [f"n{number}.example"]) for number in range(1, 6)}
    media = {"media-1": order("media-1", ["video.example"])}
    node.enforce(repository.publish(orders, media))

    async def use(folder: Path) -> None:
        await until(lambda: signatures_path(folder, FEED, "media").exists())
        before = inodes(folder)
        node.time += 60
        node.enforce(repository.publish({**orders, "order-1": order("order-1", ["other.example"])}, media))
        signed = [signatures_path(folder, FEED, role) for role in ("", "media")]
        await until(lambda: all(b'"version": 2' in octets_of(path) for path in signed))
        assert {path for path, inode in inodes(folder).items() if before[path] != inode} == {dossier_path(folder, OWN)}
        assert node.before is not None
        catalogue = node.before.ruleset.catalogue
        for name in ("order-1", "order-2", "media/media-1"):
            verdict = node.before.standing(catalogue.find(name)[0])
            dossier = DossierFiles(folder).dossier(verdict)
            assert dossier is not None
            assert [one.version for one in dossier.signatures if one.file == dossier.listed_by] == [2]
            assert dossier.verified == "2026-11-24T12:01:10.000Z"
            assert DossierFiles(folder).document(verdict, dossier)

    serve(node, use)


def test_what_comes_into_force_without_a_new_list_has_its_signatures(node: Node, repository: Repository) -> None:
    secret = order("order-1", confidential=True, hashed={"salt": "00" * 16, "names": ["ff" * 16]},
                   in_force_from="2026-11-24T12:30:00Z")  # fmt: skip
    node.enforce(repository.publish({"order-1": secret, "order-2": order("order-2", ["listed.example"])}))

    async def use(folder: Path) -> None:
        await until(lambda: signatures_path(folder, FEED, "").exists())
        assert not dossier_path(folder, OWN).exists()
        node.pass_time(3600.0)
        await until(lambda: turns(folder) == ["pending", "in force"])
        assert told(folder)["listed_by"] == "targets.json"

    serve(node, use)


def test_signatures_that_change_while_a_dossier_is_read_are_not_shown_with_it(
    node: Node, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    folder = write_all(node)
    assert node.before is not None
    verdict = node.before.standing(node.before.ruleset.catalogue.find("order-1")[0])
    files, signed = DossierFiles(folder), signatures_path(folder, FEED, "")
    opening = open_kept

    def replaced(path: Path) -> BufferedReader:
        replace_file(signed, signed.read_bytes())
        return opening(path)

    monkeypatch.setattr(dossier_files, "open_kept", replaced)
    dossier = files.dossier(verdict)
    assert dossier is not None
    assert (bool(dossier.history), dossier.signatures, dossier.is_kept) == (True, (), False)
    monkeypatch.undo()
    dossier = files.dossier(verdict)
    assert dossier is not None
    assert dossier.signatures
    for damage in (b"", b"{", b"[]", b'{"verified": "", "files": [7]}', b"7" * 2_000_000):
        signed.write_bytes(damage)
        dossier = files.dossier(verdict)
        assert dossier is not None
        assert (bool(dossier.history), dossier.signatures) == (True, ())


def test_a_full_disk_costs_signatures_until_there_is_room_and_is_told_once(
    node: Node, repository: Repository, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = {name: order(name, [f"{name}.example"]) for name in ("order-1", "order-2", "order-3")}
    node.enforce(repository.publish(orders))
    monkeypatch.setattr(dossiers, "AGAIN", 0.01)
    caplog.set_level(logging.WARNING)
    tried: list[Path] = []

    def full(path: Path, **_: object) -> NoReturn:
        tried.append(path)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    async def use(folder: Path) -> None:
        signed = signatures_path(folder, FEED, "")
        await until(signed.exists)
        with monkeypatch.context() as patch:
            patch.setattr(dossiers, "replacing", full)
            changed = {**orders, "order-2": order("order-2", ["other.example"])}
            node.enforce(repository.publish(changed))
            await until(lambda: len(tried) > 3)
            assert not signed.exists(), "none are shown that may be another document's"
            assert turns(folder) == ["in force"]
        await until(signed.exists)
        assert node.before is not None
        for name in orders:
            verdict = node.before.standing(node.before.ruleset.catalogue.find(name)[0])
            dossier = DossierFiles(folder).dossier(verdict)
            assert dossier is not None
            assert [one.version for one in dossier.signatures if one.file == "targets.json"] == [2]
            assert DossierFiles(folder).document(verdict, dossier)

    serve(node, use)
    warnings = [record.getMessage() for record in caplog.records if "No space left" in record.getMessage()]
    assert len(warnings) == 1


def inodes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in folder.rglob("*.dossier")}


def octets_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
