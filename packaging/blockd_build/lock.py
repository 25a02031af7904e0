"""The lock file, `requirements.lock`: one version of all that blockd needs, with its files' digests.

pip installs from it what the daemon needs: `pip install --require-hashes -r requirements.lock`. What builds blockd,
what its tests need and what makes the lock file are there too, under markers such as `extra == 'test'`, which pip
passes over; `select` leaves these markers away.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

NAME = "requirements.lock"
HEADER = """\
# One version of everything that blockd needs, with the digests of its files; made by `make lock` from pyproject.toml.
#   pip install --require-hashes -r requirements.lock   installs what the daemon needs
# Lines with an extra are for those who build blockd ('build'), for its tests ('test'), and for who makes this file
# ('tools'); pip passes over them.
"""
OPTIONAL = ("test", "tools")  # of pyproject.toml's optional dependencies, those that are locked
_EXTRA = re.compile(r"extra == '(\w+)'")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]+)")
_VIA = re.compile(r"[A-Za-z0-9][\w.-]*")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?$")


@dataclass(frozen=True, slots=True)
class Locked:
    """One version of one distribution."""

    name: str
    version: str
    marker: str  # on which systems it is needed; empty: on all
    extras: tuple[str, ...]  # for which of `build`, `test` and `tools` alone it is needed; empty: for the daemon
    hashes: tuple[str, ...]  # `sha256:…` of each file of this version
    via: tuple[str, ...]  # the distributions that need it; `blockd` itself, or those that build it

    def text(self, *, extras: bool = True) -> str:
        """Return it as lines of a requirements file, with the extras that it is for or without."""
        marker = self.marker
        if extras and self.extras:
            wanted = " or ".join(f"extra == '{extra}'" for extra in self.extras)
            marker = f"({marker}) and ({wanted})" if marker else wanted
        lines = [f"{self.name}=={self.version}{f' ; {marker}' if marker else ''}"]
        lines += [f"    --hash={digest}" for digest in self.hashes]
        return " \\\n".join(lines) + f"\n    # via {', '.join(self.via)}\n"


def parse(text: str) -> Iterator[Locked]:
    """Yield what a lock file has, or the output of uv from which it is made."""
    for block in re.split(r"\n(?=\w)", text):
        lines = [line.strip() for line in block.splitlines() if not line.startswith("#") and line.strip()]
        if not lines:
            continue
        pin = _PIN.fullmatch(lines[0])
        if pin is None:
            raise ValueError(f"{lines[0]!r} is not a pinned requirement")
        marker = pin["marker"] or ""
        extras = tuple(_EXTRA.findall(marker))
        if extras:
            marker = marker.partition(") and (")[0].removeprefix("(") if ") and (" in marker else ""
        comments = " ".join(line.lstrip("# ") for line in lines[1:] if line.startswith("#"))
        yield Locked(
            name=pin["name"],
            version=pin["version"],
            marker=marker,
            extras=extras,
            hashes=tuple(
                line.partition("=")[2].removesuffix(" \\") for line in lines[1:] if line.startswith("--hash=")
            ),
            via=tuple(
                dict.fromkeys(word.strip(",") for word in comments.replace("via", "", 1).split() if word[0].isalnum())
            ),
        )


def select(text: str, extras: Collection[str]) -> str:
    """Return those lines of a lock file that are for any of `extras`, as a requirements file of their own."""
    return "".join(locked.text(extras=False) for locked in parse(text) if set(locked.extras) & set(extras))


def make(root: Path) -> str:
    """Return a new lock file for the pyproject.toml at `root`, with the newest versions that it allows."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    daemon = list(parse(_resolve(root, ["pyproject.toml"], [])))
    known = {locked.name: locked for locked in daemon}
    extras: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder, "build.in")
        build.write_text("\n".join(project["build-system"]["requires"]), encoding="utf-8")
        sources = {"build": [str(build)], **{extra: ["pyproject.toml", "--extra", extra] for extra in OPTIONAL}}
        for extra, source in sources.items():
            for locked in parse(_resolve(root, source, list(known.values()))):
                extras.setdefault(locked.name, []).append(extra)
                known[locked.name] = locked  # with a marker that is as wide as the one before, or wider
    for locked in daemon:
        extras[locked.name] = []
    return HEADER + "".join(
        Locked(
            each.name,
            each.version,
            each.marker,
            tuple(extras[name]),
            each.hashes,
            each.via,
        ).text()
        for name, each in sorted(known.items())
    )


def _resolve(root: Path, arguments: list[str], known: list[Locked]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        constraints.write("".join(f"{locked.name}=={locked.version}\n" for locked in known))
        constraints.flush()
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--no-header", "--no-emit-index-url", "--no-config", "--python-version", "3.11"]
        command += ["--constraints", constraints.name, *arguments]
        text = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout
    text = re.sub(r"-c \S+| \(pyproject\.toml\)", "", text)
    return re.sub(r"-r \S+", "blockd", text)
