"""Fuzz the native engine, built with sanitizers; the arguments are those of `tests.fuzz.run`.

Then the tests of all extensions, and whatever else tries much of the same, run in full on the same build; on the
ordinary one the readers with the worst inputs (`tests.fuzz.reading`), ten thousand random worlds (`tests.worlds`), and
a thousand publications in fast motion (`tests.worlds.motion`). Neither runs if `--without-tests` is given.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.fuzz.building import build_sanitized, compiler
from tests.places import ROOT

FOLDER = ROOT / "build" / "fuzz"
WITHOUT_TESTS = "--without-tests"
TESTS = (
    "tests/compile/test_amend.py",
    "tests/formats/test_changes.py",
    "tests/formats/test_domain_lines.py",
    "tests/compile/test_replay.py",
    "tests/feeds/signed/test_amend.py",
    "tests/feeds/transfer/test_records.py",
    "tests/resolver/local/test_local_twins.py",
    "tests/resolver/test_native.py",
    "tests/resolver/test_native_turns.py",
    "tests/resolver/test_twin.py",
    "tests/resolver/test_twin_options.py",
    "tests/resolver/test_twin_sockets.py",
    "tests/ruleset/building/test_buckets.py",
    "tests/ruleset/versions/test_diff.py",
    "tests/ruleset/building/test_builder.py",
    "tests/ruleset/test_hashed_names.py",
    "tests/ruleset/test_table.py",
    "tests/settings/test_load.py",
    "tests/tls/test_hostile_streams.py",
    "tests/tls/test_session.py",
    "tests/tls/test_tickets.py",
)


def main(arguments: list[str]) -> int:
    """Return the exit code of the run."""
    if compiler() is None:
        print("Fuzzing needs Cython and a C compiler with sanitizers (gcc and libasan).", file=sys.stderr)
        return 2
    print(f"Building the engine with sanitizers in {FOLDER.relative_to(ROOT)} ...", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    environment = {**build_sanitized(FOLDER), "BLOCKD_LONG": "1"}
    python = (sys.executable, "-P", "-m")  # without the checkout's own blockd in the path
    command = [*python, "tests.fuzz.run", *(given for given in arguments if given != WITHOUT_TESTS)]
    code = subprocess.run(command, cwd=FOLDER, env=environment, check=False).returncode  # noqa: S603 - our own run
    if code == 0 and not {WITHOUT_TESTS, "-h", "--help"} & set(arguments):
        print("The tests of the extensions, with sanitizers:", flush=True)
        command = [*python, "pytest", "-q", "-o", "pythonpath=", "-p", "no:cacheprovider", *TESTS]
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - our own run
        if code == 0:
            print("Readers of lists, zones, orders and settings, with the worst inputs of 10 MB:", flush=True)
            command = [sys.executable, "-m", "tests.fuzz.reading"]
            code = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own run
        if code == 0:
            print("Ten thousand random worlds, and twenty hours of updates in fast motion:", flush=True)
            command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/worlds"]
            long = {**os.environ, "BLOCKD_LONG": "1"}
            code = subprocess.run(command, cwd=ROOT, env=long, check=False).returncode  # noqa: S603 - our own run
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
