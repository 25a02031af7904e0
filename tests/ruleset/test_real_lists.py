"""Today's lists, whole: they compile, and each name is found in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.names import DomainName, key_from_text
from blockd.orders import Reason, Scope
from blockd.ruleset import FeedInput, Listing, Ruleset, compile_ruleset
from tests.effort import LONG
from tests.places import SHARED
from tests.ruleset.lists import NOW, enforce, octets, order

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not beside this checkout")
needs_time = pytest.mark.skipif(not LONG, reason="takes long; BLOCKD_LONG=1 runs it")

SAMPLE = 1_000  # names looked up


def compile_list(source: Path, path: Path) -> list[bytes]:
    """Compile a list; return SAMPLE of its names' keys, spread over the whole."""
    rejects, subject = RejectReport(), order("national")
    keys = list(read_list(Domains(), source, rejects, 10**9))
    inputs = FeedInput(
        "national",
        "domains",
        50,
        "",
        [subject],
        [Listing(subject, Scope.BOTH, keys)],
        rejected=lambda: rejects.rejected,
    )
    header = compile_ruleset([inputs], path, created=NOW, randomness=octets)
    assert header.entries == header.names == len(set(keys))
    return keys[:: len(keys) // SAMPLE]


def check(sample: list[bytes], path: Path) -> None:
    subject = enforce(Ruleset.open(path))
    assert subject.ruleset.header.max_labels < 128
    assert len(sample) >= SAMPLE
    for key in sample:
        for name in (key, key + b"\x03www"):
            verdict = subject.verdict(name)
            assert verdict.reason is Reason.LISTED
            assert verdict.entry is not None
            assert name.startswith(verdict.entry.key)
    for number, key in enumerate(sample):
        assert not subject.verdict(key_from_text(f"innocent-{number}.{DomainName(key).labels[-1].decode()}")).touches
    subject.close()


@needs_data
def test_a_national_list_compiles_and_every_name_is_found(tmp_path: Path) -> None:
    check(compile_list(DATA / "trustpositif-783135.txt.gz", tmp_path / "r"), tmp_path / "r")


@needs_data
@needs_time
def test_three_million_names_compile_and_are_found(tmp_path: Path) -> None:
    check(compile_list(DATA / "union-2905413.txt.gz", tmp_path / "r"), tmp_path / "r")
