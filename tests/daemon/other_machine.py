"""A blockd on a machine whose resolv.conf is the file of that name in the working folder: `python -m ... run …`."""

from __future__ import annotations

import sys
from pathlib import Path

from blockd.cli import main
from blockd.resolver.machine import system

system.RESOLV_CONF = Path("resolv.conf").absolute()

if __name__ == "__main__":
    sys.exit(main())
