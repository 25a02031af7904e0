"""What reading a feed's new content may take of this machine, and what it took."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import FeedRefused

# Seconds of the processor. What is read beside the contents of other feeds keeps their news waiting, so these are for
# all feeds together, however many they are.
TOGETHER = 10.0  # that the new contents of one compile are read
HASTE = 5.0  # that the ruleset in force is amended by news, before it is given up
SLICE = 30.0  # that a content is read by itself before those that take less time go first
HEAVY = 60.0  # that contents which were read by themselves may take in one compile, unless it is of a single one
COSTLY = 1.0  # a feed whose content took more, and was refused, is slow


@dataclass(frozen=True, slots=True)
class Budget:
    """What reading a content may take: seconds of the processor, and octets of memory.

    Beside the contents of other feeds it is read for `patience` seconds only, since they wait meanwhile; one that takes
    longer is read by itself first. None if it has been.
    """

    seconds: float
    memory: int
    patience: float | None = None

    @property
    def limit(self) -> float:
        """The seconds after which reading it is given up."""
        return self.seconds if self.patience is None else min(self.seconds, self.patience)


@dataclass(frozen=True, slots=True)
class Spent:
    """What reading a content took: seconds of the processor, and octets of memory."""

    seconds: float = 0.0
    memory: int = 0

    def is_slow(self, *, is_refused: bool) -> bool:
        """Return whether the next content of the same feed should not be read beside those of others."""
        return self.seconds > (COSTLY if is_refused else TOGETHER)


def over_time(shown: str, spent: Spent, budget: Budget) -> FeedRefused:
    """Return the refusal of a content, as sentences name it, that takes too long to be read."""
    return FeedRefused(
        "budget",
        f"Reading {shown} was given up after {spent.seconds:,.0f} s of the processor; {budget.seconds:,.0f} s are "
        "allowed: nothing of it is taken. Raise the feed's limits.read_time if the list is sound.",
    )


def over_memory(shown: str, spent: Spent, budget: Budget) -> FeedRefused:
    """Return the refusal of a content that needs too much memory to be read."""
    return FeedRefused(
        "budget",
        f"Reading {shown} needs more memory than the {octets_text(budget.memory)} that are allowed "
        f"({octets_text(spent.memory)} were in use): nothing of it is taken. Raise the feed's limits.read_memory if "
        "the list is sound.",
    )


def over_disk(shown: str, used: int, allowed: int) -> FeedRefused:
    """Return the refusal of a content with which the feed's folder would be too large."""
    return FeedRefused(
        "budget",
        f"With the new content of {shown} the feed would take {octets_text(used)} of the disk; {octets_text(allowed)} "
        "are allowed: nothing of it is taken. Raise the feed's limits.disk if the list is really that large.",
    )


def over_fetch_time(shown: str, allowed: float) -> FeedRefused:
    """Return the refusal of a content that takes too long to be fetched."""
    return FeedRefused(
        "budget",
        f"Fetching {shown} was given up after {allowed:,.0f} s, which is all that is allowed: nothing is taken, and it "
        "is tried again. Raise the feed's limits.fetch_time if its line is that slow.",
    )


def octets_text(octets: int) -> str:
    """Return a size as it is written in the config, with a fraction if need be, such as `1.5G`."""
    for unit, size in (("G", 1 << 30), ("M", 1 << 20)):
        if octets >= size:
            return f"{octets / size:.1f}".removesuffix(".0") + unit
    return f"{octets / 1024:.0f}K"
