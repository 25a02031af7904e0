"""Which files of tests run first, and which may be shared among the workers of pytest-xdist.

With `--dist loadfile` a file's tests stay with one worker, and pytest-xdist hands out the files with most tests first.
The longest of blockd's files have few tests: they came last, one on a worker while the others had nothing left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

# From the longest on. A file that is missing here is only handed out later.
FIRST = (
    "tests/daemon/test_corrupted_state.py",
    "tests/daemon/test_audit.py",
    "tests/docs/test_authority.py",
    "tests/resolver/test_twin.py",
    "tests/daemon/test_faulty_swap.py",
    "tests/daemon/test_damage.py",
    "tests/daemon/test_restart.py",
    "tests/daemon/test_rollback.py",
    "tests/docs/test_backup.py",
    "tests/daemon/test_overrides.py",
    "tests/docs/test_operator.py",
    "tests/daemon/test_refused_starts.py",
    "tests/daemon/test_national_repository.py",
    "tests/daemon/test_proofs.py",
    "tests/packaging_/test_distributions.py",
    "tests/fuzz/test_fuzz.py",
    "tests/feeds/transfer/test_asking_on.py",
    "tests/daemon/test_signed.py",
    "tests/daemon/test_hot_swap.py",
    "tests/cli/test_dry_run.py",
    "tests/daemon/test_story.py",
    "tests/docs/test_moving_over.py",
    "tests/test_alerts.py",
    "tests/daemon/test_confidential.py",
    "tests/daemon/test_mirrors.py",
    "tests/daemon/test_kills.py",
    "tests/daemon/test_transfer.py",
    "tests/daemon/test_held_back.py",
    "tests/resolver/answers/test_aliases.py",
    "tests/resolver/test_several_authorities.py",
    "tests/daemon/test_authority_ends.py",
    "tests/daemon/test_deaths.py",
    "tests/daemon/test_operators_day.py",
    "tests/bench/test_bench.py",
    "tests/daemon/test_signed_kills.py",
    "tests/cli/test_lookup.py",
    "tests/daemon/test_confidential_story.py",
    "tests/ruleset/test_mapped.py",
    "tests/ruleset/versions/test_keeping.py",
    "tests/daemon/test_authorities.py",
    "tests/daemon/update/test_expiry.py",
    "tests/resolver/test_client_groups.py",
    "tests/cli/test_versions.py",
    "tests/docs/test_auditor.py",
    "tests/daemon/test_overlapping.py",
    "tests/ruleset/versions/test_diff.py",
    "tests/daemon/test_first_start.py",
    "tests/daemon/test_rpz_peers.py",
    "tests/resolver/answers/test_sections.py",
    "tests/test_words.py",
    "tests/worlds/motion/test_fast_motion.py",
    "tests/packaging_/test_compiling.py",
    "tests/soak/test_soak.py",
    "tests/test_dev_pages.py",
    "tests/daemon/test_short_answers.py",
    "tests/daemon/update/test_disk_room.py",
    "tests/daemon/update/test_urgent_first.py",
    "tests/bench/test_hostile.py",
)

# Files of few long tests that share no server: each of their tests goes to whichever worker is free, before all others.
SHARED_OUT = ("tests/worlds/test_worlds.py",)

Item = TypeVar("Item")


def file_of(test: str) -> str:
    """Return the file of a test, by the test's id."""
    return test.partition("::")[0]


def scope_of(test: str) -> str:
    """Return what a worker takes as a whole: a test's file, or the test itself where its file is shared out."""
    return test if file_of(test) in SHARED_OUT else file_of(test)


def longest_first(items: Sequence[Item], id_of: Callable[[Item], str]) -> list[Item]:
    """Return tests by the time that their files take, those of one file in their order."""
    places = {file: place for place, file in enumerate((*SHARED_OUT, *FIRST))}
    return sorted(items, key=lambda item: places.get(file_of(id_of(item)), len(places)))
