"""A stand-in for what makes the files of national-size lists: it keeps the names and returns values of their form."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.names import DomainName
from blockd.publish.lists.orders import ListNews


@dataclass
class News:
    added: int = 0
    removed: int = 0
    count: int = 0
    octets: int = 0


class FakeNameFiles:
    """Keeps the text of each list, and makes a step for each change."""

    def __init__(self) -> None:
        self.report: News = News()
        self.texts: dict[tuple[str, str], list[str]] = {}
        self.steps: dict[tuple[str, str], list[dict[str, object]]] = {}

    def renew(
        self, role: str, identifier: str, names: Path, accept: Callable[[ListNews], None] | None = None
    ) -> dict[str, object]:
        new = sorted({DomainName(key).text for key in read_list(Domains(), names, RejectReport(), 1 << 20)})
        old = self.texts.get((role, identifier), [])
        added, removed = set(new) - set(old), set(old) - set(new)
        text = "".join(f"{name}\n" for name in new).encode()
        octets = len(gzip.compress(text, mtime=0)) if added or removed else 0
        self.report = News(len(added), len(removed), len(new), octets)
        if accept:
            accept(self.report)
        steps = self.steps.setdefault((role, identifier), [])
        if new != old:
            steps.append(
                {
                    "target": f"lists/{role}/{identifier}-{len(steps) + 1:04}.gz".replace("//", "/"),
                    "sha256": hashlib.sha256(text).hexdigest(),
                    "size": len(text),
                    "count": len(new),
                }
            )
        self.texts[role, identifier] = new
        return {"steps": list(steps)}
