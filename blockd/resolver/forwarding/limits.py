"""The limits of forwarding: how much is asked, waited for and remembered, the same in both engines."""

from __future__ import annotations

MAX_ASKED = 3  # questions to upstreams for one question of clients, RFC 9520 section 3.1
# Different questions at once per worker: an eighth of the IDs, so that these stay unpredictable on one socket too.
MAX_IN_FLIGHT = 8_192
MAX_DOUBTS = MAX_IN_FLIGHT // 4  # of these, names of one domain that take long, before fewer of its new ones are asked
WINDOW = 2.0  # seconds for which names of a domain may fail at the rate of a limit at once
CALM = 3.0  # seconds that a domain needs to count as calm again once nothing below it fails
MAX_LATE = 8_192  # flights that have ended and are listened to for late answers; the oldest go first
LATE = 10.0  # seconds after its last question for which a flight is listened to
FAILURES_PER_TURN = 200  # looked at by a search before other work gets its turn
MAX_FAILURES = 16_384  # failures remembered, the least recently used forgotten first
MAX_STRAYS = 32  # messages on a socket that fit none of its questions, before it is given up: somebody is guessing
SOCKETS = 256  # UDP sockets to one upstream: with the ID 24 unpredictable bits, beside ports that keep changing
MIN_SOCKETS = 4  # the same where few files may be open
RENEWAL = 0.25  # seconds after which the next socket of each upstream gets another port
MAX_RETIRED = 32  # replaced sockets of one upstream that are still listened to
OFF = 3600.0  # seconds for which an upstream is asked without what it does not support: mixed case, cookies
WITHOUT_EDNS = 900.0  # the same for EDNS
PROBE_TIME = 1.0  # seconds after which a probe counts as unanswered, at least
MAX_PROBES = 8  # of one upstream that are listened for: one that is far away answers after the next was sent
MAX_FAILURE_TEXT = 200  # octets of the sentence that says why a question failed
