"""Which file of the source tree lies where on the target; the environment below /opt/blockd comes beside."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from blockd_build import command_line
from blockd_build.deb import environment

CONFIG = "etc/blockd/blockd.yaml"  # the only file that an operator edits, so that dpkg keeps his
DOCUMENTS = "usr/share/doc/blockd"
UNIT = "usr/lib/systemd/system/blockd.service"

# Below the root of the target, by their paths in the source tree.
FILES = {
    "config/service.yaml": CONFIG,
    "config/systemd/blockd.service": UNIT,
    "packaging/debian/sysusers.conf": "usr/lib/sysusers.d/blockd.conf",
    "packaging/debian/lintian-overrides": "usr/share/lintian/overrides/blockd",
    "config/alerts.yml": "usr/share/blockd/prometheus/alerts.yml",
    "config/prometheus/recording.yml": "usr/share/blockd/prometheus/recording.yml",
    "config/grafana/blockd.json": "usr/share/blockd/grafana/blockd.json",
    "config/systemd/decide.conf": f"{DOCUMENTS}/examples/systemd/decide.conf",
}
FOLDERS = {"config/neighbours": f"{DOCUMENTS}/examples/neighbours"}
# What is made from the parsers, by the folders of `build/share`.
MADE = {
    "bash-completion/completions": "usr/share/bash-completion/completions",
    "zsh/site-functions": "usr/share/zsh/vendor-completions",
    "fish/vendor_completions.d": "usr/share/fish/vendor_completions.d",
    "man/man1": "usr/share/man/man1",
}
LINKS = {"usr/bin/blockd": f"/{environment.HOME}/bin/blockd"}
_COMPRESSED = "man1"  # as Debian has manual pages


def lay(root: Path, stage: Path) -> None:
    """Put these files below `stage`; the folders of `build/share` are made anew."""
    command_line.write(root)
    for source, place in FILES.items():
        _copy(root / source, stage / place)
    for source, place in FOLDERS.items():
        for path in sorted((root / source).rglob("*")):
            if path.is_file():
                _copy(path, stage / place / path.relative_to(root / source))
    for folder, place in MADE.items():
        for path in sorted((root / command_line.FOLDER / folder).iterdir()):
            _copy(path, stage / place / path.name)
    for place, target in LINKS.items():
        link = stage / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def compressed(path: Path, text: str) -> None:
    """Write a text as gzip does it by `gzip -9n`: the same octets whenever it is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def _copy(source: Path, target: Path) -> None:
    if target.parent.name == _COMPRESSED:
        compressed(target.with_name(f"{target.name}.gz"), source.read_text(encoding="utf-8"))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
