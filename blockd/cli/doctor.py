"""`blockd doctor`: whether this machine is set up well, what is not, and what to do about it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.doctor import Context, Finding, Grade, Machine, Running, examine
from blockd.errors import CommandError
from blockd.settings import Settings, load

SECONDS = 1.0  # for the running daemon's answer; the whole takes no longer than three
_TOLD = {"version", "engine", "since", "ruleset", "feeds", "workers"}  # the fields of a status that the checks read
_WIDTH = max(map(len, Grade))


def run(args: argparse.Namespace) -> int:
    """Print every finding; 1 if one is bad, 2 for a config error, as everywhere."""
    settings = load(args.config)
    machine = Machine()
    found = examine(Context(args.config, settings, machine, _running(settings, machine)))
    well = all(finding.grade != Grade.BAD for finding in found)
    told = {
        "config": str(args.config),
        "well": well,
        "checks": [
            {"name": one.name, "state": str(one.grade), "found": one.found, "advice": one.advice or None}
            for one in found
        ],
    }
    show(args.json, told, _lines(found))
    return DONE if well else NO


def _running(settings: Settings, machine: Machine) -> Running:
    pid = machine.lock_holder(settings.state_dir)
    try:
        status = ask(settings, "/api/v1/status", seconds=SECONDS)
    except CommandError as error:
        return Running(pid, silence=str(error))
    if not status.keys() >= _TOLD:
        return Running(pid, silence=f"the server at {settings.listen.admin.text} is not a blockd of this version")
    return Running(pid, status)


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    names = max(len(finding.name) for finding in found)
    for finding in found:
        grade = finding.grade if finding.grade == Grade.OK else finding.grade.upper()
        yield f"{grade:{_WIDTH}}  {finding.name:{names}}  {finding.found}"
        if finding.advice:
            yield f"{'':{_WIDTH}}  {'':{names}}  -> {finding.advice}"
    counts = Counter(finding.grade for finding in found)
    yield f"{counts[Grade.OK]} ok, {counts[Grade.WARNING]} warnings, {counts[Grade.BAD]} bad"
