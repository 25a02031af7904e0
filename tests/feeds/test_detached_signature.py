from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.detached_signature import MAX_KEY, verify_detached
from blockd.feeds.fetched import Fetched
from blockd.settings import ListSignature
from tests.feeds.signing import Minisign, rsa_public, rsa_sign
from tests.places import SHARED

COMLOT = SHARED / "data" / "comlot"
VERSIONS = ("", "_20190701", "_20190903", "_20191008", "_20191126", "_20200317")
needs_data = pytest.mark.skipif(not COMLOT.is_dir(), reason="the shared test data is not beside this checkout")
needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")
LIST = b"a.example\nb.example\n"


class Verifier:
    """Writes keys and lists to files, and returns why a signature is refused."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._key = folder / "key"
        self._list = folder / "incoming"
        self._signature = ListSignature.model_validate({"type": kind, "key": str(self._key)})

    def __call__(self, key: bytes, signed: bytes, content: bytes = LIST) -> str:
        """Return the sentence of the refusal, empty if the signature is valid."""
        self._key.write_bytes(key)
        self._list.write_bytes(content)
        try:
            verify_detached(
                self._signature, signed, Fetched(self._list, hashlib.sha256(content).hexdigest(), None), "the list"
            )
        except FeedRefused as refused:
            return f"{refused.reason}: {refused}"
        return ""


@pytest.fixture
def rsa(tmp_path: Path) -> Verifier:
    return Verifier(tmp_path, "rsa-sha256")


@pytest.fixture
def minisign(tmp_path: Path) -> Verifier:
    return Verifier(tmp_path, "minisign")


def flipped(octets: bytes, at: int, bit: int) -> bytes:
    return octets[:at] + bytes((octets[at] ^ 1 << bit,)) + octets[at + 1 :]


@needs_data
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_the_swiss_list_is_proved_by_its_signature_alone(rsa: Verifier, version: str) -> None:
    key = (COMLOT / "blacklist.comlot.ch.pub").read_bytes()
    content = (COMLOT / f"comlot_blacklist{version}.txt").read_bytes()
    signed = (COMLOT / f"comlot_blacklist{version}.txt.sign").read_bytes()
    assert rsa(key, signed, content) == ""
    assert rsa(key, signed, content + b"\n")
    for other in set(VERSIONS) - {version}:
        other_content = (COMLOT / f"comlot_blacklist{other}.txt").read_bytes()
        assert (rsa(key, signed, other_content) == "") == (other_content == content)


@needs_data
def test_one_bit_of_the_swiss_list_its_signature_or_key_proves_nothing(rsa: Verifier) -> None:
    file = (COMLOT / "blacklist.comlot.ch.pub").read_bytes()
    key = file[: file.index(b"-----BEGIN CERTIFICATE")]  # behind the key stand certificates, which prove nothing here
    content = (COMLOT / "comlot_blacklist_20190701.txt").read_bytes()
    signed = (COMLOT / "comlot_blacklist_20190701.txt.sign").read_bytes()
    assert rsa(key, signed, content) == ""
    for at in range(len(content)):
        assert rsa(key, signed, flipped(content, at, at % 8))
    for at in range(len(signed)):
        assert rsa(key, flipped(signed, at, at % 7), content)
    for at in range(len(key) - 1):
        assert rsa(flipped(key, at, at % 7) + file[len(key) :], signed, content), at


@needs_data
def test_a_certificate_stands_for_its_key(rsa: Verifier) -> None:
    file = (COMLOT / "blacklist.comlot.ch.pub").read_bytes()
    certificate = file[file.index(b"-----BEGIN CERTIFICATE") :]
    content = (COMLOT / "comlot_blacklist.txt").read_bytes()
    signed = (COMLOT / "comlot_blacklist.txt.sign").read_bytes()
    assert rsa(certificate, signed, content) == ""
    assert rsa((COMLOT / "ca.pem").read_bytes(), signed, content)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (b"", "does not begin"),
        (b"no key", "does not begin"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
        (b"-----BEGIN PUBLIC KEY-----\nA=A\n-----END PUBLIC KEY-----\n", "not valid base64"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        (rsa_public(1024), "not an RSA key of 2048"),
        (b"x" * (MAX_KEY + 1), "larger than"),
    ],
)
def test_keys_that_are_none_are_told(rsa: Verifier, key: bytes, why: str) -> None:
    assert why in rsa(key, rsa_sign(LIST))


@pytest.mark.parametrize("signed", [b"", b"\n", b"no base64", b"AAAA\n", rsa_sign(LIST)[:-5], rsa_sign(LIST) * 2])
def test_signatures_that_are_none_are_told(rsa: Verifier, signed: bytes) -> None:
    told = rsa(rsa_public(), signed)
    assert told.startswith("unsigned: the list has no valid signature")
    assert "Nothing of the list is taken" in told


def test_a_signature_may_have_lines_of_any_length(rsa: Verifier) -> None:
    signed = rsa_sign(LIST)
    assert rsa(rsa_public(), signed) == ""
    assert rsa(rsa_public(), signed.replace(b"\n", b"")) == ""
    assert rsa(rsa_public().replace(b"\n", b"\r\n"), signed.replace(b"\n", b"\r\n")) == ""


@pytest.mark.parametrize("prehashed", [True, False])
@pytest.mark.parametrize("content", [LIST, b"", b"x" * 3_000_000])
def test_both_forms_of_minisign_are_proved(minisign: Verifier, prehashed: bool, content: bytes) -> None:
    key = Minisign()
    assert minisign(key.public, key.sign(content, prehashed=prehashed), content) == ""
    assert minisign(key.public.splitlines()[1], key.sign(content, prehashed=prehashed)[:-1], content) == ""
    assert minisign(key.public, key.sign(content, prehashed=prehashed), content + b"\n")


@pytest.mark.parametrize("prehashed", [True, False])
def test_one_bit_of_what_minisign_has_signed_proves_nothing(minisign: Verifier, prehashed: bool) -> None:
    key = Minisign()
    signed = key.sign(LIST, prehashed=prehashed)
    trusted = signed.index(b"\n") + 1  # the comment before it proves nothing, whatever it says
    for at in range(trusted, len(signed) - 1):
        assert minisign(key.public, flipped(signed, at, at % 8)), at
    for at in range(key.public.index(b"\n") + 1, len(key.public) - 1):
        assert minisign(flipped(key.public, at, at % 8), signed), at
    for at in range(len(LIST)):
        assert minisign(key.public, signed, flipped(LIST, at, at % 8))


def test_what_is_wrong_with_a_signature_of_minisign_is_told(minisign: Verifier) -> None:
    key, other = Minisign(), Minisign(b"\7" * 32)
    stranger = Minisign(key_id=bytes(8))
    signed = key.sign(LIST)
    lines = signed.splitlines(keepends=True)
    assert "by another key" in minisign(stranger.public, signed)
    assert "trusted comment is not signed" in minisign(other.public, signed)
    assert "trusted comment is not signed" in minisign(key.public, signed.replace(b"timestamp:1", b"timestamp:2"))
    assert "not a minisign signature" in minisign(key.public, b"".join(lines[:2]))
    assert "not a minisign signature" in minisign(key.public, signed + b"more\n")
    assert "the key is not valid base64" in minisign(b"no key\n", signed)
    assert "not a minisign key" in minisign(b"AAAA\n", signed)
    assert "not Ed25519" in minisign(key.public, b"".join([lines[0], b"AAAA\n", *lines[2:]]))


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(["rsa-sha256", "minisign"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_octets_break_a_verifier(tmp_path: Path, key: bytes, signed: bytes, kind: str) -> None:
    verifier = Verifier(tmp_path, kind)
    assert verifier(key, signed)
    assert verifier(Minisign().public if kind == "minisign" else rsa_public(), signed)


@needs_minisign
@pytest.mark.parametrize("option", ["-H", "-l"])
def test_minisign_itself_signs_what_is_proved(minisign: Verifier, tmp_path: Path, option: str) -> None:
    content, public = tmp_path / "list", tmp_path / "public"
    content.write_bytes(LIST)
    secret = tmp_path / "secret"
    quietly = {"check": True, "capture_output": True, "timeout": 30}
    subprocess.run(["minisign", "-G", "-W", "-p", public, "-s", secret], **quietly)  # type: ignore[call-overload]  # noqa: S603, S607
    sign = ["minisign", "-S", option, "-s", secret, "-m", content, "-t", "of a test"]
    subprocess.run(sign, **quietly)  # type: ignore[call-overload]  # noqa: S603
    signed = (tmp_path / "list.minisig").read_bytes()
    assert minisign(public.read_bytes(), signed) == ""
    assert minisign(public.read_bytes(), signed, LIST + b"c.example\n")
