from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.transfer.keys import read_key
from blockd.settings import Tsig


def key_file(folder: Path, text: str, mode: int = 0o640) -> Tsig:
    path = folder / "secret"
    path.write_text(text, encoding="ascii")
    path.chmod(mode)
    return Tsig.model_validate({"name": "K.Example", "secret_file": str(path)})


def test_a_secret_is_read_from_base64(tmp_path: Path) -> None:
    key = read_key(key_file(tmp_path, "MDEyMzQ1\nNjc4OWFiY2RlZg==\n"))
    assert key.secret == b"0123456789abcdef"
    assert (str(key.name), str(key.algorithm)) == ("k.example.", "hmac-sha256.")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("MDEyMzQ1Njc4OWFiY2RlZg==", 0o644, "accessible to every user"),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", 0o642, "accessible to every user"),
        ("no base64!", 0o600, "not base64"),
        ("MDEy", 0o600, "less than 8"),
        ("", 0o600, "less than 8"),
    ],
)
def test_a_secret_that_is_none_or_open_to_everybody_is_refused(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    with pytest.raises(FeedRefused, match=words) as caught:
        read_key(key_file(tmp_path, text, mode))
    assert caught.value.reason == "key"


def test_a_secret_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="cannot be read"):
        read_key(Tsig.model_validate({"name": "k", "secret_file": str(tmp_path / "none")}))
