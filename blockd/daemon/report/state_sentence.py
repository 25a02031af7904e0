"""How blockd stands, in one sentence: what is enforced, and what needs somebody most."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.daemon.channel import Message
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.switching import ControlChannel
from blockd.ruleset import Enforced
from blockd.ruleset.counts import totals

CRITICAL, WARNING = "critical", "warning"
NOT_READY = "BlockdNotReady"


def state_sentence(enforced: Enforced | None, in_force: Sequence[Alarm]) -> str:
    """Return the sentence; `in_force` are the alarms, the gravest first. Those for information do not count."""
    header = enforced.ruleset.header if enforced is not None else None
    if enforced is None or header is None:
        head = "No list is enforced yet"
    else:
        head = f"Version {enforced.version} is enforced: {totals(header.names, header.networks)}"
    counts = alarms_counted(enforced, in_force)
    told = [f"{count} {severity}" for severity, count in counts.items() if count]
    if not told:
        return f"{head}."
    first = in_force[0]
    about = f"feed {first.feed}: " if first.feed else ""
    noun = "alarm" if sum(counts.values()) == 1 else "alarms"
    return f"{head}; {' and '.join(told)} {noun}, the first: {about}{first.what}"


def alarms_counted(enforced: Enforced | None, in_force: Sequence[Alarm]) -> dict[str, int]:
    """Return how many alarms of each severity the sentence tells beside what is enforced.

    None if the only one is that nothing is enforced: the sentence says so already.
    """
    counted = [one for one in in_force if one.severity in (CRITICAL, WARNING)]
    if enforced is None and [one.name for one in counted] == [NOT_READY]:
        return {}
    return {severity: sum(one.severity == severity for one in counted) for severity in (CRITICAL, WARNING)}


class StateTelling:
    """Tells the supervisor, for the service manager, the sentence whenever it has changed."""

    def __init__(self, channel: ControlChannel) -> None:
        self._channel = channel
        self._told = ""

    def __call__(self, sentence: str) -> None:
        """Tell a sentence, unless it is what was told last."""
        if sentence != self._told:
            self._told = sentence
            message: Message = {"status": sentence}
            self._channel.send(message)
