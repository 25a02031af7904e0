"""The compiled part of the fuzzers, `_driver.pyx`, as it was built for the run."""

from __future__ import annotations

import importlib
from typing import Any

from tests.fuzz.building import MODULE

driver: Any = importlib.import_module(MODULE)
