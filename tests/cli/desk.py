"""A desk at an authority: a workshop in which tests work with `blockd authority order`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli import main

MINISTRY = "Ministry of Communication"
MINIMUM = {
    "--platform": "Telegram",
    "--legal-basis": "Permen Kominfo 19/2014",
    "--contact": "aduankonten@mail.example",
    "--from": "2017-07-14T04:30:00Z",
    "--expires": "2027-07-14",
    "--decided-by": "The Director General",
}


class Desk:
    """A workshop with one authority's role, and `blockd authority order` at work in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.shop = folder / "shop"
        self._capsys = capsys
        assert main(["authority", "init", str(self.shop)]) == 0
        capsys.readouterr()
        role = {"keyids": [], "threshold": 1, "terminating": True, "paths": ["orders/ministry/*", "lists/ministry/*"]}
        delegations = {"keys": {}, "roles": [{"name": "ministry", **role, "x-blockd-authority": MINISTRY}]}
        (self.shop / "delegations.json").write_text(json.dumps(delegations))

    def told(self, verb: str, *arguments: object, code: int = 0) -> str:
        """Do it in the workshop; gives what was printed, or what was said where it ended with another code."""
        assert main(["authority", "order", verb, str(self.shop), *map(str, arguments)]) == code
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return captured.err or captured.out if code else captured.out

    def answer(self, verb: str, *arguments: object) -> dict[str, object]:
        found = json.loads(self.told(verb, *arguments, "--json"))
        assert isinstance(found, dict)
        return found

    def rows(self, *arguments: object) -> dict[str, dict[str, object]]:
        rows = self.answer("list", *arguments)["orders"]
        assert isinstance(rows, list)
        return {row["id"]: row for row in rows}

    def telegram(self, *arguments: object, identifier: str = "telegram-2017") -> list[object]:
        """The options of the order of 2017, for the ministry."""
        basis = [word for pair in MINIMUM.items() for word in pair]
        return ["--role", "ministry", "--id", identifier, "--yes", *basis, *arguments]

    def document(self, identifier: str = "telegram-2017", role: str = "ministry") -> dict[str, object]:
        document = json.loads((self.shop / "orders" / role / f"{identifier}.json").read_bytes())
        assert isinstance(document, dict)
        return document


def named(names: list[str]) -> list[str]:
    return [word for name in names for word in ("--name", name)]
