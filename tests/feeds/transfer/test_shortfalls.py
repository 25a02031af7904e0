"""What a primary could not do is asked of it again after a while, longer each time in a row."""

from __future__ import annotations

from blockd.feeds.transfer.shortfalls import FIRST, LONGEST, MAX_WHY, Shortfall, Shortfalls
from blockd.settings import SocketAddress

PRIMARY = SocketAddress("192.0.2.53", 53)


def test_failures_within_its_time_do_not_make_it_longer() -> None:
    now = 1_000_000.0
    shortfalls = Shortfalls(lambda: now)
    for turn in range(20):
        assert shortfalls.note(PRIMARY, Shortfall.TRANSFER, "it answers REFUSED.") == (turn == 0)
        now += 1.0
    now = 1_000_000.0 + FIRST - 0.5
    assert shortfalls.has(PRIMARY, Shortfall.TRANSFER)
    now += 0.5
    assert not shortfalls.has(PRIMARY, Shortfall.TRANSFER)
    ends = []
    for _ in range(8):
        shortfalls.note(PRIMARY, Shortfall.TRANSFER, "it answers REFUSED.")
        start = now
        while shortfalls.has(PRIMARY, Shortfall.TRANSFER):
            now += FIRST / 2
        ends.append(now - start)
    assert ends == [min(FIRST * 2**turn, LONGEST) for turn in range(1, 9)]


def test_status_says_what_comes_then() -> None:
    shortfalls = Shortfalls(lambda: 0.0)
    shortfalls.note(PRIMARY, Shortfall.IXFR, "it answers NOTIMP.")
    shortfalls.note(PRIMARY, Shortfall.TRANSFER, "x" * 1000)
    ixfr, transfer = shortfalls.sentences()
    assert ixfr.endswith("(it answers NOTIMP). This is tried again at 1970-01-01T01:00:00Z.")
    assert transfer.endswith("…). This holds until 1970-01-01T01:00:00Z."), "it is asked meanwhile if no other answers"
    assert transfer.count("x") == MAX_WHY - 1
