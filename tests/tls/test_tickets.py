"""Session tickets: their keys, and who resumes by them where."""

from __future__ import annotations

import ssl

import pytest

from blockd.native import is_native
from blockd.tls import ForgetfulKeys, ServerTls, SharedKeys, TicketKeys, server_tls
from blockd.tls.choice import EXTENSION
from blockd.tls.tickets import KEPT, LIFETIME, PERIOD, SECRET
from tests.tls.certificates import Client, pair

PAIR = pair("dns.example")
SECRETS = bytes(range(SECRET)), bytes(range(1, SECRET + 1))

needs_extension = pytest.mark.skipif(not is_native(EXTENSION), reason="the extension over libssl was not built")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def first_visit(server: ServerTls, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Client:
    """Return a client that has a ticket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    client = Client(server, PAIR, context=context)
    client.shake_hands()
    client.send(b"question")
    client.server.write(b"answer")
    assert client.receive() == b"answer"
    assert client.tls.session is not None
    assert client.tls.session.has_ticket
    return client


def resumes(client: Client, server: ServerTls) -> bool:
    """Return whether a client resumes its session at a server."""
    again = Client(server, context=client.context, session=client.tls.session)
    again.shake_hands()
    assert again.tls.session_reused == again.server.is_resumed
    assert again.send(b"question") == b"question"
    return again.server.is_resumed


def test_all_processes_of_a_machine_have_the_same_keys_at_any_time() -> None:
    clock = Clock()
    early, late = ForgetfulKeys(SECRETS[0], clock), ForgetfulKeys(SECRETS[0], clock)
    keys = early.current()
    assert late.current() == keys
    clock.now += 50 * PERIOD
    assert early.current() == late.current()
    assert not set(early.current()) & set(keys)
    assert early.current() is early.current()


@pytest.mark.parametrize("make", [ForgetfulKeys, lambda secret, clock: SharedKeys([secret], clock)])
def test_a_key_makes_tickets_for_an_hour_and_opens_them_for_two_more(make: type[ForgetfulKeys]) -> None:
    clock = Clock(1000.0 * PERIOD)
    keys = make(SECRETS[0], clock)
    first = keys.current()[0]
    clock.now += PERIOD - 1
    assert keys.current()[0] == first
    for _ in range(KEPT):
        clock.now += PERIOD
        assert keys.current()[0] != first
        assert first in keys.current()
    clock.now += PERIOD
    assert first not in keys.current()
    assert LIFETIME == KEPT * PERIOD


def test_what_an_earlier_key_was_made_from_is_given_up() -> None:
    clock = Clock()
    keys = ForgetfulKeys(SECRETS[0], clock)
    first = keys.current()
    clock.now += (KEPT + 1) * PERIOD
    now = keys.current()
    stolen = ForgetfulKeys(keys._secret, clock)
    assert stolen.current() == now
    assert not set(now) & set(first)


def test_machines_with_the_same_secrets_open_each_others_tickets() -> None:
    clock, ahead = Clock(1000.0 * PERIOD - 1), Clock(1000.0 * PERIOD + 1)
    ours, theirs = SharedKeys(SECRETS, clock), SharedKeys(SECRETS, ahead)
    assert theirs.current()[0] in ours.current()
    assert ours.current()[0] in theirs.current()
    changed = SharedKeys(SECRETS[::-1], clock)
    assert changed.current()[0] in ours.current()
    assert changed.current()[0] != ours.current()[0]


def test_keys_differ_in_all_their_parts() -> None:
    keys = SharedKeys(SECRETS, Clock()).current()
    parts = [part for key in keys for part in (key.name, key.cipher, key.mac)]
    assert len(set(parts)) == len(parts)
    assert {(len(key.name), len(key.cipher), len(key.mac)) for key in keys} == {(16, 32, 32)}
    assert "cipher" not in repr(keys[0])


@needs_extension
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("keys", [lambda: ForgetfulKeys(SECRETS[0]), lambda: SharedKeys(SECRETS)])
def test_a_client_resumes_at_another_worker(keys: type[TicketKeys], version: ssl.TLSVersion) -> None:
    here, there = (server_tls([PAIR], ("dot",), keys()) for _ in range(2))
    client = first_visit(here, version)
    assert resumes(client, there)
    assert not resumes(client, server_tls([PAIR], ("dot",)))


@needs_extension
def test_a_client_resumes_until_its_ticket_is_too_old() -> None:
    clock = Clock()
    server = server_tls([PAIR], ("dot",), ForgetfulKeys(SECRETS[0], clock))
    client = first_visit(server)
    clock.now += KEPT * PERIOD
    assert resumes(client, server)
    clock.now += PERIOD
    assert not resumes(client, server)


def test_a_client_resumes_in_one_process_with_both_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    for engine in ["python", *(["native"] if is_native(EXTENSION) else [])]:
        monkeypatch.setenv("BLOCKD_ENGINE", engine)
        server = server_tls([PAIR], ("dot",))
        assert resumes(first_visit(server), server)


def test_other_certificates_do_not_keep_a_client_from_resuming() -> None:
    if not is_native(EXTENSION):
        pytest.skip("the extension over libssl was not built")
    server = server_tls([PAIR], ("dot",))
    client = first_visit(server)
    server.use([pair("other.example"), PAIR])
    assert resumes(client, server)
