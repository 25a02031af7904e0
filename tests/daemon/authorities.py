"""A repository of several authorities, all of whose keys lie in one workshop, so that a test is quickly through.

`tests.daemon.office` has the same with the people apart, and by the commands that they use.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blockd.publish import Workshop, publish, sign
from blockd.publish.delegations import delegate, write_delegations
from blockd.publish.documents import check_documents
from blockd.publish.keys.key_files import new_key
from blockd.publish.keys.online_roles import local_signers, seal
from blockd.publish.lint import Rules
from blockd.publish.lists.files import ListFiles, ListReport
from blockd.publish.pending import add_signature, keys_of
from blockd.publish.signing import to_sign
from tests.publish.staging import lift

PEOPLE = 3  # in each authority; two of them have to sign
THRESHOLD = 2
NAMES = {"telecom": "Telecom Board", "court": "Sample Court", "bank": "Bank Supervision"}


class Authorities:
    """Those of NAMES, who publish to `folder`/out; the first root is `folder`/root.json."""

    def __init__(self, folder: Path, names: Mapping[str, str] = NAMES) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.workshop = Workshop.make(folder / "workshop", datetime.now(UTC))
        self.out = folder / "out"
        self.root = folder / "root.json"
        self.news = ListReport()  # of the list that was renewed last
        self.keyids = {role: self._delegate(role, name) for role, name in names.items()}
        shutil.copyfile(self.workshop.metadata / "1.root.json", self.root)

    def feed(self, url: str = "", **more: object) -> dict[str, object]:
        """Return the feed that reads from `url`, by default from the folder itself."""
        return {
            "name": "national",
            "type": "signed",
            "url": url or self.out.as_uri(),
            "root": str(self.root),
            "interval": "200ms",
            "priority": 10,
            **more,
        }

    def order(self, role: str, identifier: str, names: Sequence[object] = (), **more: object) -> None:
        """Stage an order of an authority, or of the repository itself where the role is empty."""
        self.orders(role, {identifier: names}, **more)

    def orders(self, role: str, named: Mapping[str, Sequence[object]], **more: object) -> None:
        """Stage several that differ in their ids and names."""
        given: list[tuple[str, object]] = []
        for identifier, names in named.items():
            document = {
                "schema": "1.0",
                "id": identifier,
                "authority": NAMES.get(role, "Sample Authority"),
                "platform": "Example Messenger",
                "mandate": "law",
                "legal_basis": "Sample regulation 1",
                "contact": "objections@example.net",
                "in_force_from": "2026-01-01",
                "expires": None,
                **({"names": list(names)} if names else {}),
                **more,
            }
            given.append((identifier, document))
        self.workshop.stage(check_documents(given, Rules()).documents, role)

    def long(self, role: str, identifier: str, names: Path, **more: object) -> None:
        """Stage an order whose names are a list in a file, or give the one that is there the names of today."""
        files = ListFiles(self.workshop.folder)
        self.orders(role, {identifier: ()}, list=files.renew(role, identifier, names), **more)
        self.news = files.report

    def lift(self, role: str, identifier: str, on: datetime | None = None) -> None:
        """Stage the lifting of an order, by default from now on."""
        at = on or datetime.now(UTC).replace(microsecond=0)
        lift(self.workshop, identifier, text(at), "The platform has complied.", role)

    def publish(self, *, to: Path | None = None, **lives: timedelta) -> None:
        """Sign all that is staged and publish it; where `lives` are given, only those authorities, for so long each."""
        now = datetime.now(UTC)
        for role, life in lives.items():
            self._sign(role, now, now + life)
        if lives:
            seal(self.workshop, now)
        else:
            sign(self.workshop, now)
        publish(self.workshop, to or self.out)

    def metadata(self, role: str) -> Path:
        """The published metadata of an authority, the newest."""
        return self.out / "metadata" / f"{self.workshop.versions(role)[-1]}.{role}.json"

    def may_lift(self, role: str, *lifted: str) -> None:
        """Stage whose orders an authority may lift."""
        delegations = self.workshop.staged_delegations()
        delegate(delegations, role, "", [], 0, lifted)
        write_delegations(self.workshop.delegations, delegations)

    def _sign(self, role: str, now: datetime, expires: datetime) -> None:
        """Sign one authority's part anew, by as many people as it takes."""
        metadata = to_sign(self.workshop, role, now, expires)
        for signer in local_signers(self.workshop, role, keys_of(self.workshop, role)):
            if add_signature(self.workshop, role, metadata, signer).is_complete:
                return

    def _delegate(self, role: str, name: str) -> list[str]:
        keys = [new_key(self.workshop.keys / f"{role}-{number}.pem").public_key for number in range(PEOPLE)]
        delegations = self.workshop.staged_delegations()
        delegate(delegations, role, name, keys, THRESHOLD)
        write_delegations(self.workshop.delegations, delegations)
        return [key.keyid for key in keys]


def text(moment: datetime) -> str:
    """Write a moment as documents have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def soon(seconds: float) -> datetime:
    """The whole second that is so far ahead at least."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds + 1)


def grown(path: Path, count: int, changes: Callable[[int], bool] = lambda _: False) -> Path:
    """Write a list of `count` names by generation; where `changes` says so of a number, another name has its place."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(
            f"{'new' if changes(number) else 'n'}{number}.listed-{number % 97}.example\n" for number in range(count)
        )
    return path
