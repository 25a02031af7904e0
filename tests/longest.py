"""Which files of tests run first, and which may be shared among the workers of pytest-xdist.

With `--dist loadfile` a file's tests stay with one worker, and pytest-xdist hands out the files with most tests first.
The longest of blockd's files have few tests: they came last, one on a worker while the others had nothing left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

# From the longest on. A file that is missing here is only handed out later.
FIRST = (
    "tests/resolver/test_twin.py",
    "tests/resolver/test_unknown_actions.py",
    "tests/feeds/tuf/test_mirrors.py",
    "tests/daemon/test_corrupted_state.py",
    "tests/web/console/test_console.py",
    "tests/daemon/upgrade/test_upgrade.py",
    "tests/daemon/reload/test_live_reload.py",
    "tests/web/test_admin.py",
    "tests/feeds/tuf/test_thief.py",
    "tests/daemon/test_rollback.py",
    "tests/docs/test_operator.py",
    "tests/packaging_/test_distributions.py",
    "tests/packaging_/test_debian.py",
    "tests/monitoring/test_scraped.py",
    "tests/daemon/test_faulty_swap.py",
    "tests/daemon/reload/test_changing_under_load.py",
    "tests/daemon/test_console.py",
    "tests/daemon/test_schemathesis.py",
    "tests/daemon/notify/test_service.py",
    "tests/web/console/test_accessible.py",
    "tests/web/test_admin_load.py",
    "tests/web/test_admin_door.py",
    "tests/daemon/figures/test_running.py",
    "tests/fuzz/test_fuzz.py",
    "tests/daemon/test_odd_starts.py",
    "tests/daemon/test_overrides.py",
    "tests/feeds/tuf/test_refused_orders.py",
    "tests/daemon/test_operators_day.py",
    "tests/fuzz/test_reading.py",
    "tests/resolver/test_failed_exchanges.py",
    "tests/daemon/test_kills.py",
    "tests/daemon/test_confidential.py",
    "tests/bench/test_bench.py",
    "tests/daemon/rights/test_break_in.py",
    "tests/daemon/test_authorities.py",
    "tests/daemon/test_signed.py",
    "tests/feeds/tuf/test_one_faulty_mirror.py",
    "tests/daemon/test_audit.py",
    "tests/worlds/motion/test_fast_motion.py",
    "tests/cli/test_dry_run.py",
    "tests/resolver/test_twin_sockets.py",
    "tests/feeds/tuf/test_attacks.py",
    "tests/daemon/test_restart.py",
    "tests/daemon/test_national_repository.py",
    "tests/ruleset/test_mapped.py",
    "tests/daemon/test_transfer.py",
    "tests/cli/test_authority_people.py",
    "tests/daemon/test_hot_swap.py",
    "tests/daemon/test_refused_starts.py",
    "tests/resolver/test_native.py",
    "tests/daemon/test_damage.py",
    "tests/formats/test_domain_lines.py",
    "tests/test_shared_numbers.py",
    "tests/resolver/test_client_groups.py",
    "tests/daemon/test_story.py",
    "tests/resolver/test_response.py",
    "tests/ruleset/test_precedence.py",
    "tests/daemon/test_signed_kills.py",
    "tests/docs/test_moving_over.py",
    "tests/daemon/update/test_urgent_first.py",
    "tests/ruleset/versions/test_diff.py",
    "tests/daemon/update/test_feed_budgets.py",
    "tests/daemon/test_held_released.py",
    "tests/feeds/transfer/test_amend.py",
    "tests/cli/test_authority_order.py",
    "tests/feeds/signed/test_list_texts.py",
    "tests/docs/test_authority.py",
    "tests/daemon/update/test_compile_child.py",
    "tests/daemon/test_proofs.py",
    "tests/cli/test_lookup.py",
    "tests/daemon/test_client_groups.py",
    "tests/soak/test_soak.py",
    "tests/ruleset/versions/test_keeping.py",
    "tests/docs/test_backup.py",
    "tests/ruleset/test_client_groups.py",
    "tests/daemon/test_start.py",
    "tests/feeds/tuf/test_conformance.py",
    "tests/resolver/streams/test_https.py",
    "tests/daemon/test_deaths.py",
    "tests/daemon/update/test_expiry.py",
    "tests/daemon/test_mirrors.py",
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
