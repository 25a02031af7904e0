"""The texts of the Debian package that are made: control file, copyright, changelog."""

from __future__ import annotations

import datetime
import email
import email.utils
import os
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from blockd_build.deb import environment

MAINTAINER = "blockd maintainers <maintainers@blockd.invalid>"  # unless DEBFULLNAME and DEBEMAIL name another
SYSUSERS = "systemd | systemd-standalone-sysusers | systemd-sysusers"  # makes the user
DESCRIPTION = """\
DNS server that enforces signed blocklists and says who ordered what
 blockd answers DNS for an internet provider's subscribers. It proves that a
 blocklist is the right one, answers a listed name with a sinkhole, and tells
 the person behind the question who ordered the block and how to object. All
 else it forwards, from a cache.
 .
 It is installed with the versions of the Python packages that it was tested
 with, in an environment of its own in /opt/blockd. Alert rules, recording
 rules and a dashboard for Prometheus and Grafana are in /usr/share/blockd.
"""


def maintainer() -> str:
    """Return whose package it is, as Debian's programs learn it."""
    name, address = os.environ.get("DEBFULLNAME"), os.environ.get("DEBEMAIL")
    return f"{name} <{address}>" if name and address else MAINTAINER


def control(version: str, architecture: str, needed: Iterable[str], size: int) -> str:
    """Return the control file; `size` is in KiB."""
    depends = [f"python{environment.VERSION}", SYSUSERS, *needed]
    return (
        f"Package: blockd\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: {maintainer()}\n"
        f"Installed-Size: {size}\nDepends: {', '.join(depends)}\nSuggests: prometheus\n"
        f"Section: net\nPriority: optional\nDescription: {DESCRIPTION}"
    )


def changelog(version: str, moment: datetime.datetime) -> str:
    """Return Debian's changelog: one entry that leads to the changelog of blockd."""
    date = email.utils.format_datetime(moment)
    return (
        f"blockd ({version}) stable; urgency=medium\n\n"
        "  * What has changed is told by /usr/share/doc/blockd/changelog.gz.\n\n"
        f" -- {maintainer()}  {date}\n"
    )


def copyright_of(packages: Path) -> str:
    """Return the copyright file (DEP 5): blockd's licence, and that of each package in its environment."""
    parts = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: blockd\n",
        "Files: *\nCopyright: 2026 the authors of blockd\nLicense: Apache-2.0\n",
    ]
    for name, licence in sorted(licences(packages)):
        folder = f"{environment.HOME}/lib/python{environment.VERSION}/site-packages/{name}"
        parts.append(
            f"Files: {folder}*\nCopyright: 2026 its authors, who are named in {folder}-*.dist-info\n"
            f"License: {name}\n" + textwrap.indent(f"{licence}\nIts text lies in the folder named above.", " ") + "\n"
        )
    parts.append("License: Apache-2.0\n On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n")
    return "\n".join(parts)


def licences(packages: Path) -> Iterator[tuple[str, str]]:
    """Yield name and licence of each package of the environment but blockd, as it says itself."""
    for path in packages.glob("*.dist-info/METADATA"):
        told = email.message_from_string(path.read_text(encoding="utf-8"))
        name = path.parent.name.partition("-")[0]
        classified = [
            value.rpartition(" :: ")[2] for value in told.get_all("Classifier", []) if value.startswith("License ::")
        ]
        licence = told["License-Expression"] or ", ".join(classified) or str(told["License"] or "see its files")
        if name != "blockd":
            yield name, licence.splitlines()[0]
