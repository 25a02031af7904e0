"""`blockd lookup NAME…`: what happens to names and addresses, and why, as the running daemon has it."""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from blockd.cli import DONE, NO, USAGE
from blockd.cli.admin_client import DaemonRefused, ask
from blockd.cli.asking.place import state_folder
from blockd.cli.lookup.lines import lines
from blockd.cli.output import show
from blockd.errors import BadName, CommandError, RulesetError
from blockd.formats.subject import MAX_TYPED, Subject, not_a_subject, subject_of
from blockd.ruleset.lookup_query import LookupQuery, client_address, moment_of

if TYPE_CHECKING:
    from pathlib import Path

    from blockd.daemon.lookup.past import Snapshot
    from blockd.daemon.lookup.result import LookupResult
    from blockd.resolver.resolution import Resolution, Route
    from blockd.settings import Settings

SECONDS = 20.0  # for an answer of the daemon, which asks upstreams for at most twelve
INPUT = "-"
MAX_PATH = 6000  # characters of a path that the admin port surely takes; a longer URL is reduced to its name first
MAX_READ = MAX_TYPED + 2  # characters of a line: with its line feed, one more than what a name may have

Told = Mapping[str, Any]
LookUp = Callable[[str], Told]


def run(args: argparse.Namespace) -> int:
    """Print what happens to each name; 0 if all are blocked, 1 if one is not, 2 if one is not a name."""
    now = time.time()
    query = LookupQuery(
        "",
        trace="quick" if args.quick else "lines",
        client=client_address(args.client),
        at=None if args.at is None else moment_of(args.at),
    )
    one = len(args.names) == 1 and args.names[0] != INPUT
    with _Reading(args.config, query, now) as reading:
        look_up = (
            reading.look_up if args.offline or query.at is not None else _asking(args.config, query, reading.look_up)
        )
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
        while line := sys.stdin.readline(MAX_READ):
            if not line.endswith("\n") and len(line) == MAX_READ:  # the rest of it is no name either
                while (rest := sys.stdin.readline(MAX_READ)) and not rest.endswith("\n"):
                    continue
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


def _asking(config: Path, query: LookupQuery, offline: Callable[[str, str], Told]) -> LookUp:
    """Return a function that asks the running daemon; if there is none, the state folder answers and says so."""
    state = str(state_folder(config).resolve())
    why = ""  # no daemon answers

    def look_up(name: str) -> Told:
        nonlocal why
        subject = _checked(name)
        if not why:
            asked = replace(query, name=name, resolve=True, state_dir=state)
            is_short = len(asked.to_path()) <= MAX_PATH or subject.is_client
            try:
                told = ask(
                    config, (asked if is_short else replace(asked, name=subject.text)).to_path(), seconds=SECONDS
                )
            except DaemonRefused as error:  # it may take the next name
                return offline(name, str(error))
            except CommandError as error:
                why = str(error)
            else:
                if "aliases" in told:
                    return told if is_short else {**told, "taken_from": subject.taken_from}
                why = "the running blockd is of a version that does not follow aliases"
        return offline(name, why)

    return look_up


def _checked(name: str) -> Subject:
    try:
        return subject_of(name)
    except BadName as error:
        raise CommandError(not_a_subject(name, error)) from error


class _Reading:
    """Lookups in the state folder; a context manager, at whose end its files are closed."""

    def __init__(self, config: Path, query: LookupQuery, now: float) -> None:
        self._config = config
        self._query = query
        self._now = now
        self._snapshot: Snapshot | None = None
        self._resolution: Resolution | None = None

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        if self._snapshot is not None and self._snapshot.enforced is not None:
            self._snapshot.enforced.close()

    def look_up(self, name: str, why: str = "--offline was given") -> Told:
        """Return what is known without a daemon; raises CommandError."""
        from blockd.daemon.lookup.offline import look_up_offline  # a daemon mostly answers

        _checked(name)
        try:
            if self._snapshot is None:
                self._snapshot = self._taken()
            query = replace(self._query, name=name)
            found = look_up_offline(self._settings, self._snapshot, query, why)
            return replace(found, route=self._route(found)).to_json()
        except RulesetError as error:
            raise CommandError(str(error)) from error

    def _route(self, found: LookupResult) -> Route | None:
        """Return who answers for the name by the config as it is now; None if it is about another time."""
        subject = found.explanation.subject
        if subject.is_network or self._query.at is not None:
            return None
        if self._resolution is None:
            from blockd.resolver.resolution import Resolution  # only here: a daemon mostly answers

            self._resolution = Resolution.of(self._settings)
        return self._resolution.route(subject.key)

    @functools.cached_property
    def _settings(self) -> Settings:
        from blockd.settings import load

        return load(self._config)

    def _taken(self) -> Snapshot:
        from blockd.daemon.lookup.past import snapshot_at, snapshot_now

        if self._query.at is None:
            return snapshot_now(self._settings, self._now)
        return snapshot_at(self._settings, self._query.at, self._now)
