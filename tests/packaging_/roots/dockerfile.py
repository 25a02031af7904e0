"""What a Dockerfile says, as steps that can be done in roots without Docker: the part of it that ours has."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.packaging_.roots.root import Root
from tests.places import ROOT

KNOWN = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
BASE = re.compile(r"debian:(?P<suite>[a-z]+)-slim@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Step:
    """One instruction with its arguments, lines joined."""

    instruction: str
    arguments: str


@dataclass
class Stage:
    """What begins with FROM."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """Return the arguments of the last such instruction."""
        return [step.arguments for step in self.steps if step.instruction == instruction][-1]

    @property
    def suite(self) -> str:
        """The Debian that its base is."""
        found = BASE.fullmatch(self.base)
        assert found, f"{self.base} is no Debian by its digest"
        return found["suite"]

    @property
    def variables(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(step.arguments.split("=", 1) for step in self.steps if step.instruction == "ENV")


def steps(text: str) -> Iterator[Step]:
    """Yield every instruction."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", plain).splitlines():
        if line.strip():
            instruction, _, arguments = line.strip().partition(" ")
            assert instruction in KNOWN, line
            yield Step(instruction, arguments)


def stages(text: str) -> list[Stage]:
    """Return the stages, with the arguments of the Dockerfile put in."""
    given: dict[str, str] = {}
    found: list[Stage] = []
    for step in steps(text):
        if step.instruction == "ARG":
            name, _, value = step.arguments.partition("=")
            given[name] = value
        elif step.instruction == "FROM":
            base, _, name = step.arguments.partition(" AS ")
            found.append(Stage(re.sub(r"\$\{(\w+)\}", lambda match: given[match[1]], base), name))
        else:
            found[-1].steps.append(step)
    return found


def context(folder: Path) -> Path:
    """Make what Docker sends to the builder: the tracked files that .dockerignore leaves."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    git = ["git", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file() and not _ignored(name, rules):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _ignored(name: str, rules: list[str]) -> bool:
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = [name, *(str(parent) for parent in Path(name).parents)]
        plain = [Path(part).name for part in parts] if "**/" in rule else parts
        if any(fnmatch.fnmatch(part, pattern) for part in plain):
            ignored = not rule.startswith("!")
    return ignored


def build(stage: Stage, root: Root, sent: Path, others: dict[str, Root], variables: dict[str, str]) -> None:
    """Do the steps of a stage in a root, as Docker does them."""
    place = "/"
    for step in stage.steps:
        if step.instruction == "WORKDIR":
            place = step.arguments
            root.path(place).mkdir(parents=True, exist_ok=True)
        elif step.instruction == "RUN":
            command = f"cd {place} && {step.arguments}"
            root.run("/bin/sh", "-c", command, sealed=False, variables={**stage.variables, **variables})
        elif step.instruction == "COPY":
            _copy(step.arguments.split(), root, place, sent, others)


def _copy(words: list[str], root: Root, place: str, sent: Path, others: dict[str, Root]) -> None:
    outside = sent
    if words[0].startswith("--from="):
        outside = others[words.pop(0).removeprefix("--from=")].folder
    *sources, target = words
    into = root.path(str(Path(place, target)))
    for source in sources:
        path = outside / source.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
        else:
            goal = into / path.name if target.endswith("/") else into
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, goal)


def command(stage: Stage) -> list[str]:
    """Return what a container of the stage runs."""
    return [*json.loads(stage.last("ENTRYPOINT")), *json.loads(stage.last("CMD"))]


def health(stage: Stage) -> list[str]:
    """Return what tells whether it is well."""
    return list(json.loads(stage.last("HEALTHCHECK").partition(" CMD ")[2]))
