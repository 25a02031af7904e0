from __future__ import annotations

import pytest

from blockd.errors import FeedRefused
from blockd.formats.rpz import key_spool
from blockd.formats.rpz.key_spool import KeySpool


@pytest.mark.parametrize("in_memory", [1, 7, 10_000])
def test_keys_come_back_by_group_in_their_order(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(key_spool, "MAX_IN_MEMORY", in_memory)
    spool = KeySpool()
    keys = [b"%c" % (number % 200 + 1) * (number % 255 + 1) for number in range(1000)]
    for number, key in enumerate(keys):
        spool.put(number % 3, key)
    assert spool.groups == [0, 1, 2]
    for _ in range(2):
        assert [list(spool.keys(group)) for group in range(3)] == [keys[0::3], keys[1::3], keys[2::3]]


def test_a_full_disk_refuses_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_spool, "MAX_IN_MEMORY", 1)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    spool = KeySpool()
    spool.put(0, b"\1a")
    with pytest.raises(FeedRefused) as refused:
        spool.put(0, b"\1b")
    assert refused.value.reason == "fault"
