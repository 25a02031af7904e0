"""The config that runs, and what of it is another on disk by now."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from blockd.daemon.config_watch import ConfigWatch
from blockd.settings import Settings
from blockd.settings.gate import GateSettings

READ = 1_800_000_000.0  # seconds since the epoch
LATER = "2027-01-15T09:00:00Z"


def write(path: Path, text: str, at: float = READ) -> None:
    path.write_text(text, encoding="ascii")
    os.utime(path, (at, at))


def watch(folder: Path) -> ConfigWatch:
    write(folder / "blockd.yaml", "feeds: []\n")
    write(folder / "protected.txt", "bank.example\n")
    gate = {"protected": [str(folder / "protected.txt")], "public_suffixes": False}
    settings = Settings.model_validate({"state_dir": str(folder), "gate": gate})
    return ConfigWatch(settings, folder / "blockd.yaml", READ)


def test_config_is_told_with_path_time_and_digest(tmp_path: Path) -> None:
    status = watch(tmp_path).status()
    assert (status.path, status.since, status.changed) == (str(tmp_path / "blockd.yaml"), "2027-01-15T08:00:00Z", ())
    assert status.digest == hashlib.sha256(b"feeds: []\n").hexdigest()


def test_config_that_is_another_on_disk_is_told_until_it_is_the_same_again(tmp_path: Path) -> None:
    running = watch(tmp_path)
    write(tmp_path / "blockd.yaml", "feeds: []\nworkers: 2\n", READ + 3600)
    [changed] = running.status().changed
    assert (changed.path, changed.since) == (str(tmp_path / "blockd.yaml"), LATER)
    assert changed.digest == hashlib.sha256(b"feeds: []\nworkers: 2\n").hexdigest()
    assert running.digest == hashlib.sha256(b"feeds: []\n").hexdigest()
    assert running.status().sentences() == [f" {tmp_path / 'blockd.yaml'} on disk is another since {LATER}."]
    write(tmp_path / "blockd.yaml", "feeds: []\n", READ + 7200)
    assert running.status().changed == (), "it was only written again"


def test_file_that_the_config_names_is_watched_too(tmp_path: Path) -> None:
    running = watch(tmp_path)
    write(tmp_path / "protected.txt", "bank.example\nother.example\n", READ + 3600)
    assert [(one.path, one.since) for one in running.status().changed] == [(str(tmp_path / "protected.txt"), LATER)]


def test_every_file_that_a_gate_names_and_each_root_of_trust_is_watched(tmp_path: Path) -> None:
    def gate(owner: str) -> dict[str, object]:
        several = {key: [str(tmp_path / f"{owner}-{key}")] for key in ("protected", "release", "shared_networks")}
        return {**several, **{key: str(tmp_path / f"{owner}-{key}") for key in ("popular", "public_suffixes")}}

    named = {key for key, field in GateSettings.model_fields.items() if "Path" in str(field.annotation)}
    assert named == set(gate("")), "a key that names files is missing here"
    feeds = [
        {"name": "one", "type": "domains", "path": str(tmp_path / "list"), "gate": gate("one")},
        {"name": "two", "type": "signed", "url": "https://a.example/", "root": str(tmp_path / "root.json")},
    ]
    files = {f"{owner}-{key}" for owner in ("all", "one") for key in named} | {"root.json", "blockd.yaml"}
    for name in files | {"list"}:
        write(tmp_path / name, "")
    settings = Settings.model_validate({"state_dir": str(tmp_path), "gate": gate("all"), "feeds": feeds})
    running = ConfigWatch(settings, tmp_path / "blockd.yaml", READ)
    for name in files | {"list"}:
        write(tmp_path / name, "another", READ + 3600)
    assert {Path(one.path).name for one in running.status().changed} == files, "a list is read whenever it changes"


def test_secrets_that_several_servers_share_are_watched_and_certificates_are_not(tmp_path: Path) -> None:
    names = ("cookies", "tickets", "chain", "key", "blockd.yaml")
    for name in names:
        write(tmp_path / name, "")
    settings = Settings.model_validate(
        {
            "state_dir": str(tmp_path),
            "clients": {"cookie_secrets": str(tmp_path / "cookies")},
            "tls": {"ticket_secrets": str(tmp_path / "tickets")},
            "certificates": [{"chain": str(tmp_path / "chain"), "key": str(tmp_path / "key")}],
        }
    )
    running = ConfigWatch(settings, tmp_path / "blockd.yaml", READ)
    for name in names[:-1]:
        write(tmp_path / name, "another", READ + 3600)
    assert [Path(one.path).name for one in running.status().changed] == ["cookies", "tickets"]


def test_file_that_is_gone_or_a_folder_is_told(tmp_path: Path) -> None:
    running = watch(tmp_path)
    (tmp_path / "blockd.yaml").unlink()
    (tmp_path / "protected.txt").unlink()
    (tmp_path / "protected.txt").mkdir()
    config, protected = running.status().changed
    assert (config.since, config.digest) == (None, None)
    assert protected.since is not None
    assert protected.digest is None
    assert running.status().sentences()[0] == f" {tmp_path / 'blockd.yaml'} is gone."


def test_the_config_is_known_by_any_path_that_leads_to_it_and_by_no_text_that_is_none(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": str(tmp_path / "state"), "feeds": []})
    path = tmp_path / "blockd.yaml"
    path.write_text("feeds: []\n")
    (tmp_path / "link").symlink_to(path)
    watch = ConfigWatch(settings, path)
    assert [watch.is_of(str(one)) for one in (path, tmp_path / "link", tmp_path / "other")] == [True, True, False]
    assert not any(watch.is_of(text) for text in (f"{path}\0", "\0", "x" * 5000, "\ud83d\ude00"))
