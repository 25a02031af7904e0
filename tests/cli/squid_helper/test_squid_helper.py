"""The helper without Squid: lines in, lines out, and a server that answers as the daemon does, or otherwise."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.cli import USAGE, main
from blockd.cli.squid_helper import Helper
from blockd.cli.squid_helper.client import AT_ONCE, DecisionClient
from blockd.cli.squid_helper.lines import Decided, MalformedLine, Question, answer_line, quoted
from blockd.settings.listening import UnixSocket

PASS = b"HTTP/1.1 204 No Content\r\nServer: blockd\r\n\r\n"
STOP = (
    b"HTTP/1.1 403 Forbidden\r\nServer: blockd\r\nContent-Length: 9000\r\nBlockd-Status: 403\r\nBlockd-Order: c/1\r\n"
    b'Link: <https://isp.example/>; rel="blocked-by", <https://isp.example/orders/c%2F1>; rel="describedby"\r\n\r\n'
)
CLOSE = b"HTTP/1.1 204 No Content\r\nServer: blockd\r\nConnection: close\r\n\r\n"

Answers = Callable[[bytes], bytes | None]


@contextlib.contextmanager
def serving(path: Path, answer: Answers) -> Iterator[list[bytes]]:
    """Answer each request head on a Unix socket by a function; None ends the connection. Yield the heads that came."""
    heads: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        bound.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = bound.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(ConnectionError):
                    buffer = b""
                    while octets := connection.recv(1 << 16):
                        buffer += octets
                        *whole, buffer = buffer.split(b"\r\n\r\n")
                        for head in whole:
                            heads.append(head)
                            given = answer(head)
                            connection.sendall(given or b"")
                            if given in (None, CLOSE):
                                connection.shutdown(socket.SHUT_RDWR)
                                break

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heads
        finally:
            bound.shutdown(socket.SHUT_RDWR)
            thread.join()


def by_host(head: bytes) -> bytes:
    """Answer as the daemon does: one host is blocked."""
    return STOP if b"host=blocked.example " in head else PASS


def helper(path: Path, *, allows: bool = False) -> Helper:
    return Helper(DecisionClient(UnixSocket(path)), allows_on_failure=allows)


def test_lines_are_answered_in_their_order_over_one_connection(tmp_path: Path) -> None:
    lines = [f"{number} 192.0.2.1 host-{number}.example -".encode() for number in range(3 * AT_ONCE + 1)]
    lines[40] = b"40 - blocked.example"
    with serving(tmp_path / "s", by_host) as heads:
        made = helper(tmp_path / "s")
        told = made.answers(lines)
        made._client.close()
    expected = [f"{number} ERR" for number in range(len(lines))]
    why = "blocked by order c/1; see https://isp.example/orders/c%2F1"
    expected[40] = f'40 OK message="{why}" status=403 log="c/1"'
    assert told == expected
    assert heads[0] == (b"HEAD /decide/url?host=host-0.example HTTP/1.1\r\nHost: blockd\r\nX-Forwarded-For: 192.0.2.1")
    assert b"X-Forwarded-For" not in heads[40]


def test_what_a_client_has_put_into_a_host_does_not_leave_its_place() -> None:
    question = Question.of(b"7 192.0.2.1%0d%0aX:y a%26status%3D200%0d%0aX-Forwarded-For:%20192.0.2.9")
    assert question.request == (
        b"HEAD /decide/url?host=a%26status%3D200%0D%0AX-Forwarded-For:%20192.0.2.9 HTTP/1.1\r\nHost: blockd\r\n"
        b"X-Forwarded-For: 192.0.2.1%0D%0AX:y\r\n\r\n"
    )
    assert Question.of(b"7 - http://a.example/?x=1").request.startswith(
        b"HEAD /decide/url?url=http:%2F%2Fa.example%2F%3Fx%3D1 HTTP/1.1\r\n"
    )


def test_a_connection_that_ends_is_replaced_and_nothing_is_asked_in_vain(tmp_path: Path) -> None:
    given: list[bytes | None] = [CLOSE]

    def answer(_head: bytes) -> bytes | None:
        is_kept = given[-1] == PASS  # one that was made just now is not ended without an answer
        given.append(CLOSE if len(given) % 3 == 0 else None if is_kept and len(given) % 5 == 0 else PASS)
        return given[-1]

    with serving(tmp_path / "s", answer):
        made = helper(tmp_path / "s")
        for _ in range(10):
            assert made.answers([b"0 - a.example", b"1 - b.example"]) == ["0 ERR", "1 ERR"]
        made._client.close()
    assert None in given


@pytest.mark.parametrize("allows", [False, True])
def test_without_the_daemon_squid_is_told_that_there_is_no_decision_or_that_the_request_may_pass(
    tmp_path: Path, *, allows: bool
) -> None:
    told = helper(tmp_path / "s", allows=allows).answers([b"0 - a.example", b"1 - b.example"])
    if allows:
        assert told == ["0 ERR", "1 ERR"]
    else:
        assert told[1] == f'1 BH message="blockd does not decide at unix:{tmp_path}/s: No such file or directory"'


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n", "0 BH"),
        (b"HTTP/1.1 500 Internal Server Error\r\nServer: blockd\r\n\r\n", "0 BH"),
        (b"HTTP/1.1 503 Service Unavailable\r\nServer: blockd\r\n\r\n", "0 OK"),
        (b"HTTP/1.1 400 Bad Request\r\nServer: blockd\r\n\r\n", "0 OK"),
        (b"nonsense\r\n\r\n", "0 BH"),
        (b"a" * 100_000, "0 BH"),
    ],
)
def test_any_other_answer_does_not_let_a_request_pass(tmp_path: Path, octets: bytes, told: str) -> None:
    with serving(tmp_path / "s", lambda _: octets):
        made = helper(tmp_path / "s")
        (line,) = made.answers([b"0 - a.example"])
        made._client.close()
    assert line.startswith(f"{told} message=")


@pytest.mark.parametrize("line", [b"", b"0", b"0 a.example", b"x - a.example", b"- a.example -"])
def test_lines_without_a_channel_and_a_client_are_refused_with_what_to_set(line: bytes) -> None:
    with pytest.raises(MalformedLine, match="concurrency"):
        Question.of(line)


def test_a_malformed_line_is_answered_on_its_own_channel() -> None:
    helper = Helper(DecisionClient(UnixSocket(Path("/nowhere"))), allows_on_failure=False)
    told = helper.answers([b"7 192.0.2.1", b"192.0.2.1 a.example", b""])
    assert [one.partition(" message=")[0] for one in told] == ["7 BH", "BH", "BH"]
    assert all("concurrency=" in one for one in told)


@given(st.text(), st.text())
def test_an_answer_is_one_line_whatever_the_daemon_says(why: str, order: str) -> None:
    line = answer_line(Question("1", b"-", b"a"), Decided(True, why, 451, order))
    assert "\n" not in line
    assert "\r" not in line
    assert line.startswith('1 OK message="')


def test_quotation_marks_and_backslashes_are_escaped() -> None:
    assert quoted('a "b" \\c') == '"a \\"b\\" \\\\c"'


def test_a_place_that_is_none_and_a_config_without_one_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["squid-helper", "--at", "nonsense"]) == USAGE
    assert "--at: expected ADDRESS:PORT" in capsys.readouterr().err
    config = tmp_path / "blockd.yaml"
    config.write_text("feeds: []\n", encoding="ascii")
    assert main(["squid-helper", "--config", str(config)]) == USAGE
    assert "`listen.decide` is empty" in capsys.readouterr().err
