"""The faults of one order, `bad`, which do not affect the others of its role, nor those of other roles.

`ORDER` has them by their names, each with the reason that the refusal of the order has to have. Each is done to a role:
`court`, or the repository itself, whose role is empty here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable

from blockd.orders.repository import MAX_DOCUMENT
from tests.feeds.tuf.repository import Repository

Fault = Callable[[Repository, str], None]
ORDER: dict[str, tuple[Fault, str]] = {}
BAD = "bad"


def one(reason: str) -> Callable[[Fault], Fault]:
    def add(fault: Fault) -> Fault:
        ORDER[fault.__name__] = (fault, reason)
        return fault

    return add


def path_of(role: str) -> str:
    return f"orders/{role}/{BAD}.json" if role else f"orders/{BAD}.json"


def _bad(repository: Repository, role: str, **changes: object) -> None:
    """Publish the order with other fields than it may have; a field that is None is left out."""
    repository.order(role, BAD, ["bad.example"])
    document = json.loads(repository.files[repository.order_file(role, BAD)])
    without = {name: value for name, value in {**document, **changes}.items() if value is not None}
    repository.target(role, path_of(role), json.dumps(without).encode())


@one("too large")
def endless(repository: Repository, role: str) -> None:
    _bad(repository, role)
    repository.endless.add(repository.order_file(role, BAD))


@one("signature")
def swapped(repository: Repository, role: str) -> None:
    _bad(repository, role)
    path = repository.order_file(role, BAD)
    repository.files[path] = repository.files[path].replace(b"bad.example", b"evl.example")


@one("missing")
def withheld(repository: Repository, role: str) -> None:
    _bad(repository, role, platform="Another Messenger")
    del repository.files[repository.order_file(role, BAD)]


@one("signature")
def cut(repository: Repository, role: str) -> None:
    _bad(repository, role)
    path = repository.order_file(role, BAD)
    repository.files[path] = repository.files[path][:-10]


@one("format")
def without_form(repository: Repository, role: str) -> None:
    repository.target(role, path_of(role), b'{"schema": "1.0"}')


@one("format")
def no_json(repository: Repository, role: str) -> None:
    repository.target(role, path_of(role), b"no json")


@one("format")
def deep(repository: Repository, role: str) -> None:
    repository.target(role, path_of(role), b"[" * 60_000)


@one("format")
def deep_field(repository: Repository, role: str) -> None:
    nested: object = "x"
    for _ in range(100):
        nested = [nested]
    _bad(repository, role, later=nested)


@one("format")
def of_a_later_schema(repository: Repository, role: str) -> None:
    _bad(repository, role, schema="2.0")


@one("format")
def unknown_action(repository: Repository, role: str) -> None:
    _bad(repository, role, action="explode")


@one("format")
def action_of_a_zone(repository: Repository, role: str) -> None:
    _bad(repository, role, action="passthru")


@one("format")
def wrong_date(repository: Repository, role: str) -> None:
    _bad(repository, role, in_force_from="2026-13-01")


@one("format")
def name_that_is_none(repository: Repository, role: str) -> None:
    _bad(repository, role, names=["good.example", "com"])


@one("format")
def network_too_wide(repository: Repository, role: str) -> None:
    _bad(repository, role, names=["8.0.0.0/8"])


@one("format")
def bad_hashes(repository: Repository, role: str) -> None:
    _bad(repository, role, names=None, confidential=True, hashed={"salt": "ab" * 16, "names": ["abc"]})


@one("format")
def bad_salt(repository: Repository, role: str) -> None:
    _bad(repository, role, names=None, confidential=True, hashed={"salt": "ab", "names": ["ab" * 16]})


@one("format")
def field_of_a_megabyte(repository: Repository, role: str) -> None:
    _bad(repository, role, later="x" * (1 << 20))


@one("too large")
def longer_than_any(repository: Repository, role: str) -> None:
    _bad(repository, role)
    repository.role(role).targets[path_of(role)].length = MAX_DOCUMENT + 1


@one("format")
def under_the_name_of_another(repository: Repository, role: str) -> None:
    _bad(repository, role, id="good")


@one("outside")
def list_of_another_part(repository: Repository, role: str) -> None:
    step = {"target": "lists/ministry/x.gz", "sha256": "ab" * 32, "size": 12, "count": 1}
    _bad(repository, role, names=None, list={"steps": [step]})


def _list(repository: Repository, role: str, content: bytes, **changes: object) -> str:
    """Publish the order with a list in a file, and with other facts about it than are true; return the file's path."""
    name = f"lists/{role}/bad.base.gz" if role else "lists/bad.base.gz"
    file = repository.target(role, name, gzip.compress(content, mtime=0))
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "count": content.count(b"\n")}
    _bad(repository, role, names=None, list={"steps": [{"target": name, **facts, **changes}]})
    return file


@one("missing")
def list_withheld(repository: Repository, role: str) -> None:
    del repository.files[_list(repository, role, b"bad.example\n")]


@one("signature")
def list_swapped(repository: Repository, role: str) -> None:
    file = _list(repository, role, b"bad.example\n")
    repository.files[file] = bytes(len(repository.files[file]))


@one("signature")
def list_of_another_digest(repository: Repository, role: str) -> None:
    _list(repository, role, b"bad.example\n", sha256="ab" * 32)


@one("signature")
def list_of_another_count(repository: Repository, role: str) -> None:
    _list(repository, role, b"bad.example\n", count=7)


@one("too large")
def list_of_another_size(repository: Repository, role: str) -> None:
    _list(repository, role, b"bad.example\n", size=9)


@one("format")
def list_that_is_not_canonical(repository: Repository, role: str) -> None:
    _list(repository, role, b"b.example\na.example\n")


@one("format")
def list_with_a_line_that_is_no_name(repository: Repository, role: str) -> None:
    _list(repository, role, b"a.example\ncom\n")
