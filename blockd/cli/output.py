"""What a verb prints: sentences for people, or one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping


def show(as_json: bool, data: Mapping[str, object], lines: Iterable[str]) -> None:
    """Print `data` as JSON, or `lines` as they are."""
    if as_json:
        json.dump(data, sys.stdout, indent=2, ensure_ascii=False, default=str)
        print()
    else:
        for line in lines:
            print(line)
