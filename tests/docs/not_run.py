"""Blocks of the kind `shell`: commands that no test runs, by their first line, each with the reason."""

from __future__ import annotations

NOT_RUN = {
    "git clone REPOSITORY blockd && cd blockd": "installs from the network; the daemon is started as `make run` does",
    "make test": "is what runs this test",
    "blockd refresh --dry-run --popular top-names.csv": "needs a list of popular names and more versions",
    "sudo useradd --system --home-dir /var/lib/blockd --shell /usr/sbin/nologin blockd": "needs root and systemd",
    "docker build -t blockd .": "needs Docker",
    "pip install 'blockd[hsm]'": "installs from the network, and needs a token",
}
