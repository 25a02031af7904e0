"""The lock file agrees with pyproject.toml, and the bill of materials with the lock file."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from pathlib import Path

import pytest
from blockd_build import lock, sbom
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEXT = (ROOT / lock.NAME).read_text(encoding="utf-8")
LOCKED = {canonicalize_name(locked.name): locked for locked in lock.parse(TEXT)}
DIRECT = {
    "": PROJECT["project"]["dependencies"],
    "build": PROJECT["build-system"]["requires"],
    **{extra: PROJECT["project"]["optional-dependencies"][extra] for extra in lock.OPTIONAL},
}


@pytest.mark.parametrize(("extra", "text"), [(extra, text) for extra, texts in DIRECT.items() for text in texts])
def test_every_direct_dependency_is_locked_at_a_version_that_is_accepted(extra: str, text: str) -> None:
    requirement = Requirement(text)
    locked = LOCKED[canonicalize_name(requirement.name)]
    assert locked.version in requirement.specifier
    assert not locked.extras or extra in locked.extras


def test_everything_locked_has_digests_and_is_needed_by_something_locked() -> None:
    for locked in LOCKED.values():
        assert locked.hashes, locked.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in locked.hashes)
        assert locked.via, locked.name
        for via in locked.via:
            above = LOCKED.get(canonicalize_name(via))
            assert via == "blockd" or above is not None, f"{via}, which needs {locked.name}, is not locked"
        assert (
            locked.extras or "blockd" in locked.via or any(not LOCKED[canonicalize_name(v)].extras for v in locked.via)
        )


def test_lock_file_reads_as_it_was_written() -> None:
    assert lock.HEADER + "".join(locked.text() for locked in lock.parse(TEXT)) == TEXT


def test_selection_is_a_requirements_file_without_extras() -> None:
    selected = lock.select(TEXT, ["build"])
    assert [locked.name for locked in lock.parse(selected)] == ["cython", "setuptools"]
    assert "extra" not in selected


def test_bill_of_materials_has_what_the_daemon_needs_and_nothing_else() -> None:
    bill = json.loads(sbom.bill(TEXT, "1.2.3", "Apache-2.0", datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["timestamp"] == "2026-01-02T00:00:00Z"
    listed = {component["name"]: component["version"] for component in bill["components"]}
    assert listed == {locked.name: locked.version for locked in LOCKED.values() if not locked.extras}
    references = {bill["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in bill["components"])}
    assert {each["ref"] for each in bill["dependencies"]} == references
    below = {reference for each in bill["dependencies"] for reference in each["dependsOn"]}
    assert below == references - {bill["metadata"]["component"]["bom-ref"]}
