from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, SecretsHandler, Signature, Signer

from blockd.errors import PublishError
from blockd.publish import Workshop, sign
from blockd.publish.initial_root import Founding
from blockd.publish.keys.key_files import load_key, new_key, public_file, public_pem, read_public
from blockd.publish.keys.references import import_key, is_uri, read_reference, signer_of, write_reference
from blockd.publish.pending import add_signature, read_pending
from tests.publish.staging import stage

SOFTHSM = next(
    (path for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so") if Path(path).exists()),
    "",
)


def password(told: str) -> Callable[[str], str]:
    return lambda _: told


def test_new_key_is_encrypted_and_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = new_key(path, b"secret")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_file(path).read_bytes() == public_pem(made.public_key)
    assert read_public(path) == read_public(public_file(path)) == made.public_key
    assert load_key(path, password("secret")).public_key == made.public_key


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    new_key(path)
    before = path.read_bytes()
    with pytest.raises(PublishError, match="was not changed"):
        new_key(path)
    path.unlink()
    with pytest.raises(PublishError, match=r"key\.pem\.pub already exists"):
        new_key(path)
    assert before


def test_wrong_password_opens_nothing(tmp_path: Path) -> None:
    new_key(tmp_path / "key.pem", b"secret")
    with pytest.raises(PublishError, match="password does not open"):
        load_key(tmp_path / "key.pem", password("guess"))
    with pytest.raises(PublishError, match="needs its password"):
        load_key(tmp_path / "key.pem")
    for length in (0, 5000):
        with pytest.raises(PublishError, match="A password must have"):
            new_key(tmp_path / "other.pem", b"x" * length)
    assert not (tmp_path / "other.pem").exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"{", b'{"format": 1}', b"[" * 10_000, b"x" * 100_000])
def test_file_that_is_no_key_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    for read in (read_public, load_key):
        with pytest.raises(PublishError, match=r"key\.pem"):
            read(path)


def test_workshop_with_encrypted_keys_signs_with_the_password(
    tmp_path: Path, now: datetime, order: dict[str, object]
) -> None:
    workshop = Workshop.make(tmp_path / "shop", now, founding=Founding(password=b"secret"))
    assert all(b"ENCRYPTED" in path.read_bytes() for path in workshop.keys.glob("*.pem"))
    stage(workshop, order)
    with pytest.raises(PublishError, match="password does not open"):
        sign(workshop, now, secrets=password("guess"))
    assert sign(workshop, now, secrets=password("secret")).timestamp_version == 1


class CloudSigner(Signer):
    """A cloud's key service, with one key, that is down when it is told to be."""

    KEY = CryptoSigner(generate_private_key(SECP256R1()))
    state: ClassVar[str] = "up"

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @property
    def public_key(self) -> Key:
        return self.KEY.public_key

    @classmethod
    def import_(cls, name: str) -> tuple[str, Key]:
        if cls.state == "not installed":
            raise UnsupportedLibraryError("boto3 is needed")
        return f"awskms:{name}", cls.KEY.public_key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        if cls.state == "not installed":
            raise UnsupportedLibraryError("boto3 is needed")
        assert public_key == cls.KEY.public_key
        assert secrets_handler is None or callable(secrets_handler)
        return cls(priv_key_uri)

    def sign(self, payload: bytes) -> Signature:
        if self.state == "down":
            raise ConnectionError("no answer from the cloud")
        return self.KEY.sign(payload)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "awskms", CloudSigner)
    return monkeypatch


@pytest.mark.usefixtures("cloud")
def test_reference_stands_for_a_key_in_a_cloud(tmp_path: Path) -> None:
    uri, key = import_key("awskms:key-1")
    path = tmp_path / "cloud.ref"
    path.write_bytes(write_reference(uri, key))
    assert read_reference(path.read_bytes(), "x") == ("awskms:key-1", key)
    assert read_public(path) == key
    signer = load_key(path)
    key.verify_signature(signer.sign(b"payload"), b"payload")


def test_online_key_may_lie_in_a_cloud(
    tmp_path: Path, now: datetime, order: dict[str, object], cloud: pytest.MonkeyPatch
) -> None:
    uri, key = import_key("awskms:key-1")
    workshop = Workshop.make(tmp_path / "shop", now, founding=Founding(targets_keys=(key,)))
    (workshop.keys / "targets.pem").write_bytes(write_reference(uri, key))
    stage(workshop, order)
    cloud.setattr(CloudSigner, "state", "down")
    with pytest.raises(PublishError, match="could not sign: no answer from the cloud"):
        sign(workshop, now)
    cloud.setattr(CloudSigner, "state", "up")
    assert sign(workshop, now).targets_version == 1


def test_library_that_is_missing_is_told_with_what_to_install(cloud: pytest.MonkeyPatch) -> None:
    key = import_key("awskms:key-1")[1]
    cloud.setattr(CloudSigner, "state", "not installed")
    with pytest.raises(PublishError, match=r"pip install 'blockd\[awskms\]'"):
        import_key("awskms:key-1")
    reference = write_reference("awskms:key-1", key)
    with pytest.raises(PublishError, match=r"pip install 'blockd\[awskms\]'"):
        load_from(reference)


def load_from(reference: bytes) -> Signer:
    return signer_of(*read_reference(reference, "x"))


def test_uri_of_no_known_kind_is_refused() -> None:
    assert is_uri("hsm:2")
    assert not is_uri("file.pem")
    assert not is_uri("C:/key.pem")
    with pytest.raises(PublishError, match="URIs begin with hsm"):
        import_key("nothing:x")
    with pytest.raises(PublishError, match="cannot be used"):
        import_key("hsm:not-a-number")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A SoftHSM token with an ECDSA key; returns the key's URI. Its PIN is 4321."""
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    tool = shutil.which("softhsm2-util")
    if not SOFTHSM or tool is None:
        pytest.skip("SoftHSM is not installed")
    from pkcs11.util.ec import encode_named_curve_parameters

    label = "blockd"
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    monkeypatch.setenv("PYKCS11LIB", SOFTHSM)
    made = [tool, "--init-token", "--free", "--label", label, "--so-pin", "1234", "--pin", "4321"]
    subprocess.run(made, check=True, capture_output=True, timeout=30, env={**os.environ})  # noqa: S603
    library = pkcs11.lib(SOFTHSM)
    library.reinitialize()
    with library.get_token(token_label=label).open(user_pin="4321", rw=True) as session:
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        parameters.generate_keypair(store=True, id=b"\x02", label="signing")
    return "hsm:2?label=blockd"


def test_key_in_a_token_signs_the_root(token: str, tmp_path: Path, now: datetime) -> None:
    uri, key = import_key(token, password("4321"))
    path = tmp_path / "token.ref"
    path.write_bytes(write_reference(uri, key))
    assert "4321" not in path.read_text()
    workshop = Workshop.make(tmp_path / "shop", now, founding=Founding(root_keys=(key,)))
    root = read_pending(workshop, "root")
    assert root is not None
    with pytest.raises(PublishError, match="could not sign"):
        add_signature(workshop, "root", root, load_key(path, password("0000")))
    assert add_signature(workshop, "root", root, load_key(path, password("4321"))).is_complete
    assert json.loads((workshop.metadata / "1.root.json").read_bytes())["signatures"][0]["keyid"] == key.keyid
