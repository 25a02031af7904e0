from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.reasons import REASONS
from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.repository import SignedRepository
from tests.effort import tries
from tests.feeds.tuf.repository import Repository

REPOSITORY = Repository()
FILES = sorted(REPOSITORY.files)
VALUES: list[Any] = [None, 0, -1, 2, 10**400, "", "root", "a" * 70, [], {}, [[]], True, "2099-01-01T00:00:00Z"]


def orders(version: SignedVersion) -> set[tuple[str, str, tuple[str, ...]]]:
    return {
        (document.order.role, document.order.id, tuple(entry.text for entry in document.entries))
        for document in version.documents
    }


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw the repository's files with one of them changed, in its octets or in its JSON value."""
    name = draw(st.sampled_from(FILES))
    content = REPOSITORY.files[name]
    at, length = draw(st.integers(0, len(content) - 1)), draw(st.integers(1, 40))
    piece = content[at : at + length]
    kind = draw(st.sampled_from(("octets", "cut", "twice", "without", "other file", "json", "json")))
    match kind:
        case "octets":
            content = content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at + 1 :]
        case "cut":
            content = content[:at]
        case "twice":
            content = content[:at] + piece + content[at:]
        case "without":
            content = content[:at] + content[at + length :]
        case "other file":
            content = REPOSITORY.files[draw(st.sampled_from(FILES))]
        case _:
            document = json.loads(content)
            _change(draw, document)
            content = json.dumps(document).encode()
    return {**REPOSITORY.files, name: content}


def _change(draw: st.DrawFn, document: Any) -> None:
    """Set, remove or add one member, however deep."""
    while True:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(document[key], dict | list) and document[key] and draw(st.booleans()):
            document = document[key]
            continue
        if draw(st.booleans()):
            document[key] = draw(st.sampled_from(VALUES))
        else:
            del document[key]
        return


def _told(node: SignedRepository) -> SignedVersion | FeedRefused:
    try:
        return node.fetch()
    except FeedRefused as refusal:
        return refusal


@pytest.mark.parametrize("seen", [False, True], ids=["at first", "later"])
def test_whatever_is_changed_in_one_file_nothing_unsigned_is_taken(seen: bool) -> None:
    @settings(max_examples=tries(30, 300))
    @given(files=mutated())
    def run(files: dict[str, bytes]) -> None:
        repository = REPOSITORY.fork()
        with tempfile.TemporaryDirectory() as folder:
            node = repository.node(Path(folder))
            if seen:
                node.fetch()
                node = repository.node(Path(folder))
            repository.files = files
            found = _told(node)
            if isinstance(found, SignedVersion):
                assert orders(found) <= good
            else:
                assert found.reason in set(REASONS) - {"fault"}
            repository.files = REPOSITORY.files
            assert orders(node.fetch()) == good

    with tempfile.TemporaryDirectory() as folder:
        good = orders(REPOSITORY.node(Path(folder)).fetch())
    run()
