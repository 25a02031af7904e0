# cython: annotation_typing=False
"""One upstream as a worker sees it, and the choice between several: the arithmetic that both engines share.

`health.pxd` has the types with which this is compiled. All moments are seconds of the monotonic clock.
"""

from __future__ import annotations

# How an upstream is. All but the last are asked, in this order of preference; one that is down is only probed.
UP = 0
UNKNOWN = 1  # nothing has been heard of it yet
DOUBTFUL = 2  # what clients asked it last went unanswered, or was refused: that may be about what they ask
FAILING = 3  # and so was a probe, which says that it is the upstream
DOWN = 4  # PROBES_TO_DOWN probes went unanswered

# What came of a question, besides an answer.
SILENT = 0  # nothing was heard of the upstream until patience ended
UNREACHABLE = 1  # the network says that nobody is there, or no connection could be made
MALFORMED = 2  # the message cannot be parsed, contradicts itself, or is over a bound
REFUSING = 3  # REFUSED, FORMERR, NOTIMP, NOTAUTH and the like: it does not resolve this for us
SERVFAILING = 4  # it tried, and failed
DISCONNECTED = 5  # a connection ended, or took no more questions
UNPROVEN = 6  # the TLS handshake failed, or the upstream did not prove who it is: no question was sent
KINDS = 7

# What a stream says came of a question.
OF_STREAM = {
    "full": DISCONNECTED,
    "connect": UNREACHABLE,
    "tls": UNPROVEN,
    "http": MALFORMED,
    "closed": DISCONNECTED,
    "silent": SILENT,
    "malformed": MALFORMED,
}

SMOOTHING = 0.125  # weight of a new round trip in the average, RFC 6298 section 2
DEVIATION_SMOOTHING = 0.25  # the same for its variation
DEVIATIONS = 4.0  # so many variations above the average are within what is expected: but for the slowest percent
FIRST_PATIENCE = 0.25  # seconds, for an upstream that has never answered, if another can be asked
MIN_PATIENCE = 0.1  # seconds: less would ask twice what a recursive resolver needs to find out
MAX_PATIENCE = 2.0  # seconds
ALONE = 1.0  # seconds before the same upstream is asked again (RFC 6298 section 2.1): the datagram may be lost
HEDGING_SHARE = 0.03  # of the questions to an upstream that is heard, so many may go to another one as well
MAX_ALLOWANCE = 10.0  # hedges at once
REFUSALS = 3  # in a row, after which an upstream counts as doubtful
PROBES_TO_DOWN = 3
FIRST_PROBE = 1.0  # seconds between the probes of one that is not up, doubling ...
LAST_PROBE = 5.0  # ... up to this
HEALTHY_PROBE = 10.0  # seconds between those of one that is up, which tell how far away it is
NEAR = 0.005  # seconds: two upstreams whose distances differ by less are equally far away ...
NEARLY = 1.25  # ... or by less than this factor; the order in the config decides
NEVER_HEARD = -1.0


class Health:
    """One upstream: its round trip, how it is, and what is allowed with it."""

    def __init__(self, now: float) -> None:
        self.state = UNKNOWN
        self.begun = now  # when it was first to be asked
        self.since = now  # when `state` began
        self.smoothed = NEVER_HEARD  # seconds, the round trip of clients' questions
        self.deviation = 0.0  # seconds
        self.distance = NEVER_HEARD  # seconds, the round trip of probes, which do not depend on what clients ask
        self.heard = NEVER_HEARD  # when anything of it came last
        self.allowance = MAX_ALLOWANCE
        self.refusals = 0  # in a row
        self.probes = 0  # unanswered, in a row
        self.next_probe = now
        self.probed = now - FIRST_PROBE  # when it was probed last
        self.asked = 0
        self.answered = 0
        self.late = 0  # of these after their flight had ended
        self.hedged = 0
        self.in_flight = 0  # clients' questions of which nothing has come yet, to be kept by who sends them
        self.failures = [0] * KINDS

    def know(self, state: int, since: float, heard: float, smoothed: float, distance: float) -> None:
        """Begin with what another worker knows of the upstream; what it does not know is below 0, as NEVER_HEARD is.

        A probe stays due at once, and says whether that is still so.
        """
        self.state = state
        self.since = since
        self.heard = heard
        self.smoothed = smoothed
        self.deviation = max(smoothed, 0.0) / 2
        self.distance = distance
        self.probes = PROBES_TO_DOWN if state == DOWN else 0

    def note_asked(self) -> None:
        """Note that a client's question is sent."""
        self.asked += 1
        self.allowance = min(self.allowance + HEDGING_SHARE, MAX_ALLOWANCE)

    def note_answer(self, now: float, seconds: float, is_probe: bool = False, is_first: bool = True) -> None:
        """Note an answer that came `seconds` after its question, whatever it says; also a late one.

        Of a probe's only the moment is noted: `asked`, `answered` and the round trip are those of clients' questions.
        It is not the first if the question was sent once more because of what had come, as with another cookie.
        """
        self.heard = now
        if is_probe:
            return
        self.answered += is_first
        if self.smoothed < 0:
            self.smoothed = seconds
            self.deviation = seconds / 2
        else:
            self.deviation += DEVIATION_SMOOTHING * (abs(seconds - self.smoothed) - self.deviation)
            self.smoothed += SMOOTHING * (seconds - self.smoothed)

    def note_resolved(self, now: float) -> None:
        """Note that an answer was one: NOERROR or NXDOMAIN."""
        self.refusals = 0
        self.probes = 0
        self._become(UP, now)

    def note_tried(self, now: float) -> None:
        """Note SERVFAIL, which is about the name, unless probes fail as well: then it resolves nothing."""
        self.refusals = 0
        self.probes = 0
        self._become(FAILING if self.state >= FAILING else UP, now)

    def note_failure(self, kind: int, now: float) -> None:
        """Note what else came of a question."""
        self.failures[kind] += 1
        if kind in (REFUSING, MALFORMED):
            self.refusals += 1
            if self.refusals >= REFUSALS:
                self._worsen(DOUBTFUL, now)
        elif kind != SERVFAILING:
            self._worsen(DOUBTFUL, now)

    def note_probe_answer(self, now: float, seconds: float, resolves: bool) -> None:
        """Note a probe's answer; `resolves` if it is NOERROR or NXDOMAIN.

        One that was down is asked again in either case: it may resolve other names than that of the probe.
        """
        self.heard = now
        if self.distance < 0:
            self.distance = seconds
        else:
            self.distance += SMOOTHING * (seconds - self.distance)
        if self.smoothed < 0:
            self.smoothed = seconds
            self.deviation = seconds / 2
        self.probes = 0
        if resolves:
            self.refusals = 0
            self._become(UP, now)
        else:
            self._worsen(FAILING, now)
            self._become(FAILING, now)

    def note_probe_silence(self, now: float) -> None:
        """Note a probe that went unanswered, or could not be sent."""
        self.probes += 1
        self._worsen(DOWN if self.probes >= PROBES_TO_DOWN else FAILING, now)

    def note_probe_refusal(self, now: float) -> None:
        """Note a probe that cannot be answered. Until it is down the next one is due at once: each of them says it."""
        self.note_probe_silence(now)
        if self.state != DOWN:
            self.next_probe = now

    def is_probe_due(self, now: float, is_urgent: bool = False) -> bool:
        """Whether it is to be probed now; if so, the next probe is due some seconds later.

        It is urgent if no upstream of its group is up: then the next one is due as soon as the first ones are.
        """
        if now < (min(self.next_probe, self.probed + FIRST_PROBE) if is_urgent else self.next_probe):
            return False
        self.probed = now
        if self.state == UP:
            self.next_probe = now + HEALTHY_PROBE
        else:
            self.next_probe = now + min(FIRST_PROBE * 2.0 ** min(self.probes, 8), LAST_PROBE)
        return True

    def is_heard_since(self, moment: float) -> bool:
        """Whether anything of it came after a moment: if so, it is a name that is slow, not the upstream."""
        return self.heard > moment

    def silent_since(self) -> float:
        """Return since when nothing of it has come: since it is known, if nothing ever has."""
        return self.begun if self.heard < 0 else self.heard

    def patience(self) -> float:
        """Return for how many seconds a question waits until another upstream is asked as well."""
        if self.smoothed < 0:
            return FIRST_PATIENCE
        return min(max(self.smoothed + DEVIATIONS * self.deviation, MIN_PATIENCE), MAX_PATIENCE)

    def patience_alone(self, tries: int) -> float:
        """Return the same until this upstream is asked again, when it has been asked `tries` times."""
        return max(ALONE, self.patience()) * 2.0 ** min(max(tries - 1, 0), 4)

    def take_hedge(self) -> bool:
        """Whether a question to this upstream, which is heard, may go to another one as well; if so, it is counted."""
        if self.allowance < 1.0:
            return False
        self.allowance -= 1.0
        self.hedged += 1
        return True

    def _worsen(self, state: int, now: float) -> None:
        """Become that unless it is worse already; if it was none of these before, a probe is due at once."""
        if self.state < DOUBTFUL:
            self.next_probe = now
        if self.state < state:
            self._become(state, now)

    def _become(self, state: int, now: float) -> None:
        if self.state != state:
            self.state = state
            self.since = now


def choose(upstreams: list[Health], tried: int) -> int:
    """Return the index of the upstream to ask next, -1 if there is none; `tried` has a bit for each that was asked.

    Those that are up come first, by distance; of those equally far away the first in the list. One that is down is
    not asked at all.
    """
    nearest = NEVER_HEARD
    for index, health in enumerate(upstreams):
        is_usable = health.state == UP and health.distance >= 0 and not tried >> index & 1
        if is_usable and (nearest < 0 or health.distance < nearest):
            nearest = health.distance
    limit = max(nearest * NEARLY, nearest + NEAR)
    best, best_state = -1, DOWN
    for index, health in enumerate(upstreams):
        if tried >> index & 1 or health.state >= best_state:
            continue
        if health.state == UP and nearest >= 0 and health.distance > limit:
            continue
        best, best_state = index, health.state
    return best


def failure_kept(before: float) -> float:
    """Return for how many seconds a name's failure is remembered; `before` is how long the last one was, 0 for none."""
    return min(before * 2.0, MAX_FAILURE_KEPT) if before > 0 else FAILURE_KEPT


FAILURE_KEPT = 5.0  # seconds, RFC 9520 section 3.2
MAX_FAILURE_KEPT = 300.0  # the same section: not more than five minutes
