"""`blockd lookup NAME…`: what happens to names and addresses, and why, as the running daemon has it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from blockd.cli import DONE, NO, USAGE
from blockd.cli.admin_client import ask
from blockd.cli.lookup.lines import lines
from blockd.cli.output import show
from blockd.cli.parts import names_may_begin_with_hyphens
from blockd.daemon.lookup.offline import look_up_offline
from blockd.daemon.lookup.past import Snapshot, snapshot_at, snapshot_now
from blockd.errors import BadName, CommandError, RulesetError
from blockd.formats.subject import MAX_TYPED, not_a_subject, subject_of
from blockd.ruleset.lookup_query import LookupQuery, client_address, moment_of
from blockd.settings import Settings, load

HELP = "what happens to names and addresses, by which order, since when and why"
SECONDS = 20.0  # for an answer of the daemon, which asks upstreams for at most twelve
INPUT = "-"

Told = Mapping[str, Any]
LookUp = Callable[[str], Told]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the names, and what is asked about them."""
    names_may_begin_with_hyphens(parser)
    parser.epilog = "exit codes: 0 if all names are blocked, 1 if at least one is not, 2 if one is not a name"
    parser.add_argument(
        "names", nargs="+", metavar="NAME",
        help=r"a domain name in ASCII or Unicode, with other octets as \DDD; an address, a network, or a URL; "
        "- reads them from standard input, one a line",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="leave out the lines of lists: milliseconds at any size")
    parser.add_argument(
        "--offline", action="store_true", help="read the state folder, ask no daemon, and follow no aliases"
    )
    parser.add_argument("--client", default="", metavar="ADDRESS", help="what this client gets; nothing of it is kept")
    parser.add_argument("--at", metavar="TIME", help="at a time such as 2026-11-24T12:00:00Z, as far as that is known")


def run(args: argparse.Namespace) -> int:
    """Print what happens to each name; 0 if all are blocked, 1 if one is not, 2 if one is not a name."""
    settings = load(args.config)
    now = time.time()
    query = LookupQuery(
        "",
        trace="quick" if args.quick else "lines",
        client=client_address(args.client),
        at=None if args.at is None else moment_of(args.at),
    )
    one = len(args.names) == 1 and args.names[0] != INPUT
    with _Reading(settings, query, now) as reading:
        look_up = reading.look_up if args.offline or query.at is not None else _asking(settings, query, reading.look_up)
        if one:
            told = look_up(args.names[0])
            show(args.json, told, lines(told))
            return DONE if told["blocked"] else NO
        return _all(args.names, look_up, as_json=args.json)


def _all(names: list[str], look_up: LookUp, *, as_json: bool) -> int:
    """Print the result of each name once it is known: a line of JSON, or some lines with an empty one between."""
    code, count = DONE, 0
    for name in _each(names):
        try:
            told = look_up(name)
        except CommandError as error:
            code = USAGE
            if as_json:
                print(json.dumps({"error": str(error)}), flush=True)
            else:
                print(f"blockd lookup: {error}", file=sys.stderr)
            continue
        if code == DONE and not told["blocked"]:
            code = NO
        if as_json:
            print(json.dumps(told, ensure_ascii=False, default=str), flush=True)
        else:
            print("\n" * (count > 0) + "\n".join(lines(told)), flush=True)
        count += 1
    return code if count or code == USAGE else NO


def _each(names: list[str]) -> Iterator[str]:
    """Yield the names; those of standard input as they come, without blank lines and comments."""
    for name in names:
        if name != INPUT:
            yield name
            continue
        while line := sys.stdin.readline(MAX_TYPED):
            if not line.endswith("\n") and len(line) == MAX_TYPED:  # the rest of it is no name either
                while (rest := sys.stdin.readline(MAX_TYPED)) and not rest.endswith("\n"):
                    continue
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


def _asking(settings: Settings, query: LookupQuery, offline: Callable[[str, str], Told]) -> LookUp:
    """Return a function that asks the running daemon; if there is none, the state folder answers and says so."""
    state = str(settings.state_dir.resolve())
    why = ""  # no daemon answers

    def look_up(name: str) -> Told:
        nonlocal why
        _check(name)
        if not why:
            asked = replace(query, name=name, resolve=True, state_dir=state)
            try:
                told = ask(settings, asked.to_path(), seconds=SECONDS)
            except CommandError as error:
                why = str(error)
            else:
                if "aliases" in told:
                    return told
                why = "the running blockd is of a version that does not follow aliases"
        return offline(name, why)

    return look_up


def _check(name: str) -> None:
    try:
        subject_of(name)
    except BadName as error:
        raise CommandError(not_a_subject(name, error)) from error


class _Reading:
    """Lookups in the state folder; a context manager, at whose end its files are closed."""

    def __init__(self, settings: Settings, query: LookupQuery, now: float) -> None:
        self._settings = settings
        self._query = query
        self._now = now
        self._snapshot: Snapshot | None = None

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        if self._snapshot is not None and self._snapshot.enforced is not None:
            self._snapshot.enforced.close()

    def look_up(self, name: str, why: str = "--offline was given") -> Told:
        """Return what is known without a daemon; raises CommandError."""
        _check(name)
        try:
            if self._snapshot is None:
                self._snapshot = self._taken()
            query = replace(self._query, name=name)
            return look_up_offline(self._settings, self._snapshot, query, why).to_json()
        except RulesetError as error:
            raise CommandError(str(error)) from error

    def _taken(self) -> Snapshot:
        if self._query.at is None:
            return snapshot_now(self._settings, self._now)
        return snapshot_at(self._settings, self._query.at, self._now)
