from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rrset
import dns.tsig
import pytest

from blockd.feeds.transfer.addresses import FILE, remembered_hosts
from blockd.feeds.transfer.notify import MAX_RATE, MAX_STRANGERS, REREAD, Notified, RefusedNotify
from blockd.feeds.transfer.notify_causes import CAUSES, sentence
from blockd.settings import SignedFeed, TransferFeed
from tests.feeds.transfer.messages import KEY, ZONE, soa

PRIMARY, STRANGER = "192.0.2.53", "192.0.2.54"


def notify(zone: str = ZONE, kind: str = "SOA", key: dns.tsig.Key | None = None) -> bytes:
    message = dns.message.make_query(zone, kind)
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags | dns.flags.AA) & ~dns.flags.RD
    if kind == "SOA":
        owner, ttl, klass, rtype, data = soa(7, zone).split(" ", 4)
        message.answer.append(dns.rrset.from_text(owner, int(ttl), klass, rtype, data))
    if key is not None:
        message.use_tsig(key)
    return message.to_wire()


class Listener:
    def __init__(self, folder: Path, *, signed: bool) -> None:
        fields: dict[str, object] = {
            "name": "live", "type": "rpz-transfer", "primary": [PRIMARY, "[2001:db8::53]:54"], "zone": "rpz.example",
        }  # fmt: skip
        if signed:
            (folder / "secret").write_bytes(base64.b64encode(bytes(KEY.secret)))
            (folder / "secret").chmod(0o600)
            fields["tsig"] = {"name": "transfers", "secret_file": str(folder / "secret")}
        self.told: list[str] = []
        self.now = 1000.0
        self.refused: list[RefusedNotify] = []
        feed = TransferFeed.model_validate(fields)
        self.notified = Notified([feed], self.told.append, lambda: self.now, refuse=self.refused.append)

    def rcode(self, packet: bytes, host: str = PRIMARY) -> str:
        answer = self.notified.answer(packet, host)
        assert answer is not None
        assert answer[:2] == packet[:2]
        is_bare = len(answer) == 12
        told = dns.message.from_wire(answer, keyring={KEY.name: KEY}, request_mac=b"" if is_bare else _mac(packet))
        assert told.opcode() == dns.opcode.NOTIFY
        assert told.flags & dns.flags.QR
        return dns.rcode.to_text(told.rcode())


def _mac(packet: bytes) -> bytes:
    try:
        return dns.message.from_wire(packet, keyring={KEY.name: KEY}).mac or b""
    except dns.exception.DNSException:
        return b""


Make = Callable[..., Listener]


@pytest.fixture
def listener(tmp_path: Path) -> Make:
    return lambda *, signed=False: Listener(tmp_path, signed=signed)


@pytest.mark.parametrize("host", [PRIMARY, "2001:db8::53"])
def test_a_primary_that_notifies_is_heard(listener: Make, host: str) -> None:
    made = listener()
    assert made.rcode(notify(), host) == "NOERROR"
    assert made.rcode(notify("RPZ.Example."), host) == "NOERROR"
    assert made.told == ["live", "live"]


def test_a_signed_notify_is_heard_and_answered_signed(listener: Make) -> None:
    made = listener(signed=True)
    packet = notify(key=KEY)
    answer = made.notified.answer(packet, PRIMARY)
    assert answer is not None
    assert dns.message.from_wire(answer, keyring={KEY.name: KEY}, request_mac=_mac(packet)).had_tsig
    assert made.told == ["live"]


OTHER_SECRET = dns.tsig.Key("transfers", b"x" * 32, "hmac-sha256")
OTHER_NAME = dns.tsig.Key("others", b"x" * 32, "hmac-sha256")


@pytest.mark.parametrize(
    ("packet", "host", "signed", "rcode", "cause", "feed"),
    [
        (notify(), STRANGER, False, "REFUSED", "address", "live"),
        (notify("other.example."), PRIMARY, False, "REFUSED", "zone", ""),
        (notify("other.example."), STRANGER, False, "REFUSED", "zone", ""),
        (notify(kind="A"), PRIMARY, False, "FORMERR", "format", "live"),
        (notify()[:20], PRIMARY, False, "FORMERR", "format", ""),
        (notify()[:-3], PRIMARY, False, "FORMERR", "format", "live"),
        (notify(), PRIMARY, True, "REFUSED", "unsigned", "live"),
        (notify(key=OTHER_SECRET), PRIMARY, True, "NOTAUTH", "signature", "live"),
        (notify(key=OTHER_NAME), PRIMARY, True, "NOTAUTH", "other key", "live"),
        (notify(key=KEY), PRIMARY, False, "NOTAUTH", "no key", "live"),
        (notify(key=KEY), STRANGER, True, "REFUSED", "address", "live"),
    ],
    ids=range(11),
)
def test_all_others_are_not_heard_and_told_with_their_cause(
    listener: Make, packet: bytes, host: str, signed: bool, rcode: str, cause: str, feed: str
) -> None:
    made = listener(signed=signed)
    assert made.rcode(packet, host) == rcode
    assert made.told == []
    [refused] = made.refused
    assert (refused.cause, refused.feed, refused.host, refused.count) == (cause, feed, host, 1)
    told = sentence(refused.cause, feed=refused.feed, host=host, zone=refused.zone, key=refused.key)
    assert told.endswith(".")
    assert host in told
    assert CAUSES[cause] in told


def test_a_signature_of_another_time_is_told(listener: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: 1_000_000_000.0)
        packet = notify(key=KEY)
    made = listener(signed=True)
    assert made.rcode(packet) == "NOTAUTH"
    assert made.refused[0].cause == "clock"


def test_strangers_have_a_share_of_their_own(listener: Make) -> None:
    made = listener()
    for _ in range(100):
        assert made.rcode(notify(), STRANGER) == "REFUSED"
    assert len(made.refused) == MAX_STRANGERS
    assert made.rcode(notify()) == "NOERROR"
    made.now += 1
    assert made.rcode(notify(), STRANGER) == "REFUSED"
    assert sum(refused.count for refused in made.refused) == 101


def test_the_addresses_of_a_primary_by_name_are_heard_as_they_are_now(tmp_path: Path) -> None:
    told: list[str] = []
    now = [1000.0]
    feed = TransferFeed.model_validate(
        {"name": "live", "type": "rpz-transfer", "primary": "ns1.example", "zone": "rpz.example"}
    )
    notified = Notified([feed], told.append, lambda: now[0], remembered=lambda one: remembered_hosts(one, tmp_path))
    assert notified
    assert notified.answer(notify(), PRIMARY) is not None
    assert told == []
    (tmp_path / FILE).write_text(json.dumps({"ns1.example": {"addresses": [PRIMARY], "seen": 1}}), encoding="ascii")
    now[0] += REREAD
    notified.answer(notify(), PRIMARY)
    assert told == ["live"]
    (tmp_path / FILE).write_text('{"ns1.example": {"addresses": ["no address"], "seen": 1}}', encoding="ascii")
    now[0] += REREAD
    notified.answer(notify(), PRIMARY)
    assert told == ["live"]


def hinted(name: str, zone: str = "orders.example", **keys: object) -> SignedFeed:
    return SignedFeed.model_validate(
        {
            "name": name,
            "type": "signed",
            "url": "https://lists.example.net/",
            "root": "/srv/root.json",
            "notify": {"zone": zone, "from": [PRIMARY], **keys},
        }
    )


def test_a_signed_list_is_woken_by_the_zone_that_the_config_names_for_it() -> None:
    told: list[str] = []
    no_progress = hinted("c").model_copy(update={"notify": None})
    notified = Notified([hinted("a"), hinted("b"), no_progress, hinted("d", "rpz.example")], told.append, lambda: 1.0)
    answers = [
        notified.answer(notify("orders.example."), PRIMARY),
        notified.answer(notify("orders.example."), STRANGER),
        notified.answer(notify("other.example."), PRIMARY),
    ]
    assert [dns.rcode.to_text(dns.message.from_wire(answer or b"").rcode()) for answer in answers] == [
        "NOERROR",
        "REFUSED",
        "REFUSED",
    ]
    assert told == ["a", "b"]


def test_a_signed_list_with_a_key_is_woken_by_none_that_is_unsigned(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(base64.b64encode(bytes(KEY.secret)))
    (tmp_path / "secret").chmod(0o600)
    tsig = {"name": "transfers", "secret_file": str(tmp_path / "secret")}
    told: list[str] = []
    notified = Notified([hinted("a", ZONE, tsig=tsig)], told.append, lambda: 1.0)
    assert notified.answer(notify(), PRIMARY) is not None
    assert told == []
    assert notified.answer(notify(key=KEY), PRIMARY) is not None
    assert told == ["a"]


def test_a_flood_of_them_is_left_unanswered(listener: Make) -> None:
    made = listener()
    packet = notify()
    answers = [made.notified.answer(packet, PRIMARY) for _ in range(MAX_RATE + 5)]
    assert answers.count(None) == 5
    made.now += 1
    assert made.notified.answer(packet, PRIMARY) is not None


def test_any_octets_from_a_primary_are_answered_with_an_error(listener: Make) -> None:
    made = listener(signed=True)
    packet = notify(key=KEY)
    for at in range(3, len(notify()), 3):  # the signature covers these
        made.now += 1
        changed = packet[:at] + bytes([packet[at] ^ 0xFF]) + packet[at + 1 :]
        assert made.notified.answer(changed, PRIMARY) is not None
    assert made.told == []
