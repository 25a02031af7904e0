"""The names of one message, each checked from its first label to the root."""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.names import MAX_KEY, MAX_LABEL, MAX_LABELS
from blockd.resolver.reading.refusals import RefusedAnswer

MAX_POINTERS = MAX_LABELS  # a name has no more labels, so it needs no more jumps
FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))
REACH = 0x4000  # octets: a pointer has 14 bits
MAX_STEPS = 6144  # labels and pointers of all names of a message: 400 records with names of 14 labels each
TOO_MANY_LABELS = f"sent an answer whose names have over {MAX_STEPS} labels"


def within_bound(steps: int) -> int:
    """Return a number of labels and pointers; raises RefusedAnswer if it is over MAX_STEPS."""
    if steps > MAX_STEPS:
        raise RefusedAnswer(TOO_MANY_LABELS)
    return steps


class Names:
    """Names by their place in a message; the work for all of them together grows with the message's size."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.steps = 0  # labels and pointers read; those known by their place are not read again
        # By place: the key, the pointers followed from there, where the first of them leads (-1 for none), and where
        # the labels that stand there end.
        self._known: dict[int, tuple[bytes, int, int, int]] = {}

    def read(self, position: int) -> tuple[bytes, int]:
        """Return the key of the name at `position` and where it ends.

        A pointer may only lead to what is wholly before the labels that it stands behind: a prior occurrence (RFC 1035
        section 4.1.4). Raises BadMessage if the name is truncated, too long or of an unknown kind, and RefusedAnswer if
        those read so far have too many labels in all.
        """
        message, limit = self.message, len(self.message)
        segment, jumps = position, 0
        ends: list[int] = []  # of each segment: the labels up to a pointer or the root
        labels: list[tuple[int, bytes, int, int]] = []  # place, label, pointers before it, number of its segment
        targets: list[int] = []
        key, more, length_of_all = b"", 0, 0
        while True:
            known = self._known.get(position)
            if known is not None:
                key, more, target, end = known
                if target >= segment or end > limit:
                    raise BadMessage(types.SERVFAIL, "a name points to what is not wholly before it")
                ends.append(end)
                targets.append(target)
                break
            if position >= limit:
                raise BadMessage(types.SERVFAIL, "a name is truncated")
            length = message[position]
            if length == 0:
                ends.append(position + 1)
                targets.append(-1)
                break
            if length <= MAX_LABEL:
                behind = position + 1 + length
                length_of_all += 1 + length
                if behind > limit or length_of_all > MAX_KEY:
                    raise BadMessage(types.SERVFAIL, "a name is truncated or over 255 octets")
                labels.append((position, message[position:behind], jumps, len(targets)))
                position = behind
            elif length >= types.POINTER and position + 1 < limit:
                ends.append(position + 2)
                labels.append((position, b"", jumps, len(targets)))
                position = (length & 0x3F) << 8 | message[position + 1]
                jumps += 1
                if not types.HEADER_SIZE <= position < segment:
                    raise BadMessage(types.SERVFAIL, "a name points forward or into the header")
                limit, segment = segment, position
                targets.append(position)
            else:
                raise BadMessage(types.SERVFAIL, "a name is truncated or of an unknown kind")
            if jumps > MAX_POINTERS:
                raise BadMessage(types.SERVFAIL, f"a name has more than {MAX_POINTERS} pointers")
        jumps += more
        if jumps > MAX_POINTERS or len(key) + length_of_all > MAX_KEY:
            raise BadMessage(types.SERVFAIL, "a name is over 255 octets or has too many pointers")
        self.steps = within_bound(self.steps + len(labels))
        for place, label, before, segments in reversed(labels):
            key += label.translate(FOLD)
            if place < REACH:
                self._known[place] = key, jumps - before, targets[segments], ends[segments]
        return key, ends[0]


def label_count(key: bytes) -> int:
    """Return the number of labels of a name's key."""
    count = position = 0
    while position < len(key):
        position += 1 + key[position]
        count += 1
    return count
