"""Differences between two versions of a list whose lines are independent, and the new version's reject report."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from mmap import mmap

from blockd.formats.line import BOM, MAX_LINE
from blockd.formats.rejects import SAMPLES, RejectedLine, RejectReport
from blockd.formats.text_format import TextFormat

MAX_CHANGED = 100_000  # lines; for more, reading the whole list is as quick

Text = bytes | mmap


@dataclass(slots=True)
class ListChanges:
    """Keys of names that are new in a list, keys of names that are no longer in it, and the new version's report."""

    rejects: RejectReport
    added: list[bytes] = field(default_factory=list)
    removed: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Some lines of the old version that some lines of the new one replace; lines are counted from 0."""

    old_line: int
    new_line: int
    old: list[bytes]
    new: list[bytes]


def list_changes(form: TextFormat, old: Text, new: Text, before: RejectReport, names: int) -> ListChanges | None:
    """Compare two versions of a list whose lines say what they say alone; None if all of the new one has to be read.

    `before` is the old version's report, and `names` how many different names it had. If names were listed twice, it is
    not known whether one is gone with one of its lines. Both versions end with a line feed.
    """
    hunks = _hunks(old, new)
    if hunks is None:
        return None
    gone, come = RejectReport(), RejectReport()
    removed = [key for hunk in hunks for key in _keys(form, hunk.old, hunk.old_line, gone)]
    added = [key for hunk in hunks for key in _keys(form, hunk.new, hunk.new_line, come)]
    rejects = _report(hunks, before, gone, come)
    if rejects is None:
        return None
    stayed = set(removed).intersection(added)
    changes = ListChanges(rejects)
    changes.added = [key for key in dict.fromkeys(added) if key not in stayed]
    changes.removed = [key for key in dict.fromkeys(removed) if key not in stayed]
    if changes.removed and before.accepted != names:
        return None
    return changes


def _hunks(old: Text, new: Text) -> list[_Hunk] | None:
    try:
        from blockd.formats._changes import changed_lines
    except ImportError:  # blockd was installed without its C part
        return None
    changed = changed_lines(old, new, MAX_CHANGED)
    if changed is None:
        return None
    if changed and changed[0][0] == 0 and BOM in (old[: len(BOM)], new[: len(BOM)]):
        return None  # a byte order mark matters at the beginning of the first line only
    hunks = []
    for old_start, old_end, new_start, new_end, old_line, new_line in changed:
        hunk = _Hunk(old_line, new_line, _lines(old[old_start:old_end]), _lines(new[new_start:new_end]))
        if any(len(line) > MAX_LINE for line in (*hunk.old, *hunk.new)):
            return None
        hunks.append(hunk)
    return hunks


def _lines(text: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in text.split(b"\n")[:-1]]


def _keys(form: TextFormat, lines: list[bytes], before: int, rejects: RejectReport) -> list[bytes]:
    """Return the keys of lines that begin `before` lines from the start, and count the lines in `rejects`."""
    keys: list[bytes] = []
    for number, line in enumerate(lines, before + 1):
        keys += form.line_keys(line, number, rejects)
    rejects.lines += len(lines)
    rejects.accepted += len(keys)
    return keys


def _report(hunks: list[_Hunk], before: RejectReport, gone: RejectReport, come: RejectReport) -> RejectReport | None:
    """Return the new version's report; None if it would need a sample that was not kept."""
    report = RejectReport(before.lines - gone.lines + come.lines, before.accepted - gone.accepted + come.accepted)
    starts = [hunk.old_line for hunk in hunks]
    shifts = [0]
    for hunk in hunks:
        shifts.append(shifts[-1] + len(hunk.new) - len(hunk.old))
    for reason in before.counts | come.counts:
        stayed = before.counts.get(reason, 0) - gone.counts.get(reason, 0)
        samples = []
        for sample in before.samples.get(reason, ()):
            at = bisect_left(starts, sample.line)  # the hunks that begin before the sample's line
            if at and sample.line <= starts[at - 1] + len(hunks[at - 1].old):
                continue
            samples.append(RejectedLine(sample.line + shifts[at], sample.text))
        if stayed < 0 or len(samples) < min(stayed, SAMPLES):
            return None
        count = stayed + come.counts.get(reason, 0)
        if count:
            samples += come.samples.get(reason, [])
            report.counts[reason] = count
            report.samples[reason] = sorted(samples, key=lambda sample: sample.line)[:SAMPLES]
    return report
