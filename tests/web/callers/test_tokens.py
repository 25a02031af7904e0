from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import CommandError
from blockd.web.callers.attempts import AT_ONCE, MAX_CLIENTS, PAUSE, WrongAttempts
from blockd.web.callers.role import AccessRole
from blockd.web.callers.sessions import FILE as SESSIONS
from blockd.web.callers.sessions import LIFETIME, OF_TOKEN, Sessions
from blockd.web.callers.token_file import TokenFile
from blockd.web.callers.token_store import change_tokens
from blockd.web.callers.tokens import (
    FILE,
    MAX_TOKENS,
    MODE,
    AccessToken,
    checked_name,
    digest_of,
    file_of,
    found_in,
    new_text,
    read_tokens,
    tokens_in,
)

TEXT = "blockd_" + "a" * 43
MADE = 1_800_000_000.0


def token(
    name: str = "support", role: AccessRole = AccessRole.READ, text: str = TEXT, expires: float | None = None
) -> AccessToken:
    return AccessToken(name, role, digest_of(text), MADE, expires, "user root")


def keep(folder: Path, *tokens: AccessToken) -> None:
    change_tokens(folder, lambda _: tokens)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = (token(), token("scrape", AccessRole.METRICS, "x", MADE + 10), token("officer.1", AccessRole.OPERATOR, "y"))
    keep(tmp_path, *kept)
    assert read_tokens(tmp_path) == kept
    assert (tmp_path / FILE).stat().st_mode & 0o777 == MODE
    assert TEXT.encode() not in (tmp_path / FILE).read_bytes()


def test_texts_are_long_and_never_the_same() -> None:
    texts = {new_text() for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith("blockd_") and len(text) == 50 for text in texts)


def test_a_token_is_found_by_its_digest_until_it_expires() -> None:
    kept = (token(expires=MADE + 10), token("other", text="x"))
    assert found_in(kept, digest_of(TEXT), MADE + 9.9) is kept[0]
    assert found_in(kept, digest_of(TEXT), MADE + 10) is None
    assert found_in(kept, digest_of(TEXT + "a"), MADE) is None
    assert found_in(kept, TEXT, MADE) is None


@pytest.mark.parametrize(
    "change",
    [
        {"role": "none"}, {"role": "admin"}, {"role": 3}, {"name": ""}, {"name": "a b"}, {"name": "a" * 64},
        {"sha256": "A" * 64}, {"sha256": "a" * 63}, {"created": "yesterday"}, {"created": None}, {"expires": 7},
        {"by": "a\nb"}, {"more": 1}, {"name": None}, {"sha256": None, "expires": "2030-01-01"},
    ],
)  # fmt: skip
def test_a_file_with_one_wrong_value_is_refused_whole(change: dict[str, object], tmp_path: Path) -> None:
    right = json.loads(file_of([token()]))["tokens"][0]
    octets = json.dumps({"tokens": [right | {"name": "other"}, right | change]}).encode()
    with pytest.raises(ValueError, match=r"."):
        tokens_in(octets)
    (tmp_path / FILE).write_bytes(octets)
    with pytest.raises(CommandError, match="nothing was changed"):
        read_tokens(tmp_path)


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["tokens", "name", "role"]), inner),
).map(lambda data: json.dumps(data).encode()))  # fmt: skip
def test_no_file_makes_another_error_than_one_that_says_what_is_wrong(octets: bytes) -> None:
    try:
        assert isinstance(tokens_in(octets), tuple)
    except ValueError as error:  # which says what is wrong
        told = str(error)
    else:
        told = "nothing"
    assert told


def test_two_of_one_name_and_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        tokens_in(file_of([token(), token(text="x")]))
    with pytest.raises(ValueError, match=f"more than {MAX_TOKENS}"):
        tokens_in(file_of([token(f"t{number}", text=str(number)) for number in range(MAX_TOKENS + 1)]))


@pytest.mark.parametrize("name", ["-a", ".a", "a b", "a/b", "ä", "", "a" * 64, "a\n"])
def test_a_name_that_could_be_taken_for_more_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="nothing was changed"):
        checked_name(name)


def test_programs_that_change_tokens_at_once_lose_none(tmp_path: Path) -> None:
    def add(number: int) -> None:
        change_tokens(tmp_path, lambda tokens: [*tokens, token(f"t{number}", text=str(number))])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name for one in read_tokens(tmp_path)} == {f"t{number}" for number in range(16)}


def test_one_token_too_many_changes_nothing(tmp_path: Path) -> None:
    keep(tmp_path, *(token(f"t{number}", text=str(number)) for number in range(MAX_TOKENS)))
    with pytest.raises(CommandError, match="makes room"):
        change_tokens(tmp_path, lambda tokens: [*tokens, token()])
    assert len(read_tokens(tmp_path)) == MAX_TOKENS


def test_without_a_state_folder_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no state folder"):
        keep(tmp_path / "absent", token())
    assert not (tmp_path / "absent").exists()


def test_only_who_lacks_the_right_is_told_to_be_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(CommandError, match="cannot be changed: is a directory; nothing was changed"):
        keep(tmp_path, token())

    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # root, who runs tests as well, has every right
    with pytest.raises(CommandError, match="Run this as root"):
        keep(tmp_path, token())


def test_a_running_daemon_knows_a_token_as_soon_as_it_is_made_and_no_longer_than_it_is_kept(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    file = TokenFile(tmp_path, lambda: MADE, lambda tokens: seen.append([one.name for one in tokens]))
    assert file.find(digest_of(TEXT)) is None
    keep(tmp_path, token())
    assert file.find(digest_of(TEXT)) == token()
    keep(tmp_path)
    assert file.find(digest_of(TEXT)) is None
    (tmp_path / FILE).unlink()
    assert file.tokens == ()
    assert seen == [[], ["support"], []]


@pytest.mark.parametrize("how", ["damaged", "writable", "readable", "link"])
def test_a_file_that_cannot_be_trusted_lets_nobody_in_and_is_told_once(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, token())
    file = TokenFile(tmp_path, lambda: MADE)
    assert file.tokens
    path = tmp_path / FILE
    if how == "damaged":
        path.write_bytes(b"{")
    elif how == "link":
        path.rename(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    else:
        path.chmod(0o660 if how == "writable" else 0o644)
    with caplog.at_level(logging.ERROR):
        assert [file.find(digest_of(TEXT)) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    assert "the admin socket does" in file.trouble
    path.unlink()
    keep(tmp_path, token())
    assert (file.find(digest_of(TEXT)), file.trouble) == (token(), "")


@pytest.mark.parametrize("is_mount_point", [False, True])
def test_a_state_folder_that_is_away_removes_no_token(is_mount_point: bool, tmp_path: Path) -> None:
    folder, seen = tmp_path / "state", list[int]()
    folder.mkdir()
    keep(folder, token())
    file = TokenFile(folder, lambda: MADE, lambda tokens: seen.append(len(tokens)))
    assert file.find(digest_of(TEXT)) == token()
    folder.rename(tmp_path / "away")
    if is_mount_point:
        folder.mkdir()  # as it is without the disk
    assert [file.find(digest_of(TEXT)) for _ in range(2)] == [None, None]
    assert "the state folder of the start is not in its place" in file.trouble
    assert seen == [1], "none was removed"
    if is_mount_point:
        folder.rmdir()
    (tmp_path / "away").rename(folder)
    assert (file.find(digest_of(TEXT)), file.trouble) == (token(), "")
    (folder / FILE).unlink()
    assert (file.tokens, file.trouble, seen[-1]) == ((), "", 0), "that is how people remove all"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_makes_the_file_for_the_owner_of_the_state_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 990, 991)
    keep(tmp_path, token())
    found = (tmp_path / FILE).stat()
    assert (found.st_uid, found.st_gid) == (990, 991)


class Signing:
    """Sessions in a state folder, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = MADE
        self.sessions = self.anew()

    def anew(self) -> Sessions:
        return Sessions(self.folder, TokenFile(self.folder, lambda: self.now), lambda: self.now)


def test_a_session_lasts_as_long_as_its_token_and_a_shift(tmp_path: Path) -> None:
    keep(tmp_path, token())
    signing = Signing(tmp_path)
    cookie = signing.sessions.begin(token())
    assert signing.sessions.find(cookie) == token()
    assert signing.sessions.find(cookie + "a") is None
    signing.now = MADE + LIFETIME
    assert signing.sessions.find(cookie) is None
    signing.now = MADE - 1
    assert signing.sessions.find(cookie) is None, "a clock that is set back prolongs nothing"
    signing.now = MADE
    keep(tmp_path)
    assert signing.sessions.find(cookie) is None


def test_one_session_more_ends_the_oldest_of_the_same_token_and_nobody_elses(tmp_path: Path) -> None:
    other = token("other", text="x")
    keep(tmp_path, token(), other)
    signing = Signing(tmp_path)
    of_other = signing.sessions.begin(other)
    cookies = [signing.sessions.begin(token()) for _ in range(OF_TOKEN + 1)]
    assert [signing.sessions.find(cookie) is not None for cookie in cookies] == [False] + [True] * OF_TOKEN
    assert signing.sessions.find(of_other) == other


def test_sessions_outlast_a_restart_and_no_cookie_is_on_the_disk(tmp_path: Path) -> None:
    keep(tmp_path, token())
    signing = Signing(tmp_path)
    cookies = [signing.sessions.begin(token()) for _ in range(2)]
    signing.sessions.end(cookies[0])
    asyncio.run(signing.sessions.save())
    assert cookies[1].encode() not in (tmp_path / SESSIONS).read_bytes()
    assert (tmp_path / SESSIONS).stat().st_mode & 0o777 == 0o600
    assert [signing.anew().find(cookie) for cookie in cookies] == [None, token()]


def test_of_sessions_that_begin_while_they_are_written_none_is_lost(tmp_path: Path) -> None:
    keep(tmp_path, *(token(f"t{number}", text=f"x{number}") for number in range(MAX_TOKENS)))
    signing = Signing(tmp_path)

    async def begin(number: int) -> str:
        cookie = signing.sessions.begin(token(f"t{number}", text=f"x{number}"))
        await signing.sessions.save()
        return cookie

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*(begin(number) for number in range(MAX_TOKENS)))

    cookies = asyncio.run(all_at_once())
    again = signing.anew()
    assert all(again.find(cookie) for cookie in cookies)


@given(st.binary(max_size=100) | st.sampled_from([b'{"sessions": 1}', b'{"sessions": [1]}', b'{"sessions": [{}]}']))
def test_a_damaged_file_of_sessions_signs_everybody_out(octets: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SESSIONS).write_bytes(octets)
        assert Signing(Path(folder)).sessions.find("x") is None


def test_who_sends_wrong_tokens_is_told_to_wait_and_others_are_not() -> None:
    now = [0.0]
    attempts = WrongAttempts(lambda: now[0])
    assert [attempts.wrong(b"aaaa") for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert 0 < attempts.wrong(b"aaaa") <= PAUSE
    assert attempts.wrong(b"bbbb") == 0
    now[0] += PAUSE
    assert attempts.wrong(b"aaaa") == 0
    assert attempts.wrong(b"aaaa") > 0


def test_of_however_many_clients_a_bounded_number_is_remembered() -> None:
    attempts = WrongAttempts(lambda: 0.0)
    for number in range(2 * MAX_CLIENTS):
        attempts.wrong(number.to_bytes(4))
    assert len(attempts._clients) == MAX_CLIENTS


def test_refusals_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    attempts = WrongAttempts(lambda: now[0])
    for now[0] in (0.0, 1.0, 59.9, 60.0, 61.0):
        attempts.refused()
    assert (attempts.count, len(caplog.records)) == (5, 2)


def test_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text("garbage", encoding="ascii")
    with pytest.raises(
        CommandError, match=r"it is not JSON\. .*Restore it from a backup, or remove it and make the tokens anew"
    ):
        read_tokens(tmp_path)
